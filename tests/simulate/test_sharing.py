"""Predictions of branches in parallel against closed forms, and against the simulation of the same layers."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, given, settings
from simulation_problems import accelerator, cost, layer, problems, system, table

from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Unit
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.plan.options import PLAIN
from mensa_sim.study.run.placement import Goal, placed_in
from mensa_sim.workload.graph import Edge, LayerGraph


def side_by_side(*phases: tuple[int, int]) -> Problem:
    """One unit for each accelerator, all on one memory and none waiting for another."""
    units = []
    for number, (own_ps, used_ps) in enumerate(phases):
        option = Option(latency_ps=max(own_ps, used_ps), energy_pj=1.0, phases=((own_ps, used_ps),))
        units.append(Unit(name=f"u{number}", layers=(f"u{number}",), options=(option,) * len(phases)))
    names = tuple(f"a{number}" for number in range(len(phases)))
    return Problem(
        name="side by side",
        accelerators=names,
        memories=("m",) * len(names),
        units=tuple(units),
        tensors=(),
        static_mw=0.0,
        execution="parallel",
    )


@pytest.mark.parametrize(
    ("phases", "latency_ps"),
    [
        (((0, 100), (0, 100), (0, 100)), 300),  # three that do nothing but move
        (((100, 100), (100, 100)), 200),
        (((100, 20), (100, 30)), 100),  # a channel with room for both
        (((100, 20), (0, 100)), 120),  # until 40 both move at half the rate, then one alone
        (((0, 10), (0, 40), (0, 100)), 150),
    ],
)
def test_those_who_use_a_channel_at_once_share_it_equally(phases: tuple[tuple[int, int], ...], latency_ps: int) -> None:
    found = evaluate(side_by_side(*phases), range(len(phases)))
    assert found.parallel_ps == latency_ps
    assert found.serial_ps == sum(max(phase) for phase in phases)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(drawn=problems())
def test_the_prediction_is_what_the_simulation_gives_where_nothing_is_prefetched_or_stays(
    drawn: tuple[LayerGraph, CostTable, dict[str, str]],
) -> None:
    graph, costs, where = drawn
    problem = problem_of(graph, costs.system, costs, "latency", static_mw=0.0, execution="parallel")
    timeline = simulate(graph, costs, where, PLAIN)
    # The simulation takes whoever is ready; where it leaves the order that was predicted, there is nothing to compare.
    assume(_in_order(problem, where, {span.layer: span.start_ps for span in reversed(timeline.spans)}))
    places = [problem.accelerators.index(where[unit.layers[0]]) for unit in problem.units]
    predicted = evaluate(problem, places)
    # The simulation begins and ends transfers at whole picoseconds.
    assert predicted.latency_ps == pytest.approx(timeline.end_ps, abs=4 * len(graph.layers))


def _in_order(problem: Problem, where: Mapping[str, str], starts_ps: Mapping[str, int]) -> bool:
    last: dict[str, int] = {}
    for unit in problem.units:
        times = [starts_ps[layer] for layer in unit.layers if layer in starts_ps]
        accelerator = where[unit.layers[0]]
        if times and min(times) < last.get(accelerator, 0):
            return False
        last[accelerator] = max(times, default=last.get(accelerator, 0))
    return True


def branches(count: int) -> LayerGraph:
    """A layer whose output so many others read, which one more joins; each branch is two layers deep."""
    layers, edges = [layer("in", parameter_bytes=100, output_bytes=400)], []
    for number in range(count):
        one, two = f"one{number}", f"two{number}"
        layers += [layer(one, parameter_bytes=300 * number, output_bytes=200), layer(two, output_bytes=100)]
        edges += [("in", one, 400), (one, two, 200), (two, "out", 100)]
    layers.append(layer("out", parameter_bytes=50))
    joined = tuple(Edge(producer=one, consumer=other, size_bytes=size) for one, other, size in edges)
    return LayerGraph(name="branches", layers=tuple(layers), edges=joined)


def test_no_random_schedule_is_better_when_simulated_than_the_one_called_optimal() -> None:
    graph, generator = branches(4), random.Random(0)
    hardware = system([accelerator(f"acc{number}") for number in range(3)])
    names = [placed.name for placed in hardware.accelerators]
    costs = table(
        graph,
        hardware,
        [
            cost(
                each.name,
                name,
                compute=generator.randrange(2000),
                body=each.parameter_bytes + 300,
                weight=each.parameter_bytes,
                tail=each.output_bytes,
            )
            for each in graph.layers
            for name in names
        ],
    )
    problem = problem_of(graph, hardware, costs, "latency", static_mw=0.0, execution="parallel")
    found = placed_in(problem, costs, Goal(scheduler="optimal", objective="latency", execution="parallel"))
    best_ps = simulate(found.costs.graph, found.costs, found.schedule.assignment, PLAIN).end_ps
    assert best_ps == pytest.approx(found.schedule.prediction.latency_ps, abs=40)
    drawn = ({each.name: generator.choice(names) for each in graph.layers} for _ in range(200))
    assert all(simulate(graph, costs, where, PLAIN).end_ps >= best_ps for where in drawn)
    blind = max(schedule(problem, "greedy").prediction.latency_ps, schedule(problem, "heft").prediction.latency_ps)
    assert found.schedule.bound is not None
    assert found.schedule.bound <= found.schedule.value < blind
