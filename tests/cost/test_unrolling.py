"""How the array takes a nest: axes filled in order, by hand and as a property of every array."""

from math import prod

from drawn import accelerators, nests
from hypothesis import given

from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.hardware.array.pe_array import PeArray
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


@given(spec=accelerators(), nest=nests(largest=9))
def test_no_row_of_an_axis_idles_that_a_dim_of_it_could_use(spec: PeArray, nest: LoopNest) -> None:
    found = unroll(nest, spec)
    assert all(1 <= found.lanes[dim] <= found.sizes[dim] for dim in found.dims)
    assert prod(found.lanes.values()) <= prod(found.filled) <= prod(axis.size for axis in spec.unrolled_axes)
    for axis, filled in zip(spec.unrolled_axes, found.filled, strict=True):
        waiting = [dim for dim in axis.dims if found.trips(dim) > 1]
        assert not waiting or axis.size // filled < 2
