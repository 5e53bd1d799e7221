"""How many elements the tiles of an operand hold: of one tiling, and of all combinations of a few extents per dim."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.window import Window, window_histogram
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import Operand, in_window, relevant

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class OneTiling:
    """The tiles of one tiling: element counts, and how many tiles have each.

    Plain numbers, as arrays of one cost ten times as much.
    """

    values: Sequence[int]
    counts: Sequence[int]
    end: int
    """Elements of the first tile, or for an output of the last one."""

    @property
    def elements(self) -> int:
        """Of all tiles."""
        return sum(value * count for value, count in zip(self.values, self.counts, strict=True))

    @property
    def largest(self) -> int:
        """Elements of the largest tile."""
        return max(self.values)

    @property
    def number(self) -> int:
        """How many tiles there are."""
        return sum(self.counts)

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> int:
        """Accesses of `unit_bits` that all tiles take, each spread evenly over so many instances."""
        total = 0
        for value, count in zip(self.values, self.counts, strict=True):
            each = value if spread == 1 else -(-value // spread)
            total += count * min(spread, value) * -(-each * bits // unit_bits)
        return total


def one_tiling(unrolling: Unrolling, operand: Operand, window: Window | None, extents: Mapping[str, int]) -> OneTiling:
    """The tiles with these extents."""
    values, counts, end = [1], [1], 1
    inside: list[tuple[str, int]] = []
    for dim, size in unrolling.sizes.items():
        if not relevant(operand, dim):
            continue
        if window is not None and in_window(dim):
            inside.append((dim, extents[dim]))
            continue
        if size == 1:
            continue
        full, rest = divmod(size, extents[dim])
        end *= rest if rest and operand == "output" else extents[dim]
        values = [value * part for value in values for part in ((extents[dim], rest) if rest else (extents[dim],))]
        counts = [count * times for count in counts for times in ((full, 1) if rest else (full,))]
    if window is not None:
        seen = window_histogram(window, tuple(inside))
        end *= seen.first
        values = [value * part for value in values for part in seen.values]
        counts = [count * times for count in counts for times in seen.counts]
    return OneTiling(values, counts, end)


def elements_of_tiles(unrolling: Unrolling, operand: Operand, window: Window | None, extents: Mapping[str, int]) -> int:
    """Elements of all tiles with these extents: those of the operand, but for what several tiles of a window read."""
    own = [dim for dim in unrolling.sizes if relevant(operand, dim)]
    if window is None:
        return prod(unrolling.sizes[dim] for dim in own)
    seen = window_histogram(window, tuple((dim, extents[dim]) for dim in own if in_window(dim)))
    read = sum(value * count for value, count in zip(seen.values, seen.counts, strict=True))
    return read * prod(unrolling.sizes[dim] for dim in own if not in_window(dim))


class TilingSums:
    """The same sums for many tilings: [tiling]."""

    def __init__(self, values: Floats, counts: Floats, end: Floats) -> None:
        self._values, self._counts = values, counts
        """[class, tiling] Elements of tiles of equal size, and how many there are; none where a tiling has fewer."""
        self.end = end
        """Elements of the first tile, or for an output of the last one."""
        self.elements: Floats = (values * counts).sum(axis=0)
        """Of all tiles."""

    @property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        largest: Floats = (self._values * (self._counts > 0)).max(axis=0)
        return largest

    @property
    def number(self) -> Floats:
        """How many tiles there are."""
        number: Floats = self._counts.sum(axis=0)
        return number

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses of `unit_bits` that all tiles take, each spread evenly over so many instances."""
        values = self._values
        if not isinstance(spread, np.ndarray) and spread == 1:
            pieces = np.ceil(values * bits / unit_bits)
        else:
            pieces = np.minimum(values, spread) * np.ceil(np.ceil(values / spread) * bits / unit_bits)
        found: Floats = (pieces * self._counts).sum(axis=0)
        return found


Classes = tuple[Floats, Floats, Floats]
"""[class, tiling] Elements of tiles and how many there are, and [tiling] the elements of the first tile."""


def tilings(
    operand: Operand, sizes: Mapping[str, Floats], extents: Mapping[str, Floats], window: Classes | None
) -> TilingSums:
    """The tilings of an operand along its dims: [tiling]; what a window shows stands for the window's dims."""
    total = len(next(iter(sizes.values())))
    values, counts, end = window or (np.ones((1, total)), np.ones((1, total)), np.ones(total))
    for dim, size in sizes.items():
        if window is not None and in_window(dim):
            continue
        extent = extents[dim]
        full = np.floor(size / extent)
        rest = size - full * extent
        short = rest > 0
        if not short.any():
            values, counts, end = values * extent, counts * full, end * extent
        else:
            values = np.concatenate([values * extent, values * rest])
            counts = np.concatenate([counts * full, counts * short])
            end = end * (np.where(short, rest, extent) if operand == "output" else extent)
    return TilingSums(values, counts, end)


@lru_cache(maxsize=4096)
def window_classes(window: Window, dims: tuple[str, ...], extents: tuple[tuple[int, ...], ...]) -> Classes:
    """The tiles that a window shows of each combination of extents, the last dim varying fastest."""
    seen = [window_histogram(window, tuple(zip(dims, combination, strict=True))) for combination in product(*extents)]
    width = max(len(histogram.values) for histogram in seen)
    values, counts = np.zeros((width, len(seen))), np.zeros((width, len(seen)))
    for column, histogram in enumerate(seen):
        values[: len(histogram.values), column] = histogram.values
        counts[: len(histogram.counts), column] = histogram.counts
    return values, counts, np.array([histogram.first for histogram in seen], dtype=np.float64)
