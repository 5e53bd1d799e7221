"""How many distinct input positions a tile of outputs and filter taps reads, clipped to the real input."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Ints, numbered
from mensa_sim.cost.counts.axis import WindowAxis, distinct_inside, full_and_rest, seen
from mensa_sim.cost.counts.flat_channels import ChannelTiles, sizes_of_channel_tiles, sizes_of_flat_channel_tiles
from mensa_sim.cost.counts.flat_outputs import sizes_of_flat_tiles
from mensa_sim.records import dataclass
from mensa_sim.workload.dims import split_dims
from mensa_sim.workload.layer import LoopNest

_FEW = 64
"""Sizes of tiles that plain numbers count sooner than arrays do: a choice."""


class Window(NamedTuple):
    """The geometry of a convolution: everything that decides which input position an output and a tap read."""

    y: WindowAxis
    x: WindowAxis
    channels: int = 1
    """Those that are flattened with its taps."""

    @property
    def one_to_one(self) -> bool:
        """Whether each output reads one position, all of them inside the input."""
        return all(axis.taps == 1 and axis.span(axis.outputs, 1) <= axis.size for axis in (self.y, self.x))


def window_of(nest: LoopNest, dims: Iterable[str] = ()) -> Window:
    """The window of a loop nest that is walked along such dims."""
    return Window(
        y=WindowAxis(
            outputs=nest.OY, taps=nest.FY, stride=nest.stride_y, dilation=nest.dilation_y, size=nest.input_height
        ),
        x=WindowAxis(
            outputs=nest.OX, taps=nest.FX, stride=nest.stride_x, dilation=nest.dilation_x, size=nest.input_width
        ),
        channels=nest.C if any(len(split_dims(dim)) > 2 for dim in dims) else 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Tile sizes and how many tiles have each; `first` is the size of the first tile.

    Plain numbers: most have one to four sizes, for which arrays cost ten times as much.
    """

    values: tuple[int, ...]
    counts: tuple[int, ...]
    first: int


def histogram(sizes: Iterable[int], repeats: Iterable[int], first: int) -> Histogram:
    """The histogram of tile sizes that each come so often."""
    counted: dict[int, int] = {}
    for size, times in zip(sizes, repeats, strict=True):
        counted[size] = counted.get(size, 0) + times
    values = tuple(sorted(counted))
    return Histogram(values=values, counts=tuple(counted[value] for value in values), first=first)


def _of_arrays(sizes: Ints, repeats: Ints) -> Histogram:
    """The same of arrays, the first tile's first."""
    first = int(sizes[0])
    if len(sizes) <= _FEW:
        return histogram(sizes.tolist(), repeats.tolist(), first)
    values, kind = numbered(sizes, int(sizes.max()) + 1)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, kind, repeats)
    return Histogram(values=tuple(values.tolist()), counts=tuple(counts.tolist()), first=first)


@lru_cache(maxsize=65536)
def axis_histogram(axis: WindowAxis, tile_outputs: int, tile_taps: int) -> Histogram:
    """Distinct positions along one axis of every tile of `tile_outputs` by `tile_taps`.

    Inside the input and with dilation 1 a tile of a outputs and b taps has a*b - max(0, b - stride)*(a - 1):

    >>> axis = WindowAxis(outputs=4, taps=3, stride=1, dilation=1, size=6)
    >>> axis_histogram(axis, tile_outputs=4, tile_taps=3).values
    (6,)
    """
    if axis.taps * tile_outputs > axis.outputs * tile_taps:  # of many tiles only few are looked at
        axis, tile_outputs, tile_taps = axis.turned(), tile_taps, tile_outputs
    sizes, repeats = [], []
    for tap in range(0, axis.taps, tile_taps):
        taps = min(tile_taps, axis.taps - tap)
        for outputs, start, tiles in full_and_rest(axis.outputs, tile_outputs):
            span = axis.span(outputs, taps)
            begin = axis.stride * start + axis.dilation * tap - axis.padding
            found = seen(tiles, begin, axis.stride * tile_outputs, span, axis.size)
            sizes.append(distinct_inside(found.begins, outputs, taps, axis.stride, axis.dilation, axis.size))
            repeats.append(found.repeats)
    return _of_arrays(np.concatenate(sizes), np.concatenate(repeats))


def _rectangle(product: str, extent: int, sizes: Mapping[str, int]) -> dict[str, int] | None:
    """The tile of a flattened product as a rectangle of its members, where it is one."""
    fast, slow, *more = split_dims(product)
    if more:
        return None
    if extent % sizes[fast] == 0 or extent >= sizes[fast] * sizes[slow]:
        return {fast: sizes[fast], slow: min(-(-extent // sizes[fast]), sizes[slow])}
    if sizes[fast] % extent == 0 or sizes[slow] == 1:
        return {fast: extent, slow: 1}
    return None


@lru_cache(maxsize=65536)
def window_histogram(window: Window, tile: tuple[tuple[str, int], ...]) -> Histogram:
    """Distinct input positions of every tile; `tile` holds the extent of each window dim or flattened product."""
    sizes = {"OY": window.y.outputs, "OX": window.x.outputs, "FY": window.y.taps, "FX": window.x.taps}
    extents: dict[str, int] = {}
    ragged: list[str] = []
    for dim, extent in tile:
        part = {dim: extent} if dim in sizes else _rectangle(dim, extent, sizes)
        if part is None:
            ragged.append(dim)
        else:
            extents |= part
    if ragged:
        return _of_arrays(*_flat_sizes(window, dict(tile), ragged, extents))
    rows = axis_histogram(window.y, extents["OY"], extents["FY"])
    columns = axis_histogram(window.x, extents["OX"], extents["FX"])
    sizes_of_tiles = [row * column for row in rows.values for column in columns.values]
    repeats = [row * column for row in rows.counts for column in columns.counts]
    return histogram(sizes_of_tiles, repeats, rows.first * columns.first)


def _flat_sizes(
    window: Window, tile: Mapping[str, int], ragged: Sequence[str], extents: Mapping[str, int]
) -> tuple[Ints, Ints]:
    """Sizes of tiles that stand for all, and of how many each, where flattened products are no rectangles."""
    taps = next((dim for dim in ragged if not dim.startswith("O")), None)
    fast, slow = (member[1] for member in split_dims(taps or ragged[0])[-2:])
    axes = {"Y": window.y, "X": window.x}
    if taps is None:
        if window.one_to_one:  # then the taps are no product of several
            parts = full_and_rest(window.y.outputs * window.x.outputs, tile[ragged[0]])
            return np.array([size for size, _, _ in parts]), np.array([count for _, _, count in parts])
        return sizes_of_flat_tiles(axes[slow], axes[fast], tile[ragged[0]], (extents[f"F{slow}"], extents[f"F{fast}"]))
    outputs = next((dim for dim in ragged if dim != taps), None)
    if outputs is None and not taps.startswith("C"):
        turned = axes[slow].turned(), axes[fast].turned()
        return sizes_of_flat_tiles(*turned, tile[taps], (extents[f"O{slow}"], extents[f"O{fast}"]))
    own = axes[slow], axes[fast], ChannelTiles(window.channels, window.y.taps * window.x.taps, tile[taps])
    if outputs is None:
        return sizes_of_channel_tiles(*own, (extents[f"O{slow}"], extents[f"O{fast}"]))
    sizes = sizes_of_flat_channel_tiles(*own, tile[outputs], crossed=not outputs.startswith(f"O{fast}"))
    return sizes, np.ones_like(sizes)
