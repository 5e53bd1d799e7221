"""The least weighted sum of dynamic energy and latency, what exact schedules are built from.

Layer by layer, by dynamic programming; programs look for it elsewhere (`serial_program`, `makespan_program`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.records import dataclass
from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.elimination import Elimination, sets_of
from mensa_sim.schedule.exact.linear_program import SOLVED, STOPPED, TOLERANCE
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import UnitTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An assignment, what it is predicted to take, and a proved bound on the weighted sum of every other."""

    assignment: tuple[int, ...]
    order: tuple[int, ...] | None = None
    prediction: Prediction
    bound: float
    """No feasible assignment has energy weight x dynamic energy + latency weight x latency below this."""
    proof: str

    def weighted(self, energy_weight: float, latency_weight: float) -> float:
        """Its own weighted sum of dynamic energy and latency."""
        return energy_weight * self.prediction.dynamic_pj + latency_weight * self.prediction.latency_ps


class WeightedSolver(Protocol):
    """Whatever finds the least weighted sum of dynamic energy and latency, or bounds it."""

    @property
    def problem(self) -> Problem:
        """The problem it was made for."""

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The best assignment found for these weights, and the bound proved."""


def evaluated(problem: Problem, assignment: Sequence[int], order: Sequence[int] | None = None) -> Candidate:
    """A candidate of which nothing is proved."""
    return Candidate(
        assignment=tuple(assignment),
        order=None if order is None else tuple(order),
        prediction=evaluate(problem, assignment, order),
        bound=-math.inf,
        proof="",
    )


def best_of(
    found: Sequence[Candidate], energy_weight: float, latency_weight: float, bound: float, finished: bool
) -> Candidate:
    """The candidate with the least weighted sum beside a bound that HiGHS proved."""
    best = min(found, key=lambda candidate: candidate.weighted(energy_weight, latency_weight))
    value = best.weighted(energy_weight, latency_weight)
    closed = finished and value - bound <= 3 * TOLERANCE * abs(value)
    return replace(best, bound=min(bound, value), proof=SOLVED if closed else STOPPED)


def cheapest_apart(arrays: Arrays, energy_weight: float, latency_weight: float) -> float:
    """The weighted sum with every unit where it is cheapest and copies for nothing: a bound that costs no time."""
    host = latency_weight * arrays.problem.host_ps
    return float(arrays.weighted(energy_weight, latency_weight).min(axis=1).sum()) + host


def elimination_of(domains: Sequence[int], tensors: Sequence[UnitTensor], holders: int) -> Elimination:
    """The elimination of units of so many values each, and for each tensor that several read of what holds it.

    Its tables are one for each unit, then for each tensor one of producer and reader, or one of each of its units with
    what holds it.
    """
    domains = list(domains)
    scopes: list[tuple[int, ...]] = [(unit,) for unit in range(len(domains))]
    for tensor in tensors:
        if len(tensor.readers) == 1:
            scopes.append((tensor.producer, *tensor.readers))
            continue
        scopes += [(unit, len(domains)) for unit in (tensor.producer, *tensor.readers)]
        domains.append(holders)
    return Elimination(domains, scopes)


class EliminationSolver:
    """Exact for layer-by-layer latency, by dynamic programming; raises `TooWideError` when made.

    Copies depend on the memories of producer and readers alone, so the unknowns are the memory of each unit, and for
    each tensor with several readers the set of memories that hold it.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.problem = arrays.problem
        self._arrays = arrays
        memories, units = len(arrays.memories), len(self.problem.units)
        self._pays = sets_of(memories).T
        """Memories by the sets that may hold a tensor which several read."""
        self._absent = np.where(self._pays > 0, 0.0, np.inf)
        tensors = [self.problem.tensors[t] for t in arrays.tensors]
        self._elimination = elimination_of([memories] * units, tensors, len(self._pays.T))

    def minimise(self, energy_weight: float, latency_weight: float) -> Candidate:
        """The optimum; its bound is its own value."""
        arrays = self._arrays
        cost = arrays.weighted(energy_weight, latency_weight)
        best = np.stack(
            [np.where(arrays.memory == m, cost, np.inf).argmin(axis=1) for m in range(len(arrays.memories))], axis=1
        )
        own = np.take_along_axis(cost, best, axis=1)
        own[arrays.memory[best] != np.arange(len(arrays.memories))] = np.inf
        copies = energy_weight * arrays.copy_pj + latency_weight * arrays.copy_ps
        values, _ = self._elimination.minimise([*own, *self._copies(copies)])
        chosen = best[np.arange(len(best)), values[: len(best)]]
        found = evaluated(self.problem, [int(accelerator) for accelerator in chosen])
        value = found.weighted(energy_weight, latency_weight)
        return replace(found, bound=value, proof="exact: dynamic programming over the graph")

    def _copies(self, copies: Floats) -> Iterator[Floats]:
        """What each tensor's copies cost: by memories of producer and reader, or of each and the set that holds it."""
        for number, t in enumerate(self._arrays.tensors):
            readers = self.problem.tensors[t].readers
            if len(readers) == 1:
                yield copies[number]
                continue
            yield copies[number] @ self._pays  # the producer's own memory holds it for nothing
            yield from [self._absent] * len(readers)
