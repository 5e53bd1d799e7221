"""Drawn populations: they have the published statistics, their layers are real ones, and a seed is a population."""

import math
import statistics as stats
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from mensa_sim.units import MIB
from mensa_sim.workload.families.paper import FAMILIES, memberships
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.graph_json import graph_to_data
from mensa_sim.workload.importers.torch.model import graph_of_module
from mensa_sim.workload.population.convolutional import footprints
from mensa_sim.workload.population.draw import (
    LEAST_BYTES,
    OFF_PUBLISHED,
    SIZED_KINDS,
    SMALLEST_GATE,
    Population,
    RecurrentShape,
    draw_population,
    largest_gate,
    recurrent_shape,
    stacked,
)
from mensa_sim.workload.population.network import Network
from mensa_sim.workload.population.statistics import Choices, SizeLaw, Statistics, size_law

SEEDS = range(8)


@pytest.fixture(scope="module")
def populations() -> list[Population]:
    return [draw_population(seed) for seed in SEEDS]


def recurrent_parameters(graph: LayerGraph) -> list[int]:
    """Parameters of each gate, both halves together."""
    gates: dict[str, int] = {}
    for layer in graph.layers:
        if layer.gate is not None and layer.nest is not None:
            gates[layer.gate] = gates.get(layer.gate, 0) + layer.nest.weight_elements
    return list(gates.values())


def test_every_population_has_the_models_of_each_kind(populations: list[Population]) -> None:
    for population in populations:
        counts = {kind: sum(m.kind == kind for m in population.models) for kind in Statistics().kinds}
        assert counts == {"cnn": 13, "lstm": 4, "transducer": 4, "rcnn": 3}


def test_buffers_hold_the_published_shares(populations: list[Population]) -> None:
    for buffer_bytes, share in {4 * MIB: 0.119, 32 * MIB: 0.465}.items():
        shares = []
        for population in populations:
            sizes = [sum(recurrent_parameters(m.graph)) for m in population.models if m.kind in SIZED_KINDS]
            shares.append(sum(min(buffer_bytes, size) for size in sizes) / sum(sizes))
            assert shares[-1] == pytest.approx(share, rel=OFF_PUBLISHED)
            # Biases and the joint network's output come on top of the gates.
            assert population.held(buffer_bytes) == pytest.approx(shares[-1], rel=0.05)
        assert stats.mean(shares) == pytest.approx(share, rel=OFF_PUBLISHED / 2)


def test_gates_have_the_published_mean(populations: list[Population]) -> None:
    for population in populations:
        gates = [size for m in population.models if m.kind in SIZED_KINDS for size in recurrent_parameters(m.graph)]
        assert stats.mean(gates) == pytest.approx(2.1e6, rel=OFF_PUBLISHED)
    assert stats.mean(p.gate_parameters for p in populations) == pytest.approx(2.1e6, rel=OFF_PUBLISHED)


def test_the_published_share_of_the_layers_lies_inside_the_families(populations: list[Population]) -> None:
    shares = [population.inside_families for population in populations]
    assert min(shares) > 0.955
    assert stats.mean(shares) == pytest.approx(0.97, abs=0.01)


def test_every_family_has_layers_in_every_population(populations: list[Population]) -> None:
    for population in populations:
        found = {m.family for model in population.models for m in memberships(model.graph) if m.inside}
        assert found == set(FAMILIES)


def test_a_layer_reads_what_the_layers_before_it_write(populations: list[Population]) -> None:
    for model in populations[0].models:
        for layer in model.graph.layers:
            offered = sum(model.graph.edge_bytes(name, layer.name) for name in model.graph.predecessors(layer.name))
            fed_back = layer.input_bytes - layer.model_input_bytes - offered
            assert fed_back == 0 or layer.recurrent
            if layer.nest is not None and not layer.recurrent:
                assert layer.input_bytes == layer.nest.input_elements * layer.steps


