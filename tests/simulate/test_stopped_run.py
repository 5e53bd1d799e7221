"""A run that stops at its duration: what was under way counts as far as it had come, in bytes, MACs and energy."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_problems import (
    SIZES,
    accelerator,
    assignments,
    chain,
    cost,
    everything_on,
    graphs,
    layer,
    link,
    memory,
    system,
    systems,
    table,
)

from mensa_sim.cost.layer_cost import Residency
from mensa_sim.errors import UsageError
from mensa_sim.simulate.metrics.inference import energy_by_component
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.simulate.scenario.arrivals import ClosedLoop, Trace
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream

READ_PJ, WRITE_PJ, LINK_PJ = 8.0, 16.0, 4.0
"""Of a byte, in `simulation_problems`."""
MAC_PJ = 0.1


def stopped_at(time_ps: int, each: Scheduled, options: Options = PLAIN, requests: int = 1):
    stream = Stream(name="s", workload="net", arrivals=Trace(times_ps=(0,) * requests))
    scenario = Scenario(name="stopped", streams=(stream,), duration_ps=time_ps, options=options)
    names = [placed.name for placed in each.costs.system.accelerators]
    return simulate_scenario(scenario, {"net": each}, leakage_mw={name: {} for name in names})


def one_layer(**costs) -> Scheduled:
    graph = chain(layer("a"))
    priced = table(graph, system([accelerator("acc")]), [cost("a", "acc", **costs)])
    return Scheduled(graph=graph, costs=priced, assignment=everything_on(graph, "acc"))


@pytest.mark.parametrize(
    ("time_ps", "read", "written", "macs"),
    [
        (500, 0, 0, 0),
        (1000, 1, 0, 0),
        (2000, 2, 0, 0),
        (3500, 3, 0, 1),
        (5000, 5, 0, 3),
        (8000, 5, 0, 6),
        (12_000, 5, 0, 10),
        (13_900, 5, 1, 10),
        (14_000, 5, 2, 10),
    ],
)
def test_a_layer_that_the_end_cuts_counts_in_part_as_worked_by_hand(time_ps, read, written, macs):
    """Head 0 to 2000, body of 3 bytes beside 10 cycles from 2000, tail 12000 to 14000."""
    result = stopped_at(time_ps, one_layer(compute=10, head=2, body=3, tail=2))
    spans = result.timeline.spans
    assert sum(s.size_bytes for s in spans) == read + written
    assert sum(s.macs for s in spans) == macs
    assert all(s.size_bytes for s in spans if s.resource == "ram")
    energy = result.metrics.energy_by_component_pj
    assert energy.get("memory", 0.0) == pytest.approx(READ_PJ * read + WRITE_PJ * written)
    elapsed = min(max(time_ps - 2000, 0), 10_000) / 10_000
    assert energy.get("mac", 0.0) == pytest.approx(MAC_PJ * 10 * elapsed)
    assert result.metrics.accelerators["acc"].busy_ps == time_ps
    assert result.timeline.requests[0].served_ps == time_ps


def test_a_layer_that_computes_from_the_first_moment_on_has_computed_until_the_stop():
    result = stopped_at(4000, one_layer(compute=10))
    assert result.metrics.energy_by_component_pj["mac"] == pytest.approx(MAC_PJ * 4)


def test_a_layer_that_computes_after_its_body_has_computed_nothing_before():
    each = one_layer(compute=10, body=4, overlap=False)
    assert "mac" not in stopped_at(4000, each).metrics.energy_by_component_pj
    assert stopped_at(9000, each).metrics.energy_by_component_pj["mac"] == pytest.approx(MAC_PJ * 5)


@pytest.mark.parametrize(("time_ps", "read"), [(3000, 3), (7000, 7), (10_000, 10), (15_000, 15), (22_000, 22)])
def test_parameters_that_came_early_count_once_wherever_the_run_stops(time_ps, read):
    """a streams 4 bytes beside 10 cycles; meanwhile 6 of the 18 bytes of b come early; then b streams 12."""
    graph = chain(layer("a", parameter_bytes=4), layer("b", parameter_bytes=18))
    costs = [cost(name, "acc", compute=10, body=size, weight=size) for name, size in (("a", 4), ("b", 18))]
    platform = system([accelerator("acc", parameter_buffer=100)])
    each = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=everything_on(graph, "acc"))
    result = stopped_at(time_ps, each, Options(prefetch=True))
    assert result.metrics.channels["ram"].size_bytes == read
    assert result.metrics.energy_by_component_pj["memory"] == pytest.approx(READ_PJ * read)


def test_parameters_that_came_early_for_stages_that_have_not_begun_are_paid_for():
    """While x runs, 8 bytes of the group come early, 4 for each member; the run stops within the first one."""
    layers = (layer("x"), *(layer(name, parameter_bytes=4, group="g") for name in ("g1", "g2")))
    graph = chain(*layers)
    costs = [cost("x", "acc", compute=10)]
    costs += [cost(name, "acc", compute=10, body=4, weight=4) for name in ("g1", "g2")]
    platform = system([accelerator("acc", parameter_buffer=100)])
    each = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=everything_on(graph, "acc"))
    for time_ps in (9000, 15_000, 25_000):
        energy = stopped_at(time_ps, each, Options(prefetch=True)).metrics.energy_by_component_pj
        assert energy["memory"] == pytest.approx(READ_PJ * 8)


def test_parameters_that_came_early_in_vain_are_paid_for():
    """6 bytes of b come while a runs, but with its input on chip b wants only 2 of them."""
    graph = chain(layer("a", output_bytes=1), layer("b", parameter_bytes=6))
    costs = [
        cost("a", "acc", compute=10),
        cost("a", "acc", compute=10, residency=Residency(output=True)),
        cost("b", "acc", compute=1, body=6, weight=6),
        cost("b", "acc", compute=1, body=2, weight=2, residency=Residency(input=True)),
    ]
    platform = system([accelerator("acc", parameter_buffer=100, activation_buffer=100)])
    each = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=everything_on(graph, "acc"))
    result = stopped_at(20_000, each, Options(prefetch=True, activations=True))
    assert result.metrics.channels["ram"].size_bytes == 6
    assert result.metrics.energy_by_component_pj["memory"] == READ_PJ * 6


def test_a_copy_that_the_end_cuts_counts_in_part():
    graph = chain(layer("a", output_bytes=10), layer("b"))
    platform = system(
        [accelerator("near", "ram"), accelerator("far", "stack")],
        {"ram": memory(), "stack": memory()},
        [link("ram", "stack", latency_ps=500)],
    )
    costs = table(graph, platform, [cost("a", "near"), cost("b", "far", compute=1)])
    each = Scheduled(graph=graph, costs=costs, assignment={"a": "near", "b": "far"})
    for time_ps, moved in ((4000, [4]), (10_300, [10]), (17_500, [10, 7]), (22_500, [10, 10, 2])):
        result = stopped_at(time_ps, each)
        spans = [s for s in result.timeline.spans if s.kind == "transfer" and s.size_bytes]
        assert [s.size_bytes for s in spans] == moved
        prices = (READ_PJ, LINK_PJ, WRITE_PJ)
        for span, price in zip(spans, prices, strict=False):
            assert sum(span.energy_pj.values()) == pytest.approx(price * span.size_bytes)


HEADS = st.integers(0, 300)


@st.composite
def stopped(draw):
    """Streams on one system, priced in random residencies at the same energy per byte and MAC, and a time to stop."""
    platform = systems(draw)
    workloads, streams = {}, []
    for index in range(draw(st.integers(1, 3))):
        graph = graphs(draw, name=f"net{index}", max_layers=5)
        entries = []
        for each in graph.layers:
            for placed in platform.accelerators:
                for number in range(8):
                    if number and draw(st.booleans()):
                        continue
                    parameters, incoming, output = bool(number & 1), bool(number & 2), bool(number & 4)
                    weight = 0 if parameters else draw(st.integers(0, each.parameter_bytes))
                    entries.append(
                        cost(
                            each.name,
                            placed.name,
                            compute=draw(SIZES),
                            head=draw(HEADS),
                            body=weight + draw(HEADS),
                            weight=weight,
                            tail=0 if output else each.output_bytes,
                            overlap=draw(st.booleans()),
                            residency=Residency(parameters=parameters, input=incoming, output=output),
                        )
                    )
        costs = table(graph, platform, entries)
        workloads[graph.name] = Scheduled(graph=graph, costs=costs, assignment=assignments(draw, graph, platform))
        arrivals = ClosedLoop(in_flight=draw(st.integers(1, 2)), requests=draw(st.integers(1, 4)))
        streams.append(Stream(name=f"s{index}", workload=graph.name, arrivals=arrivals))
    options = draw(st.sampled_from((PLAIN, FULL, Options(prefetch=True), Options(activations=True))))
    scenario = Scenario(name="drawn", streams=tuple(streams), duration_ps=draw(st.integers(1, 10**7)), options=options)
    return scenario, workloads, {placed.name: {} for placed in platform.accelerators}


def run(scenario: Scenario, workloads, leakage):
    try:
        return simulate_scenario(scenario, workloads, leakage_mw=leakage)
    except UsageError:
        return None


@settings(max_examples=40)
@given(stopped())
def test_energy_until_the_stop_is_that_of_the_bytes_and_macs_until_the_stop(drawn):
    result = run(*drawn)
    if result is None:
        return
    spans = [s for s in result.timeline.spans if s.kind != "transfer"]
    read = sum(s.size_bytes for s in spans if s.kind in {"head", "body", "prefetch"})
    written = sum(s.size_bytes for s in spans if s.kind == "tail")
    priced = energy_by_component(spans)
    # A transfer's energy goes by whole bytes, so nothing but rounding lies between the two.
    assert priced.get("memory", 0.0) == pytest.approx(READ_PJ * read + WRITE_PJ * written, rel=1e-9)
    unfinished = sum(1 for record in result.timeline.requests if record.end_ps is None)
    macs = sum(s.macs for s in spans)
    rounding = 1e-6 * macs
    assert -1e-12 * macs <= priced.get("mac", 0.0) - MAC_PJ * macs <= MAC_PJ * unfinished * len(drawn[2]) + rounding
    for span in result.timeline.spans:
        if span.kind == "transfer":
            price = LINK_PJ if "link" in span.energy_pj else sum(span.energy_pj.values()) / max(span.size_bytes, 1)
            assert price in (0.0, LINK_PJ) or price == pytest.approx(READ_PJ) or price == pytest.approx(WRITE_PJ)
    kept = energy_by_component(result.timeline.spans)
    assert {name: result.metrics.energy_by_component_pj[name] for name in kept} == kept


@settings(max_examples=30)
@given(stopped(), st.integers(1, 10**7))
def test_a_later_stop_never_finds_less_energy_bytes_or_macs(drawn, more_ps):
    scenario, workloads, leakage = drawn
    first = run(scenario, workloads, leakage)
    later = run(replace(scenario, duration_ps=scenario.duration_ps + more_ps), workloads, leakage)
    if first is None or later is None:
        return
    for name, energy in first.metrics.energy_by_component_pj.items():
        assert later.metrics.energy_by_component_pj[name] >= energy * (1 - 1e-12)
    for name, channel in first.metrics.channels.items():
        assert later.metrics.channels[name].size_bytes >= channel.size_bytes
    assert math.fsum(s.macs for s in later.timeline.spans) >= math.fsum(s.macs for s in first.timeline.spans)
