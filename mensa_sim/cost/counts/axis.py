"""One axis of a convolution's input, and the tiles along it: only those at its borders see something of their own."""

from math import gcd
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Ints
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import window_span

_PAIRS = 1 << 20
"""Tiles times parts of each that are looked at together: what bounds the memory taken. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Tiles that stand for all: where each begins, and for how many others, itself included; the first tile first."""

    begins: Ints
    repeats: Ints


def seen(tiles: int, begin: int, step: int, span: int, size: int) -> Seen:
    """The tiles that differ in which of their `span` positions lie inside the input, `step` from one to the next.

    All those wholly inside are alike, and all those wholly outside on one side.

    >>> found = seen(tiles=10, begin=-2, step=2, span=4, size=16)
    >>> found.begins.tolist(), found.repeats.tolist()
    ([-2, 0, 14, 16], [1, 7, 1, 1])
    """

    def before(bound: int) -> int:
        """Tiles that begin before a position."""
        return min(max(-((begin - bound) // step), 0), tiles)

    outside, low, beyond = before(1 - span), before(0), before(size)
    high = max(low, before(size - span + 1))
    indices = (
        (range(min(outside, 1)), outside),
        (range(outside, min(low, beyond)), 1),
        (range(low, min(low + 1, high)), high - low),
        (range(high, beyond), 1),
        (range(beyond, min(beyond + 1, tiles)), tiles - beyond),
    )
    begins = [begin + step * index for some, _ in indices for index in some]
    repeats = [alike for some, alike in indices for _ in some]
    return Seen(begins=np.array(begins, dtype=np.int64), repeats=np.array(repeats, dtype=np.int64))


def full_and_rest(total: int, tile: int) -> list[tuple[int, int, int]]:
    """Full tiles, then the short one: their size, where the first one starts, and how many there are.

    >>> full_and_rest(10, 4)
    [(4, 0, 2), (2, 8, 1)]
    """
    full, rest = divmod(total, tile)
    return [each for each in ((tile, 0, full), (rest, full * tile, 1)) if each[0] and each[2]]


def distinct_inside(begins: Ints, outputs: int, taps: int, stride: int, dilation: int, size: int) -> Ints:
    """[tile] Distinct positions inside the input that outputs read through taps: stride x output + dilation x tap.

    The positions of one tap that no later tap reads are a run of its first ones, `stride` apart, as the tap that meets
    it begins some of them further on.
    """
    if taps > outputs:
        outputs, taps, stride, dilation = taps, outputs, dilation, stride
    common = gcd(stride, dilation)
    tap = np.arange(taps)
    own = np.where(tap + stride // common < taps, min(outputs, dilation // common), outputs)
    found = np.empty(len(begins), dtype=np.int64)
    together = max(1, _PAIRS // taps)
    for first in range(0, len(begins), together):
        start = begins[first : first + together, None] + dilation * tap
        until, since = np.clip(-((start - size) // stride), 0, own), np.clip(-(start // stride), 0, own)
        found[first : first + together] = (until - since).sum(axis=1)
    return found


class WindowAxis(NamedTuple):
    """One axis of a window: input position = stride x output + dilation x tap - padding, inside the size."""

    outputs: int
    taps: int
    stride: int
    dilation: int
    size: int
    """Of the real input, without padding."""

    @property
    def padding(self) -> int:
        """Positions before the real input: half of what the outputs reach beyond it."""
        return max(0, self.span(self.outputs, self.taps) - self.size) // 2

    def span(self, outputs: int, taps: int) -> int:
        """Positions from the first to the last that some outputs read through some taps."""
        return window_span(outputs, taps, self.stride, self.dilation)

    def turned(self) -> "WindowAxis":
        """The same axis with outputs and taps in each other's place."""
        return self._replace(outputs=self.taps, taps=self.outputs, stride=self.dilation, dilation=self.stride)

    def groups(self, tile_taps: int) -> list[tuple[int, int, int]]:
        """Tiles of taps that stand for all: where their first tap reads for output 0, their taps, and for how many."""
        found = []
        for taps, start, tiles in full_and_rest(self.taps, tile_taps):
            span, step = self.span(self.outputs, taps), self.dilation * tile_taps
            own = seen(tiles, self.dilation * start - self.padding, step, span, self.size)
            pairs = zip(own.begins.tolist(), own.repeats.tolist(), strict=True)
            found += [(begin, taps, repeats) for begin, repeats in pairs]
        return found
