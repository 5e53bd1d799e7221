"""Distinct input positions of runs of flattened outputs that end inside a row of the output, or of flattened taps.

A run is the end of its first row, whole rows, and the beginning of its last one, or lies inside one row. Every input
row counts the columns that the widest of these reads; where only the two ends of a run meet, what either reads.
Outputs and taps are alike: a position is a sum of one of each.
"""

from functools import lru_cache
from math import gcd

import numpy as np

from mensa_sim.arrays import Ints
from mensa_sim.cost.counts.axis import Seen, WindowAxis


def sizes_of_flat_tiles(
    slow: WindowAxis, fast: WindowAxis, extent: int, tile_taps: tuple[int, int]
) -> tuple[Ints, Ints]:
    """Distinct positions of tiles that stand for all, and of how many each; the first tile first.

    `tile_taps` are those along the slow and the fast axis.
    """
    tiles, runs = _flat_tiles(slow, fast, extent)
    sizes, repeats = runs.read(tile_taps)
    return sizes.ravel(), np.multiply.outer(repeats, tiles.repeats).ravel()


class FlatRuns:
    """Runs of flattened outputs, by their first and last ones, through whatever taps they read."""

    def __init__(self, slow: WindowAxis, fast: WindowAxis, firsts: Ints, lasts: Ints) -> None:
        self._slow, self._fast, self._many = slow, fast, len(firsts)
        self._first_row, self._left = np.divmod(firsts, fast.outputs)
        last_row, self._right = np.divmod(lasts, fast.outputs)
        lengths = lasts - firsts + 1
        longest = int(lengths.max()) + 1
        shapes = (last_row - self._first_row) * longest + lengths
        self._alike = [
            (np.flatnonzero(shapes == shape), *divmod(shape, longest)) for shape in sorted(set(shapes.tolist()))
        ]
        """Of runs that reach as many rows down and are as long: which, these rows, and their outputs."""
        self._widths: dict[tuple[int, int], Ints] = {}
        self._heights: dict[int, Ints] = {}

    def read(self, tile_taps: tuple[int, int]) -> tuple[Ints, Ints]:
        """[column, line, run] Distinct positions through tiles of taps that stand for all, so many along the slow and
        the fast axis; [column, line] for how many."""
        columns, lines = _groups(self._fast, tile_taps[1]), _groups(self._slow, tile_taps[0])
        widths = np.stack([self.widths(begin, taps) for begin, taps, _ in columns])  # [column, kind, run]
        heights = self.heights(tile_taps[0])
        repeats = np.multiply.outer([each for _, _, each in columns], [each for _, _, each in lines])
        return np.einsum("ckr,lrk->clr", widths, heights), repeats

    def widths(self, begin: int, taps: int) -> Ints:
        """[kind, run] Columns that the rows of each kind read through taps along the fast axis."""
        if (begin, taps) not in self._widths:
            self._widths[begin, taps] = own = np.empty((4, self._many), dtype=np.int64)
            read = _columns(self._fast, begin, taps)
            for alike, span, length in self._alike:
                own[:, alike] = read.widths(self._left[alike], self._right[alike], span, length)
        return self._widths[begin, taps]

    def heights(self, tile_taps: int) -> Ints:
        """[line, run, kind] Input rows of each kind, read through tiles of so many taps along the slow axis."""
        if tile_taps not in self._heights:
            lines = _groups(self._slow, tile_taps)
            self._heights[tile_taps] = own = np.empty((len(lines), self._many, 4), dtype=np.int64)
            for taps in {taps for _, taps, _ in lines}:
                some = np.flatnonzero([each[1] == taps for each in lines])[:, None]
                tops = np.array([each[0] for each in lines])[some] + self._slow.stride * self._first_row
                for alike, span, _ in self._alike:
                    own[some, alike] = _heights(self._slow, tops[:, alike], taps, span)
        return self._heights[tile_taps]


@lru_cache(maxsize=1024)
def _groups(axis: WindowAxis, tile_taps: int) -> list[tuple[int, int, int]]:
    return axis.groups(tile_taps)


@lru_cache(maxsize=256)
def _flat_tiles(slow: WindowAxis, fast: WindowAxis, extent: int) -> tuple[Seen, FlatRuns]:
    tiles = _tiles(slow, fast, extent)
    lasts = np.minimum(tiles.begins + extent, slow.outputs * fast.outputs) - 1
    return tiles, FlatRuns(slow, fast, tiles.begins, lasts)


