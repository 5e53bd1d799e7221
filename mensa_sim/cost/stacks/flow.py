"""The rows of one tensor of a stack: which come in each tile, and how many a line buffer holds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mensa_sim.arrays import Bools, Ints
from mensa_sim.cost.stacks.planes import Read
from mensa_sim.records import dataclass


class Cuts:
    """A number of rows cut into tiles of several sizes at once: the tiles of all sizes stand one after another.

    Arrays over them are [tile], those of the first size first; what sizes have one of is [size].
    """

    def __init__(self, whole: int, rows: Sequence[int]) -> None:
        self.rows = tuple(rows)
        """Of a tile of each size."""
        self.tiles: Ints = np.array([-(-whole // each) for each in rows])
        """[size]"""
        self.last: Ints = np.cumsum(self.tiles) - 1
        """[size] The place of the last tile."""
        self.first: Ints = self.last - self.tiles + 1
        """[size] That of the first."""
        self.size: Ints = np.repeat(np.arange(len(rows)), self.tiles)
        """[tile]"""
        self.number: Ints = np.arange(len(self.size)) - self.first[self.size]
        """[tile] Of the tiles of its size, from 0."""

    def so_far(self, values: Ints, most: int) -> Ints:
        """[tile] The largest of a tile and those before it; none is above `most`."""
        apart = self.size * (most + 1)
        return np.maximum.accumulate(values + apart) - apart

    def from_now(self, values: Ints, most: int) -> Ints:
        """[tile] The least of a tile and those after it; none is above `most`."""
        apart = self.size * (most + 1)
        found: Ints = np.minimum.accumulate((values + apart)[::-1])[::-1] - apart
        return found

    def before(self, values: Ints) -> Ints:
        """[tile] What the tile before has; 0 in the first."""
        found = np.zeros_like(values)
        found[1:] = values[:-1]
        found[self.first] = 0
        return found

    def after(self, values: Ints, end: int) -> Ints:
        """[tile] What the next tile has; `end` in the last."""
        found = np.full_like(values, end)
        found[:-1] = values[1:]
        found[self.last] = end
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """The rows of one tensor of a stack, tile by tile; arrays are [tile] of some cuts.

    A line buffer is a ring, whose oldest rows make room first: a row stays until no row before it, nor itself, is read
    any more.
    """

    row_bits: int
    start: Ints
    """The first row that comes in a tile."""
    stop: Ints
    """Behind the last one."""
    first: Ints
    """The first row that this tile or a later one reads; all rows where none does."""
    later: Ints
    """The first row that later tiles read, likewise."""
    readers: tuple[str, ...]
    """The layers of the stack that read it, in order."""
    shared: Bools
    """[size] Of what comes from outside: whether some row is read more than once, by several layers or in several
    tiles."""

    @property
    def before_bits(self) -> Ints:
        """What lies there from earlier tiles, in each tile until new rows come."""
        found: Ints = np.maximum(0, self.start - self.first) * self.row_bits
        return found

    @property
    def within_bits(self) -> Ints:
        """What lies there from then until its last reader of the tile is done."""
        found: Ints = np.maximum(0, self.stop - self.first) * self.row_bits
        return found

    @property
    def after_bits(self) -> Ints:
        """What stays for the next tiles."""
        found: Ints = np.maximum(0, self.stop - self.later) * self.row_bits
        return found

    @property
    def come(self) -> Ints:
        """Rows that come in each tile."""
        return self.stop - self.start


class Needed:
    """What the readers of a tensor that are known so far need of it."""

    __slots__ = ("_coming", "_cuts", "_high", "_low", "_reads", "read", "readers")

    def __init__(self, read: Read, cuts: Cuts) -> None:
        self.read, self._cuts = read, cuts
        self.readers: list[str] = []
        """From the last to the first."""
        self._low: Ints = np.full(len(cuts.size), read.rows)
        self._high: Ints = np.zeros(len(cuts.size), dtype=np.int64)
        self._reads: list[tuple[Read, Flow]] = []
        """How each reader reads, and what it makes."""
        self._coming: Flow | None = None

    def add(self, reader: str, read: Read, made: Flow) -> None:
        """One more layer, which makes that by reading so."""
        low, high = read.needs(made.start, made.stop)
        if not high.any():  # all of its windows lie in padding alone
            return
        self.readers.append(reader)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._reads.append((read, made))
        self._coming = None

    @property
    def coming(self) -> Flow:
        """The tensor's rows as they come in order from outside, no more than are read."""
        if self._coming is None:
            flow, first = self.flow(self.read.rows, self.read.row_bits, whole=False), self._cuts.first
            times = [read.times(made.start, made.stop, first) for read, made in self._reads]
            self._coming = replace(flow, shared=(np.sum(times, axis=0) > 1).any(axis=1)) if times else flow
        return self._coming

    def flow(self, rows: int, row_bits: int, *, whole: bool) -> Flow:
        """The tensor's rows, as they come in order; `whole` where all must have come in the end."""
        cuts = self._cuts
        stop = cuts.so_far(self._high, rows)
        if whole:
            stop[cuts.last] = rows
        return _flow(cuts, rows, row_bits, stop, cuts.from_now(self._low, rows), tuple(reversed(self.readers)))


def even_flow(rows: int, row_bits: int, stop: Ints, cuts: Cuts) -> Flow:
    """The rows of a tensor that nobody in the stack reads."""
    return _flow(cuts, rows, row_bits, stop, np.full_like(stop, rows), ())


def _flow(cuts: Cuts, rows: int, row_bits: int, stop: Ints, first: Ints, readers: tuple[str, ...]) -> Flow:
    return Flow(
        row_bits=row_bits,
        start=cuts.before(stop),
        stop=stop,
        first=first,
        later=cuts.after(first, rows),
        readers=readers,
        shared=np.zeros(len(cuts.rows), dtype=bool),
    )
