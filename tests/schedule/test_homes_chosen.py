"""The flow that is taken: never worse than a poorer one, and on real networks little but parameters crosses memory."""

from itertools import product

import pytest
from homes_problems import graphs, small_system
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.files import read_schedule, schedule_yaml
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph, unique_parameter_bytes
from mensa_sim.workload.load import load_workload


def value(result: SystemResult) -> float:
    """Of a first inference and a steady one together, as the problem has it."""
    problem, steady = result.problem, result.steady
    pairs = ((result.energy_pj, result.latency_ps), (steady.energy_pj, steady.latency_ps))
    return sum(problem.value(energy_pj - problem.static_pj_per_ps * ps, ps) for energy_pj, ps in pairs)


def both(graph: LayerGraph, system: str, objective: str, scheduler: str = "mensa") -> list[SystemResult]:
    on = small_system(40) if system == "edge_tpu" else load_system(system)
    goals = (Goal(scheduler=scheduler, objective=objective, flow=flow) for flow in ("layers", "homes"))
    return [evaluate(graph, on, goal) for goal in goals]


@settings(max_examples=12)
@given(graphs(most_inputs=3), st.sampled_from(list(product(("edge_tpu", "mensa_g"), ("latency", "energy", "edp")))))
def test_homes_are_never_worse_than_layer_by_layer(graph, goal):
    layers, homes = both(graph, *goal, scheduler="greedy")
    assert value(homes) <= value(layers) * (1 + 1e-9)


NETWORKS = (
    "squeezenet",
    *(
        pytest.param(name, marks=pytest.mark.long)
        for name in ("mobilenet_v3_large", "inception_v1", "mobilebert", "conformer_small")
    ),
)


@pytest.mark.parametrize("name", NETWORKS)
def test_on_an_edge_tpu_little_but_parameters_inputs_and_outputs_moves(name, tmp_path):
    """Each parameter is read at most once in an inference; all tensors fit the level at their time."""
    graph = load_workload(name)
    goal = Goal(scheduler="single:edge_tpu", flow="homes")
    found = evaluate(graph, load_system("edge_tpu"), goal)
    crossing = sum(layer.model_input_bytes + layer.model_output_bytes for layer in graph.layers)
    homes = found.schedule.data.homes
    kept = sum(home.size_bytes for home in homes)
    made = sum(layer.output_bytes - layer.model_output_bytes for layer in graph.layers)
    assert kept == made
    assert sum(found.traffic_bytes.values()) <= unique_parameter_bytes(graph.layers) + crossing
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_yaml(found.problem, found.schedule))
    again = evaluate(graph, load_system("edge_tpu"), Goal(schedule_file=path))
    assert (again.latency_ps, again.energy_pj) == (found.latency_ps, found.energy_pj)
    assert read_schedule(path, found.problem).data == found.schedule.data