def _tiles(slow: WindowAxis, fast: WindowAxis, extent: int) -> Seen:
    """Tiles that stand for all: in rows that read nothing beyond the input, where a tile begins in its row decides."""
    total = slow.outputs * fast.outputs
    tiles = -(-total // extent)
    row = -(-slow.padding // slow.stride)
    beyond = (slow.size - 1 + slow.padding - slow.dilation * (slow.taps - 1)) // slow.stride + 1
    since, until = -(-row * fast.outputs // extent), min(beyond * fast.outputs // extent, tiles - 1)
    period = fast.outputs // gcd(extent, fast.outputs)
    indices, repeats = np.arange(tiles), np.ones(tiles, dtype=np.int64)
    if until - since > period:
        inside = np.arange(since, since + period)
        indices = np.concatenate([np.arange(since), inside, np.arange(until, tiles)])
        repeats = np.ones(len(indices), dtype=np.int64)
        repeats[since : since + period] = (until - 1 - inside) // period + 1
    return Seen(begins=indices * extent, repeats=repeats)


class _Columns:
    """Distinct input columns that runs of outputs within a row read through some taps."""

    def __init__(self, axis: WindowAxis, begin: int, taps: int) -> None:
        self.axis = axis
        output, tap = np.arange(axis.outputs)[:, None], np.arange(taps)[None, :]
        position = axis.stride * output + axis.dilation * tap + begin
        inside = (position >= 0) & (position < axis.size)
        pairs = np.unique((position * axis.outputs + output)[inside])
        position, self.output = np.divmod(pairs, axis.outputs)
        starts = np.flatnonzero(np.diff(position, prepend=-1))
        self.earliest, self.latest = self.output[starts], self.output[np.diff(position, append=-1) != 0]
        self.before = np.roll(self.output, 1)
        """The last output before each one that reads the same column."""
        self.before[starts] = -1
        self._begun = np.bincount(self.earliest, minlength=axis.outputs).cumsum()
        """[output] Columns that it or one before it reads first."""
        self._ended = np.bincount(self.latest + 1, minlength=axis.outputs + 1).cumsum()
        """[output] Columns that one before it reads last."""

    def _running(self, begins: Ints, ends: Ints) -> Ints:
        """How many intervals, ends left out, hold each output."""
        outputs = self.axis.outputs
        starting, ending = np.bincount(begins, minlength=outputs + 1), np.bincount(ends, minlength=outputs + 1)
        return (starting - ending).cumsum()

    def widths(self, left: Ints, right: Ints, span: int, length: int) -> Ints:
        """[kind, run] Columns that whole rows read, the first row, the last one, and first or last together.

        Runs of `length` outputs begin at column `left` and end at `right`, `span` rows further down.
        """
        outputs = self.axis.outputs
        if span == 0:
            earliest = np.maximum(self.output - length + 1, self.before + 1)
            runs = self._running(np.maximum(earliest, 0), self.output + 1)[left]
            return np.stack([runs] * 4)
        whole = len(self.earliest)
        until, since = self._begun[right], whole - self._ended[left]
        gap = span * outputs - length + 1
        ends = np.minimum(self.latest - gap + 1, outputs)
        both = ends > self.earliest
        meet = self._running(self.earliest[both], ends[both])[right]
        return np.stack([np.full_like(since, whole), since, until, since + until - meet])


@lru_cache(maxsize=1024)
def _columns(axis: WindowAxis, begin: int, taps: int) -> _Columns:
    return _Columns(axis, begin, taps)


def _heights(axis: WindowAxis, tops: Ints, taps: int, span: int) -> Ints:
    """[line, run, kind] Input rows that some whole row reads, else the first row alone, the last alone, or both of
    them, of runs that begin at such rows: [line, run]."""
    sums = _rows_before(axis.stride, axis.dilation, taps, span).T
    low, high = (np.clip(bound - tops, 0, len(sums) - 1) for bound in (0, axis.size))
    counted: Ints = sums[high] - sums[low]
    return counted


@lru_cache(maxsize=64)
def _rows_before(stride: int, dilation: int, taps: int, span: int) -> Ints:
    """[kind, row] How many of the input rows above each one are of a kind, from where a run begins to its end."""
    reach = dilation * np.arange(taps)
    height = stride * span + int(reach[-1]) + 1
    whole, first, last = (np.zeros(height, dtype=bool) for _ in range(3))
    whole[(stride * np.arange(1, span)[:, None] + reach).ravel()] = True
    first[reach] = True
    last[stride * span + reach] = True
    kinds = np.stack([whole, first & ~last & ~whole, last & ~first & ~whole, first & last & ~whole])
    sums = np.zeros((len(kinds), height + 1), dtype=np.int64)
    np.cumsum(kinds, axis=1, out=sums[:, 1:])
    return sums
