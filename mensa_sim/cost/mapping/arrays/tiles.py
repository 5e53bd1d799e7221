"""The tiles of one operand at the stages of a grid, as sums per entry."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.room import own_elements
from mensa_sim.cost.counts.tiles import Classes, Indices, TilingSums, tilings, window_classes
from mensa_sim.cost.counts.ways import Stop
from mensa_sim.cost.mapping.arrays.grid import Grid
from mensa_sim.cost.mapping.arrays.visits import INSIDE, groups_inside, own_groups
from mensa_sim.cost.mapping.candidates import ALL_GROUPS, group, positions
from mensa_sim.cost.mapping.chains import distinct, spans
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.workload.dims import WINDOW, Operand, relevant, split_dims


class GridTiles:
    """Sums over the tiles of an operand at a stage, for each entry: those of the tilings that stand in its columns."""

    def __init__(
        self,
        known: "TilingSums | WholeSums",
        columns: Indices,
        tasks: Sequence[NestTask],
        task: Indices,
        extents: Mapping[str, Floats],
    ) -> None:
        self._known, self._tasks, self._task, self._extents = known, tasks, task, extents
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

    def held(self, operand: Operand, stops: Sequence[Stop]) -> Floats:
        """Elements of a tile in the fullest instance of a level, under the unrolling of each nest."""
        if all(stop.spread == 1 for stop in stops):
            return self.largest
        found = self._known.largest.copy()
        for number, (task, stop) in enumerate(zip(self._tasks, stops, strict=True)):
            own = self._task == number
            extents = {dim: each[own] for dim, each in self._extents.items()}
            found[own] = own_elements(task.nest, operand, stop, extents, found[own])
        return found[self.columns]

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that all tiles take; `spread` is one number, or one for each nest."""
        each = spread[self._task] if isinstance(spread, np.ndarray) else spread
        if isinstance(spread, np.ndarray) or spread != 1:
            return self._known.pieces(bits, unit_bits, each)[self.columns]
        if (bits, unit_bits) not in self._pieces:
            self._pieces[bits, unit_bits] = self._known.pieces(bits, unit_bits, 1)[self.columns]
        return self._pieces[bits, unit_bits]

    def at(self, columns: Indices) -> "GridTiles":
        """The same tilings in other columns."""
        return GridTiles(self._known, columns, self._tasks, self._task, self._extents)


class WholeSums:
    """Sums over the one tile that a whole operand is, for each nest, in no more accesses than any tiles take."""

    def __init__(self, tasks: Sequence[NestTask], operand: Operand) -> None:
        self.largest: Floats = np.array([task.whole(operand).elements for task in tasks], dtype=np.float64)
        way = tasks[0].ways[operand]
        self.elements: Floats = self.largest * min(1.0, way.partial_bits / way.final_bits)
        self.end, self.number = np.zeros(len(tasks)), np.ones(len(tasks))

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses that their bits fill, but for what is rounded up."""
        found: Floats = self.elements * bits / unit_bits + 0 * spread
        return found


def whole_tiles(grid: Grid, operand: Operand) -> GridTiles:
    """Of every chain the whole nest. [entry]"""
    own = np.arange(len(grid.tasks))
    extents = _sizes(grid, _own_dims(grid, operand), own)
    return GridTiles(WholeSums(grid.tasks, operand), grid.task_of_entry, grid.tasks, own, extents)


def inner_tiles(grid: Grid, operand: Operand, extents: Indices) -> GridTiles:
    """One tiling for each chain, the same for all its entries, from its extents [chain, dim]. [entry]"""
    mine = _own_dims(grid, operand)
    rows = [grid.dims.index(dim) for dim in mine]
    first, which = distinct([grid.chains.task, *(extents[:, row] for row in rows)])
    task, few = grid.chains.task[first], extents[first]
    own = {dim: few[:, row].astype(np.float64) for dim, row in zip(mine, rows, strict=True)}
    seen = _window_of_tiles(grid, mine, task, few) if operand == "input" else None
    known = tilings(operand, _sizes(grid, mine, task), own, seen)
    return GridTiles(known, grid.per_part_index(which), grid.tasks, task, own)


def last_tiles(grid: Grid, operand: Operand) -> tuple[GridTiles, GridTiles]:
    """The tiles of the last stage: first the tile alone, [1, entry], then with whole groups in it, [inside, entry].

    Each combination of extents of the operand's own dims is worked out once, and stands in many entries.
    """
    mine = _own_dims(grid, operand)
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
    known = tilings(operand, _sizes(grid, mine, task), extents, seen)
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
    alone, whole = (GridTiles(known, columns, grid.tasks, task, extents) for columns in (every[:1], every))
    return alone, whole


def _sizes(grid: Grid, dims: Sequence[str], task: Indices) -> dict[str, Floats]:
    """[tiling] The size of each dim in the nest that a tiling is for."""
    return {dim: grid.sizes[task, grid.dims.index(dim)].astype(np.float64) for dim in dims}


def _own_dims(grid: Grid, operand: Operand) -> list[str]:
    """The dims that index an operand; those of a window come last."""
    mine = [dim for dim in grid.dims if relevant(operand, dim)]
    return sorted(mine, key=lambda dim: operand == "input" and split_dims(dim)[0] in WINDOW)


def _window_dims(mine: Sequence[str]) -> tuple[str, ...]:
    """Those of an input's dims that a window moves over, which come last."""
    return tuple(dim for dim in mine if split_dims(dim)[0] in WINDOW)


def _window_of_tiles(grid: Grid, mine: Sequence[str], task: Indices, extents: Indices) -> Classes:
    """Of single tiles: [tiling, dim]."""
    inside = _window_dims(mine)
    tiles = extents[:, [grid.dims.index(dim) for dim in inside]]
    some, kind = distinct([task, *tiles.T])
    options = [tuple((extent,) for extent in each) for each in tiles[some].tolist()]
    (values, counts, end), _ = _shown(grid, inside, task[some], options)
    return values[:, kind], counts[:, kind], end[kind]


def _window_of_sets(
    grid: Grid, mine: Sequence[str], parts: Indices, options: Sequence[tuple[tuple[int, ...], ...]], many: Indices
) -> Classes:
    """Of all combinations of the options of some chains, `many` for each."""
    inside, task = _window_dims(mine), grid.chains.task[parts]
    some, kind = distinct([task, *(grid.set_of_part[grid.dims.index(dim), parts] for dim in inside)])
    own = [options[place][len(mine) - len(inside) :] for place in some.tolist()]
    (values, counts, end), lengths = _shown(grid, inside, task[some], own)
    runs = np.repeat(kind, many // lengths[kind])  # the dims of the window vary fastest
    _, column = spans((np.cumsum(lengths) - lengths)[runs], lengths[runs])
    return values[:, column], counts[:, column], end[column]


def _shown(
    grid: Grid, inside: tuple[str, ...], tasks: Indices, options: Sequence[tuple[tuple[int, ...], ...]]
) -> tuple[Classes, Indices]:
    """What the window shows of each combination of extents of some nests, one behind another, and how many each has."""
    seen = [window_classes(grid.tasks[task].window, inside, each) for task, each in zip(tasks, options, strict=True)]
    lengths = np.array([len(end) for _, _, end in seen])
    values, counts = (np.zeros((max(len(each) for each, _, _ in seen), lengths.sum())) for _ in range(2))
    for at, (some, many, end) in zip((np.cumsum(lengths) - lengths).tolist(), seen, strict=True):
        values[: len(some), at : at + len(end)], counts[: len(some), at : at + len(end)] = some, many
    return (values, counts, np.concatenate([end for _, _, end in seen])), lengths
