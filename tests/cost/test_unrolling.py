"""How the array takes a nest: axes filled in order, by hand and as a property of every array."""

from dataclasses import replace
from itertools import product
from math import prod

from drawn import accelerators, nests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.hardware.array.pe_array import Axis, PeArray
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.workload.layer import LoopNest


def test_a_dim_on_two_axes_takes_what_the_first_one_left() -> None:
    """Ten outputs on two axes of eight: eight, then two of the second one's rows."""
    found = unroll(LoopNest(K=10, C=3), load_accelerator("pavlov"))
    assert (found.lanes["K"], found.filled, found.trips("K"), found.passes) == (10, (8, 2), 1, 3)


def test_what_one_dim_leaves_of_an_axis_the_next_one_takes() -> None:
    """Pascal: 32 for K then G, 32 for the flattened outputs then C: 5 pixels leave room for 6 channels."""
    found = unroll(LoopNest(K=64, C=7, OX=5, input_width=5), load_accelerator("pascal"))
    assert (found.lanes["K"], found.lanes["OX*OY"], found.lanes["C"]) == (32, 5, 6)
    assert found.passes == 2 * 1 * 2


PASCAL = load_accelerator("pascal")


@given(size=st.integers(1, 12), wanted=st.lists(st.integers(1, 20), min_size=1, max_size=3))
@example(size=3, wanted=[4, 2])  # two would do for the first dim's two passes, and one would idle
@settings(max_examples=40)
def test_dims_that_share_an_axis_for_the_fewest_passes_leave_none_fewer(size: int, wanted: list[int]) -> None:
    """Against every share that fits; of those that are alike the first dims have most."""
    names = ("C", "K", "B")[: len(wanted)]
    nest = LoopNest(**dict(zip(names, wanted, strict=True)))
    axis = Axis(size=size, dims=names, filled="fewest_passes")
    found = unroll(nest, replace(PASCAL, levels=(), dataflow=replace(PASCAL.dataflow, axes=(axis,))))
    fitting = (takes for takes in product(*(range(1, each + 1) for each in wanted)) if prod(takes) <= size)
    passes, *most = min(
        (prod(-(-w // t) for w, t in zip(wanted, each, strict=True)), *(-t for t in each)) for each in fitting
    )
    assert (found.passes, *(-found.lanes[name] for name in names)) == (passes, *most)


@given(spec=accelerators(), nest=nests(largest=9))
def test_no_row_of_an_axis_idles_that_a_dim_of_it_could_use(spec: PeArray, nest: LoopNest) -> None:
    found = unroll(nest, spec)
    assert all(1 <= found.lanes[dim] <= found.sizes[dim] for dim in found.dims)
    assert prod(found.lanes.values()) <= prod(found.filled) <= prod(axis.size for axis in spec.unrolled_axes)
    for axis, filled in zip(spec.unrolled_axes, found.filled, strict=True):
        waiting = [dim for dim in axis.dims if found.trips(dim) > 1]
        assert not waiting or axis.size // filled < 2
