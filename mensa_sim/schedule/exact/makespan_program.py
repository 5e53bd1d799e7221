"""Scheduling with branches in parallel as a mixed-integer linear program: placement, order and start times at once.

Besides the placement and copies of the layer-by-layer program: a start time for every unit, a makespan after all of
them, and for each two units that no data orders, on each accelerator that both may use, a binary that says which goes
first. Without those last rows, where they would be too many, the program still bounds the makespan: by the longest way
through the graph, and by the work that each accelerator and each memory's channel is given. Of those who use a channel
at once it does not know that they share it: its optimum is a bound, and what it finds is improved unit by unit.
"""

import heapq
import math
import time
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.objective import objective_named
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import chosen, tightened
from mensa_sim.schedule.exact.placement_program import PlacementProgram
from mensa_sim.schedule.exact.weighted import Candidate, best_of, cheapest_apart, evaluated
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


MAX_PAIRS = 600
"""Pairs of unordered units above which their order is left out of the program."""

MAX_MOVES = 600
"""Moves of a unit that are tried on what the program finds, for all calls together: a choice."""

MAX_PREDICTED = 240_000
"""Units of all problems that those moves predict anew, by which a larger one has fewer of them: a choice."""

MAX_UNITS = 2000
"""Units above which the program is not tried: HiGHS does not keep a time limit while it simplifies one so large."""

Placed = tuple[tuple[int, ...], tuple[int, ...] | None]
"""An assignment and an order."""


