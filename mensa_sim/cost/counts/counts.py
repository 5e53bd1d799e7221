"""How often each operand is fetched and written at each level under one mapping: exact counts, in closed form."""

from collections.abc import Sequence
from math import prod
from typing import Any

from mensa_sim.cost.counts.crossing import (
    Boundary,
    LevelSite,
    Visits,
    boundaries,
    memory_bits,
    pick,
    whole_words,
    words,
)
from mensa_sim.cost.counts.room import own_elements
from mensa_sim.cost.counts.tiles import OneTiling, one_tiling
from mensa_sim.cost.counts.ways import Stop, Way
from mensa_sim.cost.counts.window import Window, window_of
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.levels import Level
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand, relevant
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCounts:
    """Accesses of one operand at one level: bits, and accesses of the smallest size, over all instances.

    Numbers of one mapping, or arrays of them over many: so are all counts here.

    `fill` and `drain` are those on memory's side, `feed` and `collect` those on the array's. Registers are accessed
    bit by bit.
    """

    stop: LevelSite
    fill_bits: Any = 0
    fill_accesses: Any = 0
    drain_bits: Any = 0
    drain_accesses: Any = 0
    feed_bits: Any = 0
    feed_accesses: Any = 0
    collect_bits: Any = 0
    collect_accesses: Any = 0
    held_bits: Any = 0
    """What the fullest instance holds of the largest tile."""
    whole: Any = False
    """The tile is the whole operand, so that it is never swapped."""

    @property
    def level(self) -> Level:
        """The level itself."""
        return self.stop.level

    @property
    def instances(self) -> Any:
        """Instances that work side by side, those that hold the same included."""
        return self.stop.spread * self.stop.copied


@dataclass(frozen=True, slots=True, kw_only=True)
class OperandCounts:
    """Accesses of one operand at each of its levels, innermost first, and at memory."""

    levels: tuple[LevelCounts, ...]
    memory_read_bits: Any = 0
    memory_write_bits: Any = 0
    wire_bits: Any = 0
    """Bits that enter or leave the array."""
    wired_to_memory: bool = False
    """Whether these bits are those that memory moves, and stay away where the operand is not fetched."""
    end_bits: Any = 0
    """What memory moves of the first tile of a weight or input, the last tile of an output."""
    swaps: Any = 1
    """Times that the array takes up another tile of it in its registers; without registers, in each pass."""
    accumulations: Any = 0
    """Times that a sum is added to a register."""
    visits: Any = 1
    """Times that each element crosses to or from memory."""


Figures = dict[str, Any]
"""Numbers of one mapping by name, or arrays of them over many."""


class Walk:
    """Tiles and visits of one operand under a mapping."""

    def __init__(self, nest: LoopNest, mapping: NestMapping, operand: Operand) -> None:
        self.nest, self.mapping, self.operand = nest, mapping, operand
        self.sizes = mapping.unrolling.sizes
        self.mine = [dim for dim in self.sizes if relevant(operand, dim)]
        self.others = [dim for dim in self.sizes if not relevant(operand, dim)]
        self.window: Window | None = window_of(nest, self.sizes) if operand == "input" else None
        self._tiles: dict[int, OneTiling] = {}

    def tiles(self, inner_loops: int) -> OneTiling:
        """The tiles of so many innermost loops."""
        if inner_loops not in self._tiles:
            extents = self.mapping.extents(inner_loops)
            self._tiles[inner_loops] = one_tiling(self.mapping.unrolling, self.operand, self.window, extents)
        return self._tiles[inner_loops]

    def visits(self, inner_loops: int, inside: Stop | None, outside: Stop | None) -> Visits[int]:
        """How often tiles of so many innermost loops cross to a level; none is the array, which keeps nothing."""
        mapping = self.mapping
        position = inner_loops
        while inside is not None and position < len(mapping.loops):
            dim = mapping.loops[position].dim
            moves = mapping.extents(position)[dim] < mapping.extents(position + 1)[dim]
            if moves and relevant(self.operand, dim):
                break
            position += 1
        extents = mapping.extents(position)

        def times(stop: Stop | None) -> int:
            return prod(visited(mapping.unrolling, dim, extents[dim], stop) for dim in self.others)

        return Visits(
            times=times(None), inside=times(inside), outside=times(outside), first=outside.copied if outside else 1
        )


