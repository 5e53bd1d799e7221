"""Metrics of a timeline, worked by hand."""

import math

import pytest
from hypothesis import given, settings
from simulation_problems import accelerator, cost, layer, link, memory, problems, system, table

from mensa_sim.simulate.inference import run_in_turn, simulate
from mensa_sim.simulate.metrics.inference import metrics, union_ps
from mensa_sim.simulate.metrics.scenario import Backlog, is_overloaded
from mensa_sim.simulate.plan.options import PLAIN
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.record.spans import TotalsRecorder
from mensa_sim.simulate.record.tally import StreamTally
from mensa_sim.simulate.record.timeline import Span, Timeline
from mensa_sim.workload.graph import Edge, LayerGraph


@pytest.fixture
def result():
    layers = (layer("a", output_bytes=10), layer("b", output_bytes=4), layer("c"))
    edges = (Edge(producer="a", consumer="b", size_bytes=10), Edge(producer="b", consumer="c", size_bytes=4))
    graph = LayerGraph(name="net", layers=layers, edges=edges)
    platform = system(
        [accelerator("near", "ram"), accelerator("far", "stack")],
        {"ram": memory(), "stack": memory()},
        [link("ram", "stack", latency_ps=0)],
    )
    costs = table(
        graph,
        platform,
        [cost("a", "near", compute=20, body=7), cost("b", "far", compute=2, head=3, tail=1), cost("c", "far")],
    )
    timeline = simulate(graph, costs, {"a": "near", "b": "far", "c": "far"})
    return metrics(timeline, platform, graph, {"near": {"mac": 1.0, "register": 0.5}, "far": {"mac": 2.0}})


def test_latency_traffic_and_handoffs(result):
    assert result.latency_ps == 20_000 + 30_000 + 3_000 + 2_000 + 1_000
    assert result.throughput_inferences_per_s == pytest.approx(1e12 / 56_000)
    assert result.traffic_bytes == {"ram": 17, "stack": 14}
    assert result.handoffs == 1


def test_leakage_and_background_are_added_once_for_the_whole_time(result):
    assert result.accelerators["near"].leakage_pj == {"mac": 56.0, "register": 28.0}
    assert result.energy_by_component_pj["leakage"] == 56 + 28 + 112
    assert result.energy_by_component_pj["background"] == 2 * 3 * 56
    assert result.static.background_pj == {"ram": 168.0, "stack": 168.0}
    dynamic = {name: result.energy_by_component_pj[name] for name in ("mac", "memory", "link")}
    assert dynamic == {
        "mac": pytest.approx(2.2),
        "memory": 8 * 7 + 8 * 3 + 16 + 10 * 8 * 3,
        "link": 10 * 8 * 0.5,
    }
    assert result.energy_pj == pytest.approx(2.2 + 96 + 240 + 40 + 196 + 336)


def test_utilization_is_macs_over_peak_in_busy_time(result):
    assert result.accelerators["near"].utilization == 1.0
    assert result.accelerators["far"].utilization == pytest.approx(2 / 6)
    assert result.utilization == pytest.approx(22 / 26)
    assert result.layers["b"].utilization == pytest.approx(2 / 6)


def test_layers_say_where_and_when_they_ran(result):
    b = result.layers["b"]
    assert (b.accelerator, b.start_ps, b.end_ps) == ("far", 50_000, 56_000)
    assert b.energy_pj == pytest.approx(0.2 + 8 * 3 + 16)
    assert list(result.layers) == ["a", "b", "c"]
    assert result.accelerators["far"].layers == 2


def test_layers_stand_in_the_order_in_which_they_ran_whenever_their_parameters_came():
    platform = system([accelerator("near", "ram")], {"ram": memory()})
    layers = (layer("early"), layer("late"))
    spans = (
        Span("ram", "prefetch", "net#0", "late", 0, 5),
        Span("near", "layer", "net#0", "early", 1, 9),
        Span("near", "layer", "net#0", "late", 9, 12),
    )
    found = metrics(
        Timeline(spans=spans), platform, LayerGraph(name="net", layers=layers, edges=()), {"near": {"mac": 1.0}}
    )
    assert list(found.layers) == ["early", "late"]


@given(problems())
def test_layers_copies_leakage_and_background_make_up_the_whole_energy(problem):
    graph, costs, assignment = problem
    timeline = simulate(graph, costs, assignment)
    names = [placed.name for placed in costs.system.accelerators]
    result = metrics(timeline, costs.system, graph, {name: {"mac": 1.0} for name in names})
    copies = math.fsum(e for s in timeline.spans if s.kind == "transfer" for e in s.energy_pj.values())
    parts = [each.energy_pj for each in result.layers.values()]
    parts += [len(names) * timeline.end_ps / 1000, 3.0 * len(costs.system.memories) * timeline.end_ps / 1000, copies]
    assert math.fsum(parts) == pytest.approx(result.energy_pj, rel=1e-12)


def test_time_in_use_counts_overlapping_spans_once():
    def span(start, end):
        return Span(resource="ram", kind="body", request="r", layer="l", start_ps=start, end_ps=end)

    assert union_ps([span(0, 4), span(2, 5), span(3, 4), span(9, 10)]) == 6


@settings(max_examples=25, deadline=None)
@given(problems())
def test_totals_are_those_of_the_spans(problem):
    graph, costs, assignment = problem
    recorder = TotalsRecorder()
    run_in_turn(make_plan(graph, costs, assignment), costs.system, PLAIN, 1, recorder)
    timeline = simulate(graph, costs, assignment)
    energy_pj = math.fsum(energy for span in timeline.spans for energy in span.energy_pj.values())
    assert recorder.totals == [(timeline.end_ps, energy_pj)]


@pytest.mark.parametrize(
    ("came", "growth", "overloaded"),
    [(2, 2, False), (3, 3, True), (100, 5, False), (100, 6, True), (10_000, 400, False), (10_000, 401, True)],
)
def test_a_stream_is_overloaded_where_its_backlog_grew_by_more_than_two_a_twentieth_or_chance(
    came: int, growth: int, overloaded: bool
) -> None:
    """Of so many that came in the second half, all but the growth ended in it; four roots of 10,000 are 400."""
    backlog = Backlog(arrived=10 + came, arrived_by_middle=10)
    tally = StreamTally(early_ends=7, finished=7 + came - growth)
    assert is_overloaded(tally, backlog) == overloaded
