"""Streams over pools of equal accelerators."""

from dataclasses import replace
from itertools import product

from homes_problems import joined, pointwise
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import GB, pool

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.throughput import loads_ps
from mensa_sim.schedule.pools import pools_of
from mensa_sim.schedule.schedule import schedule_of, unit_assignment
from mensa_sim.schedule.spread import spread_over
from mensa_sim.simulate.scenario.arrivals import ClosedLoop
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.scenario.scenario import scenario_on
from mensa_sim.workload.graph import LayerGraph

TWO = pool(2, bandwidth=256 * GB)
THREE = pool(3, bandwidth=256 * GB)


def convolution(name: str, side: int) -> LayerGraph:
    layer = pointwise(name, side, 128, 128)
    sizes = {"model_input_bytes": layer.input_bytes, "model_output_bytes": layer.output_bytes}
    return replace(joined([replace(layer, **sizes)], []), name=name)


def closed(name: str, pins: dict[str, str] | None = None) -> Stream:
    arrivals = ClosedLoop(in_flight=1, requests=8)
    return Stream(name=f"stream_{name}", workload=name, arrivals=arrivals, pins=pins or {})


def rate(streams: list[Stream], scheduler: str) -> float:
    graphs = {each.workload: convolution(each.workload, 48) for each in streams}
    scenario = Scenario(name="s", streams=tuple(streams))
    result = scenario_on(scenario, graphs, TWO, Goal(scheduler=scheduler))
    return sum(each.throughput_per_s for each in result.metrics.streams.values())


def test_two_streams_use_both_of_two_equal_accelerators():
    by_hand = rate([closed("a", {"a": "core0"}), closed("b", {"b": "core1"})], "greedy")
    alone = rate([closed("a", {"a": "core0"}), closed("b", {"b": "core0"})], "greedy")
    assert by_hand > 1.9 * alone
    for scheduler in ("mensa", "greedy", "heft", "optimal"):
        assert rate([closed("a"), closed("b")], scheduler) == by_hand
    assert rate([closed("a"), closed("b")], "single:core0") == alone


def test_a_pool_has_at_least_two():
    assert pools_of(load_system("mensa_g")) == ()
    assert pools_of(load_system("simba_4")) == (tuple(f"chiplet_{number}" for number in range(4)),)


def test_pins_stay_where_they_are():
    pinned = rate([closed("a", {"a": "core1"}), closed("b", {"b": "core1"})], "greedy")
    assert pinned == rate([closed("a", {"a": "core0"}), closed("b", {"b": "core0"})], "greedy")


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(8, 40), min_size=2, max_size=5))
def test_the_busiest_of_a_pool_is_at_most_a_third_busier_than_it_must_be(sides):
    memo = PriceMemo()
    graphs = [convolution(f"n{number}", side) for number, side in enumerate(sides)]
    problems = [problem_of(graph, THREE, price(graph, THREE, memo=memo), static_mw=0.0) for graph in graphs]
    schedules = [schedule_of(problem, "greedy", [0]) for problem in problems]
    spread = spread_over(pools_of(THREE), problems, schedules, [1.0] * len(problems))
    times = [problem.units[0].option(0).busy_ps for problem in problems]

    def busiest(places) -> int:
        return max(sum(time for time, at in zip(times, places, strict=True) if at == name) for name in places)

    found = busiest([next(iter(each.assignment.values())) for each in spread])
    best = min(busiest(places) for places in product(("core0", "core1", "core2"), repeat=len(times)))
    assert best <= found <= best * 4 / 3
    for problem, before, after in zip(problems, schedules, spread, strict=True):
        loads = [loads_ps(problem, unit_assignment(problem, each)) for each in (before, after)]
        assert sorted(loads[0].values()) == sorted(loads[1].values())
