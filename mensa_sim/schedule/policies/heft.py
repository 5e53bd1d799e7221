"""HEFT: units by upward rank, each where it finishes earliest (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002).

The upward rank of a unit is its mean latency plus the longest of mean copy time and rank over its readers. A unit may
take an idle gap between two that were placed before it. HEFT minimises the makespan of overlapping branches whatever
the objective is.
"""

import math
from bisect import bisect_right, insort
from itertools import product

from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of


class Timetable:
    """What an accelerator runs, and when it is idle between: units without a break between them are looked at as one.

    >>> table = Timetable()
    >>> for span in ((0, 4), (4, 6), (9, 12)):
    ...     table.take(*span)
    >>> [table.first_start(1, latency_ps) for latency_ps in (0, 3, 4)]
    [4, 6, 12]
    """

    __slots__ = ("_busy", "_idle")

    def __init__(self) -> None:
        self._busy: list[tuple[int, int]] = []
        self._idle: list[tuple[int, float]] = [(0, math.inf)]
        """Of some length each, in order; a unit that takes no time parts them."""

    def take(self, start_ps: int, finish_ps: int) -> None:
        """Run a unit while the accelerator is idle."""
        insort(self._busy, (start_ps, finish_ps))
        place = bisect_right(self._idle, (start_ps, math.inf)) - 1
        if place >= 0 and start_ps < self._idle[place][1]:
            before, after = (self._idle[place][0], start_ps), (finish_ps, self._idle[place][1])
            self._idle[place : place + 1] = [each for each in (before, after) if each[0] < each[1]]

    def first_start(self, ready_ps: int, latency_ps: int) -> int:
        """The earliest start from `ready_ps` on at which the accelerator stays idle long enough."""
        if not latency_ps:
            position = bisect_right(self._busy, (ready_ps, ready_ps))
            return max(ready_ps, self._busy[position - 1][1]) if position else ready_ps
        place = max(0, bisect_right(self._idle, (ready_ps, math.inf)) - 1)
        while max(ready_ps, self._idle[place][0]) + latency_ps > self._idle[place][1]:
            place += 1
        return max(ready_ps, self._idle[place][0])


def heft(problem: Problem) -> Schedule:
    """Earliest finish in order of upward rank; ties go to the earlier unit and the earlier accelerator."""
    ranks = upward_ranks(problem)
    by_rank = sorted(range(len(problem.units)), key=lambda index: (-ranks[index], index))
    tables = [Timetable() for _ in problem.accelerators]
    spans: list[tuple[int, int]] = [(0, 0)] * len(problem.units)
    assignment = [0] * len(problem.units)
    for index in by_rank:
        span, assignment[index] = _earliest(problem, index, tables, spans, assignment)
        spans[index] = span
        tables[assignment[index]].take(*span)
    order = sorted(range(len(problem.units)), key=lambda index: (*spans[index], index))
    reasons = [_reason(problem, index, spans[index][1], assignment[index]) for index in range(len(problem.units))]
    return schedule_of(problem, "heft", assignment, order=order, reasons=reasons)


def upward_ranks(problem: Problem) -> list[float]:
    """Mean time from the start of each unit to the end of all, in ps; a producer's is never below its readers'."""
    pairs = list(product(problem.memories, repeat=2))
    mean_copy_ps: dict[int, float] = {}
    ranks = [0.0] * len(problem.units)
    for index in reversed(range(len(problem.units))):
        unit = problem.units[index]
        behind = 0.0
        for tensor in problem.outgoing[index]:
            size = tensor.size_bytes
            if size not in mean_copy_ps:
                mean_copy_ps[size] = sum(problem.transfer_ps(size, *pair) for pair in pairs) / len(pairs)
            behind = max(behind, mean_copy_ps[size] + max(ranks[reader] for reader in tensor.readers))
        latencies = [unit.option(accelerator).latency_ps for accelerator in unit.allowed]
        ranks[index] = behind + sum(latencies) / len(latencies)
    return ranks


def _earliest(
    problem: Problem, index: int, tables: list[Timetable], spans: list[tuple[int, int]], assignment: list[int]
) -> tuple[tuple[int, int], int]:
    """The span with the earliest finish among the allowed accelerators, and its accelerator."""
    unit = problem.units[index]
    ready_ps: dict[str, int] = {}
    for accelerator in unit.allowed:
        memory = problem.memories[accelerator]
        if memory not in ready_ps:
            ready_ps[memory] = max(
                (
                    spans[tensor.producer][1]
                    + problem.transfer_ps(tensor.size_bytes, problem.memories[assignment[tensor.producer]], memory)
                    for tensor in problem.incoming[index]
                ),
                default=problem.host_ps,
            )
    found = []
    for accelerator in unit.allowed:
        latency_ps = unit.option(accelerator).latency_ps
        start_ps = tables[accelerator].first_start(ready_ps[problem.memories[accelerator]], latency_ps)
        found.append((start_ps + latency_ps, accelerator, start_ps))
    finish_ps, accelerator, start_ps = min(found)
    return (start_ps, finish_ps), accelerator


def _reason(problem: Problem, index: int, finish_ps: int, chosen: int) -> str:
    if problem.units[index].pin is not None:
        return "pinned"
    return f"finishes earliest on {problem.accelerators[chosen]}: {finish_ps} ps after the start"
