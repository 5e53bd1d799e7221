"""HEFT: units by upward rank, each where it finishes earliest (Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002).

The upward rank of a unit is its mean latency plus the longest of mean copy time and rank over its readers. A unit may
take an idle gap between two that were placed before it. HEFT minimises the makespan of overlapping branches whatever
the objective is. It knows of no contention; beside it a second list is made in which a unit moves its bytes while the
memory's channel is left idle by those placed before it, and the better one is taken, as contention is predicted.
"""

import math
from bisect import bisect_right, insort
from collections.abc import Mapping
from itertools import product

from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.homes.placed import Mode
from mensa_sim.schedule.homes.seen import HomesSeen
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of
from mensa_sim.schedule.unit import Option, Unit


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
        _use(self._idle, start_ps, finish_ps)

    def first_start(self, ready_ps: int, latency_ps: int) -> int:
        """The earliest start from `ready_ps` on at which the accelerator stays idle long enough."""
        if not latency_ps:
            position = bisect_right(self._busy, (ready_ps, ready_ps))
            return max(ready_ps, self._busy[position - 1][1]) if position else ready_ps
        place = max(0, bisect_right(self._idle, (ready_ps, math.inf)) - 1)
        while max(ready_ps, self._idle[place][0]) + latency_ps > self._idle[place][1]:
            place += 1
        return max(ready_ps, self._idle[place][0])


class ChannelTime:
    """The time of a memory's channel that is left by those placed before: whoever comes uses it in parts.

    >>> channel = ChannelTime()
    >>> channel.take(2, 4)
    >>> [channel.end(0, used_ps) for used_ps in (0, 2, 3)]
    [0, 2, 7]
    """

    __slots__ = ("_idle",)

    def __init__(self) -> None:
        self._idle: list[tuple[int, float]] = [(0, math.inf)]

    def end(self, start_ps: int, used_ps: int) -> int:
        """When one that begins then has had its time."""
        return self._parts(start_ps, used_ps)[-1][1] if used_ps else start_ps

    def take(self, start_ps: int, used_ps: int) -> None:
        """Use the channel from then on."""
        for begin_ps, end_ps in self._parts(start_ps, used_ps) if used_ps else ():
            _use(self._idle, begin_ps, end_ps)

    def _parts(self, start_ps: int, used_ps: int) -> list[tuple[int, int]]:
        place, found = max(0, bisect_right(self._idle, (start_ps, math.inf)) - 1), list[tuple[int, int]]()
        while used_ps:
            begin_ps = max(start_ps, self._idle[place][0])
            length_ps = int(min(used_ps, max(0, self._idle[place][1] - begin_ps)))
            if length_ps:
                found.append((begin_ps, begin_ps + length_ps))
            used_ps -= length_ps
            place += 1
        return found


def _use(idle: list[tuple[int, float]], start_ps: int, end_ps: int) -> None:
    """Leave of the idle time that holds a span what comes before and after it; a span without time may lie in none."""
    place = bisect_right(idle, (start_ps, math.inf)) - 1
    if place >= 0 and start_ps < idle[place][1]:
        before, after = (idle[place][0], start_ps), (end_ps, idle[place][1])
        idle[place : place + 1] = [each for each in (before, after) if each[0] < each[1]]


def heft(problem: Problem) -> Schedule:
    """Earliest finish in order of upward rank; ties go to the earlier unit and the earlier accelerator."""
    used = any(option.phases for unit in problem.units for option in unit.options if isinstance(option, Option))
    found = [_list(problem, sharing=sharing) for sharing in ((False, True) if used else (False,))]
    return min(found, key=lambda schedule: schedule.prediction.parallel_ps)


def heft_at_home(problem: Problem, costs: CostTable) -> Schedule:
    """The same where what was placed before may stay on chip for a unit, which then waits for no copy of it."""
    return _list(problem, sharing=False, seen=HomesSeen(problem, costs))


