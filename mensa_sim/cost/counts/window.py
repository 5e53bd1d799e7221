"""How many distinct input positions a tile of outputs and filter taps reads, clipped to the real input."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Ints, numbered
from mensa_sim.cost.counts.axis import WindowAxis, distinct_inside, full_and_rest, seen
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

    @property
    def one_to_one(self) -> bool:
        """Whether each output reads one position, all of them inside the input."""
        return all(axis.taps == 1 and axis.span(axis.outputs, 1) <= axis.size for axis in (self.y, self.x))


def window_of(nest: LoopNest) -> Window:
    """The window of a loop nest."""
    return Window(
        y=WindowAxis(
            outputs=nest.OY, taps=nest.FY, stride=nest.stride_y, dilation=nest.dilation_y, size=nest.input_height
        ),
        x=WindowAxis(
            outputs=nest.OX, taps=nest.FX, stride=nest.stride_x, dilation=nest.dilation_x, size=nest.input_width
        ),
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
    fast, slow = split_dims(product)
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
    if len(ragged) == 1:
        flat = ragged[0]
        if window.one_to_one:  # then the taps are no product of several
            tiles = full_and_rest(window.y.outputs * window.x.outputs, dict(tile)[flat])
            return histogram([size for size, _, _ in tiles], [count for _, _, count in tiles], tiles[0][0])
        axes = {"Y": window.y, "X": window.x}
        if flat.startswith("F"):
            axes = {name: axis.turned() for name, axis in axes.items()}
        fast, slow = (member[1] for member in split_dims(flat))
        across = "F" if flat.startswith("O") else "O"
        rectangle = (extents[across + slow], extents[across + fast])
        return _of_arrays(*sizes_of_flat_tiles(axes[slow], axes[fast], dict(tile)[flat], rectangle))
    if ragged:
        return _ragged_histogram(window, tile, sizes)
    rows = axis_histogram(window.y, extents["OY"], extents["FY"])
    columns = axis_histogram(window.x, extents["OX"], extents["FX"])
    sizes_of_tiles = [row * column for row in rows.values for column in columns.values]
    repeats = [row * column for row in rows.counts for column in columns.counts]
    return histogram(sizes_of_tiles, repeats, rows.first * columns.first)


def _ragged_histogram(window: Window, tile: tuple[tuple[str, int], ...], sizes: Mapping[str, int]) -> Histogram:
    """The histogram where tiles of flattened outputs and flattened taps end inside rows: all positions looked at."""
    grid = dict(zip(("OY", "OX", "FY", "FX"), np.ogrid[tuple(slice(0, n) for n in sizes.values())], strict=True))
    y, x = window.y, window.x
    position_y = y.stride * grid["OY"] + y.dilation * grid["FY"] - y.padding
    position_x = x.stride * grid["OX"] + x.dilation * grid["FX"] - x.padding
    index: Ints = np.zeros(tuple(sizes.values()), dtype=np.int64)
    tiles = 1
    for dim, extent in tile:
        members = split_dims(dim)
        flat = grid[members[0]] if len(members) == 1 else grid[members[1]] * sizes[members[0]] + grid[members[0]]
        total = sizes[members[0]] if len(members) == 1 else sizes[members[0]] * sizes[members[1]]
        count = -(-total // extent)
        index = index * count + flat // extent
        tiles *= count
    height, width = y.size, x.size
    inside = (position_y >= 0) & (position_y < height) & (position_x >= 0) & (position_x < width)
    key = (index * height + position_y) * width + position_x
    distinct = np.unique(key[np.broadcast_to(inside, key.shape)])
    sizes_of_tiles = np.bincount(distinct // (height * width), minlength=tiles)
    values, counts = np.unique(sizes_of_tiles, return_counts=True)
    return histogram(values.tolist(), counts.tolist(), int(sizes_of_tiles[0]))