class MakespanProgram:
    """Least weighted sum of dynamic energy and makespan, at most `deadline_ps` where one is given.

    `known` are feasible for sure, under the deadline too; `budget_s` is the time for all calls together;
    `least_energy_pj` is a bound on the dynamic energy that somebody else proved.
    """

    def __init__(
        self,
        arrays: Arrays,
        known: Sequence[Placed],
        budget_s: float,
        deadline_ps: int | None = None,
        least_energy_pj: float = 0.0,
    ) -> None:
        self.problem = arrays.problem
        self._arrays = arrays
        self._deadline_ps = deadline_ps
        self._moves = min(MAX_MOVES, MAX_PREDICTED // len(self.problem.units))
        self._ends_s = time.monotonic() + budget_s
        self._share = 1 / 3 if objective_named(self.problem.objective).mixed else 1.0
        """Of the time left, for one call: a product needs bounds for several weights, the others for one."""
        self._known = [evaluated(self.problem, assignment, order) for assignment, order in known]
        horizon_ps = min(candidate.prediction.parallel_ps for candidate in self._known)
        worst_ps = np.where(arrays.allowed, arrays.latency_ps, 0.0).max(axis=1).sum()
        worst_ps += arrays.copy_ps.max(axis=(1, 2), initial=0.0).sum() * len(arrays.memories)
        worst_ps += self.problem.host_ps
        self._scale_ps = max(1.0, horizon_ps / 1e3)
        """Times in the program are in these: HiGHS's tolerances are absolute."""
        self._horizon = max(1.0, float(worst_ps) / self._scale_ps)
        self._shortest_ps = max(critical_path_ps(arrays), least_load_ps(arrays))
        self._least_energy_pj = max(least_energy_pj, cheapest_apart(arrays, 1.0, 0.0))
        self._placement = PlacementProgram(arrays)
        self._placement.add_units([unit.allowed for unit in self.problem.units])
        self._program, self._places = self._placement.program, self._placement.places
        self._energies = {
            column: float(arrays.energy_pj[index, accelerator])
            for index, places in enumerate(self._places)
            for accelerator, column in places.items()
        }
        host = self.problem.host_ps / self._scale_ps
        self._starts = [self._program.variable(low=host, high=self._horizon) for _ in self.problem.units]
        limit = self._horizon if deadline_ps is None else min(self._horizon, deadline_ps / self._scale_ps)
        self._makespan = self._program.variable(low=min(self._shortest_ps / self._scale_ps, limit), high=limit)
        self._precedences()
        self._loads()
        self.complete = self._orders()
        """Whether the program knows that an accelerator runs one unit at a time."""

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The best found in the time left, with the bound proved by then."""
        costs = [0.0] * len(self._program.lows)
        for column, energy_pj in self._energies.items():
            costs[column] = energy_weight * energy_pj
        costs[self._makespan] = latency_weight * self._scale_ps
        self._program.costs = costs
        bound = energy_weight * self._least_energy_pj + latency_weight * self._shortest_ps
        found = list(self._known)
        known = min(candidate.weighted(energy_weight, latency_weight) for candidate in found)
        finished = False
        left_s = self._ends_s - time.monotonic()
        if left_s > 0 and len(self.problem.units) <= MAX_UNITS:
            solution = self._program.solve(left_s * self._share, known)
            bound = max(bound, tightened(solution.bound))
            finished = solution.finished and self.complete
            if solution.values is not None:
                candidate = self._candidate(solution.values)
                if self._deadline_ps is None or candidate.prediction.parallel_ps <= self._deadline_ps:
                    found.append(candidate)
        found.append(self._improved(found, energy_weight, latency_weight))
        return best_of(found, energy_weight, latency_weight, bound, finished)

    def _improved(self, found: Sequence[Candidate], energy_weight: float, latency_weight: float) -> Candidate:
        tried = 0

        def value(candidate: Candidate) -> float:
            nonlocal tried
            tried += 1
            late = self._deadline_ps is not None and candidate.prediction.latency_ps > self._deadline_ps
            return math.inf if late else candidate.weighted(energy_weight, latency_weight)

        best = improved(self.problem, min(found, key=value), value, self._moves)
        self._moves = max(0, self._moves - tried)
        return best

    def _candidate(self, values: Floats) -> Candidate:
        assignment = [chosen(places, values) for places in self._places]
        starts = [round(float(values[column]) * self._scale_ps) for column in self._starts]
        order = consistent_order(self._arrays, assignment, starts)
        return evaluated(self.problem, assignment, order)

    def _duration(self, index: int) -> list[tuple[int, float]]:
        latency_ps = self._arrays.latency_ps[index]
        return [(column, float(latency_ps[a]) / self._scale_ps) for a, column in self._places[index].items()]

    def _precedences(self) -> None:
        """Readers start after their producer and the copy to their memory; the makespan ends after everyone."""
        arrays, program = self._arrays, self._program
        copied = {t: number for number, t in enumerate(arrays.tensors)}
        for t, tensor in enumerate(self.problem.tensors):
            held = self._copies(copied[t], tensor.producer, tensor.readers) if t in copied else {}
            for reader in tensor.readers:
                late = [(self._starts[reader], 1.0), (self._starts[tensor.producer], -1.0)]
                late += [(column, -value) for column, value in self._duration(tensor.producer)]
                program.row([*late, *((column, -value) for column, value in held.get(reader, ()))], low=0.0)
        for index, start in enumerate(self._starts):
            end = [(self._makespan, 1.0), (start, -1.0)]
            program.row([*end, *((column, -value) for column, value in self._duration(index))], low=0.0)

    def _copies(self, number: int, producer: int, readers: tuple[int, ...]) -> dict[int, list[tuple[int, float]]]:
        """Variables that say which copy each reader waits for, with its time; the energy is paid once a memory."""
        arrays, program = self._arrays, self._program
        memories = range(len(arrays.memories))
        paid = {(s, m): program.variable() for s in memories for m in memories if s != m}
        for (s, m), column in paid.items():
            self._energies[column] = float(arrays.copy_pj[number, s, m])
        waits: dict[int, list[tuple[int, float]]] = {}
        for reader in readers:
            ways = {(s, m): program.variable() for s in memories for m in memories}
            for s in memories:
                made = [(column, -1.0) for column in self._placement.in_memory(producer, s)]
                program.row([*((ways[s, m], 1.0) for m in memories), *made], low=0.0, high=0.0)
            for m in memories:
                used = [(column, -1.0) for column in self._placement.in_memory(reader, m)]
                program.row([*((ways[s, m], 1.0) for s in memories), *used], low=0.0, high=0.0)
            for way, column in paid.items():
                program.row([(column, 1.0), (ways[way], -1.0)], low=0.0)
            waits[reader] = [(ways[way], float(arrays.copy_ps[number][way]) / self._scale_ps) for way in paid]
        return waits

    def _loads(self) -> None:
        """No accelerator, and no memory's channel, is given more work than the makespan."""
        for accelerator in range(len(self.problem.accelerators)):
            work = [
                (places[accelerator], -float(self._arrays.latency_ps[index, accelerator]) / self._scale_ps)
                for index, places in enumerate(self._places)
                if accelerator in places
            ]
            self._program.row([(self._makespan, 1.0), *work], low=self.problem.host_ps / self._scale_ps)
        for channel in dict.fromkeys(map(self.problem.channel, range(len(self.problem.accelerators)))):
            used = [
                (column, -used_ps / self._scale_ps)
                for unit, places in zip(self.problem.units, self._places, strict=True)
                for accelerator, column in places.items()
                if self.problem.channel(accelerator) == channel
                and (used_ps := sum(phase[1] for phase in unit.option(accelerator).phases))
            ]
            self._program.row([(self._makespan, 1.0), *used], low=self.problem.host_ps / self._scale_ps)

    def _orders(self) -> bool:
        pairs = unordered_pairs(self._arrays)
        if len(pairs) > MAX_PAIRS:
            return False
        for one, two in pairs:
            shared = self._places[one].keys() & self._places[two].keys()
            if not shared:
                continue
            first = self._program.variable(integral=True)
            for accelerator in sorted(shared):
                # A row holds back `late` where both units are here and `first` says so; else the horizon frees it.
                far = self._horizon
                here = [(self._places[unit][accelerator], -far) for unit in (one, two)]
                for early, late, says, slack in ((one, two, -far, 3 * far), (two, one, far, 2 * far)):
                    terms = [(self._starts[late], 1.0), (self._starts[early], -1.0), *here, (first, says)]
                    terms += [(column, -value) for column, value in self._duration(early)]
                    self._program.row(terms, low=-slack)
        return True


def critical_path_ps(arrays: Arrays) -> float:
    """The longest way through the graph with every unit at its fastest and copies for nothing."""
    fastest = arrays.latency_ps.min(axis=1)
    ends = [0.0] * len(fastest)
    for index, tensors in enumerate(arrays.problem.incoming):
        begin_ps = max((ends[tensor.producer] for tensor in tensors), default=float(arrays.problem.host_ps))
        ends[index] = begin_ps + float(fastest[index])
    return max(ends, default=0.0)


def least_load_ps(arrays: Arrays) -> float:
    """The work that remains if every unit is at its fastest and all accelerators share it evenly."""
    problem = arrays.problem
    return problem.host_ps + float(arrays.latency_ps.min(axis=1).sum()) / len(problem.accelerators)


def consistent_order(arrays: Arrays, assignment: Sequence[int], starts_ps: Sequence[int]) -> list[int]:
    """Units by start time, of equal ones those that end first, but none before its producers."""
    problem = arrays.problem
    ends_ps = [
        start_ps + unit.option(accelerator).latency_ps
        for unit, accelerator, start_ps in zip(problem.units, assignment, starts_ps, strict=True)
    ]
    waiting = [len({tensor.producer for tensor in tensors}) for tensors in problem.incoming]
    ready = [(starts_ps[unit], ends_ps[unit], unit) for unit, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        unit = heapq.heappop(ready)[-1]
        order.append(unit)
        for reader in sorted({reader for tensor in problem.outgoing[unit] for reader in tensor.readers}):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (starts_ps[reader], ends_ps[reader], reader))
    return order


def unordered_pairs(arrays: Arrays) -> list[tuple[int, int]]:
    """Pairs of units that no chain of tensors orders; it stops counting once there are too many."""
    problem = arrays.problem
    before = [0] * len(problem.units)
    for index, tensors in enumerate(problem.incoming):
        for tensor in tensors:
            before[index] |= before[tensor.producer] | 1 << tensor.producer
    ordered = sum(mask.bit_count() for mask in before)
    count = len(before) * (len(before) - 1) // 2 - ordered
    if count > MAX_PAIRS:
        return [(0, 0)] * (MAX_PAIRS + 1)
    return [(one, two) for one, two in combinations(range(len(before)), 2) if not before[two] >> one & 1]
