"""Tiles of the stages below the last: all that registers and inner SRAMs can hold, for all nests of a search at once.

No tile is left out because a larger one fits, as that one may ask for tiles around it that do not fit: a chain is left
out only where a larger one has the same tiles around it. What else takes nothing away is found by comparing figures.
"""

from collections.abc import Mapping
from functools import reduce
from operator import and_
from typing import Any, Protocol

import numpy as np

from mensa_sim.arrays import Bools, Floats, distinct, picked, spans
from mensa_sim.cost.counts.crossing import pick
from mensa_sim.cost.counts.room import taken_bits
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Way
from mensa_sim.cost.mapping.arrays.tilings import tilings_of
from mensa_sim.cost.mapping.candidates import (
    FREE_GROUP,
    GROUPS,
    ROTATIONS,
    group,
    stage_count,
    stage_of,
)
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.cost.mapping.tried_extents import TriedExtents
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import Operand, relevant

Extents = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chains:
    """Tiles of the innermost stages of some nests, each inside the next, and the orders of the blocks between them."""

    task: Indices
    """[chain] The nest that it belongs to; the chains of a nest lie together."""
    tiles: tuple[Indices, ...]
    """[stage][chain] By their numbers in a pool."""
    larger: Indices
    """[chain, dim] The next larger extent with which the chain is tried too, if all of its tiles end at the same one; 0
    if it is not. Within the same tiles the larger chain is never worse: it holds several tiles where this one has one,
    and no loops change places.
    """
    orders: tuple[Indices, ...] = ()
    """[block][chain] Which of the rotations."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegisterTiles:
    """Tiles of the registers of one nest."""

    extents: Indices
    """[tile, dim]"""
    larger: Indices
    """[tile, dim] As of chains."""

    def __len__(self) -> int:
        return len(self.extents)


class HeldTiles(Protocol):
    """Some tiles of one nest or of several, and what they hold: numbers, or arrays of one for each tile."""

    def held(self, operand: Operand, index: int) -> Any:
        """Elements in the fullest instance of a level on an operand's way."""

    def most(self, operand: Operand, index: int) -> Any:
        """Those of the whole nest."""

    def whole(self, operand: Operand) -> Any:
        """Whether an operand's tile is all of it."""

    def kept_bits(self, operand: Operand) -> Any:
        """Bits of an instance of the outermost SRAM that an operand takes which stays there."""

    def capacity_bits(self, level: Level) -> Any:
        """Of a level."""


class PoolTiles:
    """Those of a pool from some number on: [tile]."""

    def __init__(self, pool: TilePool, new: int) -> None:
        self._pool, self._new = pool, new
        self._whole = pool.whole[pool.task[new:]]

    def _held(self, operand: Operand, index: int) -> Floats:
        stops = [task.ways[operand].stops[index] for task in self._pool.tasks]
        return tilings_of(self._pool, operand).held(stops)

    def held(self, operand: Operand, index: int) -> Floats:
        """Elements in the fullest instance of a level on an operand's way."""
        return self._held(operand, index)[self._new :]

    def most(self, operand: Operand, index: int) -> Floats:
        """Those of the whole nest."""
        return self._held(operand, index)[self._whole]

    def whole(self, operand: Operand) -> Bools:
        """Whether an operand's tile is all of it."""
        places = self._pool.places(tuple(dim for dim in self._pool.dims if relevant(operand, dim)))
        found: Bools = places[self._new :] == places[self._whole]
        return found

    def kept_bits(self, operand: Operand) -> Any:
        """Bits of an instance of the outermost SRAM that an operand takes which stays there."""
        return np.array([task.kept_bits(operand) for task in self._pool.tasks])[self._pool.task[self._new :]]

    def capacity_bits(self, level: Level) -> Any:
        """Of a level: that of all nests, or of each."""
        each = [task.target.accelerator.level(level.name).capacity_bytes for task in self._pool.tasks]
        return np.array(each)[self._pool.task[self._new :]] * BITS_PER_BYTE


class Rooms:
    """What the levels of one stage must hold of a tile at least, whatever the others do.

    Of registers it is all. An SRAM holds outputs in their own width where no more is added to them, which the loops
    around its tile decide: unless the opposite is known, it is taken to be so.
    """

    def __init__(self, accelerator: PeArray, ways: Mapping[Operand, Way], stage: int) -> None:
        self._copies = accelerator.copies
        self._levels: dict[Level, list[tuple[Way, int]]] = {}
        """What passes each level."""
        stages = stage_count(ways)
        self._outermost = stage == stages - 1
        for way in ways.values():
            for index, stop in enumerate(way.stops):
                if stage_of(way, index, stages) == stage:
                    self._levels.setdefault(stop.level, []).append((way, index))

    def short(self, tile: HeldTiles) -> list[str]:
        """The levels that cannot hold a tile: the operands that they serve, what it takes of them, what they have."""
        return [
            f"the registers of its {' and '.join(way.operand for way, _ in held)} hold "
            f"({bits_to_bytes(needed)} bytes of {level.name}, which has {level.capacity_bytes})"
            for level, held in self._levels.items()
            if (needed := int(self._needed(level, tile).item())) > tile.capacity_bits(level)
        ]

    def hold(self, tiles: HeldTiles, *, larger: bool = False, sums: bool | Bools = False) -> Any:
        """Whether all levels of the stage may hold a tile, or with `larger` some tile that is no smaller or the operand
        itself, and with `sums` outputs that more is added to; an array of it where there are many tiles."""
        fits = [
            self._needed(level, tiles, larger=larger, sums=sums) <= tiles.capacity_bits(level) for level in self._levels
        ]
        return reduce(and_, fits, True)

    def _needed(self, level: Level, tiles: HeldTiles, *, larger: bool = False, sums: bool | Bools = False) -> Any:
        """Bits of an instance."""
        needed: Any = 0
        copies = self._copies(level)
        for way, index in self._levels[level]:
            held = tiles.held(way.operand, index)
            if copies > 1:
                held = taken_bits(held, tiles.whole(way.operand), copies)
                if larger:
                    held = np.minimum(held, tiles.most(way.operand, index))
            least = min(way.partial_bits, way.room_bits)
            bits = held * (pick(sums, way.partial_bits, least) if level.ported else way.partial_bits)
            needed += np.minimum(bits, tiles.kept_bits(way.operand)) if larger and self._outermost else bits
        return needed


