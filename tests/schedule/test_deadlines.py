"""A deadline is judged by what is simulated, beside what no simulation is below."""

from dataclasses import replace
from itertools import product

import pytest
from homes_problems import graphs, joined, pointwise
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import pool

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.objective import objective_named
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Parameter


@settings(max_examples=6)
@given(graphs(most_inputs=2, most_layers=4), st.sampled_from(["latency", "energy", "edp"]), st.floats(0, 1))
def test_a_deadline_that_any_schedule_keeps_is_kept_and_none_simulates_below_the_bound(
    graph: LayerGraph, objective: str, share: float
) -> None:
    system, memo = pool(2, activation_kib=24, links=[(0, 1)]), PriceMemo()
    goal = Goal(scheduler="optimal", objective=objective, execution="parallel", flow="homes")
    every = []
    for places in product(["core0", "core1"], repeat=len(graph.layers)):
        pins = {layer.name: place for layer, place in zip(graph.layers, places, strict=True)}
        alone = Goal(scheduler="greedy", objective=objective, flow="homes", pins=pins)
        every.append(evaluate(graph, system, alone, memo=memo, explained=False))
    latest_ps = sorted(max(each.latency_ps, each.steady.latency_ps) for each in every)
    deadline_ps = int(latest_ps[0] + share * (latest_ps[-1] - latest_ps[0]))
    found = evaluate(graph, system, replace(goal, deadline_ps=deadline_ps), memo=memo)
    assert found.latency_ps <= deadline_ps
    assert found.optimality.bound is not None
    assert found.optimality.bound <= min(value(each) for each in (*every, found)) * (1 + 1e-9)


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_no_simulation_is_below_the_bound_where_parameters_come_once_for_two_layers(objective: str) -> None:
    size = 1024
    layers = []
    for number, weight in enumerate("abab"):
        layer = pointwise(f"l{number}", 1, size, size)
        ends = {"model_input_bytes": size * (number == 0), "model_output_bytes": size * (number == 3)}
        layers.append(replace(layer, parameters=(Parameter(name=weight, size_bytes=size * size),), **ends))
    graph = joined(layers, [("l0", "l1"), ("l1", "l2"), ("l2", "l3")])
    goal = Goal(scheduler="optimal", objective=objective, execution="parallel", flow="homes")
    found = evaluate(graph, load_system("edge_tpu"), goal)
    assert sum(span.size_bytes for span in found.timeline.spans) == 2 * size * size + 2 * size
    assert found.optimality.bound is not None
    assert 0 < found.optimality.bound <= value(found)


def value(result: SystemResult) -> float:
    return objective_named(result.objective).value(result.energy_pj, result.latency_ps)
