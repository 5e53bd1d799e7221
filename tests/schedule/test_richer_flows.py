"""Whatever the graph, system and objective: a richer flow is never worse, fits its levels and keeps every pJ."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from homes_problems import joined
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import pool

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.objective import objective_named
from mensa_sim.report.run.tables import optimality_text
from mensa_sim.schedule.data_plan import Home
from mensa_sim.schedule.tiles.floor import least_values
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

FLOWS = ("layers", "homes", "stacks", "tiles")
SMALL = "levels.activation_buffer.capacity_bytes=6144"
SYSTEMS = {
    "edge_tpu": (f"accelerators.edge_tpu.{SMALL}",),
    "simba_4": tuple(f"accelerators.chiplet_{number}.levels.global_buffer.capacity_bytes=6144" for number in range(4)),
    "mensa_g": tuple(f"accelerators.{name}.{SMALL}" for name in ("pascal", "pavlov", "jacquard")),
}
"""With levels that the drawn graphs do not fit."""


def convolution(name: str, rows: int, inputs: int, outputs: int, taps: int, stride: int) -> Layer:
    made = (rows - 1) // stride + 1
    nest = LoopNest(
        K=outputs,
        C=inputs,
        OY=made,
        OX=made,
        FY=taps,
        FX=taps,
        stride_y=stride,
        stride_x=stride,
        input_height=rows,
        input_width=rows,
    )
    return Layer(
        name=name,
        operator="conv2d",
        nest=nest,
        parameters=(Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements),),
        input_bytes=rows * rows * inputs,
        output_bytes=made * made * outputs,
    )


@st.composite
def networks(draw: st.DrawFn) -> LayerGraph:
    """Convolutions with strides, and additions of two tensors of one shape, in any order of dependence."""
    rows, channels = draw(st.sampled_from([8, 12])), draw(st.sampled_from([4, 16]))
    layers: list[Layer] = []
    shapes: list[tuple[int, int]] = []
    edges: list[tuple[str, str]] = []
    for index in range(draw(st.integers(3, 6))):
        name, like = f"l{index}", [place for place in range(index - 1) if shapes[place] == shapes[index - 1]]
        if like and draw(st.booleans()):
            size = layers[index - 1].output_bytes
            layers.append(Layer(name=name, operator="add", vector_ops=size, input_bytes=2 * size, output_bytes=size))
            shapes.append(shapes[index - 1])
            edges += [(f"l{draw(st.sampled_from(like))}", name), (f"l{index - 1}", name)]
            continue
        source = draw(st.integers(max(0, index - 2), index - 1)) if index else None
        side, inputs = (rows, channels) if source is None else shapes[source]
        outputs, taps = draw(st.sampled_from([4, 16])), draw(st.sampled_from([1, 3]))
        layers.append(convolution(name, side, inputs, outputs, taps, draw(st.sampled_from([1, 1, 2]))))
        nest = layers[-1].nest
        assert nest is not None
        shapes.append((nest.OY, outputs))
        edges += [] if source is None else [(f"l{source}", name)]
    return ending(layers, edges)


def ending(layers: Sequence[Layer], edges: Sequence[tuple[str, str]]) -> LayerGraph:
    """The graph in which what nobody reads leaves the model, and what reads nobody enters it."""
    made, read = {one for one, _ in edges}, {other for _, other in edges}
    return joined(
        [
            replace(
                layer,
                model_input_bytes=0 if layer.name in read else layer.input_bytes,
                model_output_bytes=0 if layer.name in made else layer.output_bytes,
            )
            for layer in layers
        ],
        edges,
    )


@settings(max_examples=10)
@given(
    networks(),
    st.sampled_from(list(SYSTEMS)),
    st.sampled_from(["latency", "energy", "edp"]),
    st.sampled_from(["mensa", "greedy", "heft"]),
    st.booleans(),
)
def test_a_richer_flow_is_never_worse_and_fits_and_keeps_every_pj(
    graph: LayerGraph, name: str, objective: str, scheduler: str, steady: bool
) -> None:
    system, memo = load_system(name, list(SYSTEMS[name])), PriceMemo()
    found = none_is_worse(graph, system, Goal(scheduler=scheduler, objective=objective, steady=steady), memo)
    for each in found:
        keeps_every_pj(each)
        fits_its_levels(each)
        says_why_it_is_worse_than_predicted(each)


def none_is_worse(graph: LayerGraph, system: System, goal: Goal, memo: PriceMemo) -> list[SystemResult]:
    """What each flow gives: none worse than the one before it, in a first inference or in a steady one.

    Where a steady one is asked for, in that alone.
    """
    found = [evaluate(graph, system, replace(goal, flow=flow), memo=memo) for flow in FLOWS]
    for poorer, richer in pairwise(found):
        for before, after in list(zip(values(poorer), values(richer), strict=True))[goal.steady :]:
            assert after <= before * (1 + 1e-8)
    return found


def values(result: SystemResult) -> list[float]:
    """The objective of a first inference and of a steady one."""
    objective = objective_named(result.objective)
    return [objective.value(each.energy_pj, each.latency_ps) for each in (result, result.steady)]


def keeps_every_pj(result: SystemResult) -> None:
    spans_pj = math.fsum(pj for span in result.timeline.spans for pj in span.energy_pj.values())
    static = sum(result.energy_by_component_pj.get(name, 0.0) for name in ("leakage", "background"))
    assert math.isclose(spans_pj + static, result.energy_pj, rel_tol=1e-12)


def fits_its_levels(result: SystemResult) -> None:
    """At the start of each layer, which is when anything comes."""
    data, ran = result.schedule.data, {span.layer: span for span in result.timeline.spans if span.kind == "layer"}
    assert data is not None
    for placed in result.hardware.accelerators:
        room_bytes = placed.array.buffer_bytes["activation"]
        mine = [home for home in data.homes if home.home == placed.name]
        for moment in ran.values():
            assert sum(home.size_bytes for home in mine if lives(home, moment.start_ps, result)) <= room_bytes
        levels = [level for level in result.timeline.levels if level.accelerator == placed.name]
        assert all(level.size_bytes <= placed.array.buffer_bytes[level.buffer] for level in levels)


def lives(home: Home, at_ps: int, result: SystemResult) -> bool:
    times = {layer.name: layer for layer in result.layers}
    readers = [name for name in result.graph.successors(home.tensor) if result.graph.edge_bytes(home.tensor, name)]
    return times[home.tensor].start_ps <= at_ps < max(times[reader].end_ps for reader in readers)


def says_why_it_is_worse_than_predicted(result: SystemResult) -> None:
    simulated, predicted = result.optimality.simulated, result.optimality.value
    assert simulated is not None
    assert simulated <= 1.02 * predicted or result.optimality.differs


def chain(*shapes: tuple[int, int, int, int, int]) -> LayerGraph:
    """Convolutions one after another, each by its rows, its channels in and out, its taps and its stride."""
    layers = [convolution(f"l{number}", *shape) for number, shape in enumerate(shapes)]
    return ending(layers, [(one.name, other.name) for one, other in pairwise(layers)])


@pytest.mark.parametrize(
    ("graph", "name", "goal"),
    [
        (chain((8, 16, 64, 3, 2), (4, 64, 64, 1, 1)), "npu_lpddr5_pim", Goal(scheduler="greedy")),
        (chain((12, 16, 4, 3, 1), (12, 4, 64, 3, 1)), "mensa_g", Goal(scheduler="optimal", execution="parallel")),
        (chain((12, 4, 4, 1, 1), (12, 4, 64, 5, 1), (12, 64, 64, 5, 2)), "edge_tpu", Goal(objective="latency")),
    ],
)
def test_what_a_first_inference_gains_a_later_one_does_not_pay(graph: LayerGraph, name: str, goal: Goal) -> None:
    system, memo = load_system(name), PriceMemo()
    for steady in (False, True):
        none_is_worse(graph, system, replace(goal, steady=steady), memo)


def test_of_few_assignments_the_best_is_the_least_that_any_simulates_and_none_is_below_its_floor() -> None:
    graph, system, memo = (
        chain((8, 16, 64, 3, 1), (8, 64, 4, 1, 1), (8, 4, 64, 3, 1)),
        load_system("mensa_g"),
        PriceMemo(),
    )
    goal = Goal(scheduler="optimal", objective="energy", flow="homes")
    placed, every = place(graph, system, goal, memo), list(product(range(3), repeat=3))
    for steady in (False, True):
        found = []
        for each in every:
            own = replace(
                goal, steady=steady, scheduler=lambda problem, each=each: [problem.accelerators[a] for a in each]
            )
            ran = evaluate(graph, system, own, memo=memo, explained=False)
            found.append((values(ran)[steady], (ran, ran.steady)[steady].latency_ps))
        best = evaluate(graph, system, replace(goal, steady=steady), memo=memo, explained=False)
        assert best.optimality.of_all == len(every) > best.optimality.tried
        said = f"the least of all {len(every)} assignments{' by steady inferences' * steady}"
        assert optimality_text(best.optimality).endswith(said)
        assert values(best)[steady] == pytest.approx(min(found)[0], rel=1e-9)
        timed = replace(placed.problem, objective="latency")
        floors, least_ps = (
            least_values(placed.costs, each, np.array(every), steady=steady) for each in (placed.problem, timed)
        )
        assert all(floor <= value for floor, (value, _) in zip(floors, found, strict=True))
        above = [latency_ps / floor_ps for floor_ps, (_, latency_ps) in zip(least_ps, found, strict=True)]
        assert 1 <= min(above) < 1.02
        fewer = {
            key: cost for key, cost in placed.costs.costs.items() if key[:2] != ("l1", placed.problem.accelerators[2])
        }
        able = [number for number, each in enumerate(every) if each[1] != 2]
        left = least_values(replace(placed.costs, costs=fewer), placed.problem, np.array(every)[able], steady=steady)
        assert left == [floors[number] for number in able]


def test_a_supply_that_is_cut_counts_where_flows_are_compared() -> None:
    graph, system = chain((8, 4, 16, 1, 1), (8, 16, 4, 1, 1), (8, 4, 16, 3, 2)), load_system("npu_lpddr5_pim")
    gating = PowerGating(residual=0.1, wake_up_ps=0, source="a choice")
    accelerators = [replace(each, spec=replace(each.spec, power_gating=gating)) for each in system.accelerators]
    system, memo = replace(system, accelerators=tuple(accelerators)), PriceMemo()
    none_is_worse(graph, system, Goal(objective="energy", scheduler="optimal"), memo)


def test_a_richer_flow_keeps_the_deadline_that_a_poorer_one_keeps() -> None:
    """A shared memory that is frugal and slow."""
    system, memo = pool(1, activation_kib=12, shared_kib=1024), PriceMemo()
    slow = replace(system.memories["slc"], bandwidth_bytes_per_s=4 * 10**9)
    system = replace(system, memories={**system.memories, "slc": slow})
    graph, goal = chain((24, 16, 64, 1, 1), (24, 64, 16, 1, 1)), Goal(objective="energy", scheduler="greedy")
    layers, homes = (evaluate(graph, system, replace(goal, flow=flow), memo=memo) for flow in ("layers", "homes"))
    assert homes.energy_pj < layers.energy_pj
    bound = layers.latency_ps
    assert homes.latency_ps > bound
    assert evaluate(graph, system, replace(goal, deadline_ps=bound, flow="homes"), memo=memo).latency_ps <= bound
