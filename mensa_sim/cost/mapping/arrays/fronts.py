"""Which chains of inner tiles may hold a winner, told before any last tile is put around them.

A chain in which every stage that it leaves open holds the whole nest is a floor under all that can be made of it: the
loops above its outermost tile spare at most one operand from coming again, and what lies beyond is compulsory.
"""

from collections.abc import Sequence

import numpy as np

from mensa_sim.arrays import Bools, Floats, picked
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import TIES, array_work
from mensa_sim.cost.mapping.arrays.figures import Figures
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.rivals import Rivals
from mensa_sim.cost.mapping.arrays.rows import OperandArrays
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order
from mensa_sim.cost.mapping.candidates import ROTATIONS
from mensa_sim.cost.mapping.chains import Chains
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.workload.dims import OPERANDS, Operand


class Fronts:
    """Some chains of inner tiles: what none of their candidates is below, and which of them others leave behind."""

    def __init__(
        self,
        pool: TilePool,
        chains: Chains,
        groups: Sequence[Sequence[Operand]],
        outer: Sequence[Order],
        residencies: Sequence[BufferCase],
    ) -> None:
        target, self._pool, self.chains = pool.tasks[0].target, pool, chains
        self._residencies, self._outer = residencies, outer[:1]
        grid = Grid(pool, chains, bare=True)
        self._rows = {operand: OperandArrays(target, grid, operand, ROTATIONS).accesses() for operand in OPERANDS}
        self._array = array_work(grid)
        figures = Figures(target, grid, groups, self._rows, self._outer, self._array)
        self.floors: Floats = np.stack([figures.priced(case).objective.min(axis=(0, 1)) for case in residencies])
        """[residency, chain] Infinite where no candidate fits."""

    def unbeaten(self, some: Indices) -> Indices:
        """Of some chains those than which no other one of the same outermost tile is better, whatever lies above."""
        if not len(some):
            return some
        rows = {operand: each.picked(np.zeros(1, dtype=np.intp), some) for operand, each in self._rows.items()}
        passes, chains = self._array.pass_cycles[some], picked(self.chains, some)
        found: Indices = some[Rivals(self._pool, chains, rows, passes, self._residencies, self._outer).unbeaten()]
        return found


def near(floors: Floats, task: Indices, reached: Floats) -> Bools:
    """[residency, chain] Whether a chain's floor is not above what its nest reaches: [residency, task]."""
    found: Bools = (floors <= reached[:, task] * TIES) & (floors < np.inf)
    return found


def least(floors: Floats, task: Indices, count: int) -> Bools:
    """[residency, chain] Those of least floor of each nest; where few fit, the first ones too."""
    begin = np.searchsorted(task, task)
    found = np.empty(floors.shape, dtype=bool)
    for row, each in enumerate(floors):
        order = np.lexsort((each, task))
        found[row, order] = np.arange(len(task)) - begin < count
    return found
