"""Runs with stacks: never worse than without, told in files, read back, and simulated as they are priced."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.errors import FileError
from mensa_sim.flow import FlowName
from mensa_sim.hardware.files import load_system
from mensa_sim.report.run.summary import summary
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.schedule.stacks.plan import PricedStack, StackPlanner
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.study.run.flows import data_of, with_data_plan
from mensa_sim.study.run.on_chip import memory_bytes
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.result import SteadyState, SystemResult
from mensa_sim.study.run.run import evaluate, run
from mensa_sim.study.run.tiles import in_stacks
from mensa_sim.workload.load import load_workload

MEMO = PriceMemo()


def ran(workload: str, system: str, **goal: Any) -> SystemResult:
    return evaluate(load_workload(workload), load_system(system), Goal(**goal), memo=MEMO)


def plan_of(result: SystemResult) -> DataPlan:
    assert result.schedule.data is not None
    return result.schedule.data


FIGURES: dict[str, Callable[[SystemResult | SteadyState], float]] = {
    "edp": lambda one: one.energy_pj * one.latency_ps,
    "energy": lambda one: one.energy_pj,
    "latency": lambda one: one.latency_ps,
}


@pytest.mark.parametrize(
    ("workload", "system", "objective"),
    [
        ("small_cnn", "pascal", "edp"),
        ("small_cnn", "pascal", "latency"),
        ("residual_cnn", "pascal", "energy"),
        ("keyword_spotting", "mensa_g", "edp"),
        ("small_cnn", "mensa_g", "latency"),
    ],
)
def test_stacks_never_make_the_simulated_objective_worse(workload: str, system: str, objective: str) -> None:
    memo, graph, hardware = PriceMemo(), load_workload(workload), load_system(system)
    totals = []
    for flow in ("stacks", "layers"):
        each = evaluate(graph, hardware, Goal(objective=objective, flow=flow), memo=memo)
        totals.append(FIGURES[objective](each) + FIGURES[objective](each.steady))
    assert totals[0] <= totals[1] * (1 + 1e-9)


def test_a_stack_is_tried_wherever_it_may_run_and_gains_however_much_it_costs_there() -> None:
    memo, graph, system = PriceMemo(), load_workload("small_cnn"), load_system("mensa_g")
    placed = place(graph, system, Goal(), memo)
    planner = StackPlanner(placed.costs, placed.problem)
    here = planner.over(["pascal"], placed.schedule)
    tried = planner.elsewhere(here, placed.schedule)
    names = [name for name in placed.problem.accelerators if name != "pascal"]
    asked = {
        (each.stack.layers, name): planner.refusal(name, each.stack.layers, placed.schedule)
        for each in here
        for name in names
    }
    assert {(each.stack.layers, each.stack.accelerator) for each in tried} == {
        key for key, why in asked.items() if why is None
    }

    def latency_ps(each: PricedStack) -> int:
        return sum(cost.on_chip_ps for cost in each.costs.values())

    assert max(map(latency_ps, tried)) > 2 * max(map(latency_ps, here))
    bound = place(graph, system, Goal(pins={here[0].stack.layers[-1]: "pascal"}), memo)
    free = [each for each in tried if each.stack.layers != here[0].stack.layers]
    assert StackPlanner(bound.costs, bound.problem).elsewhere(here, placed.schedule) == free
    assert len(free) < len(tried)


def test_layers_are_cut_once_more_around_what_was_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    memo, graph = PriceMemo(), load_workload("mobilenet_v1")
    some = {layer.name for layer in graph.layers[2:5]}
    edges = tuple(edge for edge in graph.edges if {edge.producer, edge.consumer} <= some)
    placed = place(replace(graph, layers=graph.layers[2:5], edges=edges), load_system("mensa_g"), Goal(), memo)
    twice = list(in_stacks(placed, Goal(), memo))
    monkeypatch.setattr("mensa_sim.study.run.tiles.CUTS", 1)
    assert len(twice) > len(list(in_stacks(placed, Goal(), memo)))


def test_a_buffer_of_eight_kilobytes_serves_a_small_network_as_well_as_one_of_four() -> None:
    """More rows of a stack fit it than leave its second convolution room."""
    graph, memo, level = load_workload("mnist_cnn"), PriceMemo(), "accelerators.pascal.levels.activation_buffer"
    systems = [load_system("pascal", (f"{level}.capacity_bytes={size}",)) for size in (4096, 8192)]
    small, large = (evaluate(graph, each, Goal(flow="stacks"), memo=memo, explained=False) for each in systems)
    assert large.objective_value("edp") < small.objective_value("edp")


@pytest.fixture(scope="module")
def stacked() -> SystemResult:
    return ran("mobilenet_v1", "pascal", flow="stacks", scheduler="single:pascal")


def test_a_run_in_stacks_moves_less_and_says_which_layers_run_how(stacked: SystemResult) -> None:
    without = ran("mobilenet_v1", "pascal", flow="layers", scheduler="single:pascal")
    assert sum(stacked.traffic_bytes.values()) < 0.5 * sum(without.traffic_bytes.values())
    assert stacked.energy_pj < without.energy_pj
    (stack, *_) = plan_of(stacked).stacks
    assert stack.layers[0] == stacked.graph.layers[0].name
    assert stack.accelerator == "pascal"
    rows = {layer.name: layer for layer in stacked.graph.layers}[stack.layers[-1]].nest
    assert rows is not None
    assert stack.tiles == -(-rows.OY // stack.rows)


def test_what_crosses_memory_is_what_the_stacks_and_other_layers_cost(stacked: SystemResult) -> None:
    (memory,) = stacked.hardware.memories
    planner = StackPlanner(price(stacked.graph, stacked.hardware), stacked.problem)
    for each in map(planner.priced, plan_of(stacked).stacks):
        spans = [span for span in stacked.timeline.spans if span.layer in each.costs and span.resource == memory]
        assert sum(span.size_bytes for span in spans) == sum(cost.memory_bytes for cost in each.costs.values())
    assert {span.layer for span in stacked.timeline.spans} == {layer.name for layer in stacked.graph.layers}
    own = math.fsum(pj for span in stacked.timeline.spans for pj in span.energy_pj.values())
    static = sum(stacked.energy_by_component_pj[name] for name in ("leakage", "background"))
    assert own + static == pytest.approx(stacked.energy_pj, rel=1e-12)


def test_a_tile_is_priced_once_whatever_asks_for_it(stacked: SystemResult) -> None:
    memo, stacks = PriceMemo(), plan_of(stacked).stacks[:2]
    costs = price(stacked.graph, stacked.hardware)
    first = list(map(StackPlanner(costs, stacked.problem, memo).priced, stacks))
    priced = memo.priced
    assert priced > 0
    assert list(map(StackPlanner(costs, stacked.problem, memo).priced, stacks)) == first
    assert memo.priced == priced
    assert list(map(StackPlanner(costs, replace(stacked.problem, objective="latency"), memo).priced, stacks))
    assert memo.priced > priced


@pytest.mark.parametrize("workload", ["keyword_spotting", "small_cnn"])
def test_stacks_placed_as_such_say_what_their_layers_move_one_by_one(workload: str) -> None:
    placed = place(load_workload(workload), load_system("mensa_g"), Goal())
    found = list(in_stacks(placed, Goal(), PriceMemo()))
    assert len(found) > 1
    for each in found:
        stacks = each.schedule.data.stacks if each.schedule.data else ()
        assert each.alone is placed.costs
        assert [memory_bytes(each.costs, stack) < memory_bytes(placed.costs, stack) for stack in stacks] == [
            True for _ in stacks
        ]


def test_layers_of_a_stack_run_one_after_another_with_nothing_between(stacked: SystemResult) -> None:
    times = {layer.name: (layer.start_ps, layer.end_ps) for layer in stacked.layers}
    for stack in plan_of(stacked).stacks:
        ends = [times[name] for name in stack.layers]
        assert all(first[1] == then[0] for first, then in pairwise(ends))


def test_causes_add_up_with_stacks_among_them(stacked: SystemResult) -> None:
    causes, prediction = stacked.optimality.causes, stacked.schedule.prediction
    assert sum(each.latency_ps for each in causes) == stacked.latency_ps - prediction.latency_ps
    energy_pj = math.fsum(each.energy_pj for each in causes)
    assert math.isclose(energy_pj, stacked.energy_pj - prediction.energy_pj, abs_tol=1e-9 * stacked.energy_pj)
    assert next(each for each in causes if each.name == "stacks").energy_pj < 0


def test_a_schedule_file_with_stacks_runs_as_it_was_written(stacked: SystemResult, tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_yaml(stacked.problem, stacked.schedule))
    again = ran("mobilenet_v1", "pascal", schedule_file=path)
    assert (again.latency_ps, again.energy_pj) == (stacked.latency_ps, stacked.energy_pj)
    assert plan_of(again) == plan_of(stacked)


def test_faults_of_stacks_in_a_file_are_told_at_once(stacked: SystemResult, tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    first = plan_of(stacked).stacks[0]
    text = schedule_yaml(stacked.problem, stacked.schedule)
    path.write_text(text.replace("flow: stacks", "flow: layers").replace(f"[{first.layers[0]},", "[nobody,"))
    with pytest.raises(FileError) as caught:
        ran("mobilenet_v1", "pascal", schedule_file=path)
    for words in ("has no layer 'nobody'", "the flow is layers; layers run in stacks under stacks"):
        assert words in str(caught.value)


def test_a_stack_whose_tiles_do_not_fit_is_refused_in_words(stacked: SystemResult, tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    first = plan_of(stacked).stacks[0]
    whole = DataPlan(flow="stacks", stacks=(replace(first, tiles=1, rows=10**6),))
    path.write_text(schedule_yaml(stacked.problem, replace(stacked.schedule, data=whole)))
    placed = stacked.hardware.accelerators[0]
    small = replace(placed, spec=with_room(placed.array, {"activation_buffer": 16384}))
    system = replace(stacked.hardware, accelerators=(small,))
    goal = Goal(scheduler="mensa", schedule_file=path)
    with pytest.raises(
        FileError, match=r"schedule.yaml: pascal cannot run .* as a stack: 1 tiles of 1000000 rows do not fit"
    ):
        evaluate(stacked.graph, system, goal)


def test_a_summary_lists_the_stacks() -> None:
    result = run(RunRequest(workload="mobilenet_v1", system="pascal", flow="stacks", baseline="pascal"))
    listed = summary(result)["stacks"]
    assert isinstance(listed, list)
    assert listed
    assert set(listed[0]) == {"layers", "accelerator", "tiles", "rows", "start_ps", "end_ps", "saved_bytes"}


@pytest.mark.parametrize(
    ("workload", "optimum_uj", "above"),
    [("attn_a", 255.1, 0.001), ("attn_b", 1590.8, 0.001), ("mlp_a", 597.5, 0.001), ("mlp_b", 3934.0, 0.015)],
    ids=["attention 12 x 512", "attention 8 x 2048", "mlp 128", "mlp 1024"],
)
def test_two_products_in_a_stack_take_the_energy_of_accelforges_fused_optimum(
    workload: str, optimum_uj: float, above: float, reference: Path
) -> None:
    """AccelForge 1.0.467's optimal mapper, fused, on the same core; softmax left out on both sides."""
    folder = reference / "peers" / "matched"
    graph, system = load_workload(folder / f"{workload}.yaml"), load_system(folder / "af_edge.yaml")
    found = evaluate(graph, system, Goal(scheduler="single:af_edge", objective="energy", flow="stacks"))
    assert found.energy_pj / 1e6 == pytest.approx(optimum_uj, rel=above)
    # What lies between the products of the smaller MLP fits whole, so that nothing is left to gain.
    assert [len(stack.layers) for stack in plan_of(found).stacks] == ([] if workload == "mlp_a" else [2])


