"""Exact minimum of a sum of local costs by dynamic programming over the graph (variable elimination).

Eliminating the unknowns one by one, the one with the fewest neighbours first, costs as much as the widest table met on
the way: little on chains, branches and residual networks, too much on densely joined ones. (Bertele and Brioschi,
Nonserial Dynamic Programming, 1972.)
"""

import heapq
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from mensa_sim.arrays import Floats, Ints
from mensa_sim.records import dataclass

MAX_TABLE = 2**18
"""Entries of one table above which the graph counts as too wide."""
MAX_ENTRIES = 2**24
"""Entries of all tables together."""


class TooWideError(Exception):
    """The graph is too densely joined for dynamic programming; another solver is asked instead."""


def sets_of(count: int) -> Floats:
    """The non-empty sets of so many things, one a row, with 1 for what is in it; raises `TooWideError` for many."""
    if 2**count > MAX_TABLE:
        raise TooWideError
    return np.array([[float(mask >> thing & 1) for thing in range(count)] for mask in range(1, 2**count)])


@dataclass(frozen=True, slots=True)
class _Input:
    """A table that a step adds up: one of those given, or an earlier step's result."""

    message: bool
    index: int
    axes: tuple[int, ...]
    """Its axes in the order of the step's."""
    shape: tuple[int, ...]
    """Its shape then, with 1 for the unknowns of the step that it does not depend on."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Eliminate one unknown: add the inputs, keep the minimum over the last axis and where it was."""

    unknown: int
    neighbours: tuple[int, ...]
    inputs: tuple[_Input, ...]


class Elimination:
    """The order of elimination of unknowns, found once and used for any costs.

    `domains` are the numbers of values of the unknowns, `scopes` the unknowns that each table of costs depends on, in
    the order of its axes. Raises `TooWideError`.
    """

    def __init__(self, domains: Sequence[int], scopes: Sequence[tuple[int, ...]]) -> None:
        self._domains = domains
        self._scopes = scopes
        self._steps = self._plan()

    def minimise(self, tables: Sequence[Floats]) -> tuple[Ints, float]:
        """The value of each unknown that minimises the sum of the tables, one a scope, and the sum.

        Infinite is forbidden.
        """
        messages: list[Floats] = []
        choices: list[Ints] = []
        total = 0.0
        for step in self._steps:
            table: Floats = np.zeros(())
            for entry in step.inputs:
                part = (messages if entry.message else tables)[entry.index]
                table = table + part.transpose(entry.axes).reshape(entry.shape)
            choices.append(np.argmin(table, axis=-1))
            messages.append(table.min(axis=-1))
            if not step.neighbours:
                total += float(messages[-1])
        values: Ints = np.zeros(len(self._domains), dtype=np.int64)
        for step, choice in zip(reversed(self._steps), reversed(choices), strict=True):
            values[step.unknown] = choice[tuple(values[list(step.neighbours)])]
        return values, total

    def _plan(self) -> tuple[_Step, ...]:
        order, cliques = self._order()
        rank = {unknown: number for number, unknown in enumerate(order)}
        waiting: list[list[tuple[bool, int, tuple[int, ...]]]] = [[] for _ in order]
        for index, scope in enumerate(self._scopes):
            waiting[min(rank[unknown] for unknown in scope)].append((False, index, scope))
        steps = []
        for number, unknown in enumerate(order):
            neighbours = tuple(sorted(cliques[unknown], key=rank.__getitem__, reverse=True))
            axes = (*neighbours, unknown)
            inputs = tuple(self._input(message, index, scope, axes) for message, index, scope in waiting[number])
            steps.append(_Step(unknown=unknown, neighbours=neighbours, inputs=inputs))
            if neighbours:
                waiting[rank[neighbours[-1]]].append((True, number, neighbours))
        return tuple(steps)

    def _input(self, message: bool, index: int, scope: tuple[int, ...], axes: tuple[int, ...]) -> _Input:
        place = {unknown: axis for axis, unknown in enumerate(scope)}
        shape = tuple(self._domains[unknown] if unknown in place else 1 for unknown in axes)
        own = tuple(place[unknown] for unknown in axes if unknown in place)
        return _Input(message=message, index=index, axes=own, shape=shape)

    def _order(self) -> tuple[list[int], dict[int, set[int]]]:
        """Unknowns by fewest neighbours, ties by number, and the neighbours each has when its turn comes."""
        joined: list[set[int]] = [set() for _ in self._domains]
        for scope in self._scopes:
            for one, other in combinations(scope, 2):
                joined[one].add(other)
                joined[other].add(one)
        heap = [(len(joined[unknown]), unknown) for unknown in range(len(self._domains))]
        heapq.heapify(heap)
        order: list[int] = []
        cliques: dict[int, set[int]] = {}
        entries = 0
        while heap:
            degree, unknown = heapq.heappop(heap)
            if unknown in cliques or degree != len(joined[unknown]):
                continue
            neighbours = cliques[unknown] = joined[unknown]
            table = self._domains[unknown]
            for neighbour in neighbours:
                table *= self._domains[neighbour]
            entries += table
            if table > MAX_TABLE or entries > MAX_ENTRIES or len(neighbours) > 30:
                raise TooWideError
            order.append(unknown)
            for neighbour in sorted(neighbours):
                joined[neighbour] |= neighbours
                joined[neighbour] -= {neighbour, unknown}
                heapq.heappush(heap, (len(joined[neighbour]), neighbour))
        return order, cliques
