"""The tiles of the registers of some nests: all that fit."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from operator import and_
from typing import TYPE_CHECKING

import numpy as np

from mensa_sim.arrays import Bools, Floats, joined, picked
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import CHANNELS, stage_count, stage_of
from mensa_sim.cost.mapping.chains import RegisterTiles, Rooms
from mensa_sim.cost.mapping.nest_tiles import NestTiles
from mensa_sim.workload.dims import Operand, relevant

if TYPE_CHECKING:
    from mensa_sim.cost.mapping.task import NestTask


def registers_of(tasks: Sequence["NestTask"]) -> list[RegisterTiles]:
    """For each of some nests that are alike the tiles that its registers hold and around which the levels beyond may
    hold some, one pass of the array first; none where not even that fits its registers, or its inner SRAMs."""
    first, dims = tasks[0], tasks[0].unrolling.dims
    lanes = np.array([list(task.unrolling.lanes.values()) for task in tasks], np.float64)  # [task, dim]

    def hold(rooms: Sequence[Rooms], task: Indices, extents: Floats, *, larger: bool = False) -> Bools:
        tiles = NestTiles(tasks, task, dict(zip(dims, extents.T, strict=True)))
        fits: Bools = np.broadcast_to(reduce(and_, [each.hold(tiles, larger=larger) for each in rooms]), len(task))
        return fits

    def fitting(task: Indices, extents: Floats) -> dict[int, Floats]:
        """By nest the tiles that fit; what lies beyond is asked where the registers hold several."""
        held = np.flatnonzero(hold([first.register_rooms], task, extents))
        several = np.bincount(task[held], minlength=1)[task[held]] > 1
        held = held[several]
        if not len(held):
            return {}
        fits = held[hold([*first.inner_rooms, first.last_rooms], task[held], extents[held], larger=True)]
        return {number: extents[fits[task[fits] == number]] for number in np.unique(task[fits]).tolist()}

    passes = np.flatnonzero(hold([first.register_rooms], np.arange(len(tasks)), lanes)).tolist()
    grown = [(number, *each) for number in passes for each in _larger(tasks[number])]
    owner = np.array([*passes, *(number for number, _, _ in grown)], dtype=np.intp)
    in_turn = lanes[owner]  # [tile, dim] One pass of each nest, then one dim is larger at a time
    for place, (_, row, extent) in enumerate(grown, start=len(passes)):
        in_turn[place, row] = extent
    tried = {
        number: list(product(*(sorted(set(along)) for along in tiles.T.tolist())))
        for number, tiles in fitting(owner, in_turn).items()
    }
    owner = np.repeat(np.array(list(tried), dtype=np.intp), [len(each) for each in tried.values()])
    combined = np.array([tile for each in tried.values() for tile in each], np.float64).reshape(-1, len(dims))
    single = lanes.astype(np.int64)
    alone = [single[number : number + (number in passes)] for number in range(len(tasks))]
    found = [RegisterTiles(extents=each, larger=np.zeros_like(each)) for each in alone]
    for number, fits in fitting(owner, combined).items():
        found[number] = _in_turn(tasks[number], fits.astype(np.int64))
    if first.inner_rooms:
        owner = np.repeat(np.arange(len(tasks)), [len(each) for each in found])
        hopeful = hold(first.inner_rooms, owner, joined(found).extents.astype(np.float64), larger=True)
        found = [picked(each, np.flatnonzero(hopeful[owner == number])) for number, each in enumerate(found)]
    return found


def _in_turn(task: "NestTask", tiles: Indices) -> RegisterTiles:
    """Of all that fit, [tile, dim], one pass of the array, those that lie in no other one, the rest."""
    rows = np.flatnonzero((tiles != tiles[0]).any(axis=0)).tolist()
    each = [np.unique(tiles[:, row], return_inverse=True) for row in rows]
    fits = np.zeros([len(sizes) + 1 for sizes, _ in each], dtype=bool)  # [*position along a dim], one beyond the last
    fits[tuple(place for _, place in each)] = True
    larger = np.zeros_like(tiles)
    for along, (row, (sizes, place)) in enumerate(zip(rows, each, strict=True)):
        beside = fits[tuple(own + (other == along) for other, (_, own) in enumerate(each))]
        larger[:, row] = np.where(beside, np.append(sizes, 0)[place + 1], 0)
    inside: Bools = np.asarray(larger.any(axis=1))
    order = np.argsort(inside, kind="stable")
    order = np.concatenate([[0], order[order > 0]])
    larger[:, [_may_cost(task, dim) for dim in task.unrolling.dims]] = 0
    return RegisterTiles(extents=tiles[order], larger=larger[order])


def _may_cost(task: "NestTask", dim: str) -> bool:
    """Whether larger tiles along a dim may be worse within the same ones around: where memory fills the registers, the
    array waits longer for the first one; outputs that are final sooner may be wider than their sums; a level that holds
    an operand's tile of an inner stage beside others' of an outer one has less room for these."""
    output, stages = task.ways["output"], stage_count(task.ways)
    from_memory = (way.operand for way in task.ways.values() if way.stops and not way.ported)
    wider = output.partial_bits < output.final_bits
    held: dict[str, dict[Operand, int]] = {}
    for way in task.ways.values():
        for index, stop in enumerate(way.stops):
            held.setdefault(stop.level.name, {})[way.operand] = stage_of(way, index, stages)
    inside = (operand for each in held.values() for operand, stage in each.items() if stage < max(each.values()))
    return wider or any(relevant(operand, dim) for operand in (*from_memory, *inside))


def _larger(task: "NestTask") -> Iterator[tuple[int, int]]:
    """Dims, by their places, and the extents that are tried along them: channels' doubled, of others the whole."""
    held = [way.operand for way in task.ways.values() if way.listed_registers]
    deep = stage_count(task.ways) > 2
    for row, (dim, lanes) in enumerate(task.unrolling.lanes.items()):
        largest = task.largest(dim)
        trips = -(-largest // lanes)
        if trips > 1 and any(relevant(operand, dim) for operand in held):
            sizes = {trips, *(2**power for power in range(1, trips.bit_length()) if deep or dim in CHANNELS)}
            extents = (min(lanes * size, largest) for size in sizes)
            yield from ((row, extent) for extent in extents if task.makes_last(dim, extent))
