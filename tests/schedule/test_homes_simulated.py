"""Tensors at home in the simulation: never more than the level holds, every byte and pJ accounted for."""

import math
from dataclasses import replace

import pytest
from homes_problems import KIB, elementwise, graphs, joined, pointwise, small_system
from hypothesis import given, settings

from mensa_sim.cost.prices.price import price
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, Home
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import FULL, PLAIN
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.workload.graph import LayerGraph

CAPACITY = 40 * 1024


def everywhere(graph: LayerGraph) -> dict[str, str]:
    return {layer.name: "edge_tpu" for layer in graph.layers}


def graphs_of_three() -> LayerGraph:
    layers = [
        elementwise("a", KIB, 8 * KIB, enters=KIB),
        elementwise("b", 8 * KIB, 8 * KIB),
        elementwise("c", 16 * KIB, KIB, leaves=KIB),
    ]
    return joined(layers, [("a", "b"), ("b", "c"), ("a", "c")])


def planned(graph: LayerGraph):
    costs = price(graph, small_system(40), "energy")
    homes = plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, (1.0, 0.0)).homes
    return costs, DataPlan(flow="homes", homes=homes)


def occupied(timeline: Timeline, graph: LayerGraph, data: DataPlan) -> list[int]:
    """Bytes at home whenever a layer starts: from the start of a tensor's producer to the end of its last reader."""
    own = {span.layer: span for span in timeline.spans if span.kind == "layer"}
    found = []
    for moment in own.values():
        lives = 0
        for home in data.homes:
            end_ps = max(own[name].end_ps for name in graph.successors(home.tensor))
            lives += home.size_bytes * (own[home.tensor].start_ps <= moment.start_ps < end_ps)
        found.append(lives)
    return found


@settings(max_examples=25)
@given(graphs(most_inputs=3))
def test_homes_never_exceed_the_level_at_any_instant(graph):
    costs, data = planned(graph)
    for timeline in simulate_in_turn(graph, costs, everywhere(graph), FULL, 2, data=data):
        assert max(occupied(timeline, graph, data)) <= CAPACITY
        assert all(level.size_bytes <= CAPACITY for level in timeline.levels if level.buffer == "activation")


@settings(max_examples=25)
@given(graphs(most_inputs=3))
def test_spans_move_and_cost_what_the_plan_says(graph):
    costs, data = planned(graph)
    plan = make_plan(graph, costs, everywhere(graph), FULL, data=data)
    stages = [stage for unit in plan.units for stage in unit.variants.streamed.stages]
    timeline = simulate(graph, costs, everywhere(graph), FULL, data)
    energy_pj = math.fsum(energy for span in timeline.spans for energy in span.energy_pj.values())
    expected_pj = [energy for stage in stages for energy in stage.cost.dynamic_pj.values()]
    assert energy_pj == pytest.approx(math.fsum(expected_pj), rel=1e-12)
    assert sum(span.size_bytes for span in timeline.spans) == sum(stage.cost.memory_bytes for stage in stages)


@settings(max_examples=25)
@given(graphs(most_inputs=3))
def test_a_tensor_at_home_is_neither_written_nor_read(graph):
    """All that crosses the memory is what no home holds: each output once, and each read of it."""
    costs, data = planned(graph)
    at_home = {home.tensor for home in data.homes}
    timeline = simulate(graph, costs, everywhere(graph), FULL, data)
    written = sum(layer.output_bytes for layer in graph.layers if layer.name not in at_home)
    read = sum(edge.size_bytes for edge in graph.edges if edge.producer not in at_home)
    entered = sum(layer.model_input_bytes for layer in graph.layers)
    assert sum(span.size_bytes for span in timeline.spans) == written + read + entered


def test_without_homes_in_the_options_a_plan_of_homes_changes_nothing():
    graph = graphs_of_three()
    costs, data = planned(graph)
    assert simulate(graph, costs, everywhere(graph), PLAIN, data) == simulate(graph, costs, everywhere(graph), PLAIN)


def test_a_home_that_cannot_be_is_refused_with_its_reason():
    graph = graphs_of_three()
    costs, data = planned(graph)
    assert {home.tensor for home in data.homes} == {"a", "b"}
    wrong = {
        "c has no home": Home(tensor="c", home="edge_tpu", size_bytes=1024),
        "has 8192 bytes": Home(tensor="a", home="edge_tpu", size_bytes=4096),
    }
    for text, home in wrong.items():
        with pytest.raises(UsageError, match=text):
            make_plan(graph, costs, everywhere(graph), FULL, data=replace(data, homes=(home,)))
    small = price(graph, small_system(12), "energy")
    with pytest.raises(UsageError, match="b does not fit edge_tpu beside the 16384 bytes of tensors at home"):
        make_plan(graph, small, everywhere(graph), FULL, data=data)


def test_behind_a_host_nothing_has_a_home_of_its_own():
    graph = graphs_of_three()
    system = load_system("coral_usb3")
    costs = price(graph, system)
    on = {layer.name: system.accelerators[0].name for layer in graph.layers}
    assert plan_homes(costs, on, LAYER_BY_LAYER, (1.0, 0.0)).homes == ()


@pytest.mark.parametrize("kib", [5, 6, 8, 10, 13, 17, 24])
def test_convolutions_in_a_tight_level_always_have_a_mapping_beside_what_lives_there(kib: int):
    """A layer that fits only while its inputs lie there fits too when they have left."""
    layers = [pointwise("c0", 16, 8, 8), *(pointwise(f"c{index}", 16, 8, 8) for index in range(1, 4))]
    layers.append(elementwise("sum", 4 * KIB, 2 * KIB, leaves=2 * KIB))
    graph = joined(layers, [("c0", "c1"), ("c1", "c2"), ("c2", "c3"), ("c3", "sum"), ("c0", "sum")])
    costs = price(graph, small_system(kib), "energy")
    homes = plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, (1.0, 0.0)).homes
    data = DataPlan(flow="homes", homes=homes)
    timeline = simulate(graph, costs, everywhere(graph), FULL, data)
    assert all(level.size_bytes <= kib * KIB for level in timeline.levels if level.buffer == "activation")
    assert len(homes) == 4 or kib < 8
