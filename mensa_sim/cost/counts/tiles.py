"""How many elements the tiles of an operand hold: of one tiling, and of all combinations of a few extents per dim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.window import Window, window_histogram
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.workload.dims import WINDOW, Operand, relevant, split_dims

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

    def pieces(self, bits: int, unit_bits: int, spread: int) -> int:
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
        if window is not None and split_dims(dim)[0] in WINDOW:
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
        values = [value * part for value in values for part in seen.values.tolist()]
        counts = [count * times for count in counts for times in seen.counts.tolist()]
    return OneTiling(values, counts, end)


@dataclass(frozen=True, slots=True)
class _Classes:
    """Tiles of equal size, by combination of extents (rows): element counts and numbers of tiles."""

    values: Floats
    counts: Floats
    end: Floats

    def times(self, other: "_Classes") -> "_Classes":
        def outer(mine: Floats, others: Floats) -> Floats:
            table = mine[:, None, :, None] * others[None, :, None, :]
            return table.reshape(len(mine) * len(others), -1)

        end = np.multiply.outer(self.end, other.end).ravel()
        return _Classes(outer(self.values, other.values), outer(self.counts, other.counts), end)


@dataclass(frozen=True, slots=True, eq=False)
class TileTable:
    """The same sums for many tilings, one column per combination of extents, the last dim varying fastest."""

    classes: _Classes
    strides: Mapping[str, int]
    """Columns from one extent of a dim to the next; dims with a single extent are left out."""
    _known: dict[tuple[int, int, int], Floats] = field(default_factory=dict)

    @property
    def elements(self) -> Floats:
        """[combination] Elements of all tiles."""
        elements: Floats = np.einsum("ij,ij->i", self.classes.values, self.classes.counts)
        return elements

    @property
    def largest(self) -> Floats:
        """[combination] Elements of the largest tile."""
        largest: Floats = (self.classes.values * (self.classes.counts > 0)).max(axis=1)
        return largest

    @property
    def end(self) -> Floats:
        """[combination] Elements of the first tile, or for an output of the last one."""
        return self.classes.end

    def pieces(self, bits: int, unit_bits: int, spread: int) -> Floats:
        """[combination] Accesses that all tiles take."""
        key = (bits, unit_bits, spread)
        if key not in self._known:
            values, counts = self.classes.values, self.classes.counts
            each = values if spread == 1 else np.ceil(values / spread)
            pieces = np.ceil(each * bits / unit_bits)
            if spread > 1:
                pieces = np.minimum(values, spread) * pieces
            self._known[key] = np.einsum("ij,ij->i", pieces, counts)
        return self._known[key]


@lru_cache(maxsize=4096)
def _plain(size: int, extents: tuple[int, ...], *, last: bool) -> _Classes:
    extent = np.array(extents, dtype=np.float64)
    full, rest = np.divmod(float(size), extent)
    end = np.where(rest > 0, rest, extent) if last else extent
    if not rest.any():
        return _Classes(extent[:, None], full[:, None], end)
    return _Classes(np.stack([extent, rest], axis=1), np.stack([full, rest > 0], axis=1).astype(np.float64), end)


@lru_cache(maxsize=4096)
def _window(window: Window, dims: tuple[str, ...], extents: tuple[tuple[int, ...], ...]) -> _Classes:
    seen = [window_histogram(window, tuple(zip(dims, combination, strict=True))) for combination in product(*extents)]
    if len(seen) == 1:
        values, counts = seen[0].values[None].astype(np.float64), seen[0].counts[None].astype(np.float64)
        return _Classes(values, counts, np.array([seen[0].first], dtype=np.float64))
    width = max(len(histogram.values) for histogram in seen)
    values, counts = np.zeros((len(seen), width)), np.zeros((len(seen), width))
    for row, histogram in enumerate(seen):
        values[row, : len(histogram.values)] = histogram.values
        counts[row, : len(histogram.counts)] = histogram.counts
    return _Classes(values, counts, np.array([histogram.first for histogram in seen], dtype=np.float64))


def tile_table(
    unrolling: Unrolling, operand: Operand, window: Window | None, extents: Mapping[str, tuple[int, ...]]
) -> TileTable:
    """The table of an operand over all combinations of extents of its dims."""
    mine = [dim for dim in unrolling.dims if relevant(operand, dim)]
    inside = tuple(dim for dim in mine if window is not None and split_dims(dim)[0] in WINDOW)
    plain = [dim for dim in mine if dim not in inside]
    whole = [dim for dim in plain if extents[dim] == (unrolling.sizes[dim],)]
    once = np.full((1, 1), float(prod(unrolling.sizes[dim] for dim in whole)))
    classes = _Classes(once, np.ones((1, 1)), once[0])
    for dim in plain:
        if dim not in whole:
            classes = classes.times(_plain(unrolling.sizes[dim], extents[dim], last=operand == "output"))
    if window is not None:
        classes = classes.times(_window(window, inside, tuple(extents[dim] for dim in inside)))
    strides: dict[str, int] = {}
    stride = 1
    for dim in reversed((*plain, *inside)):
        if len(extents[dim]) > 1:
            strides[dim] = stride
        stride *= len(extents[dim])
    return TileTable(classes, strides)
