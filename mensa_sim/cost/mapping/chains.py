"""Tiles of the stages below the last: all that registers and inner SRAMs can hold, for all nests of a search at once.

No tile is left out because a larger one fits, as that one may ask for a last tile that does not fit; what takes nothing
away is found by comparing figures.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from operator import and_
from typing import TYPE_CHECKING, Any

import numpy as np

from mensa_sim.arrays import Bools, Floats, picked
from mensa_sim.cost.counts.crossing import pick
from mensa_sim.cost.counts.room import own_elements, taken_bits
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Stop, Way
from mensa_sim.cost.counts.window import Window, window_histogram
from mensa_sim.cost.mapping.candidates import (
    CHANNELS,
    FREE_GROUP,
    GROUPS,
    ROTATIONS,
    group,
    positions,
    stage_count,
    stage_of,
)
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import WINDOW, Operand, relevant, split_dims
from mensa_sim.workload.layer import LoopNest

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.task import NestTask

Extents = Mapping[str, int]

_LARGEST = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chains:
    """Tiles of the innermost stages of some nests, each inside the next, and the orders of the blocks between them."""

    task: Indices
    """[chain] The nest that it belongs to; the chains of a nest lie together."""
    tiles: tuple[Indices, ...]
    """[stage][chain, dim] Extents."""
    orders: tuple[Indices, ...] = ()
    """[block][chain] Which of the rotations."""


class Rooms:
    """What the levels of one stage must hold of a tile at least, whatever the others do.

    Of registers it is all. An SRAM holds outputs in their own width where no more is added to them, which the loops
    around its tile decide: unless the opposite is known, it is taken to be so.
    """

    def __init__(
        self,
        nest: LoopNest,
        window: Window,
        accelerator: PeArray,
        sizes: Extents,
        ways: Mapping[Operand, Way],
        stage: int,
    ) -> None:
        self._nest, self._window, self._sizes, self._copies = nest, window, sizes, accelerator.copies
        self._levels: dict[Level, list[tuple[Way, Stop]]] = {}
        """What passes each level."""
        stages = stage_count(ways)
        for way in ways.values():
            for index, stop in enumerate(way.stops):
                if stage_of(way, index, stages) == stage:
                    self._levels.setdefault(stop.level, []).append((way, stop))

    def short(self, extents: Extents) -> list[str]:
        """The levels that cannot hold a tile: the operands that they serve, what it takes of them, what they have."""
        return [
            f"the registers of its {' and '.join(way.operand for way, _ in held)} hold "
            f"({bits_to_bytes(needed)} bytes of {level.name}, which has {level.capacity_bytes})"
            for level, held in self._levels.items()
            if (needed := self._needed(level, extents)) > level.capacity_bytes * BITS_PER_BYTE
        ]

    def hold(self, extents: Mapping[str, int | Floats], *, larger: bool = False, sums: bool | Bools = False) -> Any:
        """Whether all levels of the stage may hold a tile, or with `larger` some tile that is no smaller, and with
        `sums` outputs that more is added to; an array of it where extents are arrays over many tiles."""
        fits = [
            self._needed(level, extents, larger=larger, sums=sums) <= level.capacity_bytes * BITS_PER_BYTE
            for level in self._levels
        ]
        return reduce(and_, fits, True)

    def _needed(
        self, level: Level, extents: Mapping[str, Any], *, larger: bool = False, sums: bool | Bools = False
    ) -> Any:
        """Bits of an instance."""
        needed: Any = 0
        copies = self._copies(level)
        for way, stop in self._levels[level]:
            held = self._elements(way.operand, stop, extents)
            if copies > 1:
                whole = reduce(and_, (extents[dim] == self._sizes[dim] for dim in stop.own), True)
                held = taken_bits(held, whole, copies)
                if larger:
                    held = np.minimum(held, self._elements(way.operand, stop, self._sizes))
            least = min(way.partial_bits, way.final_bits)
            needed += held * (pick(sums, way.partial_bits, least) if level.ported else way.partial_bits)
        return needed

    def _elements(self, operand: Operand, stop: Stop, extents: Mapping[str, Any]) -> Any:
        """Elements of a tile in the fullest instance."""
        inside = [dim for dim in stop.own if operand == "input" and split_dims(dim)[0] in WINDOW]
        largest = prod(extents[dim] for dim in stop.own if dim not in inside)
        if inside:
            largest = largest * self._shown(inside, [extents[dim] for dim in inside])
        return own_elements(self._nest, operand, stop, extents, largest)

    def _shown(self, dims: Sequence[str], extents: Sequence[Any]) -> Any:
        """Positions of the input that the largest of the tiles with such extents reads."""
        if not any(isinstance(each, np.ndarray) for each in extents):
            return window_histogram(self._window, tuple(zip(dims, extents, strict=True))).values[-1]
        tiles = np.stack(np.broadcast_arrays(*extents)).astype(np.int64)
        first, which = distinct([*tiles])
        return np.array([self._shown(dims, tile) for tile in tiles.T[first].tolist()], dtype=np.float64)[which]


def register_tiles(
    unrolling: Unrolling, ways: Mapping[Operand, Way], rooms: Rooms, largest: Mapping[str, int]
) -> list[Extents]:
    """Extents that the registers hold, none of them inside another one; one pass of the array is always first.

    `largest` is the largest by dim.
    """
    single = dict(unrolling.lanes)
    if not rooms.hold(single):
        return []
    held = [way.operand for way in ways.values() if way.listed_registers]
    deep = stage_count(ways) > 2
    alone: dict[str, Floats] = {}
    for dim, lanes in unrolling.lanes.items():
        trips = -(-largest[dim] // lanes)
        if trips == 1 or not any(relevant(operand, dim) for operand in held):
            continue
        sizes = {1, trips, *(2**power for power in range(trips.bit_length()) if deep or dim in CHANNELS)}
        along = np.array([min(lanes * size, largest[dim]) for size in sorted(sizes)], dtype=np.float64)
        fitting = along[np.broadcast_to(rooms.hold({**single, dim: along}), along.shape)]
        if len(fitting) > 1:
            alone[dim] = fitting
    if not alone:
        return [single]
    chosen = positions(tuple(map(len, alone.values())))
    tiles = {dim: extents[at] for (dim, extents), at in zip(alone.items(), chosen, strict=True)}  # [combination]
    fits = np.broadcast_to(rooms.hold({**single, **tiles}), chosen.shape[1:])
    fitting_tiles = {dim: extents[fits] for dim, extents in tiles.items()}
    total = int(fits.sum())
    within = np.ones((total, total), dtype=bool)  # each tile lies in itself
    for along in fitting_tiles.values():
        within &= along[:, None] <= along
    outermost = np.flatnonzero(within.sum(axis=1) == 1)
    columns = [along[outermost].astype(np.int64).tolist() for along in fitting_tiles.values()]
    found = [{**single, **dict(zip(fitting_tiles, tile, strict=True))} for tile in zip(*columns, strict=True)]
    return [single, *(tile for tile in found if tile != single)]


def first_chains(tasks: Sequence["NestTask"]) -> Chains:
    """The tiles of the registers of each nest."""
    tiles = [list(tile.values()) for task in tasks for tile in task.registers]
    owner = np.repeat(np.arange(len(tasks)), [len(task.registers) for task in tasks])
    return Chains(task=owner, tiles=(np.array(tiles, dtype=np.int64),))


def grown(tasks: Sequence["NestTask"], inner: Chains) -> Chains:
    """The chains with a tile of one stage more, and every order of the block below it."""
    ends = np.searchsorted(inner.task, np.arange(len(tasks) + 1))
    rows: list[Indices] = []
    tiles: list[Indices] = []
    orders: list[Indices] = []
    for index, task in enumerate(tasks):
        own = inner.tiles[-1][ends[index] : ends[index + 1]]
        first, which = distinct([*own.T])
        inside = own[first]
        above, below = _tiles_above(task, inside, len(inner.tiles))
        innermost = FREE_GROUP[task.target.accelerator.dataflow.stationary] if len(inner.tiles) == 1 else None
        allowed = _orders(task.unrolling.dims, inside[below], above, innermost)
        many = np.bincount(below, minlength=len(inside))
        chain, tile = spans((np.cumsum(many) - many)[which], many[which])
        place, order = np.nonzero(allowed[tile])
        rows.append(chain[place] + ends[index])
        tiles.append(above[tile[place]])
        orders.append(order)
    old = picked(inner, np.concatenate(rows))
    return Chains(
        task=old.task, tiles=(*old.tiles, np.concatenate(tiles)), orders=(*old.orders, np.concatenate(orders))
    )


def spans(starts: Indices, lengths: Indices) -> tuple[Indices, Indices]:
    """Runs of whole numbers one behind another: to which run each belongs, and the numbers.

    >>> [each.tolist() for each in spans(np.array([5, 0]), np.array([2, 3]))]
    [[0, 0, 1, 1, 1], [5, 6, 0, 1, 2]]
    """
    run = np.repeat(np.arange(len(lengths)), lengths)
    return run, np.arange(len(run)) + (starts - (np.cumsum(lengths) - lengths))[run]


def distinct(columns: Sequence[Indices]) -> tuple[Indices, Indices]:
    """Of rows, given by their columns of whole numbers from 0, the first of each kind, and the kind of each.

    >>> [each.tolist() for each in distinct([np.array([1, 0, 1]), np.array([2, 5, 2])])]
    [[1, 0], [1, 0, 1]]
    """
    key: Indices = np.zeros(len(columns[0]), dtype=np.int64)
    kinds = 1
    for column in columns:
        own = int(column.max(initial=0)) + 1
        if kinds * own > _LARGEST:
            key, column = (np.unique(each, return_inverse=True)[1] for each in (key, column))
            kinds, own = int(key.max(initial=0)) + 1, int(column.max(initial=0)) + 1
        key, kinds = key * own + column, kinds * own
    values, key = np.unique(key, return_inverse=True)
    first = np.empty(len(values), dtype=np.intp)
    first[key[::-1]] = np.arange(len(key))[::-1]  # the last written of a kind stays; `return_index` takes twice as long
    return first, key


def _tiles_above(task: "NestTask", inside: Indices, stage: int) -> tuple[Indices, Indices]:
    """[tile, dim] The tiles that a stage holds around smaller ones, and [tile] in which row their own stands."""
    counts, firsts, values = [], [], []
    for column, dim in enumerate(task.unrolling.dims):
        extents, which = np.unique(inside[:, column], return_inverse=True)
        each = [task.inner_extents(dim, extent) for extent in extents.tolist()]
        many = np.array([len(some) for some in each], dtype=np.intp)
        counts.append(many[which])
        firsts.append((np.cumsum(many) - many)[which])
        values.append(np.array([extent for some in each for extent in some], dtype=np.int64))
    many = np.prod(counts, axis=0)
    below, rest = spans(np.zeros_like(many), many)
    found = np.empty((len(below), len(counts)), dtype=np.int64)
    for column, (count, first, value) in enumerate(zip(counts, firsts, values, strict=True)):
        rest, digit = np.divmod(rest, count[below])
        found[:, column] = value[first[below] + digit]
    columns = {dim: found[:, column].astype(np.float64) for column, dim in enumerate(task.unrolling.dims)}
    adds = np.array([group(dim) == FREE_GROUP["output"] for dim in task.unrolling.dims])
    # Where loops of the outputs lie below others that add to them, what comes to the level is added to again.
    more, turns = found < list(task.unrolling.sizes.values()), found > inside[below]
    sums: Bools = np.logical_and(more[:, adds].any(axis=1), turns[:, ~adds].any(axis=1))
    fits = task.inner_rooms[stage - 1].hold(columns, sums=sums) & task.may_hold(columns, stage)
    return found[fits], below[fits]


def _orders(dims: Sequence[str], inside: Indices, above: Indices, innermost: str | None) -> Bools:
    """[tile, rotation] Those that differ: a group that loops is innermost; the given one if it does."""
    grown: Bools = np.greater(above, inside)
    loops: dict[str, Bools] = {}
    for name in GROUPS:
        mine: Bools = grown[:, [group(dim) == name for dim in dims]]
        loops[name] = np.logical_or.reduce(mine, axis=1)
    found: Bools = np.stack([loops[order[0]] for order in ROTATIONS], axis=1)
    if innermost is not None:
        wanted = np.array([order[0] == innermost for order in ROTATIONS])
        found = np.where(loops[innermost][:, None], wanted, found)
    found[~found.any(axis=1), 0] = True
    return found
