"""How many elements the tiles of an operand hold: of one tiling, and of all combinations of a few extents per dim."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.window import Histogram, Window, window_histogram
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


class Classes(NamedTuple):
    """The tiles that a window shows of some kinds of tilings."""

    values: Floats
    """[class, kind] Elements of tiles of equal size."""
    counts: Floats
    """[class, kind] How many there are; none behind those of a kind that has fewer classes."""
    first: Floats
    """[kind] Elements of the first tile."""


class _Tiles(NamedTuple):
    """Tiles of some tilings, whose numbers of classes are alike."""

    some: Indices | slice
    """Which tilings."""
    values: Floats
    """[class, tiling] Elements of tiles of equal size."""
    counts: Floats
    """[class, tiling] How many there are; none where a tiling has fewer classes."""


class TilingSums:
    """The same sums for many tilings: [tiling]."""

    def __init__(self, tiles: Sequence[_Tiles], end: Floats) -> None:
        self._tiles = tiles
        self.end = end
        """Elements of the first tile, or for an output of the last one."""

    def _of(self, figure: Callable[[_Tiles], Floats]) -> Floats:
        found = np.empty_like(self.end)
        for each in self._tiles:
            found[each.some] = figure(each)
        return found

    @property
    def elements(self) -> Floats:
        """Of all tiles."""
        return self._of(lambda each: (each.values * each.counts).sum(axis=0))

    @property
    def largest(self) -> Floats:
        """Elements of the largest tile."""
        return self._of(lambda each: (each.values * (each.counts > 0)).max(axis=0))

    @property
    def number(self) -> Floats:
        """How many tiles there are."""
        return self._of(lambda each: each.counts.sum(axis=0))

    def pieces(self, bits: int, unit_bits: int, spread: Any) -> Floats:
        """Accesses of `unit_bits` that all tiles take, each spread evenly over so many instances."""

        def taken(each: _Tiles) -> Floats:
            values = each.values
            if isinstance(spread, np.ndarray) or spread != 1:
                over = spread[each.some] if isinstance(spread, np.ndarray) else spread
                pieces = np.minimum(values, over) * np.ceil(np.ceil(values / over) * bits / unit_bits)
            else:
                pieces = np.ceil(values * bits / unit_bits)
            found: Floats = (pieces * each.counts).sum(axis=0)
            return found

        return self._of(taken)


_AT_ONCE = 1 << 18
"""Classes of tiles that are worked out at once where there are many, at about 2 MiB a figure: a choice."""


def tilings(
    operand: Operand,
    sizes: Mapping[str, Floats],
    extents: Mapping[str, Floats],
    shown: tuple[Classes, Indices] | None,
) -> TilingSums:
    """The tilings of an operand along its dims: [tiling]; what a window shows, and of which kind each tiling is, stands
    for the window's dims."""
    end: Floats = np.ones(len(next(iter(sizes.values())))) if shown is None else shown[0].first[shown[1]]
    splits = []
    for dim, size in sizes.items():
        if shown is None or not in_window(dim):
            extent = extents[dim]
            full = np.floor(size / extent)
            rest = size - full * extent
            end = end * (np.where(rest > 0, rest, extent) if operand == "output" else extent)
            splits.append((extent, full, rest))
    one = np.ones((1, len(end)))
    parts = [_Tiles(slice(None), one, one)] if shown is None else _shown(*shown)
    return TilingSums([_split(each, splits) for each in parts], end)


def _shown(classes: Classes, kind: Indices) -> Iterator[_Tiles]:
    """Of tilings what a window shows; of many those together that show about as many classes."""
    if len(classes.values) * len(kind) <= _AT_ONCE:
        yield _Tiles(slice(None), classes.values[:, kind], classes.counts[:, kind])
        return
    many = (classes.counts > 0).sum(axis=0)[kind]
    order = np.argsort(many, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(np.cumsum(many[order]) // _AT_ONCE)) + 1):
        at = slice(many[some[-1]]), kind[some]
        yield _Tiles(some, classes.values[at], classes.counts[at])


def _split(tiles: _Tiles, splits: Iterable[tuple[Floats, Floats, Floats]]) -> _Tiles:
    """Each tile in those along other dims, of an extent so many times, and of what is left over."""
    some, values, counts = tiles
    for extent, full, rest in ((each[some] for each in split) for split in splits):
        short = rest > 0
        if not short.any():
            values, counts = values * extent, counts * full
        else:
            values = np.concatenate([values * extent, values * rest])
            counts = np.concatenate([counts * full, counts * short])
    return _Tiles(some, values, counts)


def classes_of(seen: Sequence[Histogram]) -> Classes:
    """Histograms side by side."""
    many = np.array([len(own.values) for own in seen])
    there = np.arange(many.max(initial=0)) < many[:, None]  # [kind, class]
    values, counts = np.zeros((2, *there.shape))
    values[there] = list(chain.from_iterable(own.values for own in seen))
    counts[there] = list(chain.from_iterable(own.counts for own in seen))
    first = np.array([own.first for own in seen], dtype=np.float64)
    return Classes(np.ascontiguousarray(values.T), np.ascontiguousarray(counts.T), first)
