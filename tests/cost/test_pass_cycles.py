"""Cycles of the array: passes, the slots of a depthwise filter, hops of partial sums, and what fills the pipeline."""

from dataclasses import replace

import pytest

from mensa_sim.cost.counts.nest import pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.ways import Precision, ways
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.hardware.array.pe_array import Hop, PeArray
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.workload.layer import LoopNest


def cycles(accelerator: PeArray, nest: LoopNest) -> int:
    unrolling = unroll(nest, accelerator)
    return pass_cycles(accelerator, nest, unrolling, unrolling.lanes, ways(accelerator, unrolling, Precision()))


def depthwise(channels: int, taps: int) -> LoopNest:
    return LoopNest(G=channels, OY=10, OX=10, FY=taps, FX=taps, input_height=9 + taps, input_width=9 + taps)


@pytest.mark.parametrize(("taps", "slots"), [(3, 16), (4, 16), (5, 32)])
def test_the_taps_of_a_depthwise_filter_take_whole_slots(taps: int, slots: int) -> None:
    """16 of 32 channels and 64 of 100 pixels at once: 2 x 2 passes, each of 16 slots of 4 cycles for up to 16 taps."""
    coral = load_accelerator("coral")
    assert coral.dataflow.depthwise_tap_slots == 16
    assert cycles(coral, depthwise(32, taps)) == 2 * 2 * slots * 4


def test_a_filter_over_channels_takes_its_taps_one_by_one() -> None:
    """4 of 8 input channels at once, 16 of 32 output channels, 64 of 100 pixels: 2 x 2 x 2 passes a tap."""
    nest = LoopNest(K=32, C=8, OY=10, OX=10, FY=3, FX=3, input_height=12, input_width=12)
    assert cycles(load_accelerator("coral"), nest) == 2 * 2 * 2 * 9


@pytest.mark.parametrize(("channels", "columns", "hops"), [(24, 3, 1), (12, 3, 2), (24, 1, 3), (12, 1, 6)])
def test_a_partial_sum_hops_once_for_the_products_of_a_register_tile(channels: int, columns: int, hops: int) -> None:
    """Twelve of 24 channels at once and three columns of taps, for six outputs: of these the registers hold some."""
    eyeriss = load_accelerator("eyeriss_v1")
    assert eyeriss.dataflow.hop == Hop(cycles=1, per=("FX", "C"))
    nest = LoopNest(C=24, OX=6, FX=3, input_width=8)
    unrolling = unroll(nest, eyeriss)
    assert unrolling.passes == 2 * 3 * 6
    register = {**unrolling.lanes, "C": channels, "FX": columns}
    assert (
        pass_cycles(eyeriss, nest, unrolling, register, ways(eyeriss, unrolling, Precision()))
        == unrolling.passes + 6 * hops
    )


def test_a_tile_enters_and_leaves_along_the_rows_that_have_work_unless_the_file_says_otherwise() -> None:
    pavlov = load_accelerator("pavlov")
    whole, part = LoopNest(K=64, C=64), LoopNest(K=3, C=64)
    assert pavlov.dataflow.pipeline_cycles is None
    used = [sum(rows - 1 for rows in unroll(nest, pavlov).filled) for nest in (whole, part)]
    assert [pipeline_cycles(pavlov, unroll(nest, pavlov)) for nest in (whole, part)] == used
    assert used[1] < used[0]
    stated = replace(pavlov, dataflow=replace(pavlov.dataflow, pipeline_cycles=5))
    assert pipeline_cycles(stated, unroll(whole, stated)) == 5


@pytest.mark.parametrize(
    ("weight_bits", "input_bits", "rates", "factor"),
    [
        (8, 8, {}, 1),
        (4, 8, {}, 1),
        (16, 8, {}, 2),
        (16, 16, {}, 4),
        (17, 8, {}, 3),
        (4, 4, {4: 2.0}, 0.5),
        (4, 8, {4: 2.0}, 1),
        (16, 16, {16: 0.5}, 2),
        (9, 3, {16: 0.5}, 2),
    ],
)
def test_wider_operands_take_longer_and_stated_rates_count(
    weight_bits: int, input_bits: int, rates: dict[int, float], factor: float
) -> None:
    """The narrowest width listed that holds both operands; else as many products of 8 bits as they have parts."""
    spec = replace(load_accelerator("pavlov"), rates=rates)
    nest = LoopNest(K=640, C=10)
    unrolling = unroll(nest, spec)
    widths = Precision(weight_bits=weight_bits, input_bits=input_bits)
    found = pass_cycles(spec, nest, unrolling, unrolling.lanes, ways(spec, unrolling, widths))
    assert found == 10 * 10 * factor
