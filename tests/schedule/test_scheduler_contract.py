"""Every scheduler keeps the rules on every problem."""

from dataclasses import replace

import pytest
from exhaustive import every_prediction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_problems import problems

from mensa_sim.errors import InfeasibleError, UnknownNameError
from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.policies.registry import SCHEDULERS, schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import unit_assignment
from mensa_sim.schedule.unit import Option, Refusal

pytestmark = pytest.mark.usefixtures("added_objective")

POWERS = {"edp": (1, 1), "latency": (0, 1), "energy": (1, 0), "ed2p": (1, 2), "e2dp": (2, 1)}
"""Of energy and latency in each objective."""
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# Drawing a problem takes longer than any scheduler does, so each problem is given to all of them.


@QUICK
@given(problem=problems())
def test_each_layer_stands_once_on_an_accelerator_that_can_run_it_groups_together_and_pins_kept(
    problem: Problem,
) -> None:
    layers = sorted(layer for unit in problem.units for layer in unit.layers)
    for name in SCHEDULERS:
        found = schedule(problem, name)
        assert sorted(found.assignment) == layers, name
        for unit in problem.units:
            places = {found.assignment[layer] for layer in unit.layers}
            assert len(places) == 1, name
            place = problem.accelerators.index(places.pop())
            assert isinstance(unit.options[place], Option), name
            assert unit.pin in (None, place), name


@QUICK
@given(problem=problems())
def test_producers_come_before_their_consumers(problem: Problem) -> None:
    for name in SCHEDULERS:
        order = schedule(problem, name).order
        for tensor in problem.tensors:
            last = max(order.index(layer) for layer in problem.units[tensor.producer].layers)
            readers = [layer for reader in tensor.readers for layer in problem.units[reader].layers]
            assert last < min(order.index(layer) for layer in readers), name


@QUICK
@given(problem=problems())
def test_the_same_problem_gives_the_same_schedule_with_a_reason_for_every_layer(problem: Problem) -> None:
    for name in SCHEDULERS:
        found = schedule(problem, name)
        assert found == schedule(replace(problem), name), name
        assert all(found.reasons[layer] for layer in found.assignment), name


@settings(QUICK, max_examples=10)
@given(problem=problems(max_units=4))
def test_a_schedule_is_judged_by_its_objective_and_no_other_one_lies_below_its_bound(problem: Problem) -> None:
    every = every_prediction(problem)
    for objective, powers in POWERS.items():
        best = min(of(other, powers) for other in every)
        for name in sorted(SCHEDULERS.keys() - {"throughput"}):
            found = schedule(replace(problem, objective=objective), name)
            assert found.objective == objective, name
            assert found.value == pytest.approx(of(found.prediction, powers)), name
            assert found.value >= best * (1 - 1e-9), name
            assert found.bound is None or found.bound <= best * (1 + 1e-9), name


def of(prediction: Prediction, powers: tuple[int, int]) -> float:
    return prediction.energy_pj ** powers[0] * float(prediction.latency_ps) ** powers[1]


@QUICK
@given(problem=problems(), data=st.data())
def test_single_puts_everything_on_the_named_accelerator_or_names_all_that_it_cannot_run(
    problem: Problem, data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(range(len(problem.accelerators))))
    name = problem.accelerators[target]
    if all(target in unit.allowed for unit in problem.units):
        assert set(schedule(problem, f"single:{name}").assignment.values()) == {name}
    else:
        with pytest.raises(InfeasibleError) as error:
            schedule(problem, f"single:{name}")
        for unit in problem.units:
            assert (target in unit.allowed) or unit.name in str(error.value)


@QUICK
@given(problem=problems(), data=st.data())
def test_overlapping_branches_never_take_longer_than_layer_after_layer(problem: Problem, data: st.DataObject) -> None:
    assignment = [data.draw(st.sampled_from(unit.allowed)) for unit in problem.units]
    prediction = evaluate(problem, assignment)
    assert prediction.parallel_ps <= prediction.serial_ps
    slowest = max(unit.option(place).latency_ps for unit, place in zip(problem.units, assignment, strict=True))
    assert prediction.parallel_ps >= slowest


@QUICK
@given(problem=problems())
def test_greedy_minimises_each_unit_by_itself(problem: Problem) -> None:
    places = unit_assignment(problem, schedule(problem, "greedy"))
    for unit, place in zip(problem.units, places, strict=True):
        values = [problem.value(unit.option(a).energy_pj, unit.option(a).latency_ps) for a in unit.allowed]
        assert problem.value(unit.option(place).energy_pj, unit.option(place).latency_ps) == min(values)


@QUICK
@given(problem=problems())
def test_a_unit_that_nothing_can_run_is_infeasible_and_the_reasons_are_named(problem: Problem) -> None:
    refused = replace(problem.units[0], options=(Refusal(reason="too large"),) * len(problem.accelerators), pin=None)
    broken = replace(problem, units=(refused, *problem.units[1:]))
    for name in SCHEDULERS:
        with pytest.raises(InfeasibleError, match=r"no accelerator can run u0 \(a0: too large"):
            schedule(broken, name)


@given(problem=problems(max_units=2))
@settings(max_examples=5, deadline=None)
def test_unknown_names_list_the_choices(problem: Problem) -> None:
    with pytest.raises(UnknownNameError, match="mensa"):
        schedule(problem, "mesna")
    with pytest.raises(UnknownNameError, match="a0"):
        schedule(problem, "single:b")
    with pytest.raises(UnknownNameError, match="mac_ratio"):
        schedule(problem, "mensa", mac_rato=3.0)
