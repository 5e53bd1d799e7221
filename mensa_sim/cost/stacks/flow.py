"""The rows of one tensor of a stack: which come in each tile, and how many a line buffer holds."""

from dataclasses import dataclass

import numpy as np

from mensa_sim.arrays import Ints
from mensa_sim.cost.stacks.planes import Read


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """The rows of one tensor of a stack, tile by tile; all arrays are [tile].

    A line buffer is a ring, whose oldest rows make room first: a row stays until no row before it, nor itself, is read
    any more.
    """

    rows: int
    row_bits: int
    start: Ints
    """The first row that comes in a tile."""
    stop: Ints
    """Behind the last one."""
    first: Ints
    """The first row that this tile or a later one reads; `rows` where none does."""
    readers: tuple[str, ...]
    """The layers of the stack that read it, in order."""
    shared: bool
    """Whether some row is read more than once, by several layers or in several tiles."""

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
        found: Ints = np.maximum(0, self.stop - _later(self.first, self.rows)) * self.row_bits
        return found

    @property
    def come(self) -> Ints:
        """Rows that come in each tile."""
        return self.stop - self.start


class Needed:
    """What the readers of a tensor that are known so far need of it."""

    __slots__ = ("_high", "_low", "_rows_read", "read", "readers")

    def __init__(self, read: Read, tiles: int) -> None:
        self.read = read
        self.readers: list[str] = []
        """From the last to the first."""
        self._low: Ints = np.full(tiles, read.rows)
        self._high: Ints = np.zeros(tiles, dtype=np.int64)
        self._rows_read = 0

    def add(self, reader: str, low: Ints, high: Ints) -> None:
        """One more layer that reads rows `low` to `high`, [tile]."""
        self.readers.append(reader)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._rows_read += int(np.maximum(0, high - low).sum())

    def flow(self, rows: int, row_bits: int, *, whole: bool) -> Flow:
        """The tensor's rows, as they come in order; `whole` where all must have come in the end."""
        stop = np.maximum.accumulate(self._high)
        if whole:
            stop[-1] = rows
        start = _before(stop)
        return Flow(
            rows=rows,
            row_bits=row_bits,
            start=start,
            stop=stop,
            first=np.minimum.accumulate(self._low[::-1])[::-1],
            readers=tuple(reversed(self.readers)),
            shared=self._rows_read > int(stop[-1]),
        )


def even_flow(rows: int, row_bits: int, stop: Ints) -> Flow:
    """The rows of a tensor that nobody in the stack reads."""
    nobody = np.full_like(stop, rows)
    start = _before(stop)
    return Flow(rows=rows, row_bits=row_bits, start=start, stop=stop, first=nobody, readers=(), shared=False)


def _before(stop: Ints) -> Ints:
    """Where each tile's rows begin: where those of the tile before end."""
    start = np.zeros_like(stop)
    start[1:] = stop[:-1]
    return start


def _later(first: Ints, rows: int) -> Ints:
    """The first row that the tiles after each one read."""
    found = np.full_like(first, rows)
    found[:-1] = first[1:]
    return found
