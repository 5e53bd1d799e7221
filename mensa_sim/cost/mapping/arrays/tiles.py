"""The tiles of one operand at the stages of a grid, as sums per entry."""

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats, distinct, spans
from mensa_sim.cost.counts.tiles import Classes, Indices, tilings, window_classes
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.tilings import (
    OperandTilings,
    PoolTilings,
    WholeSums,
    own_dims,
    sizes_of,
    tilings_of,
    window_dims,
)
from mensa_sim.cost.mapping.arrays.visits import INSIDE, groups_inside, own_groups
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group, positions
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


def last_tiles(grid: Grid, operand: Operand) -> tuple[GridTiles, GridTiles]:
    """The tiles of the last stage: first the tile alone, [1, entry], then with whole groups in it, [inside, entry].

    Each combination of extents of the operand's own dims is worked out once, and stands in many entries.
    """
    pool = grid.pool
    mine = own_dims(pool, operand)
    rows = [grid.dims.index(dim) for dim in mine]
    parts, which = distinct([grid.set_of_part[row] for row in rows])
    own = [[grid.option_sets[row][each] for each in grid.set_of_part[row, parts].tolist()] for row in rows]
    counts = [tuple(map(len, each)) for each in zip(*own, strict=True)]
    combinations = np.array([prod(each) for each in counts])
    chosen = np.concatenate([positions(each) for each in counts], axis=1)
    first = np.repeat(grid.first_option[rows][:, parts], combinations, axis=1)
    task = np.repeat(grid.chains.task[parts], combinations)
    extents = {dim: grid.options[row][at] for dim, row, at in zip(mine, rows, chosen + first, strict=True)}
    options = list(zip(*own, strict=True))
    seen = _window_of_sets(grid, mine, parts, options, combinations) if operand == "input" else None
    known = OperandTilings(
        operand, pool.tasks, task, extents, tilings(operand, sizes_of(pool, mine, task), extents, seen)
    )
    begin = grid.per_part_index((np.cumsum(combinations) - combinations)[which])
    columns = dict.fromkeys(ALL_GROUPS, np.zeros(len(begin), dtype=np.intp))
    strides = np.array([[prod(each[place + 1 :]) for each in counts] for place in range(len(mine))])
    for dim, row, stride, several in zip(mine, rows, strides, np.array(counts).T > 1, strict=True):
        if several.any():
            columns[group(dim)] = columns[group(dim)] + grid.chosen[row] * grid.per_part_index(stride[which])
    # A group inside takes its first extents, the whole dims, which stand in the first column of a part.
    picked = []
    for inside in INSIDE:
        within = groups_inside(operand, inside)
        outside = [columns[name] for name in (*own_groups(operand), "G") if name not in within]
        picked.append(np.sum(outside, axis=0) + begin)
    every = np.stack(picked)
    return GridTiles(known, every[:1]), GridTiles(known, every)


def _window_of_sets(
    grid: Grid, mine: Sequence[str], parts: Indices, options: Sequence[tuple[tuple[int, ...], ...]], many: Indices
) -> tuple[Classes, Indices]:
    """Of all combinations of the options of some chains, `many` for each, what a window shows, and the kind of each."""
    inside, task = window_dims(mine), grid.chains.task[parts]
    some, kind = distinct([task, *(grid.set_of_part[grid.dims.index(dim), parts] for dim in inside)])
    own = [options[place][len(mine) - len(inside) :] for place in some.tolist()]
    shown, lengths = _window_shown(grid, inside, task[some], own)
    runs = np.repeat(kind, many // lengths[kind])  # the dims of the window vary fastest
    _, column = spans((np.cumsum(lengths) - lengths)[runs], lengths[runs])
    return shown, column


def _window_shown(
    grid: Grid, inside: tuple[str, ...], tasks: Indices, options: Sequence[tuple[tuple[int, ...], ...]]
) -> tuple[Classes, Indices]:
    """What the window shows of each combination of extents of some nests, one behind another, and how many each has."""
    seen = [window_classes(grid.tasks[task].window, inside, each) for task, each in zip(tasks, options, strict=True)]
    lengths = np.array([len(end) for _, _, end in seen])
    values, counts = (np.zeros((max(len(each) for each, _, _ in seen), lengths.sum())) for _ in range(2))
    for at, (some, many, end) in zip((np.cumsum(lengths) - lengths).tolist(), seen, strict=True):
        values[: len(some), at : at + len(end)], counts[: len(some), at : at + len(end)] = some, many
    return Classes(values, counts, np.concatenate([end for _, _, end in seen])), lengths
