"""Exact minimum of a sum of local costs by dynamic programming over the graph (variable elimination).

Copies depend on the memories of producer and readers alone, so the unknowns are the memory of each unit, and for each
tensor with several readers the set of memories that hold it. Eliminating them one by one, the one with the fewest
neighbours first, costs as much as the widest table met on the way: little on chains, branches and residual networks,
too much on densely joined ones. (Bertele and Brioschi, Nonserial Dynamic Programming, 1972.)
"""

import heapq
from itertools import combinations

import numpy as np

from mensa_sim.arrays import Floats, Ints
from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.arrays import Arrays

MAX_TABLE = 2**18
"""Entries of one table above which the graph counts as too wide."""
MAX_ENTRIES = 2**24
"""Entries of all tables together."""


class TooWideError(Exception):
    """The graph is too densely joined for dynamic programming; another solver is asked instead."""


@dataclass(frozen=True, slots=True)
class _Input:
    """A cost that a step adds up: a unit's own, a tensor's, or an earlier step's result."""

    kind: str
    """own, pair, pay, read or message."""
    index: int
    shape: tuple[int, ...]
    """Its shape, with 1 for the unknowns of the step that it does not depend on."""
    swapped: bool = False
    """Whether its two axes stand the other way round."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Eliminate one unknown: add the inputs, keep the minimum over the last axis and where it was."""

    unknown: int
    neighbours: tuple[int, ...]
    inputs: tuple[_Input, ...]


class Elimination:
    """The order of elimination of a problem, found once and used for any weights.

    Unknown `u < units` is the memory of unit u, the others are the holders of the tensors with several readers.
    Raises `TooWideError`.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.units = len(arrays.problem.units)
        memories = len(arrays.memories)
        self.holders: Floats = np.array(
            [[float(mask >> m & 1) for m in range(memories)] for mask in range(1, 2**memories)]
        )
        """Non-empty sets of memories, one a row."""
        self.domains = [memories] * self.units
        self.scopes: list[tuple[str, int, tuple[int, ...]]] = [("own", u, (u,)) for u in range(self.units)]
        for number, tensor in enumerate(arrays.problem.tensors[t] for t in arrays.tensors):
            if len(tensor.readers) == 1:
                self.scopes.append(("pair", number, (tensor.producer, tensor.readers[0])))
                continue
            holder = len(self.domains)
            self.domains.append(len(self.holders))
            self.scopes.append(("pay", number, (tensor.producer, holder)))
            self.scopes += [("read", number, (reader, holder)) for reader in tensor.readers]
        self.steps = self._plan()

    def minimise(self, own: Floats, copies: Floats) -> tuple[Ints, float]:
        """The memory of each unit that minimises the sum, and the sum.

        `own` is units x memories, `copies` tensors x source x target with a zero diagonal; infinite is forbidden.
        """
        absent = np.where(self.holders > 0, 0.0, np.inf)
        finite = {"own": own, "pair": copies}
        messages: list[Floats] = []
        choices: list[Ints] = []
        total = 0.0
        for step in self.steps:
            table: Floats = np.zeros(())
            for entry in step.inputs:
                if entry.kind == "message":
                    part = messages[entry.index]
                elif entry.kind == "pay":
                    part = copies[entry.index] @ self.holders.T  # the producer's own memory holds it for nothing
                elif entry.kind == "read":
                    part = absent.T
                else:
                    part = finite[entry.kind][entry.index]
                table = table + (part.T if entry.swapped else part).reshape(entry.shape)
            choices.append(np.argmin(table, axis=-1))
            messages.append(table.min(axis=-1))
            if not step.neighbours:
                total += float(messages[-1])
        values: Ints = np.zeros(len(self.domains), dtype=np.int64)
        for step, choice in zip(reversed(self.steps), reversed(choices), strict=True):
            values[step.unknown] = choice[tuple(values[list(step.neighbours)])]
        return values[: self.units], total

    def _plan(self) -> tuple[_Step, ...]:
        order, cliques = self._order()
        rank = {unknown: number for number, unknown in enumerate(order)}
        waiting: list[list[tuple[str, int, tuple[int, ...]]]] = [[] for _ in order]
        for kind, index, scope in self.scopes:
            waiting[min(rank[unknown] for unknown in scope)].append((kind, index, scope))
        steps = []
        for number, unknown in enumerate(order):
            neighbours = tuple(sorted(cliques[unknown], key=rank.__getitem__, reverse=True))
            axes = (*neighbours, unknown)
            inputs = tuple(self._input(kind, index, scope, axes, rank) for kind, index, scope in waiting[number])
            steps.append(_Step(unknown=unknown, neighbours=neighbours, inputs=inputs))
            if neighbours:
                waiting[rank[neighbours[-1]]].append(("message", number, neighbours))
        return tuple(steps)

    def _input(
        self, kind: str, index: int, scope: tuple[int, ...], axes: tuple[int, ...], rank: dict[int, int]
    ) -> _Input:
        swapped = kind != "message" and len(scope) == 2 and rank[scope[0]] < rank[scope[1]]
        shape = tuple(self.domains[unknown] if unknown in scope else 1 for unknown in axes)
        return _Input(kind=kind, index=index, shape=shape, swapped=swapped)

    def _order(self) -> tuple[list[int], dict[int, set[int]]]:
        """Unknowns by fewest neighbours, ties by number, and the neighbours each has when its turn comes."""
        joined: list[set[int]] = [set() for _ in self.domains]
        for _, _, scope in self.scopes:
            for one, other in combinations(scope, 2):
                joined[one].add(other)
                joined[other].add(one)
        heap = [(len(joined[unknown]), unknown) for unknown in range(len(self.domains))]
        heapq.heapify(heap)
        order: list[int] = []
        cliques: dict[int, set[int]] = {}
        entries = 0
        while heap:
            degree, unknown = heapq.heappop(heap)
            if unknown in cliques or degree != len(joined[unknown]):
                continue
            neighbours = cliques[unknown] = joined[unknown]
            table = self.domains[unknown]
            for neighbour in neighbours:
                table *= self.domains[neighbour]
            entries += table
            if table > MAX_TABLE or entries > MAX_ENTRIES or len(neighbours) > 30:
                raise TooWideError
            order.append(unknown)
            for neighbour in sorted(neighbours):
                joined[neighbour] |= neighbours
                joined[neighbour] -= {neighbour, unknown}
                heapq.heappush(heap, (len(joined[neighbour]), neighbour))
        return order, cliques
