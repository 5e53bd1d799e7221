"""The mappings that are tried: register tiles, buffer tiles, loop orders and what each operand holds on chip.

Dims fall into groups by the operands they index: G indexes all three and is always outermost; K, R = {C, FY, FX}
and S = {B, OY, OX} each leave out one operand. Loops stand, innermost first, as

    registers' loops | K, R, S within a buffer tile, G | K, R, S over buffer tiles, G

Within a tile the group that the stationary operand is irrelevant to is innermost, so that the operand stays.
"""

from collections.abc import Mapping
from functools import cache
from itertools import permutations, product

import numpy as np

from mensa_sim.cost.counts.nest import Precision
from mensa_sim.cost.mapping.capacity import register_rooms
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.workload.dims import Operand, relevant, split_dims
from mensa_sim.workload.layer import LoopNest

GROUP_OF = {"G": "G", "K": "K", "C": "R", "FY": "R", "FX": "R", "B": "S", "OY": "S", "OX": "S"}
GROUPS = ("K", "R", "S")
FREE_GROUP: Mapping[Operand, str] = {"weight": "S", "input": "K", "output": "R"}
"""The group that does not index an operand."""
ORDERS: tuple[tuple[str, str, str], ...] = tuple((a, b, c) for a, b, c in permutations(GROUPS))


@cache
def group(dim: str) -> str:
    """The group of a dim or of a flattened product.

    >>> group("FX*FY"), group("OX")
    ('R', 'S')
    """
    return GROUP_OF[split_dims(dim)[0]]


def inner_orders(stationary: Operand) -> tuple[tuple[str, str, str], ...]:
    """Orders of the groups within a buffer tile, innermost first."""
    return tuple(order for order in ORDERS if order[0] == FREE_GROUP[stationary])


def splits(total: int, limit: int) -> tuple[int, ...]:
    """At most `limit` sizes that cut a total: the whole, 1, then even halves; a larger limit only adds to them.

    >>> splits(12, 4)
    (12, 1, 6, 3)
    """
    sizes, parts = [total, 1], 2
    while parts < total:
        sizes.append(-(-total // parts))
        parts *= 2
    return tuple(dict.fromkeys(sizes))[:limit]


def register_tiles(
    nest: LoopNest, accelerator: PeArray, unrolling: Unrolling, precision: Precision
) -> list[dict[str, int]]:
    """Extents that the registers hold, none of them inside another one; one pass of the array is always first."""
    single = dict(unrolling.lanes)
    rooms = register_rooms(nest, accelerator, unrolling, precision)

    def hold(extents: Mapping[str, int]) -> bool:
        return all(room.holds(extents) for room in rooms)

    if not hold(single):
        return []
    options: dict[str, list[int]] = {}
    for dim, lanes in unrolling.lanes.items():
        trips = unrolling.trips(dim)
        sizes = {1}
        if any(relevant(operand, dim) for operand in accelerator.registers):
            sizes |= {trips, *(2**power for power in range(trips.bit_length()) if dim in ("K", "C"))}
        options[dim] = [
            extent
            for extent in (min(lanes * size, unrolling.sizes[dim]) for size in sorted(sizes))
            if len(sizes) == 1 or hold(single | {dim: extent})
        ]
    several = [dim for dim, extents in options.items() if len(extents) > 1]
    if not several:
        return [single]
    tiles = [
        tile
        for extents in product(*(options[dim] for dim in several))
        if hold(tile := {**single, **dict(zip(several, extents, strict=True))})
    ]
    inside = np.ones((len(tiles), len(tiles)), dtype=bool)  # each tile lies in itself
    for dim in several:
        along = np.array([tile[dim] for tile in tiles])
        inside &= along[:, None] <= along
    largest = [tile for tile, others in zip(tiles, inside.sum(axis=1).tolist(), strict=True) if others == 1]
    return [single, *(tile for tile in largest if tile != single)]


def build(
    unrolling: Unrolling,
    register: Mapping[str, int],
    tile: Mapping[str, int],
    inner: tuple[str, ...],
    outer: tuple[str, ...],
    holds: Mapping[Operand, bool],
) -> NestMapping:
    """The mapping with these extents, orders innermost first, and operands that hold all up to their free group."""
    loops: list[Loop] = []

    def add(order: tuple[str, ...], start: Mapping[str, int], end: Mapping[str, int]) -> dict[str, int]:
        begins: dict[str, int] = {}
        for name in order:
            begins[name] = len(loops)
            for dim in reversed(unrolling.dims):
                if group(dim) == name and end[dim] > start[dim]:
                    loops.append(Loop(dim, -(-end[dim] // start[dim])))
        return begins

    add((*GROUPS, "G"), unrolling.lanes, register)
    registers = len(loops)
    add((*inner, "G"), register, tile)
    tiles = len(loops)
    begins = add((*outer, "G"), tile, unrolling.sizes)
    held = {operand: begins[FREE_GROUP[operand]] if holds[operand] else tiles for operand in FREE_GROUP}
    return NestMapping(
        unrolling=unrolling,
        loops=tuple(loops),
        tile=tiles,
        register=dict.fromkeys(FREE_GROUP, registers),
        buffer={str(operand): count for operand, count in held.items()},
    )
