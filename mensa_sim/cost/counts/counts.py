"""How often each operand is fetched and written at each level under one mapping: exact counts, in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

from mensa_sim.cost.counts.crossing import TileTraffic, Visits, accesses, cross, whole_words, words
from mensa_sim.cost.counts.room import own_elements
from mensa_sim.cost.counts.tiles import OneTiling, one_tiling
from mensa_sim.cost.counts.ways import Stop, Way
from mensa_sim.cost.counts.window import Window, window_of
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.hardware.array.levels import Level
from mensa_sim.workload.dims import Operand, relevant
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCounts:
    """Accesses of one operand at one level: bits, and accesses of the smallest size, over all instances.

    `fill` and `drain` are those on memory's side, `feed` and `collect` those on the array's. Registers are accessed
    bit by bit.
    """

    stop: Stop
    fill_bits: int = 0
    fill_accesses: int = 0
    drain_bits: int = 0
    drain_accesses: int = 0
    feed_bits: int = 0
    feed_accesses: int = 0
    collect_bits: int = 0
    collect_accesses: int = 0
    held_bits: int = 0
    """What the fullest instance holds of the largest tile."""
    whole: bool = False
    """The tile is the whole operand, so that it is never swapped."""

    @property
    def level(self) -> Level:
        """The level itself."""
        return self.stop.level

    @property
    def instances(self) -> int:
        """Instances that work side by side, those that hold the same included."""
        return self.stop.spread * self.stop.copied


@dataclass(frozen=True, slots=True, kw_only=True)
class OperandCounts:
    """Accesses of one operand at each of its levels, innermost first, and at memory."""

    levels: tuple[LevelCounts, ...]
    memory_read_bits: int = 0
    memory_write_bits: int = 0
    wire_bits: int = 0
    """Bits that enter or leave the array."""
    wired_to_memory: bool = False
    """Whether these bits are those that memory moves, and stay away where the operand is not fetched."""
    end_bits: int = 0
    """What memory moves of the first tile of a weight or input, the last tile of an output."""
    swaps: int = 1
    """Times that the array takes up another tile of it in its registers; without registers, in each pass."""
    accumulations: int = 0
    """Times that a sum is added to a register."""
    visits: int = 1
    """Times that each element crosses to or from memory."""


class Walk:
    """Tiles and visits of one operand under a mapping."""

    def __init__(self, nest: LoopNest, mapping: NestMapping, operand: Operand) -> None:
        self.nest, self.mapping, self.operand = nest, mapping, operand
        self.sizes = mapping.unrolling.sizes
        self.mine = [dim for dim in self.sizes if relevant(operand, dim)]
        self.others = [dim for dim in self.sizes if not relevant(operand, dim)]
        self.window: Window | None = window_of(nest) if operand == "input" else None
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


class _Boundaries:
    """Every boundary of an operand's way: 0 between the array and the innermost level, the last one at memory."""

    def __init__(self, walk: Walk, way: Way) -> None:
        self.walk, self.way = walk, way
        self.held = walk.mapping.holds.get(way.operand, (0,) * len(way.stops))

    def extents(self, index: int) -> Mapping[str, int]:
        """Of the tile that a level holds."""
        return self.walk.mapping.extents(self.held[index])

    @cached_property
    def visits(self) -> list[Visits[int]]:
        stops = self.way.stops
        return [
            self.walk.visits(
                self.held[b - 1] if b else 0, stops[b - 1] if b else None, stops[b] if b < len(stops) else None
            )
            for b in range(len(stops) + 1)
        ]

    @cached_property
    def tiles(self) -> list[OneTiling]:
        return [self.walk.tiles(held) for held in (0, *self.held)]

    @cached_property
    def crossings(self) -> list[TileTraffic[int]]:
        return [cross(self.way, visits, sums=not b) for b, visits in enumerate(self.visits)]


def count_operand(nest: LoopNest, mapping: NestMapping, way: Way) -> OperandCounts:
    """Every access of one operand over the whole nest."""
    return count_walk(Walk(nest, mapping, way.operand), way)


def count_walk(walk: Walk, way: Way) -> OperandCounts:
    """The same of a walk."""
    found = _Boundaries(walk, way)
    tiles, crossings = found.tiles, found.crossings
    last = len(way.stops)
    at_memory = crossings[last]
    moved = words(way, tiles[last], at_memory)
    edge = crossings[way.in_array]
    registers = 1 if last > way.ported else 0
    end = walk.tiles(walk.mapping.tile).end if way.ported else tiles[last].end
    return OperandCounts(
        levels=tuple(_level_counts(found, index) for index in range(last)),
        memory_read_bits=moved * at_memory.feeds,
        memory_write_bits=moved * at_memory.collects,
        wire_bits=tiles[way.in_array].elements * edge.bits * (edge.feeds + edge.collects),
        wired_to_memory=way.wired_to_memory,
        end_bits=whole_words(end * at_memory.bits, way.word_bits),
        swaps=tiles[registers].number * found.visits[registers].times,
        accumulations=tiles[0].elements * crossings[0].collects,
        visits=found.visits[last].times,
    )


def _level_counts(found: _Boundaries, index: int) -> LevelCounts:
    """What one level sees: its inner side from the boundary inside it, its outer side from the one outside."""
    way = found.way
    stop, inner, outer = way.stops[index], found.crossings[index], found.crossings[index + 1]
    within, tiles = found.tiles[index], found.tiles[index + 1]
    inner_accesses, outer_accesses = accesses(way, stop, within, inner), accesses(way, stop, tiles, outer)
    sums = way.operand == "output" and (not index or found.visits[index].times > 1)
    own_width = way.partial_bits if sums else way.final_bits
    register = not stop.level.ported
    held = tiles.largest if stop.spread == 1 else own_elements(found.walk.nest, way.operand, stop, found.extents(index))
    inner_bits = within.elements * (own_width if register else inner.bits)
    outer_bits = tiles.elements * (own_width if register else outer.bits)
    return LevelCounts(
        stop=stop,
        fill_bits=outer_bits * outer.fills,
        fill_accesses=outer_accesses * outer.fills,
        drain_bits=outer_bits * outer.drains,
        drain_accesses=outer_accesses * outer.drains,
        feed_bits=inner_bits * inner.feeds,
        feed_accesses=inner_accesses * inner.feeds,
        collect_bits=inner_bits * inner.collects,
        collect_accesses=inner_accesses * inner.collects,
        held_bits=held * own_width,
        whole=tiles.number == 1,
    )