def test_the_same_seed_gives_the_same_population_and_another_seed_another_one(populations: list[Population]) -> None:
    def data(population: Population) -> list[object]:
        return [graph_to_data(model.graph) for model in population.models]

    assert data(draw_population(3)) == data(populations[3])
    assert data(populations[3]) != data(populations[4])


def test_a_drawn_lstm_is_the_lstm_that_torch_traces() -> None:
    network = Network("drawn")
    drawn = network.graph(stacked(network, network.input(6, 24), RecurrentShape(layers=2, cells=24)))
    traced = graph_of_module(torch.nn.LSTM(24, 24, num_layers=2), torch.zeros(6, 1, 24), name="traced")

    def figures(graph: LayerGraph) -> list[Mapping[str, object]]:
        return [
            {
                "operator": layer.operator,
                "nest": layer.nest,
                "parameter_bytes": layer.parameter_bytes,
                "input_bytes": layer.input_bytes,
                "vector_ops": layer.vector_ops,
                "steps": layer.steps,
                "recurrent": layer.recurrent,
            }
            for layer in graph.layers
        ]

    assert figures(drawn) == figures(traced)


@pytest.mark.parametrize("buffer_bytes", [4 * MIB, 9 * MIB, 32 * MIB])
def test_the_share_that_a_buffer_holds_is_the_mean_over_many_sizes(buffer_bytes: int) -> None:
    law = SizeLaw(least_bytes=3.0 * MIB, mu=math.log(8 * MIB), sigma=0.8)
    sizes = np.array([law.size_bytes(quantile) for quantile in (np.arange(20_000) + 0.5) / 20_000])
    assert law.held(buffer_bytes) == pytest.approx(np.minimum(sizes, buffer_bytes).sum() / sizes.sum(), rel=1e-3)


def test_the_law_of_sizes_gives_both_published_shares() -> None:
    law = size_law(Statistics(), LEAST_BYTES)
    assert law.held(4 * MIB) == pytest.approx(0.119, abs=1e-9)
    assert law.held(32 * MIB) == pytest.approx(0.465, abs=1e-9)


def test_shares_that_no_sizes_have_are_refused() -> None:
    with pytest.raises(ValueError, match="the larger one holds more"):
        Statistics(held={4 * MIB: 0.5, 32 * MIB: 0.1})


def test_gates_of_the_law_have_the_mean_over_gates() -> None:
    high = largest_gate(2.1e6)
    gates = np.exp(np.linspace(math.log(SMALLEST_GATE), math.log(high), 100_001))
    assert 1 / np.mean(1 / gates) == pytest.approx(2.1e6, rel=1e-3)
    draw = np.random.default_rng(1)
    shapes = [recurrent_shape(100e6, 2.1e6, draw) for _ in range(400)]
    assert all(LEAST_BYTES / 4 * 0.97 <= shape.gate_parameters <= 10e6 for shape in shapes)


@pytest.mark.parametrize("family", [1, 2, 4, 5])
def test_a_footprint_of_a_family_at_a_resolution_lies_in_all_its_ranges(family: int) -> None:
    ranges = FAMILIES[family]
    low, high = ranges.macs_per_parameter_byte
    for side in range(math.ceil(math.sqrt(low)), math.floor(math.sqrt(high)) + 1):
        least, most = footprints(family, side * side)
        for size in (least, most):
            if least <= most:
                assert ranges.parameter_bytes[0] <= size <= ranges.parameter_bytes[1]
                assert ranges.macs[0] * (1 - 1e-12) <= size * side * side <= ranges.macs[1] * (1 + 1e-12)


def test_choices_that_are_no_ranges_are_refused() -> None:
    with pytest.raises(ValueError, match="middle_depth 5 to 2"):
        replace(Choices(), middle_depth=(5, 2))


def test_longer_sequences_are_drawn_where_the_choice_says_so() -> None:
    short = draw_population(0, choices=Choices(steps=(8, 8)))
    steps = {layer.steps for m in short.models if m.kind == "lstm" for layer in m.graph.layers}
    assert steps == {8}