def visited(unrolling: Unrolling, dim: str, extent: int, stop: Stop | None = None) -> int:
    """Trips over a dim that does not index an operand, in tiles of an extent; with a level, each of its copies apart.

    Lanes along such a dim hold the same element, or sums of their own, and the last tile may reach fewer of them.
    """
    size, lanes = unrolling.sizes[dim], unrolling.lanes[dim]
    trips = -(-size // extent)
    if stop is None or dim not in stop.copies:
        return trips
    rest = (size - 1) % extent + 1
    return (trips - 1) * stop.instances_of(dim, lanes) + stop.instances_of(dim, min(lanes, rest))


def sums_per_element(way: Way, unrolling: Unrolling) -> int:
    """Times that the array reads an element from its innermost level, or adds to it.

    Under any mapping, as every pass of the array reads what it works on.
    """
    stop = way.stops[0] if way.stops else None
    return prod(
        visited(unrolling, dim, unrolling.lanes[dim], stop) for dim in unrolling.sizes if not relevant(way.operand, dim)
    )


def operand_figures(way: Way, bounds: Sequence[Boundary[Any]], end: Any) -> Figures:
    """The figures of `OperandCounts` from all boundaries; `end` are the elements of the first or last tile."""
    array, at_memory = bounds[0], bounds[-1]
    moved = words(way, at_memory.tiles, at_memory.crossing)
    swapped = bounds[1 if len(way.stops) > way.ported else 0]
    return {
        "memory_read_bits": moved * at_memory.crossing.feeds,
        "memory_write_bits": moved * at_memory.crossing.collects,
        "wire_bits": bounds[way.in_array].wire_bits,
        "end_bits": whole_words(end * memory_bits(way, at_memory.crossing), way.word_bits),
        "swaps": swapped.tiles.number * swapped.visits.times,
        "accumulations": array.tiles.elements * array.crossing.collects,
        "visits": at_memory.visits.times,
    }


def level_figures(way: Way, index: int, inner: Boundary[Any], outer: Boundary[Any], held: Any) -> Figures:
    """The figures of `LevelCounts` of one level: its inner side from the boundary inside it, its outer from the other.

    `held` are the elements in its fullest instance.
    """
    own_width: Any
    if way.stops[index].level.ported:
        inner_width, outer_width = inner.crossing.bits, outer.crossing.bits
        own_width = pick(inner.visits.times > 1, way.partial_bits, way.room_bits)
    else:  # registers, the innermost of all levels, hold sums whatever becomes of them
        inner_width = outer_width = own_width = way.partial_bits
    inner_bits, outer_bits = inner.tiles.elements * inner_width, outer.tiles.elements * outer_width
    return {
        "fill_bits": outer_bits * outer.crossing.fills,
        "fill_accesses": outer.inner_accesses * outer.crossing.fills,
        "drain_bits": outer_bits * outer.crossing.drains,
        "drain_accesses": outer.inner_accesses * outer.crossing.drains,
        "feed_bits": inner_bits * inner.crossing.feeds,
        "feed_accesses": inner.outer_accesses * inner.crossing.feeds,
        "collect_bits": inner_bits * inner.crossing.collects,
        "collect_accesses": inner.outer_accesses * inner.crossing.collects,
        "held_bits": held * own_width,
        "whole": outer.tiles.number == 1,
    }


def count_walk(walk: Walk, way: Way) -> OperandCounts:
    """Every access of one operand over the whole nest, which it walks."""
    stops, mapping = way.stops, walk.mapping
    loops = (0, *mapping.holds.get(way.operand, (0,) * len(stops)))
    tiles = [walk.tiles(inner) for inner in loops]
    levels = zip((None, *stops), (*stops, None), strict=True)
    visits = [walk.visits(inner, *level) for inner, level in zip(loops, levels, strict=True)]
    bounds = boundaries(way, stops, tiles, visits)
    end = walk.tiles(mapping.tile).end if way.ported else tiles[-1].end
    counts = []
    for index, stop in enumerate(stops):
        extents, largest = mapping.extents(loops[index + 1]), tiles[index + 1].largest
        held = own_elements(walk.nest, way.operand, stop.own, extents, largest)
        figures = level_figures(way, index, bounds[index], bounds[index + 1], held)
        counts.append(LevelCounts(stop=stop, **figures))
    return OperandCounts(levels=tuple(counts), wired_to_memory=way.wired_to_memory, **operand_figures(way, bounds, end))
