"""`optimal` against exhaustive search, against every other scheduler, and its bound against its value."""

from dataclasses import replace
from unittest.mock import patch

import pytest
from chains import chain, unit
from exhaustive import every_prediction, every_schedule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_problems import problems

from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.objective import OBJECTIVES
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.exact import elimination, enumeration
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import SOLVED
from mensa_sim.schedule.exact.makespan_program import MakespanProgram, consistent_order, improved
from mensa_sim.schedule.exact.weighted import Candidate, evaluated
from mensa_sim.schedule.policies.optimal import beside, optimal
from mensa_sim.schedule.policies.registry import SCHEDULERS, schedule
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Refusal, UnitTensor

pytestmark = pytest.mark.usefixtures("added_objective")

THOROUGH = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
EXACT = 1 + 1e-9
BY_HIGHS = 1 + 1e-5
PROVED = 1e-4
"""What the solver's tolerance, of 1e-6 for each of energy and latency, leaves of a bound on their product."""


@pytest.mark.parametrize("objective", [*OBJECTIVES, "e2dp"])
@THOROUGH
@given(problem=problems(max_units=7, executions=("serial",)))
def test_layer_by_layer_it_equals_exhaustive_search(objective: str, problem: Problem) -> None:
    problem = replace(problem, objective=objective)
    best = min(prediction.value for prediction in every_prediction(problem))
    found = optimal(problem)
    assert found.value <= best * EXACT
    assert found.bound == pytest.approx(best, rel=1e-9)
    assert found.gap == 0


@pytest.mark.parametrize("objective", [*OBJECTIVES, "e2dp"])
@THOROUGH
@given(problem=problems(max_units=7, executions=("serial",)))
def test_a_graph_too_wide_to_eliminate_is_solved_as_a_program(objective: str, problem: Problem) -> None:
    problem = replace(problem, objective=objective)
    best = min(prediction.value for prediction in every_prediction(problem))
    with patch.object(elimination, "MAX_TABLE", 0):
        found = optimal(problem)
    assert "HiGHS" in found.proof
    assert found.value <= best * BY_HIGHS
    assert found.bound is not None
    assert best * (1 - PROVED) <= found.bound <= best * EXACT


@pytest.mark.parametrize("objective", [*OBJECTIVES, "e2dp"])
@settings(THOROUGH, max_examples=25)
@given(problem=problems(max_units=4, executions=("parallel",)))
def test_with_branches_in_parallel_it_equals_exhaustive_search_over_orders(objective: str, problem: Problem) -> None:
    problem = replace(problem, objective=objective)
    best = min(prediction.value for prediction in every_prediction(problem))
    found = optimal(problem)
    assert found.value <= best * BY_HIGHS
    assert found.bound is not None
    assert best * (1 - PROVED) <= found.bound <= best * EXACT


@pytest.mark.parametrize("objective", ["edp", "latency"])
@settings(THOROUGH, max_examples=15)
@given(problem=problems(max_units=4, executions=("parallel",)))
def test_with_too_many_schedules_to_try_the_program_bounds_them_all(objective: str, problem: Problem) -> None:
    problem = replace(problem, objective=objective)
    best = min(prediction.value for prediction in every_prediction(problem))
    with patch.object(enumeration, "MAX_SCHEDULES", 0):
        found = optimal(problem)
    assert "HiGHS" in found.proof
    assert found.bound is not None
    assert found.bound <= best * EXACT
    assert found.value >= best / EXACT


