"""Every mapping of the search's space, made without a look at what any level holds."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from mensa_sim.cost.mapping.candidates import FREE_GROUP, ORDERS, ROTATIONS, GroupOrder, build, group, stage_count
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.workload.dims import OPERANDS, relevant

Tile = dict[str, int]


def register_tiles(task: NestTask, legal: Callable[[NestMapping], bool]) -> list[Tile]:
    """The tiles that registers hold, one pass of the array among them."""
    unrolling, stages = task.unrolling, stage_count(task.ways)
    listed = [way.operand for way in task.ways.values() if way.listed_registers]
    options = {}
    for dim, lanes in unrolling.lanes.items():
        trips = {1}
        if any(relevant(operand, dim) for operand in listed):
            trips |= {unrolling.trips(dim)} | ({1, 2, 4} if stages > 2 or dim in ("K", "C") else set())
        options[dim] = sorted({min(lanes * each, unrolling.sizes[dim]) for each in trips})
    orders, hold = [ORDERS[0]] * (stages - 1), dict.fromkeys(OPERANDS, False)

    def within(tile: Tile) -> NestMapping:
        return build(unrolling, task.ways, (tile, *[unrolling.sizes] * (stages - 1)), orders, ORDERS[0], hold)

    tiles = [dict(zip(options, extents, strict=True)) for extents in product(*options.values())]
    tiles = [tile for tile in tiles if legal(within(tile))]
    return tiles if dict(unrolling.lanes) in tiles else []


def chains(task: NestTask, inner: tuple[Tile, ...]) -> Iterator[tuple[Tile, ...]]:
    """The tiles of all stages around those of the inner ones."""
    extents = task.inner_extents if len(inner) < stage_count(task.ways) - 1 else task.last_extents
    for each in product(*(extents(dim, extent) for dim, extent in inner[-1].items())):
        tiles = (*inner, dict(zip(inner[-1], each, strict=True)))
        if len(tiles) < stage_count(task.ways):
            yield from chains(task, tiles)
        else:
            yield tiles


def _orders_between(task: NestTask, tiles: tuple[Tile, ...]) -> Iterator[tuple[GroupOrder, ...]]:
    """Orders of the blocks over all tiles but the last; over registers what is stationary comes first, if it can."""
    deep, free = len(tiles) > 2, FREE_GROUP[task.target.accelerator.dataflow.stationary]
    starts = any(group(dim) == free and tiles[1][dim] > extent for dim, extent in tiles[0].items())
    first = [order for order in (ROTATIONS if deep else ORDERS) if order[0] == free or (deep and not starts)]
    return product(first, *[ROTATIONS] * (len(tiles) - 2))


def mappings(task: NestTask, some: Sequence[tuple[Tile, ...]]) -> list[NestMapping]:
    """All that differ of some chains of tiles."""
    found = {}
    for tiles in some:
        for orders, outer, holds in product(_orders_between(task, tiles), ORDERS, product((False, True), repeat=3)):
            held = dict(zip(OPERANDS, holds, strict=True))
            mapping = build(task.unrolling, task.ways, tiles, orders, outer, held)
            found[mapping.loops, mapping.cuts, tuple(mapping.holds.items())] = mapping
    return list(found.values())
