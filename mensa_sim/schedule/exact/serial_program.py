"""Layer-by-layer scheduling as a mixed-integer linear program: for graphs too wide to eliminate, and deadlines."""

import time
from collections.abc import Sequence

import numpy as np

from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import chosen, tightened
from mensa_sim.schedule.exact.placement_program import PlacementProgram
from mensa_sim.schedule.exact.weighted import Candidate, best_of, cheapest_apart, evaluated


def useful(arrays: Arrays, unit: int) -> list[int]:
    """Allowed accelerators that no other one beside the same memory matches in both latency and energy."""
    latency_ps, energy_pj = arrays.latency_ps[unit], arrays.energy_pj[unit]
    kept: dict[int, list[int]] = {}
    for accelerator in sorted(arrays.problem.units[unit].allowed, key=lambda a: (latency_ps[a], energy_pj[a], a)):
        best = kept.setdefault(int(arrays.memory[accelerator]), [])
        if not best or energy_pj[accelerator] < energy_pj[best[-1]]:
            best.append(accelerator)
    return sorted(accelerator for accelerators in kept.values() for accelerator in accelerators)


class SerialProgram:
    """Least weighted sum by HiGHS, latency layer by layer and at most `deadline_ps` where one is given.

    `known` are assignments that are feasible for sure, under the deadline too. `budget_s` is the time for all calls
    together; what is not found by then is the best of the known ones, and the bound says how far it may be off.
    """

    def __init__(
        self, arrays: Arrays, known: Sequence[tuple[int, ...]], budget_s: float, deadline_ps: int | None = None
    ) -> None:
        self.problem = arrays.problem
        self._arrays = arrays
        self._deadline_ps = deadline_ps
        self._ends_s = time.monotonic() + budget_s
        self._known = [evaluated(self.problem, assignment) for assignment in known]
        placement = PlacementProgram(arrays)
        placement.add_units([useful(arrays, unit) for unit in range(len(self.problem.units))])
        placement.add_copies()
        self._program, self._places = placement.program, placement.places
        self._dynamic_pj = np.zeros(len(self._program.lows))
        self._latency_ps = np.zeros(len(self._program.lows))
        for unit, options in enumerate(self._places):
            for accelerator, column in options.items():
                self._dynamic_pj[column] = arrays.energy_pj[unit, accelerator]
                self._latency_ps[column] = arrays.latency_ps[unit, accelerator]
        for copy, column in placement.copies.items():
            self._dynamic_pj[column] = arrays.copy_pj[copy]
            self._latency_ps[column] = arrays.copy_ps[copy]
        if deadline_ps is not None:
            terms = [(column, value / deadline_ps) for column, value in enumerate(self._latency_ps) if value]
            self._program.row(terms, high=1.0 - self.problem.host_ps / deadline_ps)

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The best found in the time left, with the bound proved by then."""
        self._program.costs = list(energy_weight * self._dynamic_pj + latency_weight * self._latency_ps)
        bound = cheapest_apart(self._arrays, energy_weight, latency_weight)
        found = list(self._known)
        host = latency_weight * self.problem.host_ps
        known = min(candidate.weighted(energy_weight, latency_weight) for candidate in found) - host
        finished = False
        while (left_s := self._ends_s - time.monotonic()) > 0:
            solution = self._program.solve(left_s, known)
            bound = max(bound, tightened(solution.bound) + host)
            finished = solution.finished
            values = solution.values
            if values is None:
                break
            assignment = tuple(chosen(places, values) for places in self._places)
            candidate = evaluated(self.problem, assignment)
            if self._deadline_ps is None or candidate.prediction.serial_ps <= self._deadline_ps:
                found.append(candidate)
                break
            self._forbid(assignment)
        return best_of(found, energy_weight, latency_weight, bound, finished)

    def _forbid(self, assignment: tuple[int, ...]) -> None:
        """Cut off an assignment that keeps the deadline within HiGHS's tolerance only."""
        terms = [(places[a], 1.0) for places, a in zip(self._places, assignment, strict=True)]
        self._program.row(terms, high=len(assignment) - 1)
