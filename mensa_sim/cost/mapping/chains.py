"""Tiles of all stages but the last: what registers and inner SRAMs hold, none of them inside a larger one that fits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.room import own_elements
from mensa_sim.cost.counts.ways import Stop, Way
from mensa_sim.cost.mapping.candidates import (
    FREE_GROUP,
    GROUPS,
    ROTATIONS,
    GroupOrder,
    group,
    positions,
    splits,
    stage_count,
    stage_of,
)
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand, relevant
from mensa_sim.workload.layer import LoopNest

Extents = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Tiles of the stages below the last, innermost first, and the orders of the blocks between them."""

    tiles: tuple[Extents, ...]
    orders: tuple[GroupOrder, ...] = ()


class Rooms:
    """What the levels of one stage can hold, whatever the others do."""

    def __init__(self, nest: LoopNest, accelerator: PeArray, ways: Mapping[Operand, Way], stage: int) -> None:
        self._nest = nest
        stages = stage_count(ways)
        self._levels: dict[str, tuple[int, list[tuple[Way, Stop, int]]]] = {}
        """By name, the room of a level in bits, and for each operand in it its way, its stop and an element's bits."""
        for way in ways.values():
            for index, stop in enumerate(way.stops):
                if stage_of(way, index, stages) == stage:
                    level = stop.level
                    room = level.capacity_bytes * BITS_PER_BYTE
                    _, held = self._levels.setdefault(level.name, (room, []))
                    held.append((way, stop, way.partial_bits * accelerator.copies(level)))

    def short(self, extents: Extents) -> list[str]:
        """The levels that cannot hold a tile, by the operands that they serve."""
        return [
            " and ".join(way.operand for way, _, _ in held)
            for room, held in self._levels.values()
            if self._needed(held, extents) > room
        ]

    def hold(self, extents: Mapping[str, int | Floats]) -> Any:
        """Whether all levels of the stage hold a tile; an array of it where extents are arrays over many tiles."""
        fits = [self._needed(held, extents) <= room for room, held in self._levels.values()]
        return reduce(and_, fits, True)

    def _needed(self, held: Sequence[tuple[Way, Stop, int]], extents: Mapping[str, Any]) -> Any:
        return sum(own_elements(self._nest, way.operand, stop, extents) * bits for way, stop, bits in held)


def register_tiles(unrolling: Unrolling, ways: Mapping[Operand, Way], rooms: Rooms) -> list[Extents]:
    """Extents that the registers hold, none of them inside another one; one pass of the array is always first."""
    single = dict(unrolling.lanes)
    if not rooms.hold(single):
        return []
    held = [way.operand for way in ways.values() if way.listed_registers]
    deep = stage_count(ways) > 2
    options: dict[str, list[int]] = {}
    for dim, lanes in unrolling.lanes.items():
        trips = unrolling.trips(dim)
        sizes = {1}
        if any(relevant(operand, dim) for operand in held):
            sizes |= {trips, *(2**power for power in range(trips.bit_length()) if deep or dim in ("K", "C"))}
        options[dim] = [min(lanes * size, unrolling.sizes[dim]) for size in sorted(sizes)]
    return _largest(single, options, rooms)


def _largest(inside: Extents, options: Mapping[str, list[int]], rooms: Rooms) -> list[Extents]:
    """The tile inside, and all combinations of options that fit and lie in no other one that does."""
    alone: dict[str, Floats] = {}
    for dim, extents in options.items():
        if len(extents) > 1:
            along = np.array(extents, dtype=np.float64)
            fitting = along[np.broadcast_to(rooms.hold({**inside, dim: along}), along.shape)]
            if len(fitting) > 1:
                alone[dim] = fitting
    if not alone:
        return [inside]
    chosen = positions(tuple(map(len, alone.values())))
    tiles = {dim: extents[at] for (dim, extents), at in zip(alone.items(), chosen, strict=True)}  # [combination]
    fits = np.broadcast_to(rooms.hold({**inside, **tiles}), chosen.shape[1:])
    fitting = {dim: extents[fits] for dim, extents in tiles.items()}
    total = int(fits.sum())
    within = np.ones((total, total), dtype=bool)  # each tile lies in itself
    for along in fitting.values():
        within &= along[:, None] <= along
    largest = np.flatnonzero(within.sum(axis=1) == 1)
    columns = [fitting[dim][largest].astype(np.int64).tolist() for dim in fitting]
    found = [{**inside, **dict(zip(fitting, tile, strict=True))} for tile in zip(*columns, strict=True)]
    return [inside, *(tile for tile in found if tile != inside)]


def chains(
    nest: LoopNest, accelerator: PeArray, unrolling: Unrolling, ways: Mapping[Operand, Way], limits: Mapping[str, int]
) -> list[Chain]:
    """Every chain of tiles for the stages below the last; empty where one pass of the array fits no registers."""
    stationary = accelerator.dataflow.stationary
    found = [Chain(tiles=(tile,)) for tile in register_tiles(unrolling, ways, Rooms(nest, accelerator, ways, 0))]
    for stage in range(1, stage_count(ways) - 1):
        rooms = Rooms(nest, accelerator, ways, stage)
        innermost = FREE_GROUP[stationary] if stage == 1 else None
        above: dict[tuple[int, ...], list[tuple[Extents, GroupOrder]]] = {}  # by the tile inside: many chains share it
        for chain in found:
            inside = chain.tiles[-1]
            key = tuple(inside.values())
            if key not in above:
                tiles = _tiles_above(unrolling, inside, rooms, limits) if rooms.hold(inside) else []
                above[key] = [(tile, order) for tile in tiles for order in _orders(inside, tile, innermost)]
        found = [
            Chain(tiles=(*chain.tiles, tile), orders=(*chain.orders, order))
            for chain in found
            for tile, order in above[tuple(chain.tiles[-1].values())]
        ]
    return found


def _tiles_above(unrolling: Unrolling, inside: Extents, rooms: Rooms, limits: Mapping[str, int]) -> list[Extents]:
    """The largest tiles whose block has loops of some groups alone, for any choice of these.

    Of the tiles with loops of the same groups a larger one never moves more. But a group that has none lets the run of
    loops that an operand ignores go on in the block above.
    """
    options = {
        dim: sorted(min(size, inside[dim] * cut) for cut in splits(-(-size // inside[dim]), limits[dim]))
        for dim, size in unrolling.sizes.items()
    }
    found: dict[tuple[int, ...], Extents] = {}
    choosing = [name for name in GROUPS if any(len(each) > 1 for dim, each in options.items() if group(dim) == name)]
    for count in range(len(choosing), -1, -1):
        for looping in combinations(choosing, count):
            own = {dim: each if group(dim) in (*looping, "G") else [inside[dim]] for dim, each in options.items()}
            for tile in _largest(inside, own, rooms):
                found.setdefault(tuple(tile.values()), tile)
    return list(found.values())


def _orders(inside: Extents, tile: Extents, innermost: str | None) -> Iterable[GroupOrder]:
    """The rotations that differ: those whose innermost group has loops; the given group is innermost if it has any."""
    loops = {name for name in GROUPS if any(tile[dim] > inside[dim] for dim in tile if group(dim) == name)}
    wanted = {innermost} & loops or loops
    return [order for order in ROTATIONS if order[0] in wanted] or ROTATIONS[:1]
