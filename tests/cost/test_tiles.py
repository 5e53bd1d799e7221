"""The tiles that the search reads: each column is what the same tile says when it is counted alone."""

from unittest.mock import patch

import numpy as np
import pytest
from drawn import accelerators, nests
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.tiles import classes_of, one_tiling, tilings
from mensa_sim.cost.counts.window import window_histogram, window_of
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.workload.dims import OPERANDS, in_window, relevant
from mensa_sim.workload.layer import LoopNest


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_tiling_among_many_is_that_tiling_alone(data: st.DataObject) -> None:
    spec, nest = data.draw(accelerators()), data.draw(nests(largest=5))
    unrolling = unroll(nest, spec)
    operand = data.draw(st.sampled_from(OPERANDS))
    access = data.draw(st.tuples(st.sampled_from([4, 8, 24]), st.sampled_from([8, 64]), st.sampled_from([1, 3, 8])))
    window = window_of(nest, unrolling.dims) if operand == "input" else None
    mine = [dim for dim in unrolling.dims if relevant(operand, dim)]
    inside = tuple(dim for dim in mine if window is not None and in_window(dim))
    tiles = [{dim: data.draw(st.integers(1, unrolling.sizes[dim])) for dim in mine} for _ in range(5)]
    sizes = {dim: np.full(len(tiles), float(unrolling.sizes[dim])) for dim in mine}
    extents = {dim: np.array([float(tile[dim]) for tile in tiles]) for dim in mine}
    seen = None
    if window is not None:
        each = [window_histogram(window, tuple((dim, tile[dim]) for dim in inside)) for tile in tiles]
        seen = classes_of(each), np.arange(len(tiles))
    with patch("mensa_sim.cost.counts.tiles._AT_ONCE", data.draw(st.sampled_from([1, 3, 5, 1000]))):
        found = tilings(operand, sizes, extents, seen)
    for column, tile in enumerate(tiles):
        alone = one_tiling(unrolling, operand, window, {**unrolling.sizes, **tile})
        figures = found.elements, found.largest, found.end, found.number, found.pieces(*access)
        expected = alone.elements, alone.largest, alone.end, alone.number, alone.pieces(*access)
        assert tuple(figure[column] for figure in figures) == expected


@pytest.mark.parametrize(("operand", "end"), [("output", 2), ("weight", 4 * 3)])
def test_the_last_tile_of_an_output_is_short_and_the_first_one_of_weights_is_full(operand: str, end: int) -> None:
    """Ten output channels of three inputs in tiles of four: 4 + 4 + 2 outputs, the first four rows of weights."""
    spec = load_accelerator("pavlov")
    unrolling = unroll(LoopNest(K=10, C=3), spec)
    (name,) = [each for each in OPERANDS if each == operand]
    found = one_tiling(unrolling, name, None, {**unrolling.sizes, "K": 4})
    assert found.end == end
    assert found.largest == (4 if operand == "output" else 12)
    assert found.elements == (10 if operand == "output" else 30)


def test_a_tile_is_spread_evenly_over_the_instances_that_hold_parts_of_it() -> None:
    """Ten and ten and five elements of 8 bits over four instances in words of 16: 3, 3 and 2 each, two, two and one."""
    unrolling = unroll(LoopNest(K=25, C=3), load_accelerator("pavlov"))
    found = one_tiling(unrolling, "output", None, {**unrolling.sizes, "K": 10})
    assert found.pieces(8, 16, 1) == 5 + 5 + 3
    assert found.pieces(8, 16, 4) == 4 * 2 + 4 * 2 + 4 * 1
