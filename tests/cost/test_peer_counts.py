"""Mappings that ZigZag chose, priced by our counts: 53 layers of MobileNetV2 and 21 of ResNet-18."""

from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from by_hand import price_mapping
from zigzag_counts import Counts, energy_pj, rounded_counts
from zigzag_layers import LEVELS, MEMORY, SPEC, PeerLayer, peer_layers

from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.workload.layer import LoopNest

CLOSE = 0.02

PADDING = "our input tiles end where the input does; ZigZag reads the zeros of the padding from the buffer"
FIRST_READ = "ZigZag reads partial sums in the first of eight trips, when there are none yet"
CUT_SHORT = "1000 bytes are 3.9 accesses of 2048 bits each way; ZigZag counts 3 and drops the rest"
EXCEPTIONS = {
    ("layer1/layer1.0/conv1", "input_sram"): PADDING,
    ("layer1/layer1.0/conv2", "input_sram"): PADDING,
    ("layer1/layer1.1/conv1", "input_sram"): PADDING,
    ("layer1/layer1.1/conv2", "input_sram"): PADDING,
    ("layer2/layer2.0/conv1", "input_sram"): PADDING,
    ("layer2/layer2.0/conv2", "input_sram"): PADDING,
    ("layer2/layer2.1/conv1", "input_sram"): PADDING,
    ("layer2/layer2.1/conv2", "input_sram"): PADDING,
    ("classifier/classifier.1", "output_sram"): FIRST_READ,
    ("fc", "output_sram"): CUT_SHORT,
}
"""Figures of layers whose dims divide that our own counts do not meet within 2 %, and why."""


@pytest.fixture(scope="module")
def layers(reference: Path) -> tuple[PeerLayer, ...]:
    return peer_layers(reference)


@pytest.fixture(scope="module")
def dividing(layers: tuple[PeerLayer, ...]) -> list[PeerLayer]:
    return [layer for layer in layers if layer.divides]


def counts_of(layer: PeerLayer, nest: LoopNest | None = None) -> NestCounts:
    """The peer's mapping by our counts."""
    return price_mapping(nest or layer.nest, SPEC, layer.mapping(), word_bits=MEMORY.word_bits)


def _own(layer: PeerLayer) -> Counts:
    return counts_of(layer).operands


def _apart(layer: PeerLayer, counts: Counts) -> set[tuple[str, str]]:
    ours = energy_pj(counts)
    return {
        (layer.name, level)
        for level in LEVELS
        if ours[level] != pytest.approx(layer.energy_pj[level], rel=CLOSE, abs=0)
    }


def _with_padding(nest: LoopNest) -> LoopNest:
    """The same products on an input that holds its padding as if it were data."""
    return replace(
        nest,
        input_height=nest.stride_y * (nest.OY - 1) + nest.FY,
        input_width=nest.stride_x * (nest.OX - 1) + nest.FX,
    )


def test_every_layer_of_both_models_is_there(layers: tuple[PeerLayer, ...], dividing: list[PeerLayer]) -> None:
    assert len(layers) == 74
    assert len(dividing) == 31


def test_cycles_without_stalls_are_the_product_of_the_temporal_loops(layers: tuple[PeerLayer, ...]) -> None:
    for layer in layers:
        counted = counts_of(layer)
        assert counted.array_cycles == prod(loop.trips for loop in layer.loops), layer.name


def test_energy_of_the_products_is_the_same(layers: tuple[PeerLayer, ...]) -> None:
    for layer in layers:
        assert layer.nest.macs * 0.04 == pytest.approx(layer.mac_pj, rel=1e-9), layer.name


def test_own_counts_of_dividing_layers_are_within_2_percent_but_for_the_exceptions(dividing: list[PeerLayer]) -> None:
    apart = set().union(*(_apart(layer, _own(layer)) for layer in dividing))
    assert apart == set(EXCEPTIONS)
    assert len(apart) <= 0.05 * len(dividing) * len(LEVELS)


def test_19_figures_in_20_are_met_and_2_dividing_layers_in_3_with_all_their_figures(dividing: list[PeerLayer]) -> None:
    """The goal of 95 % holds of figures. It holds of layers once inputs carry their padding, as the peer's do, but for
    the two whose figures its other conventions decide: 29 of 31."""
    apart = set().union(*(_apart(layer, _own(layer)) for layer in dividing))
    assert 1 - len(apart) / (len(dividing) * len(LEVELS)) == pytest.approx(0.96, abs=0.001)
    layers = {name for name, _ in apart}
    assert (len(dividing) - len(layers), len(dividing)) == (21, 31)
    other = {name for (name, _), reason in EXCEPTIONS.items() if reason != PADDING}
    assert len(other) == 2
    assert all(layer.nest.FX > 1 for layer in dividing if layer.name in layers - other)


def test_the_sum_over_each_dividing_layer_is_within_2_percent_by_own_counts(dividing: list[PeerLayer]) -> None:
    for layer in dividing:
        ours = sum(energy_pj(_own(layer)).values())
        assert ours == pytest.approx(sum(layer.energy_pj.values()), rel=CLOSE), layer.name


def test_inputs_that_hold_their_padding_explain_all_exceptions_of_inputs(dividing: list[PeerLayer]) -> None:
    apart: set[tuple[str, str]] = set()
    for layer in dividing:
        counts = _own(layer)
        (sram,) = counts["input"].levels
        (padded,) = counts_of(layer, _with_padding(layer.nest)).operands["input"].levels
        read = replace(sram, feed_bits=padded.feed_bits, feed_accesses=padded.feed_accesses)
        fed = replace(counts["input"], levels=(read,))
        apart |= _apart(layer, {**counts, "input": fed})
    assert apart == {figure for figure, reason in EXCEPTIONS.items() if reason != PADDING}


def test_with_the_peer_s_roundings_every_figure_of_every_layer_is_the_peer_s(layers: tuple[PeerLayer, ...]) -> None:
    for layer in layers:
        rounded = energy_pj(rounded_counts(layer.nest, layer.mapping()), whole_accesses=True)
        assert rounded == pytest.approx(layer.energy_pj, rel=1e-9, abs=0), layer.name


def test_the_roundings_change_nothing_where_nothing_is_rounded(dividing: list[PeerLayer]) -> None:
    checked = 0
    for layer in dividing:
        own, rounded = _own(layer), rounded_counts(layer.nest, layer.mapping())
        plain = {operand: replace(count, end_bits=0) for operand, count in own.items()}
        if layer.nest.FX > 1:
            plain.pop("input")
        if own["output"].levels[-1].feed_bits:
            plain.pop("output")
        for operand, count in plain.items():
            assert replace(rounded[operand], end_bits=0) == count, (layer.name, operand)
            checked += 1
    assert checked == 3 * 31 - 16 - 1  # sixteen layers are padded, one has partial sums
