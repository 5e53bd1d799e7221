"""Where units stand best with tensors at home: against every assignment and every choice of homes."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from homes_problems import KIB, elementwise, graphs, joined
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import pool

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.homes.placed import IN_MEMORY, AtHomeSolver, Mode, modes_of
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.schedule.problem import Problem
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.workload.graph import LayerGraph

SMALL = [
    f"accelerators.{name}.levels.activation_buffer.capacity_bytes={kib * KIB}"
    for name, kib in (("pascal", 40), ("pavlov", 24), ("jacquard", 32))
]
MENSA = load_system("mensa_g", SMALL)
LINKED = pool(3, activation_kib=40, links=[(0, 1), (1, 2)])
SHARING = pool(2, activation_kib=24, shared_kib=40)


def solver_of(graph: LayerGraph, system: System = MENSA) -> tuple[AtHomeSolver, list[list[Mode]]]:
    costs = price(graph, system, "energy")
    problem = problem_of(graph, system, costs, "energy", static_mw=static_power(system).total_mw)
    return AtHomeSolver(problem, costs), list(modes_of(problem, costs))


def every_sum(problem: Problem, modes: list[list[Mode]], weights: tuple[float, float]) -> Iterator[float]:
    """The weighted energy and latency of each assignment, each of its tensors being in memory or at home somewhere."""
    made = [sorted({mode.output for mode in own}) for own in modes]
    for places in product(*(unit.allowed for unit in problem.units)):
        for homes in product(*made):
            total = 0.0
            for unit, place in enumerate(places):
                read = {each.producer: homes[each.producer] for each in problem.incoming[unit]}
                asked = place, {one: home for one, home in read.items() if home != IN_MEMORY}, homes[unit]
                fitting = [mode for mode in modes[unit] if (mode.accelerator, mode.inputs, mode.output) == asked]
                each = (weights[0] * mode.energy_pj + weights[1] * mode.latency_ps for mode in fitting)
                total += min(each, default=math.inf)
            for tensor in problem.tensors:
                here = homes[tensor.producer] == IN_MEMORY
                for copied in problem.copies(tensor, places.__getitem__) if here else ():
                    total += weights[0] * problem.transfer_pj(*copied) + weights[1] * problem.transfer_ps(*copied)
            yield total


@settings(max_examples=16, deadline=None)
@given(
    graphs(most_inputs=2, most_layers=4),
    st.sampled_from([(1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]),
    st.sampled_from([MENSA, LINKED, SHARING]),
)
def test_nothing_is_predicted_below_what_is_found(
    graph: LayerGraph, weights: tuple[float, float], system: System
) -> None:
    solver, modes = solver_of(graph, system)
    found = solver.minimise(*weights)
    assert found.weighted(*weights) == pytest.approx(min(every_sum(solver.problem, modes, weights)), rel=1e-9)
    assert found.bound == found.weighted(*weights)
    again = solver.minimise(*weights, found.assignment)
    assert (again.assignment, again.bound) == (found.assignment, found.bound)


def test_of_two_tensors_that_it_reads_a_layer_may_have_one_at_home() -> None:
    layers = [
        elementwise("large", KIB, 60 * KIB, enters=KIB),
        elementwise("small", 60 * KIB, 8 * KIB),
        elementwise("sum", 68 * KIB, 8 * KIB, leaves=8 * KIB),
    ]
    solver, modes = solver_of(joined(layers, [("large", "small"), ("large", "sum"), ("small", "sum")]))
    assert {tuple(mode.inputs) for mode in modes[2]} == {(), (1,)}
    assert {mode.output for mode in modes[0]} == {IN_MEMORY}
    assert {mode.output for mode in modes[2]} == {IN_MEMORY}
    through_memory = solver.problem.units
    found = solver.minimise(1.0, 0.0)
    assert found.prediction.dynamic_pj < sum(
        min(unit.option(place).energy_pj for place in unit.allowed) for unit in through_memory
    )


def test_accelerators_keep_what_has_room_and_a_supply_is_not_cut() -> None:
    layers = [elementwise("a", KIB, 30 * KIB, enters=KIB), elementwise("b", 30 * KIB, KIB, leaves=KIB)]
    _, modes = solver_of(joined(layers, [("a", "b")]))
    assert {mode.accelerator for mode in modes[0] if mode.output != IN_MEMORY} == {0, 2}


def test_what_is_read_over_links_or_in_a_memory_on_the_chip_costs_what_the_simulation_takes() -> None:
    """`b` and `c` read what `a` makes, too large to stay beside what `b` makes, or made where `c` cannot run."""
    layers = [
        elementwise("a", KIB, 24 * KIB, enters=KIB),
        elementwise("b", 24 * KIB, 20 * KIB),
        elementwise("c", 20 * KIB, KIB, leaves=KIB),
    ]
    graph = joined(layers, [("a", "b"), ("b", "c")])
    for system, homes in ((LINKED, {"core0", "core1"}), (SHARING, {"core0", "slc"})):
        solver, _ = solver_of(graph, system)
        found = solver.minimise(1.0, 0.0)
        assert {solver.places[mode.output] for mode in found.modes if mode.output != IN_MEMORY} == homes
        costs = price(graph, system, "energy")
        where = {layer.name: f"core{place}" for layer, place in zip(graph.layers, found.assignment, strict=True)}
        planned = plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes
        spans = simulate(graph, costs, where, FULL, DataPlan(flow="homes", homes=planned)).spans
        assert found.prediction.dynamic_pj == pytest.approx(
            math.fsum(pj for span in spans for pj in span.energy_pj.values()), rel=1e-9
        )


def test_an_accelerator_without_a_level_for_activations_reads_from_others_and_shares() -> None:
    for system in (LINKED, SHARING):
        first, *others = system.accelerators
        levels = tuple(level for level in first.array.levels if level.name != "activation_buffer")
        bare = replace(first, spec=replace(first.array, levels=levels))
        layers = [elementwise("a", KIB, 8 * KIB, enters=KIB), elementwise("b", 8 * KIB, KIB, leaves=KIB)]
        solver, _ = solver_of(joined(layers, [("a", "b")]), replace(system, accelerators=(bare, *others)))
        found = solver.minimise(1.0, 0.0)
        assert found.modes[0].output not in (IN_MEMORY, 0)