def _list(problem: Problem, *, sharing: bool, seen: HomesSeen | None = None) -> Schedule:
    """The schedule with or without an eye on the channels, or on tensors at home."""
    ranks = upward_ranks(problem)
    by_rank = sorted(range(len(problem.units)), key=lambda index: (-ranks[index], index))
    tables = [Timetable() for _ in problem.accelerators]
    channels = {problem.channel(accelerator): ChannelTime() for accelerator in range(len(tables))} if sharing else {}
    spans: list[tuple[int, int]] = [(0, 0)] * len(problem.units)
    assignment = [0] * len(problem.units)
    for index in by_rank:
        span, chosen, mode = _earliest(problem, index, tables, channels, spans, assignment, seen)
        spans[index], assignment[index] = span, chosen
        if seen is not None and mode is not None:
            seen.take(index, mode)
        tables[chosen].take(*span)
        if sharing:
            channels[problem.channel(chosen)].take(span[0], _used_ps(problem, index, chosen))
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
    problem: Problem,
    index: int,
    tables: list[Timetable],
    channels: Mapping[str, ChannelTime],
    spans: list[tuple[int, int]],
    assignment: list[int],
    seen: HomesSeen | None,
) -> tuple[tuple[int, int], int, Mode | None]:
    """The span with the earliest finish among the allowed accelerators, its accelerator, and the mode that it has."""
    unit = problem.units[index]
    ready: dict[tuple[str, tuple[int, ...]], int] = {}

    def ready_ps(memory: str, at_home: tuple[int, ...]) -> int:
        if (memory, at_home) not in ready:
            ready[memory, at_home] = max(
                (
                    spans[tensor.producer][1]
                    + problem.transfer_ps(tensor.size_bytes, problem.memories[assignment[tensor.producer]], memory)
                    * (tensor.producer not in at_home)
                    for tensor in problem.incoming[index]
                ),
                default=problem.host_ps,
            )
        return ready[memory, at_home]

    found = []
    for place, (accelerator, own_ps, mode) in enumerate(_ways(unit, index, seen)):
        span_ps = own_ps
        arrived_ps = ready_ps(problem.memories[accelerator], () if mode is None else tuple(mode.inputs))
        start_ps = tables[accelerator].first_start(arrived_ps, span_ps)
        channel, used_ps = channels.get(problem.channel(accelerator)), _used_ps(problem, index, accelerator)
        # While it waits for the channel it may outgrow the gap that it was to take.
        while channel is not None and channel.end(start_ps, used_ps) > start_ps + span_ps:
            span_ps = channel.end(start_ps, used_ps) - start_ps
            start_ps = tables[accelerator].first_start(arrived_ps, span_ps)
        finish_ps = start_ps + own_ps if channel is None else max(start_ps + own_ps, channel.end(start_ps, used_ps))
        found.append((finish_ps, accelerator, start_ps, place, mode))
    finish_ps, accelerator, start_ps, _, mode = min(found, key=lambda each: each[:4])
    return (start_ps, finish_ps), accelerator, mode


def _ways(unit: Unit, index: int, seen: HomesSeen | None) -> list[tuple[int, int, Mode | None]]:
    """Accelerators, the unit's latency there, and with which of its tensors at home, where that is seen."""
    if seen is None:
        return [(each, unit.option(each).latency_ps, None) for each in unit.allowed]
    added = [each for accelerator in unit.allowed for each in seen.added(index, accelerator)]
    return [(each.mode.accelerator, each.mode.latency_ps, each.mode) for each in added]


def _used_ps(problem: Problem, index: int, accelerator: int) -> int:
    """How long a unit uses its channel."""
    return sum(phase[1] for phase in problem.units[index].option(accelerator).phases)


def _reason(problem: Problem, index: int, finish_ps: int, chosen: int) -> str:
    if problem.units[index].pin is not None:
        return "pinned"
    return f"finishes earliest on {problem.accelerators[chosen]}: {finish_ps} ps after the start"