def test_a_stack_in_parts_reads_back_as_it_was_written(reference: Path, tmp_path: Path) -> None:
    folder = reference / "peers" / "matched"
    graph, system = load_workload(folder / "attn_b.yaml"), load_system(folder / "af_edge.yaml")
    goal = Goal(scheduler="single:af_edge", objective="energy", flow="stacks")
    found = evaluate(graph, system, goal)
    (stack,) = plan_of(found).stacks
    assert (stack.rows, stack.tiles) == (2048, 8 * 3)
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_yaml(found.problem, found.schedule))
    again = evaluate(graph, system, replace(goal, schedule_file=path))
    assert (again.latency_ps, again.energy_pj) == (found.latency_ps, found.energy_pj)
    path.write_text(path.read_text().replace("tiles: 24", "tiles: 25"))
    with pytest.raises(FileError, match=r"of tiles of 2048 rows .* has 8 or a multiple of that, not 25"):
        evaluate(graph, system, replace(goal, schedule_file=path))


@pytest.mark.parametrize("flow", ["homes", "stacks"])
def test_each_cycle_is_paid_for_where_a_maker_states_what_a_cycle_draws(flow: FlowName) -> None:
    """Those too in which the array waits for what is read at home, or for rows that cross a level."""
    narrow = (f"accelerators.edge_tpu.buffers.activation.{each}_bits=64" for each in ("read", "write"))
    small = "accelerators.edge_tpu.buffers.activation.capacity_bytes=65536"
    drawn = 'accelerators.edge_tpu.working_pj_per_cycle={"value": 1000.0, "source": "a test"}'
    system, graph = load_system("edge_tpu", [*narrow, small, drawn]), load_workload("residual_cnn")
    goal = Goal(flow=flow)
    planned = with_data_plan(place(graph, system, goal), flow, FULL, goal)
    plan = make_plan(graph, planned.costs, planned.schedule.assignment, FULL, data=data_of(planned))
    costs = [stage.cost for unit in plan.units for stage in unit.variants.streamed.stages]
    waiting = [cost for cost in costs if cost.buffer_cycles > cost.compute_cycles]
    assert len(waiting) > 3
    assert data_of(planned).stacks or data_of(planned).homes
    for cost in costs:
        assert cost.dynamic_pj.get("device", 0.0) == pytest.approx(1000 * cost.working_cycles)
