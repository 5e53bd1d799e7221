"""The energy-latency front: every point is the least of energy + weight x latency for some weight, both ends included.

Points that only a latency limit would find (above the hull of the others) are not in it: a deadline asks for one.
"""

from itertools import pairwise

from mensa_sim.errors import UsageError
from mensa_sim.schedule.exact.front import Front
from mensa_sim.schedule.exact.weighted import Candidate
from mensa_sim.schedule.policies.optimal import proved, search_front
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule


def pareto(problem: Problem, *, points: float = 32, time_limit_s: float = 10.0) -> Schedule:
    """The point of the front with the least objective value, beside the bound that the front proves."""
    front = _traced(problem, points, time_limit_s)
    best = min(front.candidates, key=lambda candidate: candidate.prediction.value)
    return proved(problem, "pareto", front, best, _bound(problem, front))


def pareto_front(problem: Problem, *, points: float = 32, time_limit_s: float = 10.0) -> tuple[Schedule, ...]:
    """The front, fastest first: no schedule is better than one of these in both latency and energy.

    At most `points` weights are asked for between the ends, those of the widest gaps first; a time limit can leave a
    point unproved, which its `proof` says.
    """
    front = _traced(problem, points, time_limit_s)
    bound = _bound(problem, front)
    return tuple(proved(problem, "pareto", front, point, bound) for point in front.points())


def _traced(problem: Problem, points: float, time_limit_s: float) -> Front:
    if points < 0 or not time_limit_s > 0:
        raise UsageError(f"pareto: points is {points} and time_limit_s {time_limit_s}: the first must not be negative")
    front = search_front(problem, time_limit_s)
    front.ask_ends()
    for _ in range(int(points)):
        found = front.points()
        gaps = [(_area(one, two), one.prediction.latency_ps) for one, two in pairwise(found)]
        gaps = [gap for gap in gaps if front.normal(gap[1]) is not None]
        if not gaps:
            break
        weights = front.normal(max(gaps, key=lambda gap: (gap[0], -gap[1]))[1])
        if weights is not None:
            front.ask(*weights)
    return front


def _area(one: Candidate, two: Candidate) -> float:
    """How much of the plane lies between two points, where others may be."""
    wide = two.prediction.latency_ps - one.prediction.latency_ps
    return wide * (one.prediction.energy_pj - two.prediction.energy_pj)


def _bound(problem: Problem, front: Front) -> float:
    return min(problem.value(energy_pj, latency_ps) for latency_ps, energy_pj in front.corners())