def first_chains(pool: TilePool) -> Chains:
    """The tiles of the registers of each nest."""
    each = [task.registers for task in pool.tasks]
    owner = np.repeat(np.arange(len(pool.tasks)), [len(tiles) for tiles in each])
    tiles = pool.numbers(owner, np.concatenate([tiles.extents for tiles in each]))
    return Chains(task=owner, tiles=(tiles,), larger=np.concatenate([tiles.larger for tiles in each]))


def grown(pool: TilePool, inner: Chains) -> Chains:
    """The chains with a tile of one stage more, and every order of the block below it."""
    first, which = distinct([inner.tiles[-1], *inner.larger.T])
    inside, beside = inner.tiles[-1][first], inner.larger[first]
    above, below = _tiles_above(pool, inside, beside, len(inner.tiles))
    larger = _larger(pool, above, inside[below], beside[below], len(inner.tiles))
    stationary = pool.tasks[0].target.accelerator.dataflow.stationary
    innermost = FREE_GROUP[stationary] if len(inner.tiles) == 1 else None
    allowed = _orders(pool, inside[below], above, innermost)
    many = np.bincount(below, minlength=len(inside))
    chain, tile = spans((np.cumsum(many) - many)[which], many[which])
    place, order = np.nonzero(allowed[tile])
    old, mine = picked(inner, chain[place]), tile[place]
    return Chains(task=old.task, tiles=(*old.tiles, above[mine]), larger=larger[mine], orders=(*old.orders, order))


def _tiles_above(pool: TilePool, inside: Indices, beside: Indices, stage: int) -> tuple[Indices, Indices]:
    """[tile] The tiles that a stage holds around smaller ones, and in which place their own stands."""
    options = TriedExtents.around(pool, inside, beside, lambda task: task.inner_extents)
    below, chosen = options.combined(pool.tasks[0].inner_rooms[stage - 1 :], first_fastest=True)
    places = chosen + options.first[:, below]
    found = np.stack([own[place] for own, place in zip(options.extents, places, strict=True)], axis=1)
    above = pool.numbers(pool.task[inside][below], found.astype(np.int64))
    # Where loops of the outputs lie below others that add to them, what comes to the level is added to again.
    adding = tuple(dim for dim in pool.dims if group(dim) == FREE_GROUP["output"])
    own = pool.places(tuple(dim for dim in pool.dims if dim not in adding))
    sums = (pool.trips(adding)[above] > 1) & (own[above] != own[inside][below])
    fits = _fitting(pool, stage)[above, sums.astype(np.intp)]
    return above[fits], below[fits]


def _larger(pool: TilePool, above: Indices, inside: Indices, beside: Indices, stage: int) -> Indices:
    """[tile, dim] The larger extents beside tiles inside, if those above end at the same ones and larger ones fit."""
    found: Indices = np.where(pool.extents[above] == pool.extents[inside], beside, 0)
    tile, column = np.nonzero(found)
    extents = pool.extents[above[tile]]
    extents[np.arange(len(tile)), column] = found[tile, column]
    numbers = pool.numbers(pool.task[above[tile]], extents)
    found[tile, column] *= _fitting(pool, stage)[numbers].all(axis=1)
    return found


def _fitting(pool: TilePool, stage: int) -> Bools:
    """[tile, sums] Whether the levels of an inner stage may hold it, of outputs that are final or not; and those of the
    stages beyond one that is no smaller."""
    own, *beyond = pool.tasks[0].inner_rooms[stage - 1 :]

    def of(new: int) -> Bools:
        tiles = PoolTiles(pool, new)
        larger = reduce(and_, (rooms.hold(tiles, larger=True) for rooms in beyond), np.array(True))
        each = [own.hold(tiles, sums=sums) & larger for sums in (False, True)]
        return np.stack(np.broadcast_arrays(*each, pool.task[new:])[:2], axis=1)

    return pool.column(("fits", stage), of)


def _orders(pool: TilePool, inside: Indices, above: Indices, innermost: str | None) -> Bools:
    """[tile, rotation] Those that differ: a group that loops is innermost; the given one if it does."""
    loops: dict[str, Bools] = {}
    for name in GROUPS:
        places = pool.places(tuple(dim for dim in pool.dims if group(dim) == name))
        loops[name] = places[above] != places[inside]
    found: Bools = np.stack([loops[order[0]] for order in ROTATIONS], axis=1)
    if innermost is not None:
        wanted = np.array([order[0] == innermost for order in ROTATIONS])
        found = np.where(loops[innermost][:, None], wanted, found)
    found[~found.any(axis=1), 0] = True
    return found
