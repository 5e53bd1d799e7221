"""Scenarios: closed forms of queueing, policies worked by hand, and odd cases."""

import math
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation_problems import (
    accelerator,
    chain,
    cost,
    everything_on,
    layer,
    system,
    table,
)
from tallied import tally_of

from mensa_sim.errors import UnknownNameError, UsageError
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.scenario import Backlog, scenario_metrics
from mensa_sim.simulate.plan.options import PLAIN
from mensa_sim.simulate.scenario import source
from mensa_sim.simulate.scenario.arrivals import ClosedLoop, Periodic, Poisson, Trace
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.units import PS_PER_S

MS = 10**9


def fixed(name: str = "net", service_ps: int = MS, layers: int = 1) -> Scheduled:
    """A workload that computes for a fixed time on one accelerator."""
    graph = chain(*(layer(f"{name}{index}") for index in range(layers)), name=name)
    platform = system([accelerator("acc")])
    costs = [cost(each.name, "acc", compute=service_ps // 1000 // layers) for each in graph.layers]
    return Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=everything_on(graph, "acc"))


def run(*streams: Stream, workloads: dict[str, Scheduled] | None = None, **options):
    scenario = Scenario(name="test", streams=streams, **{"options": PLAIN} | options)
    known = workloads or {"net": fixed()}
    leakage = {placed.name: {} for each in known.values() for placed in each.costs.system.accelerators}
    return simulate_scenario(scenario, known, leakage_mw=leakage)


def order(result) -> list[str]:
    """Request and layer in the order in which bodies started on the accelerator."""
    return [f"{s.request}:{s.layer}" for s in result.timeline.spans if s.resource == "acc"]


def test_waiting_of_a_poisson_stream_with_fixed_service_is_that_of_an_m_d_1_queue():
    """Mean waiting time is rho / (2 (1 - rho)) services (Pollaczek 1930, Khinchine 1932); 60,000 requests at 0.5."""
    stream = Stream(name="s", workload="net", arrivals=Poisson(rate_per_s=500, requests=60_000))
    scenario = Scenario(name="m/d/1", streams=(stream,), options=PLAIN)
    result = simulate_scenario(scenario, {"net": fixed()}, max_spans=0, leakage_mw={"acc": {}}).metrics
    found = result.streams["s"]
    assert found.finished == 60_000
    assert found.mean_service_ps == MS
    assert found.mean_queueing_ps == pytest.approx(MS * 0.5 / (2 * (1 - 0.5)), rel=0.02)
    assert result.accelerators["acc"].busy_share == pytest.approx(0.5, rel=0.01)


def test_a_periodic_stream_under_capacity_never_queues():
    result = run(Stream(name="s", workload="net", arrivals=Periodic(fps=900)), duration_ps=PS_PER_S).metrics
    found = result.streams["s"]
    assert (found.max_ps, found.mean_queueing_ps, found.overloaded) == (MS, 0.0, False)
    assert found.requests - found.finished <= 1
    assert found.throughput_per_s == pytest.approx(900, abs=1)


def test_a_periodic_stream_over_capacity_is_overloaded_and_stops_at_its_duration():
    result = run(Stream(name="s", workload="net", arrivals=Periodic(fps=1100)), duration_ps=PS_PER_S)
    found = result.metrics.streams["s"]
    assert result.metrics.overloaded
    assert result.metrics.end_ps == PS_PER_S
    assert result.timeline.end_ps <= PS_PER_S
    assert (found.requests, found.finished) == (1100, 999)
    assert found.never_started == 1100 - 1000
    assert result.metrics.accelerators["acc"].busy_ps == PS_PER_S


def test_equal_streams_of_memory_bound_layers_take_exactly_twice_as_long_together():
    graphs = {name: chain(layer("l"), name=name) for name in ("one", "two")}
    platform = system([accelerator("one"), accelerator("two")])
    workloads = {
        name: Scheduled(
            graph=graph,
            costs=table(graph, platform, [cost("l", name, compute=3, body=1000)]),
            assignment={"l": name},
        )
        for name, graph in graphs.items()
    }
    streams = [Stream(name=name, workload=name, arrivals=ClosedLoop(requests=5)) for name in graphs]
    alone = run(streams[0], workloads=workloads).metrics
    together = run(*streams, workloads=workloads).metrics
    assert together.end_ps == 2 * alone.end_ps
    assert together.streams["one"].p50_ps == 2 * alone.streams["one"].p50_ps
    assert together.channels["ram"].utilization == 1.0


def test_a_transfer_that_joins_midway_slows_down_one_that_has_begun():
    """10 bytes alone from 0; 10 more from 5000 ps: half each until 15000, then the second one alone until 20000."""
    graphs = {name: chain(layer("l"), name=name) for name in ("one", "two")}
    platform = system([accelerator("one"), accelerator("two")])
    workloads = {
        name: Scheduled(graph=graph, costs=table(graph, platform, [cost("l", name, body=10)]), assignment={"l": name})
        for name, graph in graphs.items()
    }
    starts = {"one": 0, "two": 5000}
    streams = [Stream(name=name, workload=name, arrivals=Trace(times_ps=(time,))) for name, time in starts.items()]
    result = run(*streams, workloads=workloads)
    assert {r.name: r.end_ps for r in result.timeline.requests} == {"one#0": 15_000, "two#0": 20_000}


def test_two_streams_of_one_workload_are_told_apart():
    one, two = (Stream(name=name, workload="net", arrivals=Trace(times_ps=(0, 3 * MS))) for name in ("a", "b"))
    found = run(one, two).metrics.streams
    assert [(found[name].finished, found[name].max_ps) for name in "ab"] == [(2, MS), (2, 2 * MS)]


def test_a_stream_that_piles_up_without_end_is_refused_with_its_name(monkeypatch):
    monkeypatch.setattr(source, "MAX_WAITING", 50)
    hopeless = Stream(name="hopeless", workload="net", arrivals=Periodic(fps=1e6))
    with pytest.raises(UsageError, match=r"stream hopeless: 50 requests wait after .* lower its rate"):
        run(hopeless, duration_ps=PS_PER_S)


def urgent_and_slow(policy: str, **urgent) -> list[str]:
    """A slow stream of two layers from 0 and an urgent one at 0.5 ms, on one accelerator."""
    workloads = {"slow": fixed("slow", 4 * MS, layers=2), "urgent": fixed("urgent")}
    slow = Stream(name="slow", workload="slow", arrivals=Trace(times_ps=(0, 1)), deadline_ps=20 * MS)
    fast = Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(MS // 2,)), **urgent)
    return order(run(slow, fast, workloads=workloads, policy=policy))


def test_first_come_first_served_finishes_a_request_before_the_next():
    assert urgent_and_slow("fcfs", priority=5, deadline_ps=1) == [
        *("slow#0:slow0", "slow#0:slow1", "slow#1:slow0", "slow#1:slow1", "urgent#0:urgent0"),
    ]


@pytest.mark.parametrize(("policy", "urgent"), [("priority", {"priority": 1}), ("edf", {"deadline_ps": 5 * MS})])
def test_an_urgent_request_goes_first_but_only_between_layers(policy, urgent):
    assert urgent_and_slow(policy, **urgent) == [
        *("slow#0:slow0", "urgent#0:urgent0", "slow#0:slow1", "slow#1:slow0", "slow#1:slow1"),
    ]


def test_a_request_without_deadline_goes_after_those_with_one():
    assert urgent_and_slow("edf")[-1] == "urgent#0:urgent0"


def test_requests_of_one_instant_go_in_the_order_of_the_streams():
    streams = [Stream(name=name, workload="net", arrivals=Trace(times_ps=(5,))) for name in ("b", "a", "c")]
    assert [each[0] for each in order(run(*streams))] == ["b", "a", "c"]


def test_a_starved_stream_is_seen_as_never_started():
    hog = Stream(name="hog", workload="net", arrivals=ClosedLoop(in_flight=2), priority=1)
    poor = Stream(name="poor", workload="net", arrivals=Periodic(fps=100))
    found = run(hog, poor, policy="priority", duration_ps=PS_PER_S // 10).metrics.streams["poor"]
    assert (found.requests, found.finished, found.never_started) == (10, 0, 10)
    assert (found.p50_ps, found.energy_per_inference_pj) == (None, None)
    assert found.overloaded


def test_a_deadline_below_the_best_latency_is_missed_every_time():
    stream = Stream(name="s", workload="net", arrivals=Periodic(fps=100, requests=7), deadline_ps=MS - 1)
    assert run(stream).metrics.streams["s"].deadline_misses == 7
    kept = replace(stream, deadline_ps=MS)
    assert run(kept).metrics.streams["s"].deadline_misses == 0


def test_unfinished_requests_past_their_deadline_count_as_missed():
    stream = Stream(name="s", workload="net", arrivals=Trace(times_ps=(0,) * 5), deadline_ps=MS)
    found = run(stream, duration_ps=5 * MS // 2).metrics.streams["s"]
    assert (found.finished, found.deadline_misses) == (2, 4)


def test_a_scenario_without_arrivals_is_refused():
    late = Stream(name="s", workload="net", arrivals=Periodic(fps=1, offset_ps=PS_PER_S))
    with pytest.raises(UsageError, match="no request arrives"):
        run(late, duration_ps=PS_PER_S)
    with pytest.raises(UsageError, match="no request arrives"):
        run(Stream(name="s", workload="net", arrivals=Trace(times_ps=())))


def test_a_closed_loop_of_inferences_that_take_no_time_is_refused():
    with pytest.raises(UsageError, match="takes no time"):
        run(
            Stream(name="s", workload="net", arrivals=ClosedLoop()),
            workloads={"net": fixed(service_ps=0)},
            duration_ps=1,
        )


def test_an_unknown_workload_or_two_systems_are_refused():
    with pytest.raises(UnknownNameError, match="unknown workload of the scenario 'nets'"):
        run(Stream(name="s", workload="nets", arrivals=ClosedLoop()), duration_ps=1)
    other = fixed("other")
    platform = replace(other.costs.system, name="elsewhere")
    workloads = {"net": fixed(), "other": replace(other, costs=replace(other.costs, system=platform))}
    streams = [Stream(name=name, workload=name, arrivals=ClosedLoop()) for name in workloads]
    with pytest.raises(UsageError, match="costed on different systems, test and elsewhere"):
        run(*streams, workloads=workloads, duration_ps=1)


def test_a_closed_loop_keeps_so_many_in_flight():
    result = run(Stream(name="s", workload="net", arrivals=ClosedLoop(in_flight=3, requests=9))).metrics
    found = result.streams["s"]
    assert (found.finished, result.end_ps) == (9, 9 * MS)
    assert (found.p50_ps, found.max_ps) == (3 * MS, 3 * MS)


def test_energy_per_inference_shares_leakage_and_background_by_busy_time():
    workloads = {"a": fixed("a"), "b": fixed("b", 3 * MS)}
    streams = [Stream(name=name, workload=name, arrivals=Trace(times_ps=(0,))) for name in workloads]
    scenario = Scenario(name="test", streams=tuple(streams), duration_ps=10 * MS, options=PLAIN)
    result = simulate_scenario(scenario, workloads, leakage_mw={"acc": {"mac": 2.0}}).metrics
    idle_pj = (2.0 + 3.0) * 10 * MS / 1000
    assert result.streams["a"].energy_per_inference_pj == pytest.approx(0.1 * MS / 1000 + idle_pj / 4)
    assert result.streams["b"].energy_per_inference_pj == pytest.approx(0.3 * MS / 1000 + idle_pj * 3 / 4)
    assert result.mean_power_mw == pytest.approx(5.0 + 0.4 * MS / 1000 / (10 * MS) * 1000)


@given(st.integers(1, 6))
def test_a_stream_of_one_request_at_a_time_has_the_latency_of_the_single_inference(requests):
    each = fixed(layers=3)
    alone = simulate(each.graph, each.costs, each.assignment).end_ps
    result = run(Stream(name="s", workload="net", arrivals=ClosedLoop(requests=requests)), workloads={"net": each})
    assert result.metrics.streams["s"].max_ps == alone
    assert result.metrics.end_ps == requests * alone


def test_a_long_run_keeps_a_sample_of_spans_and_says_so():
    stream = Stream(name="s", workload="net", arrivals=ClosedLoop(requests=1000))
    scenario = Scenario(name="long", streams=(stream,), options=PLAIN)
    result = simulate_scenario(scenario, {"net": fixed()}, max_spans=100, leakage_mw={"acc": {}})
    assert result.timeline.every == 16
    assert {int(s.request.split("#")[1]) % 16 for s in result.timeline.spans} == {0}
    assert len(result.timeline.spans) == len(result.timeline.requests) == math.ceil(1000 / 16)
    assert result.metrics.streams["s"].finished == 1000


def test_the_metrics_of_a_run_follow_from_its_kept_timeline():
    each = fixed()
    result = run(Stream(name="s", workload="net", arrivals=ClosedLoop(requests=4)), workloads={"net": each})
    tally = tally_of(result.timeline, each.costs.system, ("s",))
    again = scenario_metrics(tally, each.costs.system, 4 * MS, {"s": Backlog(arrived=4)}, {"acc": {}})
    assert again == result.metrics


def test_one_request_longer_than_the_sample_is_kept_whole():
    """It cannot be thinned out; requests beside it are, and the sample says how many."""
    stream = Stream(name="s", workload="net", arrivals=ClosedLoop(requests=9))
    scenario = Scenario(name="long", streams=(stream,), options=PLAIN)
    result = simulate_scenario(scenario, {"net": fixed(layers=20)}, max_spans=10, leakage_mw={"acc": {}})
    assert result.timeline.every == 16
    assert [s.request for s in result.timeline.spans] == ["s#0"] * 20


def test_memory_does_not_grow_with_time_when_no_span_is_kept():
    def peak_bytes(requests: int) -> int:
        stream = Stream(name="s", workload="net", arrivals=Periodic(fps=900, requests=requests))
        scenario = Scenario(name="long", streams=(stream,), options=PLAIN)
        tracemalloc.start()
        simulate_scenario(scenario, {"net": fixed()}, max_spans=0, leakage_mw={"acc": {}})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(400)  # with what is made once
    assert peak_bytes(4000) - peak_bytes(400) < 8 * (4000 - 400), "less than a pointer for each"
