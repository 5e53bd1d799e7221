"""Branches between a fork and a join, and where they move so that they run beside one another."""

from dataclasses import replace

from homes_problems import joined, pointwise
from shared_systems import pool

from mensa_sim.schedule.branches import forks_of, with_branches_moved
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph

NAMES = ("stem", "left.0", "left.1", "right.0", "right.1", "cat", "one", "two", "three")


def forked() -> LayerGraph:
    """Behind a stem two branches that are joined again, then a skip over one layer, which has nothing beside it."""
    shapes = {"0": (64, 256), "1": (256, 256), "cat": (512, 64)}
    layers = [pointwise(name, 16, *shapes.get(name.split(".")[-1], (64, 64))) for name in NAMES]
    layers[0] = replace(layers[0], model_input_bytes=layers[0].input_bytes)
    layers[-1] = replace(layers[-1], input_bytes=2 * 16 * 16 * 64, model_output_bytes=layers[-1].output_bytes)
    sides = ("left", "right")
    edges = [(f"{side}.0", f"{side}.1") for side in sides] + [("cat", "one"), ("one", "two"), ("one", "three")]
    edges += [("two", "three"), *(pair for side in sides for pair in (("stem", f"{side}.0"), (f"{side}.1", "cat")))]
    return joined(layers, edges)


def test_branches_are_chains_beside_one_another() -> None:
    problem = place(forked(), pool(2), Goal(scheduler="greedy")).problem
    assert [[[NAMES[unit] for unit in chain] for chain in fork] for fork in forks_of(problem)] == [
        [["left.0", "left.1"], ["right.0", "right.1"]]
    ]


def test_a_branch_moves_whole_where_the_busiest_then_has_less_to_do() -> None:
    problem = place(forked(), pool(2), Goal(scheduler="greedy")).problem
    ways = with_branches_moved(problem, [0] * 9, (0.0, 1.0))
    assert ways == [(0, 1, 1, 0, 0, 0, 0, 0, 0), (0, 0, 0, 1, 1, 0, 0, 0, 0)]
    assert with_branches_moved(problem, ways[0], (0.0, 1.0)) == []
    assert with_branches_moved(problem, [0] * 9, (1.0, 0.0)) == []


def test_the_best_schedule_runs_branches_beside_one_another() -> None:
    """Two equal accelerators: predicted one after another, everything is best on one."""
    graph, system = forked(), pool(2, bandwidth=10**12)
    goal = Goal(objective="latency", flow="homes")
    alone = evaluate(graph, system, replace(goal, scheduler="single:core0"))
    best = evaluate(graph, system, replace(goal, scheduler="optimal"))
    assert best.latency_ps < alone.latency_ps
    where = best.schedule.assignment
    assert where["left.0"] == where["left.1"] != where["right.0"] == where["right.1"]
