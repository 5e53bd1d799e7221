"""The candidates over some chains of inner tiles: every last tile and order of loops, and those that may win."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.nest import pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.figures import Array, Figures
from mensa_sim.cost.mapping.arrays.grid import Grid, LastChoices
from mensa_sim.cost.mapping.arrays.ranks import TIES, best_of_nests, least, near
from mensa_sim.cost.mapping.arrays.rows import OperandArrays, OperandRows
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order
from mensa_sim.cost.mapping.arrays.visits import inside_index
from mensa_sim.cost.mapping.candidates import FREE_GROUP, GroupOrder
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.workload.dims import OPERANDS, Operand


def array_work(grid: Grid) -> Array:
    """What the array does in every entry of a grid."""
    tasks, pool = grid.tasks, grid.pool
    accelerator = tasks[0].target.accelerator

    def cycles(new: int) -> Floats:
        """[tile] Those of the array in tiles of the registers."""
        found = np.empty(len(pool.task) - new)
        for number in np.unique(pool.task[new:]).tolist():
            task, mine = tasks[number], np.flatnonzero(pool.task[new:] == number)
            register = dict(zip(pool.dims, pool.extents[new:][mine].T, strict=True))
            found[mine] = pass_cycles(accelerator, task.nest, task.unrolling, register, task.ways)
        return found

    return Array(
        pass_cycles=grid.per_part(pool.column("pass cycles", cycles)[grid.chains.tiles[0]]),
        fill_cycles=grid.per_task([pipeline_cycles(accelerator, task.unrolling) for task in tasks]),
        tiles=grid.tiles,
        constant_pj=grid.per_task([task.constant_pj for task in tasks]),
    )


_PIECE = 16384
"""Entries whose bounds are worked out at once, at most: few enough for a cache. A choice."""
_FIRST = 16
"""Entries of each nest that are priced in every order at first, to have something to compare with: a choice."""

_FEW = 256
"""Entries that are priced in every order, as telling which of them may win takes longer: a choice."""


class Candidates:
    """The candidates over some chains: an entry for every last tile, and each of these in every order."""

    def __init__(
        self,
        pool: TilePool,
        chains: Chains,
        groups: Sequence[Sequence[Operand]],
        inner: Sequence[GroupOrder],
        outer: Sequence[Order],
        tried: LastChoices | None = None,
        entries: Indices | slice = slice(None),
    ) -> None:
        """Of the last tiles that are `tried`, or all, some entries."""
        self._target, self._pool, self._chains, self._groups = pool.tasks[0].target, pool, chains, groups
        self.inner, self.outer = inner, outer
        self._tried = tried = tried or LastChoices(pool, chains)
        self.entries: Indices = np.arange(len(tried))[entries]
        """Their places among all that are tried."""
        self.task_of_entry: Indices = chains.task[tried.part[entries]]
        self.inside: dict[Operand, Indices] = {
            operand: np.array([inside_index(operand, order.groups) for order in outer]) for operand in OPERANDS
        }
        """[row] Which of its own groups an operand finds inside its free one."""

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def tiles(self) -> Floats:
        """[entry] Tiles of the last stage."""
        return self._tried.tiles[self.entries]

    def some(self, entries: Indices | slice) -> "Candidates":
        """Those of some of these entries."""
        own = self.entries[entries]
        return Candidates(self._pool, self._chains, self._groups, self.inner, self.outer, self._tried, own)

    @cached_property
    def grid(self) -> Grid:
        """Its entries."""
        return Grid(self._pool, self._chains, self._tried, self.entries)

    @cached_property
    def arrays(self) -> Mapping[Operand, OperandArrays]:
        """What each operand does."""
        return {operand: OperandArrays(self._target, self.grid, operand, self.inner) for operand in OPERANDS}

    @cached_property
    def array(self) -> Array:
        """What the array does."""
        return array_work(self.grid)

    @cached_property
    def figures(self) -> Figures:
        """The prices of all entries in every order."""
        rows = {operand: each.accesses().of_rows(self.inside[operand]) for operand, each in self.arrays.items()}
        return Figures(self._target, self.grid, self._groups, rows, self.outer, self.array)

    def bounds(self) -> Iterator[tuple[Indices, Figures]]:
        """Of entries in pieces what none of their orders is below."""
        for first in range(0, max(len(self), 1), _PIECE):  # of no entries one piece, as chains may have none left
            entries = np.arange(first, min(first + _PIECE, len(self)))
            grid = self.some(entries).grid
            rows = {operand: self._soonest(grid, operand, least=True) for operand in OPERANDS}
            yield entries, Figures(self._target, grid, self._groups, rows, self.outer[:1], array_work(grid))

    def _soonest(self, grid: Grid, operand: Operand, *, least: bool = False) -> OperandRows:
        """What no order within tiles takes less of an operand than: that which soonest lets it stay; with `least` none
        over them either."""
        way = self._pool.tasks[0].ways[operand]
        stays = min(self.inner, key=lambda order: order.index(FREE_GROUP[operand]))
        inner = (
            [stays] if least or way == way.narrowest else self.inner
        )  # sums may take less room than what they end as
        return OperandArrays(self._target, grid, operand, inner, least=least).accesses()

    def hopeful(
        self, residencies: Sequence[BufferCase], reached: Floats | None = None, count: int = _FIRST
    ) -> "Candidates":
        """Those of all entries that may hold a winner of any residency: their bound is not above what others reach,
        [figure, residency, task]; if that is not known, what some `count` of each nest do."""
        if len(self) <= _FEW:
            return self
        task, tasks = self.task_of_entry, len(self._pool.tasks)
        bounds = np.concatenate([figures.best(residencies) for _, figures in self.bounds()], axis=-1)
        first: Bools = np.zeros(len(self), dtype=bool)
        if reached is None:
            first = np.asarray(least(bounds, task, count).any(axis=0))
            some = self.some(np.flatnonzero(first))
            reached = best_of_nests(some.figures.best(residencies), some.task_of_entry, tasks)
        worthy: Bools = np.asarray(near(bounds, task, reached).any(axis=0))
        if not (worthy & ~first).any():
            return self.some(np.flatnonzero(first | worthy))
        left = self.some(np.flatnonzero(worthy))
        return left._ordered(residencies, reached) if len(left) > _FEW else left

    def _ordered(self, residencies: Sequence[BufferCase], reached: Floats) -> "Candidates":
        """Those of its entries whose orders over tiles may hold a winner, in the best order within these."""
        found = []
        for begin in range(0, len(self), _PIECE // 4):
            some = self.some(np.arange(begin, min(begin + _PIECE // 4, len(self))))
            rows = {operand: self._soonest(some.grid, operand).of_rows(self.inside[operand]) for operand in OPERANDS}
            figures = Figures(self._target, some.grid, self._groups, rows, self.outer, some.array)
            left = near(figures.best(residencies), some.task_of_entry, reached).any(axis=0)
            found.append(begin + np.flatnonzero(left))
        return self.some(np.concatenate(found))

    def reached(self, residencies: Sequence[BufferCase], reached: Floats | None = None) -> Floats:
        """[figure, residency, chain] The best of all candidates of a chain; infinite if none may be its nest's, which
        reaches some, [figure, residency, task]."""
        some = self.hopeful(residencies, reached, count=_FIRST // 4)
        return best_of_nests(some.figures.best(residencies), some.grid.part, len(self._chains.task))


def first_best(ranked: Sequence[Floats], owner: Indices, owners: int) -> Indices:
    """For each owner that has any finite row, its first of those of least first figure, then second, and so on.

    >>> figures = np.array([3.0, 2, 2, 5, 5]), np.array([1.0, 4, 4, 7, 6])
    >>> first_best(figures, np.array([0, 0, 0, 1, 1]), 2).tolist()
    [1, 4]
    """
    near = np.flatnonzero(ranked[0] < np.inf)
    for each in ranked:
        values, own = each[near], owner[near]
        least = np.full(owners, np.inf)
        np.minimum.at(least, own, values)
        near = near[values <= least[own] * TIES]
    found: Indices = near[np.unique(owner[near], return_index=True)[1]]
    return found
