"""From a schedule to better ones, one unit moved at a time: what the programs that know no contention leave to gain."""

from collections.abc import Callable

from mensa_sim.schedule.exact.weighted import Candidate, evaluated
from mensa_sim.schedule.problem import Problem


def improved(problem: Problem, start: Candidate, value: Callable[[Candidate], float], tries: int) -> Candidate:
    """The candidate from which no move of one unit is better, or the best after so many tries; order is kept."""
    best, least = start, value(start)
    again = True
    while again:
        again = False
        for index, unit in enumerate(problem.units):
            for place in unit.allowed:
                if place == best.assignment[index]:
                    continue
                if not tries:
                    return best
                tries -= 1
                moved = (*best.assignment[:index], place, *best.assignment[index + 1 :])
                other = evaluated(problem, moved, best.order)
                if value(other) < least:
                    best, least, again = other, value(other), True
    return best
