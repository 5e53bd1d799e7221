"""Where units stand best with tensors at home: against every assignment and every choice of homes."""

from collections.abc import Iterator
from itertools import combinations, product

import pytest
from homes_problems import KIB, elementwise, graphs, joined
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.homes.placed import AtHomeSolver, Mode, modes_of
from mensa_sim.schedule.problem import Problem
from mensa_sim.workload.graph import LayerGraph

SMALL = [
    f"accelerators.{name}.levels.activation_buffer.capacity_bytes={kib * KIB}"
    for name, kib in (("pascal", 40), ("pavlov", 24), ("jacquard", 32))
]


def solver_of(graph: LayerGraph) -> tuple[AtHomeSolver, list[list[Mode]]]:
    system = load_system("mensa_g", SMALL)
    costs = price(graph, system, "energy")
    problem = problem_of(graph, system, costs, "energy", static_mw=static_power(system).total_mw)
    return AtHomeSolver(problem, costs), list(modes_of(problem, costs))


def every_sum(problem: Problem, modes: list[list[Mode]], weights: tuple[float, float]) -> Iterator[float]:
    """The weighted energy and latency of each assignment, each subset of its tensors being at home."""
    for places in product(*(unit.allowed for unit in problem.units)):
        able = {t.producer for t in problem.tensors if {places[r] for r in t.readers} == {places[t.producer]}}
        for count in range(len(able) + 1):
            for home in map(set, combinations(sorted(able), count)):
                total = 0.0
                for unit, place in enumerate(places):
                    read = frozenset(tensor.producer for tensor in problem.incoming[unit]) & home
                    fitting = [
                        mode
                        for mode in modes[unit]
                        if (mode.accelerator, mode.inputs, mode.output) == (place, read, unit in home)
                    ]
                    each = (weights[0] * mode.energy_pj + weights[1] * mode.latency_ps for mode in fitting)
                    total += min(each, default=float("inf"))
                for tensor in problem.tensors:
                    for copied in () if tensor.producer in home else problem.copies(tensor, places.__getitem__):
                        total += weights[0] * problem.transfer_pj(*copied) + weights[1] * problem.transfer_ps(*copied)
                yield total


@settings(max_examples=12, deadline=None)
@given(graphs(most_inputs=2, most_layers=4), st.sampled_from([(1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]))
def test_nothing_is_predicted_below_what_is_found(graph: LayerGraph, weights: tuple[float, float]) -> None:
    solver, modes = solver_of(graph)
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
    assert {mode.inputs for mode in modes[2]} == {frozenset(), frozenset({1})}
    assert {mode.output for mode in modes[0]} == {False}
    assert {mode.output for mode in modes[2]} == {False}
    through_memory = solver.problem.units
    found = solver.minimise(1.0, 0.0)
    assert found.prediction.dynamic_pj < sum(
        min(unit.option(place).energy_pj for place in unit.allowed) for unit in through_memory
    )


def test_accelerators_keep_what_has_room_and_a_supply_is_not_cut() -> None:
    layers = [elementwise("a", KIB, 30 * KIB, enters=KIB), elementwise("b", 30 * KIB, KIB, leaves=KIB)]
    _, modes = solver_of(joined(layers, [("a", "b")]))
    assert {mode.accelerator for mode in modes[0] if mode.output} == {0, 2}
