"""Every schedule of a small problem with branches in parallel: exact where memories and links are shared too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, product
from math import prod

from mensa_sim.schedule.exact.weighted import Candidate, evaluated
from mensa_sim.schedule.problem import Problem

MAX_SCHEDULES = 2000
"""Assignments times orders above which they are not all tried: a choice."""


class EverySchedule:
    """The least weighted sum of dynamic energy and makespan, at most `deadline_ps` where one is given."""

    def __init__(self, problem: Problem, deadline_ps: int | None = None) -> None:
        self.problem = problem
        orders = list(orders_of(problem))
        self._found: list[Candidate] = []
        for assignment in product(*(unit.allowed for unit in problem.units)):
            # What one accelerator does before another one does something else makes no difference.
            alike = {
                tuple(tuple(unit for unit in order if assignment[unit] == place) for place in set(assignment)): order
                for order in orders
            }
            found = (evaluated(problem, assignment, order) for order in alike.values())
            self._found += (c for c in found if deadline_ps is None or c.prediction.latency_ps <= deadline_ps)

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The optimum; its bound is its own value."""
        best = min(self._found, key=lambda candidate: candidate.weighted(energy_weight, latency_weight))
        value = best.weighted(energy_weight, latency_weight)
        return replace(best, bound=value, proof="exact: every schedule was tried")


def few_schedules(problem: Problem) -> bool:
    """Whether all of them can be tried."""
    most = MAX_SCHEDULES // prod(len(unit.allowed) for unit in problem.units)
    return sum(1 for _ in islice(orders_of(problem), most + 1)) <= most


def orders_of(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Every order of the units that takes no reader before its producer."""
    before = [{tensor.producer for tensor in tensors} for tensors in problem.incoming]
    return _orders(before, (), frozenset())


def _orders(before: Sequence[set[int]], taken: tuple[int, ...], done: frozenset[int]) -> Iterator[tuple[int, ...]]:
    if len(taken) == len(before):
        yield taken
    for unit, producers in enumerate(before):
        if unit not in done and producers <= done:
            yield from _orders(before, (*taken, unit), done | {unit})