@settings(THOROUGH, max_examples=25)
@given(problem=problems(max_units=4, executions=("parallel",)), weights=st.sampled_from([(0.0, 1.0), (1.0, 1.0)]))
def test_where_no_unit_uses_a_channel_the_program_finds_the_best_though_it_is_told_of_the_worst(
    problem: Problem, weights: tuple[float, float]
) -> None:
    units = [
        replace(unit, options=tuple(o if isinstance(o, Refusal) else replace(o, phases=()) for o in unit.options))
        for unit in problem.units
    ]
    problem = replace(problem, units=tuple(units))
    every = [evaluated(problem, *placed) for placed in every_schedule(problem)]
    best, worst = (pick(every, key=lambda each: each.weighted(*weights)) for pick in (min, max))
    program = MakespanProgram(Arrays(problem), [(worst.assignment, worst.order)], budget_s=600)
    with patch.object(program, "_improved", lambda found, *_: found[-1]):
        found = program.minimise(*weights)
    assert found.weighted(*weights) == pytest.approx(best.weighted(*weights), rel=1e-5, abs=1e-2)
    assert found.bound == pytest.approx(best.weighted(*weights), rel=1e-5, abs=1e-2)
    assert found.proof == SOLVED


@THOROUGH
@given(problem=problems(max_units=6))
def test_what_was_improved_unit_by_unit_no_move_of_one_unit_betters(problem: Problem) -> None:
    def value(candidate: Candidate) -> float:
        return candidate.weighted(1.0, 1.0)

    start = evaluated(problem, tuple(unit.allowed[0] for unit in problem.units), None)
    assert improved(problem, start, value, tries=0) == start
    best = improved(problem, start, value, tries=10**6)
    for index, each in enumerate(problem.units):
        for place in each.allowed:
            moved = (*best.assignment[:index], place, *best.assignment[index + 1 :])
            assert value(evaluated(problem, moved, best.order)) >= value(best)


@pytest.mark.parametrize("execution", ["serial", "parallel"])
@pytest.mark.parametrize("objective", [*OBJECTIVES, "e2dp"])
@settings(THOROUGH, max_examples=10)
@given(data=st.data())
def test_under_a_deadline_it_is_the_best_that_meets_it_or_says_by_how_much_nothing_does(
    execution: str, objective: str, data: st.DataObject
) -> None:
    drawn = data.draw(problems(max_units=7 if execution == "serial" else 4, executions=(execution,)))
    everything = every_prediction(replace(drawn, objective=objective))
    fastest, slowest = (pick(p.latency_ps for p in everything) for pick in (min, max))
    deadline_ps = data.draw(st.integers(max(1, fastest - 2), max(1, slowest + 1)))
    problem = replace(drawn, objective=objective, deadline_ps=deadline_ps)
    meeting = [prediction.value for prediction in everything if prediction.latency_ps <= deadline_ps]
    if not meeting:
        with pytest.raises(InfeasibleError, match=rf"takes {fastest} ps, {fastest - deadline_ps} ps \("):
            optimal(problem)
        return
    found = optimal(problem)
    assert found.prediction.latency_ps <= deadline_ps
    assert found.value <= min(meeting) * BY_HIGHS
    assert found.bound is not None
    assert found.bound <= min(meeting) * EXACT


@THOROUGH
@given(problem=problems(max_units=7))
def test_no_scheduler_is_better_and_no_bound_is_above_a_value(problem: Problem) -> None:
    best = optimal(problem)
    assert best.bound is not None
    assert best.bound <= best.value
    names = [*(name for name in SCHEDULERS if name not in ("optimal", "throughput"))]
    names += [f"single:{a}" for i, a in enumerate(problem.accelerators) if all(i in u.allowed for u in problem.units)]
    for name in names:
        other = schedule(problem, name)
        assert best.value <= other.value * EXACT
        assert (beside(other, best).gap or 0.0) >= 0


def ladder(rungs: int, **fields: object) -> Problem:
    """Two branches at each rung, so that nothing is known before the program is solved."""
    units = [unit("in", 10, 12)]
    tensors = []
    for rung in range(rungs):
        base = 3 * rung
        units += [unit(f"l{rung}", 50 + rung, 40), unit(f"r{rung}", 45, 60 - rung), unit(f"j{rung}", 9, 11)]
        tensors.append(UnitTensor(producer=base, readers=(base + 1, base + 2), size_bytes=20))
        tensors += [UnitTensor(producer=base + side, readers=(base + 3,), size_bytes=20) for side in (1, 2)]
    return chain(*units, tensors=tuple(tensors), **fields)


