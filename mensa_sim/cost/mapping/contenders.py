"""The candidates of a nest that may win at some clock, bandwidth of the memory, leakage and objective.

What a candidate reaches grows with its cycles, its memory traffic and its dynamic energy, and with nothing else that it
decides; of those that reach the same, fewer tiles win, then the order of all. So a candidate that is nowhere below
another one in these never wins. Of an entry its bounds are compared first, as in a search.
"""

from collections.abc import Hashable, Sequence
from dataclasses import fields
from itertools import pairwise

import numpy as np

from mensa_sim.arrays import Bools, Floats, joined, picked
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import Candidates, first_best
from mensa_sim.cost.mapping.arrays.figures import Demand, Figures
from mensa_sim.cost.mapping.arrays.rivals import front
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.arrays.winners import Winners, mappings_of, winners_at
from mensa_sim.cost.mapping.least import LeastDemand
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import Search
from mensa_sim.cost.mapping.task import Target
from mensa_sim.objective import objective_named
from mensa_sim.records import dataclass
from mensa_sim.units import PJ_PER_J


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Candidates one behind another: [row]."""

    kind: Indices
    """Nest and residency: those of one nest lie together."""
    demand: Demand
    rank: Floats
    """Among all of the search, by tiles and then in the order of all."""
    winners: Winners

    @property
    def figures(self) -> Floats:
        """[figure, row] All that decides who wins."""
        return np.stack([*(getattr(self.demand, each.name) for each in fields(Demand)), self.rank])


class Contenders:
    """Those of one nest: [contender], in each of some residencies."""

    def __init__(self, space: Candidates, rows: _Rows, task: int, least: LeastDemand) -> None:
        self._mapped, self._winners = (space.grid, space.inner, space.outer), rows.winners
        self.demand, self.least = rows.demand, least
        """`least` is of each residency."""
        self.case: Indices = rows.kind - task * len(least.cycles)
        """The number of the residency, which never falls."""
        self.tiles: Floats = space.grid.tiles[rows.winners.entry]

    def __len__(self) -> int:
        return len(self.case)

    def fit(self, case: int) -> bool:
        """Whether any fits in a residency."""
        return bool((self.case == case).any())

    def which(self, contender: int) -> Hashable:
        """What contenders of one mapping have in common."""
        own = self._winners
        return tuple(int(each[contender]) for each in (own.inner, own.row, own.entry, *own.holds.values()))

    def mapping(self, contender: int) -> NestMapping:
        """That of a contender."""
        return mappings_of(*self._mapped, picked(self._winners, np.array([contender])))[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """The best contender of a nest in a residency, both by their numbers."""

    case: int
    contender: int
    objective: float
    """In joules and seconds to the powers of the objective."""
    floor: float
    """What no mapping is below."""


class Race:
    """The contenders of some nests on one accelerator, told apart together."""

    def __init__(self, some: Sequence[Contenders]) -> None:
        cases = [len(each.least.cycles) for each in some]
        self._first_case: Indices = np.cumsum([0, *cases])
        """[nest]"""
        self._first: Indices = np.cumsum([0, *map(len, some)])
        """[nest] Its first contender."""
        self._demand, self._least = (joined([each.demand for each in some]), joined([each.least for each in some]))
        self._tiles = np.concatenate([each.tiles for each in some])
        self._case = np.concatenate([each.case for each in some]) + np.repeat(
            self._first_case[:-1], np.diff(self._first)
        )

    def won(self, target: Target) -> list[list[Won]]:
        """[nest] The best in each residency in which any fits, at the speed of a target."""
        latency_s, energy_pj, objective = self._demand.reached(target)
        first = first_best((objective, latency_s, energy_pj, self._tiles), self._case, len(self._least.cycles))
        case = self._case[first]
        nest = np.searchsorted(self._first_case, case, side="right") - 1
        value = objective_named(target.objective).value(energy_pj[first] / PJ_PER_J, latency_s[first])
        floor = self._least.floor(target)[case]
        columns = nest, case - self._first_case[nest], first - self._first[nest], value, floor
        found: list[list[Won]] = [[] for _ in self._first[:-1]]
        for own, number, contender, reached, least in zip(*(each.tolist() for each in columns), strict=True):
            found[own].append(Won(case=number, contender=contender, objective=reached, floor=least))
        return found


def contenders(search: Search, residencies: Sequence[BufferCase]) -> list[Contenders]:
    """Those of each nest of a search; nothing behind several SRAMs, where too many chains of tiles are candidates."""
    if search.whole is None:
        return []
    space, rows = _Ranked(search.whole, residencies).front()
    demand = [search.floors.demand(case) for case in residencies]
    ends = np.searchsorted(rows.kind, np.arange(len(search.tasks) + 1) * len(residencies)).tolist()
    return [
        Contenders(space, picked(rows, np.arange(first, end)), task, _of_task(demand, task))
        for task, (first, end) in enumerate(pairwise(ends))
    ]


def _of_task(demand: Sequence[LeastDemand], task: int) -> LeastDemand:
    """[residency] What no mapping of one nest takes less than."""
    names = [each.name for each in fields(LeastDemand)]
    return LeastDemand(**{name: np.array([getattr(each, name)[task] for each in demand]) for name in names})


class _Ranked:
    """All candidates of a search in some residencies, by what decides who wins."""

    def __init__(self, space: Candidates, residencies: Sequence[BufferCase]) -> None:
        self._space, self._residencies = space, residencies
        self._tiles: Indices = np.unique(space.tiles, return_inverse=True)[1]

    def front(self) -> tuple[Candidates, _Rows]:
        """Those that none of their nest and residency leaves behind, in the entries that hold them."""
        near = self._space.hopeful(self._residencies)
        found = [
            self._front(self._rows(near.figures, near.entries, number)) for number in range(len(self._residencies))
        ]
        remain = self._remaining(found)
        remain[:, near.entries] = True
        entries = np.flatnonzero(remain.any(axis=0))
        some = self._space.some(entries)
        rows = []
        for number, left in enumerate(remain):
            every = self._rows(some.figures, entries, number)
            rows.append(self._front(picked(every, np.flatnonzero(left[entries][every.winners.entry]))))
        return some, _by_kind(joined(rows))

    def _remaining(self, rivals: Sequence[_Rows]) -> Bools:
        """[residency, entry] Whether an entry may hold any other one that these do not leave behind."""
        found = np.zeros((len(rivals), len(self._space)), dtype=bool)
        for entries, figures in self._space.bounds():
            for number, own in enumerate(rivals):
                bounds = self._rows(figures, entries, number)
                found[number, entries[bounds.winners.entry[_unbeaten(bounds, own)]]] = True
        return found

    @staticmethod
    def _front(rows: _Rows) -> _Rows:
        return _by_kind(picked(rows, front(rows.kind, rows.figures)))

    def _rows(self, figures: Figures, entries: Indices, number: int) -> _Rows:
        """The candidates of some entries that fit in a residency."""
        demand, fits, holds = figures.demand(self._residencies[number])
        each = [getattr(demand, own.name) for own in fields(Demand)]
        shape = np.broadcast_shapes(fits.shape, (1, 1, len(entries)), *(values.shape for values in each))
        flat = np.flatnonzero(np.broadcast_to(fits, shape))
        values = [np.broadcast_to(own, shape).reshape(-1)[flat] for own in each]
        places = np.unravel_index(flat, shape)
        winners = winners_at(places, holds)
        orders, total = len(self._space.outer), len(self._space)
        own = entries[winners.entry]
        order = (places[0] * orders + places[1]) * total + own
        return _Rows(
            kind=self._space.task_of_entry[own] * len(self._residencies) + number,
            demand=Demand(**dict(zip((each.name for each in fields(Demand)), values, strict=True))),
            rank=self._tiles[own] * float(len(self._space.inner) * orders * total) + order,
            winners=winners,
        )


def _by_kind(rows: _Rows) -> _Rows:
    return picked(rows, np.argsort(rows.kind, kind="stable"))


def _unbeaten(some: _Rows, rivals: _Rows) -> Indices:
    """Those of which no rival of their kind is at most equal in every figure."""
    rows, against = some.figures.T, rivals.figures.T
    first, end = (np.searchsorted(rivals.kind, some.kind, side=side) for side in ("left", "right"))
    left = np.arange(len(rows))
    found = []
    while len(left):
        found.append(left[first[left] == end[left]])
        left = left[first[left] < end[left]]
        left = left[(against[first[left]] > rows[left]).any(axis=1)]
        first = first + 1
    return np.concatenate(found) if found else left
