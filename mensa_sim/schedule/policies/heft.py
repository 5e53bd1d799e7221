"""HEFT: units by upward rank, each where it finishes earliest (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002).

The upward rank of a unit is its mean latency plus the longest of mean copy time and rank over its readers. A unit may
take an idle gap between two that were placed before it. HEFT minimises the makespan of overlapping branches whatever
the objective is.
"""

from bisect import bisect_right, insort
from itertools import product

from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of

Busy = list[tuple[int, int]]
"""Start and finish of what an accelerator runs, in order."""


def heft(problem: Problem) -> Schedule:
    """Earliest finish in order of upward rank; ties go to the earlier unit and the earlier accelerator."""
    ranks = upward_ranks(problem)
    by_rank = sorted(range(len(problem.units)), key=lambda index: (-ranks[index], index))
    busy: list[Busy] = [[] for _ in problem.accelerators]
    spans: list[tuple[int, int]] = [(0, 0)] * len(problem.units)
    assignment = [0] * len(problem.units)
    for index in by_rank:
        span, assignment[index] = _earliest(problem, index, busy, spans, assignment)
        spans[index] = span
        insort(busy[assignment[index]], span)
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
    problem: Problem, index: int, busy: list[Busy], spans: list[tuple[int, int]], assignment: list[int]
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
        start_ps = _first_gap(busy[accelerator], ready_ps[problem.memories[accelerator]], latency_ps)
        found.append((start_ps + latency_ps, accelerator, start_ps))
    finish_ps, accelerator, start_ps = min(found)
    return (start_ps, finish_ps), accelerator


def _first_gap(busy: Busy, ready_ps: int, latency_ps: int) -> int:
    """The earliest start from `ready_ps` on at which the accelerator stays idle long enough."""
    position = bisect_right(busy, (ready_ps, ready_ps))
    start_ps = max(ready_ps, busy[position - 1][1]) if position else ready_ps
    while position < len(busy) and busy[position][0] < start_ps + latency_ps:
        start_ps = max(start_ps, busy[position][1])
        position += 1
    return start_ps


def _reason(problem: Problem, index: int, finish_ps: int, chosen: int) -> str:
    if problem.units[index].pin is not None:
        return "pinned"
    return f"finishes earliest on {problem.accelerators[chosen]}: {finish_ps} ps after the start"
