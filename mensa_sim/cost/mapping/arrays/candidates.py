"""The candidates over some chains of inner tiles: every last tile and order of loops, and those that may win."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from mensa_sim.arrays import Floats, distinct, picked
from mensa_sim.cost.counts.nest import pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.figures import Array, Figures
from mensa_sim.cost.mapping.arrays.grid import Entries, Grid, LeftTiles
from mensa_sim.cost.mapping.arrays.ranks import TIES, best_of_nests, near
from mensa_sim.cost.mapping.arrays.rows import OperandArrays
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order
from mensa_sim.cost.mapping.arrays.visits import inside_index
from mensa_sim.cost.mapping.candidates import GroupOrder
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.workload.dims import OPERANDS, Operand


def array_work(grid: Grid) -> Array:
    """What the array does in every entry of a grid."""
    tasks, pool = grid.tasks, grid.pool
    accelerator = tasks[0].target.accelerator
    hop = accelerator.dataflow.hop
    along = [column for column, dim in enumerate(pool.dims) if hop and hop.spans(dim)]
    first, which = distinct([pool.task[grid.chains.tiles[0]], *pool.extents[grid.chains.tiles[0]][:, along].T])

    def cycles_of(number: int) -> float:
        """Those of the array in tiles of the registers."""
        task, tile = tasks[pool.task[number]], dict(zip(pool.dims, pool.extents[number].tolist(), strict=True))
        return pass_cycles(accelerator, task.nest, task.unrolling, tile, task.ways)

    cycles = [cycles_of(number) for number in grid.chains.tiles[0][first].tolist()]
    return Array(
        pass_cycles=grid.per_part(np.array(cycles)[which]),
        fill_cycles=grid.per_task([pipeline_cycles(accelerator, task.unrolling) for task in tasks]),
        tiles=grid.tiles,
        constant_pj=grid.per_task([task.constant_pj for task in tasks]),
    )


class Candidates:
    """The candidates over some chains: an entry for every last tile, and each of these in every order."""

    def __init__(
        self,
        pool: TilePool,
        chains: Chains,
        groups: Sequence[Sequence[Operand]],
        inner: Sequence[GroupOrder],
        outer: Sequence[Order],
        last: Mapping[int, LeftTiles] | None = None,
    ) -> None:
        """Of the nests in `last` only those last tiles are tried that are left."""
        self._target, self._groups = pool.tasks[0].target, groups
        self.inner, self.outer = inner, outer
        self.grid = Grid(pool, chains, last=last)
        self.arrays = {operand: OperandArrays(self._target, self.grid, operand, inner) for operand in OPERANDS}
        self.inside: dict[Operand, Indices] = {
            operand: np.array([inside_index(operand, order.groups) for order in outer]) for operand in OPERANDS
        }
        """[row] Which of its own groups an operand finds inside its free one."""
        self._accesses = {operand: arrays.accesses() for operand, arrays in self.arrays.items()}
        self.array = array_work(self.grid)

    def figures(self, entries: Indices) -> Figures:
        """The prices of some entries in every order."""
        rows = {operand: each.picked(self.inside[operand], entries) for operand, each in self._accesses.items()}
        own = Entries(self.grid.tasks, self.grid.task_of_entry[entries])
        return Figures(self._target, own, self._groups, rows, self.outer, picked(self.array, entries))

    @cached_property
    def bounds(self) -> Figures:
        """Of each entry what none of its orders is below."""
        least = {operand: each.least() for operand, each in self._accesses.items()}
        return Figures(self._target, self.grid, self._groups, least, self.outer[:1], self.array)

    def worthy(self, residencies: Sequence[BufferCase]) -> Indices:
        """The entries that may hold a winner of any residency: their bound is not above what another entry reaches."""
        bounds, task, tasks = self.bounds.best(residencies), self.grid.task_of_entry, len(self.grid.tasks)
        first = np.flatnonzero(near(bounds, task, best_of_nests(bounds, task, tasks)).any(axis=0))
        reached = best_of_nests(self.figures(first).best(residencies), task[first], tasks)
        return np.flatnonzero(near(bounds, task, reached).any(axis=0))

    def reached(self, residencies: Sequence[BufferCase]) -> Floats:
        """[figure, residency, chain] The best of all candidates of a chain; infinite if none may be its nest's."""
        entries, chains = self.worthy(residencies), len(self.grid.chains.task)
        return best_of_nests(self.figures(entries).best(residencies), self.grid.part_of(entries), chains)


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
