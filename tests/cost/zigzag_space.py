"""Whether a mapping given from outside is one that our search would try, and if not, which limit keeps it out.

Mappings count as the same where every operand is fetched alike: loops of one trip and the order of loops within a group
do not matter, nor whether an operand's buffer also covers loops that do not index it.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from by_hand import price_mapping
from zigzag_layers import SPEC

from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.mapping.candidates import FREE_GROUP, group, inner_orders, splits
from mensa_sim.cost.mapping.capacity import held_bytes
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.search import LIMITS, limits_of
from mensa_sim.workload.dims import OPERANDS, relevant
from mensa_sim.workload.layer import LoopNest

HALF_BUFFER = "half-buffer rule"
SIZES = "sizes of even parts in powers of two"
ORDER = "order of groups"
SPLIT = "split of operands"


def limits_that_exclude(nest: LoopNest, mappings: Iterable[NestMapping]) -> frozenset[str]:
    """The fewest limits that keep out all of some equal mappings, which differ in the buffer tile alone."""
    return min(
        (frozenset(_excluding(nest, mapping)) for mapping in mappings), key=lambda found: (len(found), *sorted(found))
    )


def _excluding(nest: LoopNest, mapping: NestMapping) -> list[str]:
    found = []
    inside, outside = _run(mapping.loops[: mapping.tile]), _run(mapping.loops[mapping.tile :])
    orders = inner_orders(SPEC.dataflow.stationary)
    if not _one_run_each(outside) or not any(_is_part(inside, order) for order in orders):
        found.append(ORDER)
    if not all(_holds_as_we_do(mapping, operand) for operand in OPERANDS):
        found.append(SPLIT)
    unrolling, limits = mapping.unrolling, limits_of(mapping.unrolling, LIMITS)
    tile = mapping.extents(mapping.tile)
    for dim, size in unrolling.sizes.items():
        lanes = unrolling.lanes[dim]
        if tile[dim] not in {min(size, lanes * part) for part in splits(unrolling.trips(dim), limits[dim])}:
            found.append(SIZES)
            break
    counts = price_mapping(nest, SPEC, mapping)
    held = held_bytes(nest, SPEC, Precision(), counts, frozenset())
    if any(level.ported and held[level.name] > level.capacity_bytes for level in SPEC.levels):
        found.append(HALF_BUFFER)
    return found


def _run(loops: Sequence[Loop]) -> list[str]:
    """The groups of loops that have more than one trip, innermost first, neighbours of one group as one."""
    return [name for name, _ in groupby(group(loop.dim) for loop in loops if loop.trips > 1)]


def _one_run_each(groups: Sequence[str]) -> bool:
    """Whether no group comes twice, and G, if at all, last."""
    return len(set(groups)) == len(groups) and "G" not in groups[:-1]


def _is_part(groups: Sequence[str], order: Sequence[str]) -> bool:
    return _one_run_each(groups) and [name for name in (*order, "G") if name in groups] == list(groups)


def _holds_as_we_do(mapping: NestMapping, operand: str) -> bool:
    """Whether a buffer holds the tile alone, or all loops inside the operand's free group above the tile."""
    above = mapping.loops[mapping.tile :]
    free = [i for i, loop in enumerate(above) if group(loop.dim) == FREE_GROUP[operand]]
    allowed = {mapping.tile, mapping.tile + (free[0] if free else len(above))}
    return any(_same(mapping, operand, mapping.holds[operand][-1], held) for held in allowed)


def _same(mapping: NestMapping, operand: str, one: int, other: int) -> bool:
    between = mapping.loops[min(one, other) : max(one, other)]
    return not any(loop.trips > 1 and relevant(operand, loop.dim) for loop in between)
