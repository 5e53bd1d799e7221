"""Power, bandwidth and arrows of a timeline."""

import math

import pytest
from hypothesis import given, settings
from simulation_problems import accelerator, cost, layer, problems, system, table

from mensa_sim.hardware.routes import bandwidths_of
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.record.tracks import arrows, tracks
from mensa_sim.workload.graph import Edge, LayerGraph


def area(points, end_ps):
    """The integral of a step function over time."""
    ends = [*(time for time, _ in points[1:]), end_ps]
    return math.fsum(value * (end - time) for (time, value), end in zip(points, ends, strict=True))


@settings(max_examples=40)
@given(problems())
def test_power_over_time_is_the_energy_and_bandwidth_over_time_the_bytes(problem):
    graph, costs, assignment = problem
    timeline = simulate(graph, costs, assignment, Options(prefetch=True))
    limits = bandwidths_of(costs.system)
    power, *rest = tracks(timeline, costs.system, static_mw=2.0)
    lasting = {(s.request, s.layer) for s in timeline.spans if s.kind == "layer" and s.end_ps > s.start_ps}
    drawn = [
        energy
        for span in timeline.spans
        if span.kind != "discard" and (span.end_ps > span.start_ps or (span.request, span.layer) in lasting)
        for energy in span.energy_pj.values()
    ]
    expected = math.fsum(drawn) + 2.0 * timeline.end_ps / 1000
    assert area(power.points, timeline.end_ps) / 1000 == pytest.approx(expected, rel=1e-9, abs=1e-6)
    for track in rest:
        if track.name.endswith("bytes_per_s"):
            resource = track.name.removesuffix("_bytes_per_s")
            moved = sum(s.size_bytes for s in timeline.spans if s.resource == resource)
            assert area(track.points, timeline.end_ps) / 1e12 == pytest.approx(moved)
            assert track.points[-1][1] == 0.0
            assert max(rate for _, rate in track.points) <= limits[resource] * (1 + 1e-12)


def test_an_arrow_leads_from_each_producer_to_a_reader_on_another_accelerator():
    layers = (layer("a", output_bytes=1), layer("b", output_bytes=1), layer("c"))
    edges = (Edge(producer="a", consumer="b", size_bytes=1), Edge(producer="b", consumer="c", size_bytes=1))
    graph = LayerGraph(name="net", layers=layers, edges=edges)
    platform = system([accelerator("one"), accelerator("two")])
    costs = table(graph, platform, [cost("a", "one", compute=2), cost("b", "two", compute=3), cost("c", "two")])
    timeline = simulate(graph, costs, {"a": "one", "b": "two", "c": "two"})
    (arrow,) = arrows(timeline, {"net": graph})
    assert (arrow.producer, arrow.consumer, arrow.source, arrow.target) == ("a", "b", "one", "two")
    assert (arrow.request, arrow.start_ps, arrow.end_ps) == ("net#0", 2000, 2000)
