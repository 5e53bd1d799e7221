"""The front is non-dominated, holds both ends, and every point of it is optimal for a weight."""

from dataclasses import replace
from itertools import pairwise

import pytest
from chains import chain, unit
from exhaustive import every_prediction
from hypothesis import HealthCheck, given, settings
from random_problems import problems

from mensa_sim.errors import UsageError
from mensa_sim.schedule.policies.optimal import optimal
from mensa_sim.schedule.policies.pareto import pareto, pareto_front
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Unit

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROUNDING = 1e-9


@QUICK
@given(problem=problems(max_units=6, executions=("serial",)))
def test_no_assignment_at_all_dominates_a_point_of_the_front(problem: Problem) -> None:
    everything = every_prediction(problem)
    for point in pareto_front(problem, points=1000):
        latency_ps, energy_pj = point.prediction.latency_ps, point.prediction.energy_pj
        for other in everything:
            assert not (other.latency_ps < latency_ps and other.energy_pj < energy_pj * (1 - ROUNDING))
            assert not (other.latency_ps == latency_ps and other.energy_pj < energy_pj * (1 - ROUNDING))


@QUICK
@given(problem=problems(max_units=6, executions=("serial",)))
def test_the_front_holds_the_fastest_and_the_one_of_least_energy(problem: Problem) -> None:
    front, everything = pareto_front(problem), every_prediction(problem)
    assert front[0].prediction.latency_ps == min(other.latency_ps for other in everything)
    assert front[-1].prediction.energy_pj == pytest.approx(min(other.energy_pj for other in everything))


@QUICK
@given(problem=problems(max_units=5, executions=("serial",)))
def test_the_front_holds_the_optimum_of_every_weighted_sum(problem: Problem) -> None:
    front, everything = pareto_front(problem, points=1000), every_prediction(problem)
    for weight in (1e-3, 0.1, 1.0, 30.0):
        least = min(other.energy_pj + weight * other.latency_ps for other in everything)
        ours = min(point.prediction.energy_pj + weight * point.prediction.latency_ps for point in front)
        assert ours == pytest.approx(least, rel=1e-8)


@settings(QUICK, max_examples=20)
@given(problem=problems(max_units=4, executions=("parallel",)))
def test_with_branches_in_parallel_no_point_dominates_another(problem: Problem) -> None:
    points = [(p.prediction.latency_ps, p.prediction.energy_pj) for p in pareto_front(problem)]
    assert points == sorted(points)
    assert all(one[0] < two[0] and one[1] > two[1] for one, two in pairwise(points))


@QUICK
@given(problem=problems(max_units=6, executions=("serial",)))
def test_its_point_for_the_objective_is_the_optimum_when_it_may_ask_enough(problem: Problem) -> None:
    found, best = pareto(problem, points=1000), optimal(problem)
    assert found.value == pytest.approx(best.value, rel=1e-8)
    assert found.gap == pytest.approx(0, abs=1e-8)


def trade(fast_ps: int, frugal_ps: int) -> Unit:
    """A unit that is fast at 100 pJ or frugal at 10 pJ."""
    options = (Option(latency_ps=fast_ps, energy_pj=100.0), Option(latency_ps=frugal_ps, energy_pj=10.0))
    return Unit(name=f"u{fast_ps}", layers=(f"u{fast_ps}",), options=options)


def test_two_independent_trades_give_three_points_and_leave_out_the_one_above_the_hull() -> None:
    problem = chain(trade(100, 110), trade(200, 260), sizes_bytes=(0,), memories=("m0", "m0"))
    points = [(point.prediction.latency_ps, point.prediction.energy_pj) for point in pareto_front(problem)]
    assert points == [(300, 200.0), (310, 110.0), (370, 20.0)]


def test_every_corner_of_a_hull_is_found_whichever_gap_is_asked_last() -> None:
    more_ps = (10, 20, 25, 400, 410, 4000)
    trades = [trade(1000 + place, 1000 + place + more) for place, more in enumerate(more_ps)]
    points = pareto_front(chain(*trades, sizes_bytes=(0,) * 5, memories=("m0", "m0")), points=20)
    assert [point.prediction.energy_pj for point in points] == [600.0 - 90 * place for place in range(7)]


def test_fewer_points_are_those_of_the_widest_gaps() -> None:
    problem = chain(*(unit(f"u{i}", 100, 100) for i in range(3)), memories=("m0", "m0"))
    problem = replace(problem, units=tuple(trade(100 + i, 110 + 10 * i) for i in range(6)), tensors=())
    assert len(pareto_front(problem, points=1)) == 3
    assert len(pareto_front(problem, points=100)) == 7


def test_a_negative_number_of_points_is_refused() -> None:
    with pytest.raises(UsageError, match="points is -1"):
        pareto(chain(unit("a", 1, 1)), points=-1)
