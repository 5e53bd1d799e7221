"""What crosses one boundary of an operand's way: the rule that all counts follow, on integers and on arrays alike.

traffic of an operand at a boundary = its tile inside x the trips of every loop above, less the innermost run of loops
that are irrelevant to it. A weight or input is read outside once per visit, and written into each instance inside that
holds a copy. An output that is visited again is a partial sum: what lies inside leaves on each visit and, but for the
first one, came back before; visited once, it is final.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.ways import Way
from mensa_sim.hardware.array.levels import Level
from mensa_sim.records import dataclass

Number = TypeVar("Number", int, Floats)
"""An integer of one mapping, or an array over many: of any shape, as long as all that meet broadcast."""


def pick(condition: bool | Bools, yes: Any, no: Any) -> Any:
    """One of two numbers by a truth value, or elementwise by an array of them."""
    return np.where(condition, yes, no) if isinstance(condition, np.ndarray) else yes if condition else no


def most(*numbers: Any) -> Any:
    """The largest of some numbers, or elementwise of arrays of them."""
    return reduce(np.maximum, numbers) if any(isinstance(n, np.ndarray) for n in numbers) else max(numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits(Generic[Number]):
    """How often a tile crosses a boundary."""

    times: Number
    """In one copy."""
    inside: Number
    """In as many copies as there are instances inside that hold it, each visit on its own."""
    outside: Number
    """In as many as there are outside."""
    first: int | Number
    """The copies outside of a first visit: what an output need not read back."""


Sum = TypeVar("Sum", covariant=True)


class LevelSite(Protocol):
    """A level on an operand's way, under one unrolling or under several."""

    @property
    def level(self) -> Level:
        """The level itself."""

    @property
    def spread(self) -> Any:
        """Instances that hold different elements."""

    @property
    def copied(self) -> Any:
        """Instances that hold the same element, or each a sum of its own for it."""


class Tiles(Protocol[Sum]):
    """Sums over the tiles of an operand."""

    @property
    def elements(self) -> Sum:
        """Elements of all tiles, each visited once."""

    @property
    def largest(self) -> Sum:
        """Elements of the largest tile."""

    @property
    def end(self) -> Sum:
        """Elements of the first tile, or for an output of the last one."""

    @property
    def number(self) -> Sum:
        """How many tiles there are."""

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Sum:
        """Accesses of so many bits that all tiles take, each spread evenly over so many instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileTraffic(Generic[Number]):
    """What one boundary sees: how often each tile is written and read inside, and read and written outside."""

    fills: Number | Literal[0]
    """Writes inside; 0, as all of these, where there are none under any mapping."""
    drains: Number | Literal[0]
    """Reads inside."""
    feeds: Number
    """Reads outside."""
    collects: Number | Literal[0]
    """Writes outside."""
    partial: Any
    """Whether what crosses is partial sums: a truth value, or an array of them."""
    bits: Any
    """Width of an element that crosses."""


def cross(way: Way, visits: Visits[Number], *, sums: bool) -> TileTraffic[Number]:
    """The crossing of one boundary; `sums` are those between the array and the level that it adds to."""
    if way.operand != "output":
        return TileTraffic(
            fills=visits.inside, drains=0, feeds=visits.outside, collects=0, partial=False, bits=way.final_bits
        )
    if sums:
        return TileTraffic(
            fills=0, drains=0, feeds=visits.outside, collects=visits.outside, partial=True, bits=way.partial_bits
        )
    again, back = visits.times > 1, visits.outside - visits.first
    return TileTraffic(
        fills=back,
        drains=visits.inside,
        feeds=back,
        collects=visits.outside,
        partial=again,
        bits=pick(again, way.partial_bits, way.final_bits),
    )


def accesses(way: Way, stop: LevelSite, tiles: Tiles[Number], crossing: TileTraffic[Number]) -> Any:
    """Accesses of an SRAM, over all its instances, that each of the tiles takes once; bits of a register file."""
    if not stop.level.ported:
        return tiles.elements * (way.partial_bits if way.operand == "output" else crossing.bits)
    unit = stop.level.access_bits
    final = tiles.pieces(way.final_bits, unit, stop.spread)
    if way.partial_bits == way.final_bits or crossing.partial is False:
        return final
    return pick(crossing.partial, tiles.pieces(way.partial_bits, unit, stop.spread), final)


def memory_bits(way: Way, crossing: TileTraffic[Number]) -> Any:
    """Width of an element that crosses at memory."""
    return (
        crossing.bits
        if way.memory_bits == way.final_bits
        else pick(crossing.partial, way.partial_bits, way.memory_bits)
    )


def words(way: Way, tiles: Tiles[Number], crossing: TileTraffic[Number]) -> Any:
    """Bits that memory moves when each of the tiles crosses once: whole words of each."""
    if way.word_bits == 1:
        return tiles.elements * memory_bits(way, crossing)
    final = tiles.pieces(way.memory_bits, way.word_bits, 1) * way.word_bits
    if way.partial_bits == way.memory_bits or crossing.partial is False:
        return final
    return pick(crossing.partial, tiles.pieces(way.partial_bits, way.word_bits, 1) * way.word_bits, final)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary(Generic[Number]):
    """What passes between two neighbours on an operand's way."""

    tiles: Tiles[Number]
    visits: Visits[Number]
    crossing: TileTraffic[Number]
    inner_accesses: Any
    """Accesses of the level inside when each tile crosses once; none in the array."""
    outer_accesses: Any
    """Accesses of the level outside; none at memory."""

    @property
    def wire_bits(self) -> Any:
        """Bits that pass."""
        return self.tiles.elements * self.crossing.bits * (self.crossing.feeds + self.crossing.collects)


def boundary(
    way: Way,
    levels: tuple[LevelSite | None, LevelSite | None],
    tiles: Tiles[Number],
    visits: Visits[Number],
    *,
    sums: bool,
) -> Boundary[Number]:
    """One boundary, given the levels inside and outside."""
    crossing = cross(way, visits, sums=sums)
    inner, outer = (None if level is None else accesses(way, level, tiles, crossing) for level in levels)
    return Boundary(tiles=tiles, visits=visits, crossing=crossing, inner_accesses=inner, outer_accesses=outer)


def boundaries(
    way: Way, stops: Sequence[LevelSite], tiles: Sequence[Tiles[Number]], visits: Sequence[Visits[Number]]
) -> list[Boundary[Number]]:
    """The boundaries of an operand's way, the one between the array and the innermost level first.

    With one more of `tiles` and `visits` than levels the last boundary is that at memory.
    """
    ends = (None, *stops, None)
    return [
        boundary(way, (ends[index], ends[index + 1]), *each, sums=not index)
        for index, each in enumerate(zip(tiles, visits, strict=True))
    ]


def whole_words(bits: Any, word_bits: int) -> Any:
    """Bits of the words that some bits take up.

    >>> whole_words(72, 64)
    128
    """
    return bits if word_bits == 1 else -(-bits // word_bits) * word_bits


def evenly(bits: Any, spread: Any, unit_bits: int) -> Any:
    """Accesses that some bits take, spread over so many instances.

    >>> evenly(100, 3, 8)
    15
    """
    each = -(-bits // spread)
    return spread * -(-each // unit_bits)
