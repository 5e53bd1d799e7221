"""Tables of what an operand's tiles hold, for every combination of a few extents per dim."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.counts.counts import Ports
from mensa_sim.cost.counts.window import Window, window_histogram
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.workload.dims import WINDOW, Operand, relevant, split_dims

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


FIGURES = ELEMENTS, FINAL_ACCESSES, PARTIAL_ACCESSES, LARGEST, END, FINAL_WORDS, PARTIAL_WORDS = range(7)
"""Rows of a table: sums of elements and of port accesses, the largest tile's elements, those of the first tile, or for
an output of the last one, and sums of words of memory; a table has no rows of words where a word is a bit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileTable:
    """Sums over all tiles of an operand, one column per combination of extents, the last dim varying fastest."""

    strides: Mapping[str, int]
    """Columns from one extent of a dim to the next; dims with a single extent are left out."""
    figures: Floats
    """[figure, combination]"""


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
    unrolling: Unrolling,
    operand: Operand,
    window: Window | None,
    extents: Mapping[str, tuple[int, ...]],
    ports: Ports,
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
    values, counts = classes.values, classes.counts
    figures = np.zeros((len(FIGURES) if ports.word_bits > 1 else FINAL_WORDS, len(values)))
    figures[ELEMENTS] = np.einsum("ij,ij->i", values, counts)
    pieces = [(FINAL_ACCESSES, PARTIAL_ACCESSES, ports.min_bits or 0)]
    if ports.word_bits > 1:
        pieces.append((FINAL_WORDS, PARTIAL_WORDS, ports.word_bits))
    for final, partial, size_bits in pieces:
        if not size_bits:
            continue
        figures[final] = np.einsum("ij,ij->i", np.ceil(values * ports.final_bits / size_bits), counts)
        if ports.partial_bits == ports.final_bits:
            figures[partial] = figures[final]
        else:
            figures[partial] = np.einsum("ij,ij->i", np.ceil(values * ports.partial_bits / size_bits), counts)
    figures[LARGEST] = (values * (counts > 0)).max(axis=1)
    figures[END] = classes.end
    strides: dict[str, int] = {}
    stride = 1
    for dim in reversed((*plain, *inside)):
        if len(extents[dim]) > 1:
            strides[dim] = stride
        stride *= len(extents[dim])
    return TileTable(strides=strides, figures=figures)


def single_tile(
    unrolling: Unrolling, operand: Operand, window: Window | None, extents: Mapping[str, int], ports: Ports
) -> tuple[float, ...]:
    """The column of a table with one extent per dim: plain numbers, as arrays of one cost ten times as much."""
    values, counts, end = [1], [1], 1
    inside: list[tuple[str, int]] = []
    for dim in unrolling.dims:
        if not relevant(operand, dim):
            continue
        size, extent = unrolling.sizes[dim], extents[dim]
        if window is not None and split_dims(dim)[0] in WINDOW:
            inside.append((dim, extent))
            continue
        full, rest = divmod(size, extent)
        end *= rest if rest and operand == "output" else extent
        values = [value * part for value in values for part in ((extent, rest) if rest else (extent,))]
        counts = [count * times for count in counts for times in ((full, 1) if rest else (full,))]
    if window is not None:
        seen = window_histogram(window, tuple(inside))
        end *= seen.first
        values = [value * part for value in values for part in seen.values.tolist()]
        counts = [count * times for count in counts for times in seen.counts.tolist()]
    tiles = list(zip(values, counts, strict=True))

    def pieces(bits: int, size_bits: int | None) -> int:
        return sum(-(-value * bits // size_bits) * count for value, count in tiles) if size_bits else 0

    figures = {
        ELEMENTS: sum(value * count for value, count in tiles),
        FINAL_ACCESSES: pieces(ports.final_bits, ports.min_bits),
        PARTIAL_ACCESSES: pieces(ports.partial_bits, ports.min_bits),
        LARGEST: max(values),
        END: end,
        FINAL_WORDS: pieces(ports.final_bits, ports.word_bits) if ports.word_bits > 1 else 0,
        PARTIAL_WORDS: pieces(ports.partial_bits, ports.word_bits) if ports.word_bits > 1 else 0,
    }
    return tuple(float(figures[figure]) for figure in FIGURES)
