"""The tiles of one operand at the stages of a grid, as sums per entry."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.tiles import one_tiling, tile_table
from mensa_sim.cost.counts.window import Window
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group
from mensa_sim.cost.mapping.grid import Grid
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.cost.mapping.visits import INSIDE, groups_inside, own_groups
from mensa_sim.workload.dims import Operand


class InnerTiles:
    """The tiles of a stage below the last: one number per part, spread over its entries. [entry]"""

    def __init__(self, grid: Grid, unrolling: Unrolling, operand: Operand, window: Window | None, stage: int) -> None:
        self._grid = grid
        self._tilings = [one_tiling(unrolling, operand, window, p.chain.tiles[stage]) for p in grid.parts]

    def _spread(self, values: Sequence[int]) -> Floats:
        return self._grid.per_part(values)

    @cached_property
    def elements(self) -> Floats:
        """Elements of all tiles."""
        return self._spread([tiling.elements for tiling in self._tilings])

    @cached_property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._spread([tiling.largest for tiling in self._tilings])

    @cached_property
    def end(self) -> Floats:
        """Elements of the first tile, or for an output of the last one."""
        return self._spread([tiling.end for tiling in self._tilings])

    @cached_property
    def single(self) -> Floats:
        """1 where the tile is the whole operand."""
        return self._spread([tiling.number == 1 for tiling in self._tilings])

    @cached_property
    def number(self) -> Floats:
        """How many tiles there are."""
        return self._spread([tiling.number for tiling in self._tilings])

    def pieces(self, bits: int, unit_bits: int, spread: int) -> Floats:
        """Accesses that all tiles take."""
        return self._spread([tiling.pieces(bits, unit_bits, spread) for tiling in self._tilings])


class LastTiles:
    """The tiles of the last stage: index 0 is the tile alone, the others hold whole groups with it. [inside, entry]"""

    def __init__(self, grid: Grid, unrolling: Unrolling, operand: Operand, window: Window | None) -> None:
        own = own_groups(operand)
        within = [groups_inside(operand, inside) for inside in INSIDE]
        self._tables = [tile_table(unrolling, operand, window, p.extents) for p in grid.parts]
        self._columns = []
        for p, table in zip(grid.parts, self._tables, strict=True):
            columns = dict.fromkeys(ALL_GROUPS, np.zeros(p.entries, dtype=np.intp))
            for dim, stride in table.strides.items():
                columns[group(dim)] = columns[group(dim)] + p.chosen[dim] * stride
            # A group inside takes its first extents, the whole dims, which stand in column 0.
            outside = [[columns[name] for name in (*own, "G") if name not in within[i]] for i in INSIDE]
            self._columns.append(np.stack([np.sum(each, axis=0) for each in outside]))

    def _gathered(self, per_combination: Sequence[Floats]) -> Floats:
        found = [values[columns] for values, columns in zip(per_combination, self._columns, strict=True)]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    @cached_property
    def elements(self) -> Floats:
        """Elements of all tiles."""
        return self._gathered([table.elements for table in self._tables])

    @cached_property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._gathered([table.largest for table in self._tables])

    @cached_property
    def end(self) -> Floats:
        """Elements of the first tile, or for an output of the last one."""
        return self._gathered([table.end for table in self._tables])

    def pieces(self, bits: int, unit_bits: int, spread: int) -> Floats:
        """Accesses that all tiles take."""
        return self._gathered([table.pieces(bits, unit_bits, spread) for table in self._tables])


class Alone(LastTiles):
    """The first index of tiles of the last stage: the tile without whole groups. [1, entry]"""

    def __init__(self, tiles: LastTiles) -> None:
        self._tables, self._columns = tiles._tables, [columns[:1] for columns in tiles._columns]
