"""Tables of what an operand's tiles hold, for every combination of a few extents per dim."""

from collections.abc import Mapping as ReadOnly
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.unrolling import WINDOW, Unrolling, relevant
from mensa_sim.cost.window import Window, window_histogram
from mensa_sim.hardware.accelerator import Operand, split_dims

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TileTable:
    """Sums over all tiles of an operand, one entry per combination of extents, the last dim varying fastest."""

    dims: tuple[str, ...]
    lengths: tuple[int, ...]
    elements: Floats
    accesses: tuple[Floats, ...]
    """Port accesses, one array per element width."""
    largest: Floats
    """Elements of the largest tile."""
    end: Floats
    """Elements of the first tile, or for an output of the last one."""

    def index(self, chosen: ReadOnly[str, Indices], whole: frozenset[str] = frozenset()) -> Indices:
        """Positions in the table of the extents chosen; dims in `whole` take their first extent, the whole dim."""
        position: Indices = np.zeros(1, dtype=np.intp)
        for dim, length in zip(self.dims, self.lengths, strict=True):
            position = position * length
            if dim not in whole:
                position = position + chosen[dim]
        return position


@dataclass(slots=True)
class _Classes:
    """Tiles of equal size, by combination of extents (rows): element counts and numbers of tiles."""

    values: Floats
    counts: Floats
    end: Floats

    def times(self, other: "_Classes") -> "_Classes":
        def outer(mine: Floats, others: Floats) -> Floats:
            table = mine[:, None, :, None] * others[None, :, None, :]
            return table.reshape(len(mine) * len(others), -1)

        end = np.outer(self.end, other.end).ravel()
        return _Classes(outer(self.values, other.values), outer(self.counts, other.counts), end)


def _plain(size: int, extents: Sequence[int], *, last: bool) -> _Classes:
    extent = np.array(extents, dtype=np.float64)
    full, rest = np.divmod(float(size), extent)
    end = np.where(rest > 0, rest, extent) if last else extent
    if not rest.any():
        return _Classes(extent[:, None], full[:, None], end)
    return _Classes(np.stack([extent, rest], axis=1), np.stack([full, rest > 0], axis=1).astype(np.float64), end)


def _window(window: Window, dims: Sequence[str], extents: Sequence[Sequence[int]]) -> _Classes:
    seen = [
        window_histogram(window, tuple(zip(dims, combination, strict=True)))  # one per combination, cached
        for combination in product(*extents)
    ]
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
    extents: ReadOnly[str, Sequence[int]],
    widths: Sequence[int],
    min_bits: int | None,
) -> TileTable:
    """The table of an operand over all combinations of extents of its dims; `widths` are element bits to count for."""
    mine = [dim for dim in unrolling.dims if relevant(operand, dim)]
    inside = [dim for dim in mine if window is not None and split_dims(dim)[0] in WINDOW]
    plain = [dim for dim in mine if dim not in inside]
    one = np.ones((1, 1))
    classes = _Classes(one, one, np.ones(1))
    for dim in plain:
        classes = classes.times(_plain(unrolling.sizes[dim], extents[dim], last=operand == "output"))
    if window is not None:
        classes = classes.times(_window(window, inside, [extents[dim] for dim in inside]))
    values, counts = classes.values, classes.counts
    accesses = tuple(
        np.einsum("ij,ij->i", np.ceil(values * (bits / min_bits)), counts) if min_bits else np.zeros(len(values))
        for bits in widths
    )
    dims = (*plain, *inside)
    return TileTable(
        dims=dims,
        lengths=tuple(len(extents[dim]) for dim in dims),
        elements=np.einsum("ij,ij->i", values, counts),
        accesses=accesses,
        largest=(values * (counts > 0)).max(axis=1),
        end=classes.end,
    )