def test_without_the_time_to_prove_it_the_gap_is_stated() -> None:
    found = optimal(ladder(6, execution="parallel", objective="latency"), time_limit_s=1e-6)
    assert found.bound is not None
    assert 0 < found.bound < found.value
    assert "time limit" in found.proof


@pytest.mark.parametrize("tried", [0, enumeration.MAX_SCHEDULES])
def test_joining_two_branches_late_pays_where_copies_are_cheap(tried: int) -> None:
    with patch.object(enumeration, "MAX_SCHEDULES", tried):
        found = optimal(ladder(2, execution="parallel", objective="latency"), time_limit_s=20)
    assert ("every schedule" in found.proof) == bool(tried)
    assert found.gap == pytest.approx(0, abs=1e-5)
    assert found.value < sum(min(o.latency_ps for o in u.options) for u in ladder(2).units)  # type: ignore[union-attr]


@pytest.mark.parametrize("memories", [("m0",), ("m0", "m1")])
def test_more_units_than_python_recurses_are_tried_where_there_is_one_accelerator_alone(memories: tuple[str]) -> None:
    units = [unit(f"u{index}", *[3] * len(memories)) for index in range(1_100)]
    problem = chain(*units, memories=memories, accelerators=memories)
    assert enumeration.few_schedules(problem) == (memories == ("m0",))


def test_a_unit_that_takes_no_time_goes_before_one_that_starts_with_it() -> None:
    """On `far`, `instant` and `slow` may both start at once: were `slow` first, `last` on `near` would wait for it."""
    units = (unit("slow", 900, 100), unit("instant", 900, 0), unit("last", 50, 900))
    tensors = (UnitTensor(producer=1, readers=(2,), size_bytes=0),)
    problem = chain(*units, tensors=tensors, execution="parallel", objective="latency")
    order = consistent_order(Arrays(problem), assignment=[1, 1, 0], starts_ps=[0, 0, 0])
    assert order == [1, 2, 0]
    assert evaluate(problem, [1, 1, 0], order).parallel_ps == 100


def test_each_reason_says_what_moving_the_layer_alone_would_cost() -> None:
    found = optimal(chain(unit("a", 100, 200), unit("b", 100, 150), objective="latency"))
    assert found.reasons["a"] == "moving it alone to far changes latency by +1.05 of its value"
    assert found.reasons["b"] == "moving it alone to far changes latency by +0.8 of its value"


def test_among_the_fastest_it_takes_the_one_of_least_energy() -> None:
    problem = chain(unit("a", 100, 100), objective="latency", memories=("m0", "m0"))
    cheaper = replace(
        problem.units[0], options=(*problem.units[0].options[:1], replace(problem.units[0].option(1), energy_pj=1.0))
    )
    assert optimal(replace(problem, units=(cheaper,))).assignment == {"a": "far"}


def test_a_deadline_that_the_best_schedule_meets_to_the_ps_changes_nothing() -> None:
    problem = chain(unit("a", 100, 200), unit("b", 300, 150), objective="energy")
    free = optimal(problem)
    bound = optimal(replace(problem, deadline_ps=free.prediction.latency_ps))
    assert bound == free
    assert bound.proof == "exact: dynamic programming over the graph"


def test_a_heuristic_that_misses_the_deadline_says_by_how_much() -> None:
    problem = chain(unit("a", 100, 200, family=3), families={3: 1}, deadline_ps=150)
    with pytest.raises(InfeasibleError, match=r"mensa takes 200 ps and misses .* of 150 ps by 50 ps \(33.3%\)"):
        schedule(problem, "mensa")


def test_a_time_limit_must_be_positive() -> None:
    with pytest.raises(UsageError, match="time_limit_s is 0"):
        schedule(chain(unit("a", 1, 1)), "optimal", time_limit_s=0)
