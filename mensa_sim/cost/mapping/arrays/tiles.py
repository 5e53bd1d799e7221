"""The tiles of one operand at the stages of a grid, as sums per entry."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats, distinct
from mensa_sim.cost.counts.tiles import Indices, tilings
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.mapping.arrays.grid import Grid, LastChoices
from mensa_sim.cost.mapping.arrays.tilings import (
    OperandTilings,
    PoolTilings,
    WholeSums,
    own_dims,
    sizes_of,
    tilings_of,
    window_of_tiles,
)
from mensa_sim.cost.mapping.arrays.visits import INSIDE, groups_inside, own_groups
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group
from mensa_sim.workload.dims import Operand


class GridTiles:
    """Sums over the tiles of an operand at a stage, for each entry: those of the tilings that stand in its columns."""

    def __init__(self, known: OperandTilings | PoolTilings, columns: Indices) -> None:
        self._known = known
        self.columns = columns
        """[inside, entry] or [entry] The tiling of an entry."""
        self._pieces: dict[tuple[int, int], Floats] = {}

    @cached_property
    def elements(self) -> Floats:
        """Elements of all tiles."""
        return self._known.elements[self.columns]

    @cached_property
    def end(self) -> Floats:
        """Elements of the first tile, or for an output of the last one."""
        return self._known.end[self.columns]

    @cached_property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._known.largest[self.columns]

    @cached_property
    def number(self) -> Floats:
        """How many tiles there are."""
        return self._known.number[self.columns]

    def held(self, stops: Sequence[Stop]) -> Floats:
        """Elements of a tile in the fullest instance of a level, under the unrolling of each nest."""
        return self._known.held(stops)[self.columns]

    def taken(self, stops: Sequence[Stop], copies: int) -> Floats:
        """The same with room for the tile that takes its place."""
        return self._known.taken(stops, copies)[self.columns]

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that all tiles take; `spread` is one number, or one for each nest."""
        if isinstance(spread, np.ndarray) or spread != 1:
            return self._known.pieces(bits, unit_bits, spread)[self.columns]
        if (bits, unit_bits) not in self._pieces:
            self._pieces[bits, unit_bits] = self._known.pieces(bits, unit_bits, 1)[self.columns]
        return self._pieces[bits, unit_bits]

    def at(self, columns: Indices) -> "GridTiles":
        """The same tilings in other columns."""
        return GridTiles(self._known, columns)


def whole_tiles(grid: Grid, operand: Operand) -> GridTiles:
    """Of every chain the whole nest. [entry]"""
    pool = grid.pool

    def made() -> OperandTilings:
        own = np.arange(len(pool.tasks))
        extents = sizes_of(pool, own_dims(pool, operand), own)
        return OperandTilings(operand, pool.tasks, own, extents, WholeSums(pool.tasks, operand))

    return GridTiles(pool.noted(("whole", operand), made), grid.task_of_entry)


def inner_tiles(grid: Grid, operand: Operand, tiles: Indices) -> GridTiles:
    """One tiling for each chain, the same for all its entries: that of its tile, [chain]. [entry]"""
    return GridTiles(tilings_of(grid.pool, operand), grid.per_part_index(tiles))


class LastTilings:
    """The tilings of an operand in the last tiles that are tried, in all combinations of extents of its own dims.

    Each is worked out once, and stands in many entries.
    """

    def __init__(self, tried: LastChoices, operand: Operand) -> None:
        pool = tried.pool
        self._mine = mine = own_dims(pool, operand)
        self._rows = rows = [pool.dims.index(dim) for dim in mine]
        self._operand = operand
        parts, which = distinct([tried.options.which[row] for row in rows])
        counts = tried.options.counts[rows][:, parts]  # [own dim, set of combinations]
        strides = np.cumprod(counts[::-1], axis=0)[::-1]
        self._strides: Indices = np.where(counts > 1, strides // counts, 0)[:, which]
        """[own dim, chain]"""
        self._begin: Indices = (np.cumsum(strides[0]) - strides[0])[which]
        """[chain] Where its combinations begin."""
        stand = np.zeros(strides[0].sum(), dtype=bool)
        stand[self._columns(tried.part, tried.chosen, INSIDE)] = True
        self._place: Indices = np.cumsum(stand) - 1
        """[combination] Its place among those that stand in some entry."""
        some = np.flatnonzero(stand)
        own = np.searchsorted(np.cumsum(strides[0]), some, side="right")
        chosen = (some - (np.cumsum(strides[0]) - strides[0])[own]) // (strides // counts)[:, own] % counts[:, own]
        places = chosen + tried.options.first[rows][:, parts][:, own]
        task = tried.chains.task[parts][own]
        extents = {dim: tried.options.extents[row][at] for dim, row, at in zip(mine, rows, places, strict=True)}
        seen = window_of_tiles(pool, task, extents) if operand == "input" else None
        sums = tilings(operand, sizes_of(pool, mine, task), extents, seen)
        self._known = OperandTilings(operand, pool.tasks, task, extents, sums)

    def _columns(self, part: Indices, chosen: Indices, insides: Sequence[int]) -> Indices:
        """[inside, entry] The combinations of entries around some chains.

        A group inside takes its first extents, the whole dims, which stand in the first column of a part.
        """
        begin = self._begin[part]
        columns = dict.fromkeys(ALL_GROUPS, np.zeros(len(begin), dtype=np.intp))
        for dim, row, stride in zip(self._mine, self._rows, self._strides, strict=True):
            if stride.any():
                columns[group(dim)] = columns[group(dim)] + chosen[row] * stride[part]
        picked = []
        for inside in insides:
            within = groups_inside(self._operand, inside)
            outside = [columns[name] for name in (*own_groups(self._operand), "G") if name not in within]
            picked.append(np.sum(outside, axis=0) + begin)
        return np.stack(picked)

    def of(self, grid: Grid, insides: Sequence[int]) -> GridTiles:
        """Those of the entries of a grid, with the groups in each that some numbers stand for: [inside, entry]."""
        return GridTiles(self._known, self._place[self._columns(grid.part, grid.chosen, insides)])


def last_tiles(grid: Grid, operand: Operand, insides: Sequence[int]) -> GridTiles:
    """The tiles of the last stage, alone or with groups in them: [inside, entry]."""
    known = grid.tried.noted(("tilings", operand), lambda: LastTilings(grid.tried, operand))
    return known.of(grid, insides)
