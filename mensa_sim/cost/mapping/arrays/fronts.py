"""Which chains of inner tiles may hold a winner, told before any last tile is put around them.

A chain in which every stage that it leaves open holds the whole nest is a floor under all that can be made of it: the
loops above its outermost tile spare at most one operand from coming again, and what lies beyond is compulsory. Of last
tiles there are as many as suit both the array, which each fills and drains, and what waits for the first one.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from mensa_sim.arrays import Floats, picked
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import array_work
from mensa_sim.cost.mapping.arrays.figures import Figures
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.rivals import Rivals
from mensa_sim.cost.mapping.arrays.rows import END_BITS, NOTHING, OperandArrays
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order
from mensa_sim.cost.mapping.candidates import ROTATIONS
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.workload.dims import OPERANDS, Operand

FETCHED: tuple[Operand, ...] = ("weight", "input")
"""What comes from memory before the array works on it."""


class Fronts:
    """Some chains of inner tiles: what none of their candidates is below, and which of them others leave behind."""

    def __init__(
        self,
        pool: TilePool,
        chains: Chains,
        groups: Sequence[Sequence[Operand]],
        outer: Sequence[Order],
        residencies: Sequence[BufferCase],
        least_s: Floats,
    ) -> None:
        """`least_s` is the time of the last tiles: [residency, chain]."""
        target, self._pool, self.chains = pool.tasks[0].target, pool, chains
        self._residencies, self._outer = residencies, outer[:1]
        grid = Grid(pool, chains)
        self._rows = {operand: OperandArrays(target, grid, operand, ROTATIONS).accesses() for operand in OPERANDS}
        self._array = array_work(grid)
        figures = Figures(target, grid, groups, self._rows, self._outer, self._array)
        each = zip(residencies, least_s, strict=True)
        self.floors = np.stack([figures.floors(case, *self._firsts(grid, case), own_s) for case, own_s in each], axis=1)
        """[figure, residency, chain] Infinite where no candidate fits."""

    def _firsts(self, grid: Grid, case: BufferCase) -> tuple[Floats, Floats]:
        """[inner, inside, chain] Bits of the operands whose first tiles are no smaller than others, over all fetches,
        and those of these tiles at least."""
        whole, first = NOTHING, NOTHING
        for operand in FETCHED:
            fetches = case.repeats.fetches[operand]
            bits = self._pool.noted(("whole bits", operand), partial(_whole_bits, self._pool.tasks, operand))
            whole = whole + grid.each(bits * fetches)
            first = first + self._rows[operand].crossings[END_BITS, 0] * grid.each(fetches)
        return whole, first

    def unbeaten(self, some: Indices) -> Indices:
        """Of some chains those than which no other one of the same outermost tile is better, whatever lies above."""
        if not len(some):
            return some
        rows = {operand: each.at(some) for operand, each in self._rows.items()}
        passes, chains = self._array.pass_cycles[some], picked(self.chains, some)
        found: Indices = some[Rivals(self._pool, chains, rows, passes, self._residencies, self._outer).unbeaten()]
        return found


def _whole_bits(tasks: Sequence[NestTask], operand: Operand) -> Floats:
    """[task] Those of a whole operand; none if its first tile may be smaller than others, as what is padded is left out
    of it, or if it comes from memory in tiles of another stage than the last."""
    each = [
        task.elements(operand, task.unrolling.sizes) * task.ways[operand].memory_bits * task.ways[operand].memory_share
        if task.ways[operand].ported and (operand == "weight" or task.window.one_to_one)
        else 0
        for task in tasks
    ]
    return np.array(each, dtype=np.float64)
