"""Tensors that live in one accelerator's level and are read over links by others."""

import math
from dataclasses import replace
from itertools import product

import pytest
from homes_problems import KIB, elementwise, graphs, joined
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import pool

from mensa_sim.cost.prices.price import price
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, Home
from mensa_sim.schedule.homes.plan import plan_homes, tensors_at_home
from mensa_sim.schedule.homes.tensors import tensors_of
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.record.causes import CauseRecorder
from mensa_sim.simulate.record.spans import SpanRecorder
from mensa_sim.workload.graph import LayerGraph

CAPACITY = 40 * KIB
ROW = pool(3, activation_kib=40, links=[(0, 1), (1, 2)])
"""Three in a row: what goes from the first to the last passes both links."""


def placed(graph, choices) -> dict[str, str]:
    return {layer.name: f"core{choice}" for layer, choice in zip(graph.layers, choices, strict=False)}


def test_a_tensor_that_another_accelerator_reads_over_links_crosses_no_dram():
    graph = joined(
        [elementwise("a", KIB, 8 * KIB, enters=KIB), elementwise("b", 8 * KIB, KIB, leaves=KIB)], [("a", "b")]
    )
    costs, where = price(graph, ROW, "energy"), {"a": "core0", "b": "core2"}
    data = DataPlan(flow="homes", homes=plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes)
    assert [(home.tensor, home.home) for home in data.homes] == [("a", "core0")]
    recorder = CauseRecorder(costs)
    before = simulate(graph, costs, where, FULL, LAYER_BY_LAYER)
    (after,) = simulate_in_turn(graph, costs, where, FULL, 1, recorder, data)
    moved = {name: sum(s.size_bytes for s in after.spans if s.resource == name) for name in ("dram", "core0-core1")}
    assert moved == {"dram": 2 * KIB, "core0-core1": 8 * KIB}
    assert sum(s.size_bytes for s in after.spans if s.resource == "core1-core2") == 8 * KIB
    # Two links of 0.125 pJ a bit. Its level is read once either way: on the way to memory, or to who reads it.
    links_pj = 8 * KIB * 2 * 8 * 0.125
    dram_pj = ROW.memories["dram"].transfer_pj(read_bytes=8 * KIB, write_bytes=8 * KIB)
    total = [math.fsum(pj for span in each.spans for pj in span.energy_pj.values()) for each in (before, after)]
    assert total[0] - total[1] == pytest.approx(dram_pj - links_pj, rel=1e-9)
    causes = {cause.name: cause.energy_pj for cause in recorder.causes}
    assert causes["activations"] == pytest.approx(links_pj - dram_pj, rel=1e-9)
    assert causes["residency"] == 0


def test_two_tensors_of_one_reader_cross_their_link_whole_whatever_of_its_input_lies_beside_it():
    """a and b live at core0, c at core1; d at core1 reads all three."""
    made = [elementwise(name, KIB, 8 * KIB, enters=KIB) for name in "abc"]
    graph = joined([*made, elementwise("d", 24 * KIB, KIB, leaves=KIB)], [(name, "d") for name in "abc"])
    costs, where = price(graph, ROW, "energy"), {"a": "core0", "b": "core0", "c": "core1", "d": "core1"}
    homes = tuple(Home(tensor=name, home=where[name], size_bytes=8 * KIB) for name in "abc")
    spans = simulate(graph, costs, where, FULL, DataPlan(flow="homes", homes=homes)).spans
    assert sum(span.size_bytes for span in spans if span.resource == "core0-core1") == 16 * KIB
    assert sum(span.size_bytes for span in spans if span.resource == "dram") == 4 * KIB


def test_a_tensor_lives_for_others_where_links_cost_less_than_to_write_and_to_read_dram():
    """One link costs more than to read DRAM, but its maker gains more than that; two cost more than both."""
    dram, bits = ROW.memories["dram"], 8 * KIB * 8
    link_pj = dram.transfer_pj(read_bytes=8 * KIB, write_bytes=8 * KIB) * 0.95 / bits
    dear = replace(ROW, links=tuple(replace(link, energy_pj_per_bit=link_pj) for link in ROW.links))
    made = [elementwise(name, KIB, 8 * KIB, enters=KIB) for name in ("near", "far")]
    read = [elementwise(name, 8 * KIB, KIB, leaves=KIB) for name in ("beside", "behind")]
    graph = joined([*made, *read], [("near", "beside"), ("far", "behind")])
    where = {"near": "core0", "far": "core0", "beside": "core1", "behind": "core2"}
    homes = plan_homes(price(graph, dear, "energy"), where, LAYER_BY_LAYER, (1.0, 0.0)).homes
    assert [home.tensor for home in homes] == ["near"]


