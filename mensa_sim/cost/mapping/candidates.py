"""The mappings that are tried: tiles of each stage, loop orders, and what each operand holds on chip.

Dims fall into groups by the operands they index: G indexes all three and is always outermost; K, R = {C, FY, FX}
and S = {B, OY, OX} each leave out one operand. Loops stand in blocks, one for each stage of levels:

    registers' loops | K, R, S within a tile of the second stage, G | ... | K, R, S over tiles of the last stage, G

The registers are the first stage, an operand's outermost SRAM stands in the last one, those inside it in those before.
An operand with fewer SRAMs than others passes the stages in between by.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import permutations
from math import prod

import numpy as np

from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.counts.ways import Way
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.workload.dims import Operand, split_dims

GROUP_OF = {"G": "G", "K": "K", "C": "R", "FY": "R", "FX": "R", "B": "S", "OY": "S", "OX": "S"}
GROUPS = ("K", "R", "S")
CHANNELS = ("K", "C")
"""The dims along which inner tiles of more sizes are tried than halves: a choice."""
ALL_GROUPS = (*GROUPS, "G")
FREE_GROUP: Mapping[Operand, str] = {"weight": "S", "input": "K", "output": "R"}
"""The group that does not index an operand."""

LARGE = 64
"""Halves are tried as long as they are above it, as no buffer may hold them: a choice."""

GroupOrder = tuple[str, str, str]
"""The groups of a block, innermost first."""

ORDERS: tuple[GroupOrder, ...] = tuple((a, b, c) for a, b, c in permutations(GROUPS))
ROTATIONS: tuple[GroupOrder, ...] = (("K", "R", "S"), ("R", "S", "K"), ("S", "K", "R"))
"""All orders that matter between stages: an operand gains if its free group is innermost of those that loop at all."""


@cache
def group(dim: str) -> str:
    """The group of a dim or of a flattened product.

    >>> group("FX*FY"), group("OX")
    ('R', 'S')
    """
    return GROUP_OF[split_dims(dim)[0]]


def inner_orders(stationary: Operand) -> tuple[GroupOrder, ...]:
    """Orders of the groups right above the registers: the one that the stationary operand ignores is innermost."""
    return tuple(order for order in ORDERS if order[0] == FREE_GROUP[stationary])


def splits(total: int, limit: int) -> tuple[int, ...]:
    """Sizes that cut a total: the whole, 1, then even halves, at most `limit` sizes in all and those that are large; a
    larger limit only adds to them.

    >>> splits(12, 4), splits(1000, 3)
    ((12, 1, 6, 3), (1000, 1, 500, 250, 125, 63))
    """
    halves, parts = [total], 2
    while parts < total and (len(halves) < limit - 1 or halves[-1] > LARGE):
        halves.append(-(-total // parts))
        parts *= 2
    return tuple(dict.fromkeys((total, 1, *halves)))


def doublings(total: int) -> tuple[int, ...]:
    """Powers of two that cut a total evenly, but for 1.

    >>> doublings(48)
    (2, 4, 8, 16)
    """
    return tuple(2**power for power in range(1, total.bit_length()) if total % 2**power == 0)


@lru_cache(maxsize=4096)
def positions(counts: tuple[int, ...]) -> Indices:
    """[dim, combination] The position of each choice among so many, the last dim varying fastest."""
    return np.indices(counts).reshape(len(counts), prod(counts))


def stage_count(ways: Mapping[Operand, Way]) -> int:
    """Stages of an accelerator: its registers, and as many as SRAMs stand one behind another; at least one of these."""
    return 1 + max(1, *(way.ported for way in ways.values()))


def stage_of(way: Way, index: int, stages: int) -> int:
    """The stage of a stop, from 0 for registers; the outermost SRAM is in the last one."""
    return stages - (len(way.stops) - index) if way.stops[index].level.ported else 0


def build(
    unrolling: Unrolling,
    ways: Mapping[Operand, Way],
    tiles: Sequence[Mapping[str, int]],
    orders: Sequence[GroupOrder],
    outer: GroupOrder,
    holds: Mapping[Operand, bool],
) -> NestMapping:
    """The mapping with these tiles of all stages and an order for each block above the registers.

    An operand that `holds` keeps in its outermost SRAM all loops up to its free group in the outer block.
    """
    loops: list[Loop] = []
    dims = [(dim, group(dim)) for dim in reversed(unrolling.dims) if unrolling.sizes[dim] > 1]

    def add(order: tuple[str, ...], start: Mapping[str, int], end: Mapping[str, int]) -> dict[str, int]:
        begins: dict[str, int] = {}
        added: dict[str, list[Loop]] = {}
        for dim, own in dims:
            if end[dim] > start[dim]:
                added.setdefault(own, []).append(Loop(dim, -(-end[dim] // start[dim])))
        for name in order:
            begins[name] = len(loops)
            loops.extend(added.get(name, ()))
        return begins

    cuts: list[int] = []
    inside: Mapping[str, int] = unrolling.lanes
    for order, tile in zip((GROUPS, *orders), tiles, strict=True):
        add((*order, "G"), inside, tile)
        cuts.append(len(loops))
        inside = tile
    begins = add((*outer, "G"), inside, unrolling.sizes)
    held: dict[Operand, tuple[int, ...]] = {}
    for operand, way in ways.items():
        each = [cuts[stage_of(way, index, len(tiles))] for index in range(len(way.stops))]
        if way.ported and holds[operand]:
            each[-1] = begins[FREE_GROUP[operand]]
        held[operand] = tuple(each)
    return NestMapping(unrolling=unrolling, loops=tuple(loops), cuts=tuple(cuts), holds=held)
