"""Invariants of random scenarios on random systems."""

import math
from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_problems import (
    accelerator,
    assignments,
    chain,
    cost,
    costs_of,
    everything_on,
    graphs,
    layer,
    system,
    systems,
    table,
)
from tallied import tally_of

from mensa_sim.errors import UsageError
from mensa_sim.hardware.routes import bandwidths_of
from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.inference import energy_by_component
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.record.tracks import tracks
from mensa_sim.simulate.scenario.arrivals import Periodic, Poisson, Trace
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.units import PS_PER_S

ARRIVALS = st.one_of(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=4).map(lambda times: Trace(times_ps=tuple(sorted(times)))),
    st.builds(Periodic, fps=st.sampled_from((3e4, 1e6)), requests=st.integers(1, 4)),
    st.builds(Poisson, rate_per_s=st.sampled_from((3e4, 1e6)), requests=st.integers(1, 4)),
)
DEADLINES = st.none() | st.integers(1, 10**7)


@st.composite
def scenarios(draw):
    """Two or three streams of random workloads on one random system."""
    platform = systems(draw)
    workloads, streams = {}, []
    for index in range(draw(st.integers(1, 3))):
        graph = graphs(draw, name=f"net{index}", max_layers=5)
        workloads[graph.name] = Scheduled(
            graph=graph, costs=costs_of(draw, graph, platform), assignment=assignments(draw, graph, platform)
        )
        arrivals = draw(ARRIVALS)
        deadline = draw(DEADLINES)
        streams.append(
            Stream(
                name=f"s{index}",
                workload=graph.name,
                arrivals=arrivals,
                priority=draw(st.integers(-1, 1)),
                deadline_ps=deadline,
            )
        )
    scenario = Scenario(
        name="drawn",
        streams=tuple(streams),
        duration_ps=draw(st.one_of(st.none(), st.integers(10**6, 10**8))),
        policy=draw(st.sampled_from(("fcfs", "priority", "edf"))),
        options=draw(
            st.builds(
                Options,
                prefetch=st.booleans(),
                activations=st.booleans(),
                parameters=st.sampled_from(("none", "first-fit", "best-value")),
            )
        ),
    )
    return scenario, workloads, {placed.name: {"mac": 1.0} for placed in platform.accelerators}


@settings(max_examples=30)
@given(scenarios())
def test_metrics_without_spans_are_those_of_the_spans(drawn):
    scenario, workloads, leakage = drawn
    try:
        kept = simulate_scenario(scenario, workloads, leakage_mw=leakage)
    except UsageError:
        return
    again = simulate_scenario(scenario, workloads, max_spans=0, leakage_mw=leakage)
    assert again.metrics == kept.metrics
    assert again.timeline.spans == ()
    platform = next(iter(workloads.values())).costs.system
    middle = None if scenario.duration_ps is None else scenario.duration_ps // 2
    tally = tally_of(kept.timeline, platform, tuple(s.name for s in scenario.streams), middle)
    dynamic = energy_by_component(kept.timeline.spans)
    assert {name: kept.metrics.energy_by_component_pj.get(name, 0.0) for name in dynamic} == dynamic
    for name, stream in kept.metrics.streams.items():
        assert tally.streams[name].finished == stream.finished
        assert tally.streams[name].latency.quantile(0.99) == stream.p99_ps
    for name, load in kept.metrics.accelerators.items():
        assert tally.resources[name].busy_ps == load.busy_ps
        possible = platform.accelerator(name).spec.peak_macs_per_s * load.busy_ps / PS_PER_S
        assert load.utilization == pytest.approx(tally.resources[name].macs / possible if possible else 0.0)


@settings(max_examples=40)
@given(scenarios())
def test_invariants_hold_over_random_scenarios(drawn):
    """Nothing before its arrival or its inputs, nobody twice, no accelerator double, no channel above its bandwidth."""
    scenario, workloads, leakage = drawn
    try:
        result = simulate_scenario(scenario, workloads, leakage_mw=leakage)
    except UsageError:
        return
    assert result == simulate_scenario(scenario, workloads, leakage_mw=leakage)
    platform = next(iter(workloads.values())).costs.system
    spans = result.timeline.spans
    for placed in platform.accelerators:
        busy = [s for s in spans if s.resource == placed.name]
        assert all(one.end_ps <= other.start_ps for one, other in pairwise(busy))
    for load in result.metrics.channels.values():
        assert load.utilization <= 1.0
    limits = bandwidths_of(platform)
    for track in tracks(result.timeline, platform):
        limit = limits.get(track.name.removesuffix("_bytes_per_s"), math.inf)
        assert all(rate <= limit * (1 + 1e-12) for _, rate in track.points)
    workload_of = {stream.name: workloads[stream.workload] for stream in scenario.streams}
    for record in result.timeline.requests:
        own = [s for s in spans if s.request == record.name]
        assert all(s.start_ps >= record.arrival_ps for s in own if s.kind != "prefetch")
        assert record.served_ps <= (record.end_ps or result.metrics.end_ps) - record.arrival_ps
        if record.end_ps is None:
            continue
        each = workload_of[record.stream]
        bodies = {s.layer: s for s in own if s.kind == "layer"}
        assert len(bodies) == len(each.graph.layers)
        assert max(s.end_ps for s in own if s.kind != "discard") == record.end_ps
        for edge in each.graph.edges:
            assert bodies[edge.producer].end_ps <= bodies[edge.consumer].start_ps


@settings(max_examples=25)
@given(scenarios())
def test_what_runs_alone_is_over_at_once_with_the_timeline_that_it_has_step_by_step(drawn):
    scenario, workloads, leakage = drawn
    try:
        with patch.object(Clock, "skip_to", lambda clock, then_ps: False):
            expected = simulate_scenario(scenario, workloads, leakage_mw=leakage)
    except UsageError:
        return
    assert simulate_scenario(scenario, workloads, leakage_mw=leakage) == expected


def test_nobody_skips_to_the_time_of_an_event_or_past_it():
    clock = Clock()
    Alarm(clock, lambda now: None).set(5)
    assert [clock.skip_to(time_ps) for time_ps in (7, 5, 4)] == [False, False, True]
    assert clock.now_ps == 4


def test_one_after_another_on_one_accelerator_takes_no_event_for_each_layer():
    graph = chain(*(layer(f"l{place}", output_bytes=10) for place in range(50)))
    costs = table(
        graph, system([accelerator("acc")]), [cost(f"l{n}", "acc", compute=9, head=2, tail=1) for n in range(50)]
    )
    events = 0
    set_alarm = Alarm.set

    def counted(alarm, delay_ps):
        nonlocal events
        events += 1
        set_alarm(alarm, delay_ps)

    with patch.object(Alarm, "set", counted):
        timeline = simulate(graph, costs, everything_on(graph, "acc"))
    assert timeline.end_ps == 50 * 12_000
    assert events <= 2


@settings(max_examples=40)
@given(scenarios())
def test_dynamic_energy_of_finished_requests_is_that_of_their_layers(drawn):
    scenario, workloads, leakage = drawn
    try:
        result = simulate_scenario(replace(scenario, duration_ps=None), workloads, leakage_mw=leakage)
    except UsageError:
        return
    kinds = {each.name: workloads[each.workload] for each in scenario.streams}
    parts = []
    for record in result.timeline.requests:
        each = kinds[record.stream]
        parts += [each.costs.cost(n.name, each.assignment[n.name]).dynamic_pj["mac"] for n in each.graph.layers]
    assert result.metrics.energy_by_component_pj.get("mac", 0.0) == math.fsum(parts)