@settings(max_examples=10, deadline=None)
@given(graphs(most_inputs=3), st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_no_level_is_overfull_while_others_read_from_it_and_every_pj_is_accounted_for(graph, choices):
    costs, where = price(graph, ROW, "energy"), placed(graph, choices)
    data = DataPlan(flow="homes", homes=plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes)
    tensors = tensors_at_home(graph, ROW, where, data)
    for timeline in simulate_in_turn(graph, costs, where, FULL, 2, data=data):
        own = {span.layer: span for span in timeline.spans if span.kind == "layer"}
        for moment in own.values():
            held = dict.fromkeys(("core0", "core1", "core2"), 0)
            for tensor in tensors:
                end_ps = max(own[name].end_ps for name in (*tensor.readers, *tensor.remote))
                held[tensor.home] += tensor.size_bytes * (own[tensor.layer].start_ps <= moment.start_ps < end_ps)
            assert max(held.values()) <= CAPACITY
        assert all(level.size_bytes <= CAPACITY for level in timeline.levels if level.buffer == "activation")
    plan = make_plan(graph, costs, where, FULL, data=data)
    stages = [stage for unit in plan.units for stage in unit.variants.streamed.stages]
    spans = simulate(graph, costs, where, FULL, data).spans
    energy_pj = math.fsum(energy for span in spans for energy in span.energy_pj.values())
    assert energy_pj == pytest.approx(math.fsum(stage.cost.energy_pj for stage in stages), rel=1e-12)


def overfull(graph: LayerGraph, data: DataPlan, plan: Plan) -> tuple[int, list[str]]:
    """Of three requests at once the most that a level holds at any start of a layer, and what had to leave it.

    What leaves is read later: all others had given their room back.
    """
    recorder = SpanRecorder(max_spans=None)
    engine = Engine(ROW, [plan], FULL, recorder)
    for number in range(3):
        engine.start(Request(plan, stream="stream", number=number, rank=(number,)))
    engine.run()
    spans = recorder.timeline().spans
    own = {(span.request, span.layer): span for span in spans if span.kind == "layer"}
    left = {(span.request, span.layer): span for span in spans if span.kind == "spill"}
    lives = []
    for request, home in product({request for request, _ in own}, data.homes):
        end_ps = max(own[request, name].end_ps for name in graph.successors(home.tensor))
        made = request, home.tensor
        if made in left:
            assert left[made].start_ps < end_ps
            end_ps = left[made].end_ps
        lives.append((home.home, home.size_bytes, own[made].start_ps, end_ps))
    most = max(
        (
            sum(size for where, size, start_ps, end_ps in lives if where == home and start_ps <= moment < end_ps)
            for home, _, moment, _ in lives
        ),
        default=0,
    )
    return most, [layer for _, layer in left]


def test_what_others_read_over_links_is_in_the_way_of_the_next_request_until_they_have() -> None:
    """The second `a` starts while `b` reads the first: both take more than the level."""
    layers = [elementwise("a", KIB, 24 * KIB, enters=KIB), elementwise("b", 24 * KIB, 24 * KIB, leaves=24 * KIB)]
    graph = joined(layers, [("a", "b")])
    costs, where = price(graph, ROW, "energy"), {"a": "core0", "b": "core1"}
    data = DataPlan(flow="homes", homes=(Home(tensor="a", home="core0", size_bytes=24 * KIB),))
    assert overfull(graph, data, make_plan(graph, costs, where, FULL, data=data)) == (24 * KIB, ["a", "a"])


@settings(max_examples=10, deadline=None)
@given(graphs(most_inputs=3), st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_no_level_is_overfull_where_requests_meet(graph, choices):
    costs, where = price(graph, ROW, "energy"), placed(graph, choices)
    data = DataPlan(flow="homes", homes=plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes)
    most, _ = overfull(graph, data, make_plan(graph, costs, where, FULL, data=data))
    assert most <= CAPACITY


def test_no_tensor_lives_beside_a_recurrent_group_that_runs_until_who_reads_it_over_links_does():
    """The group is the last that runs where it was made, and all of its layers run."""
    layers = [
        elementwise("a", KIB, 8 * KIB, enters=KIB),
        *(replace(elementwise(name, KIB, KIB, enters=KIB, leaves=KIB), group="cell") for name in ("hidden", "update")),
        elementwise("b", 8 * KIB, KIB, leaves=KIB),
    ]
    graph = joined(layers, [("a", "b")])
    costs, where = price(graph, ROW, "energy"), {**dict.fromkeys(("a", "hidden", "update"), "core0"), "b": "core1"}
    assert plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes == ()
    _, refused = tensors_of(graph, ROW, where)
    assert refused == {"a": "a recurrent group or a stack runs before its last reader"}
    timeline = simulate(graph, costs, where, FULL, LAYER_BY_LAYER)
    assert {span.layer for span in timeline.spans} == {"a", "hidden", "update", "b"}
