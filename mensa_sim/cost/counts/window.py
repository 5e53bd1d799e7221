"""How many distinct input positions a tile of outputs and filter taps reads, clipped to the real input."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product as product_of

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.counts.flat_outputs import WindowAxis, sizes_of_flat_tiles
from mensa_sim.workload.dims import split_dims
from mensa_sim.workload.layer import LoopNest

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The geometry of a convolution: everything that decides which input position an output and a tap read."""

    outputs: tuple[int, int]
    """Rows and columns."""
    taps: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]
    """Rows and columns of the real input, without padding."""

    @property
    def padding(self) -> tuple[int, int]:
        """Rows above and columns left of the real input: half of what the outputs reach beyond it."""
        reach = [self.stride[i] * (self.outputs[i] - 1) + self.dilation[i] * (self.taps[i] - 1) + 1 for i in (0, 1)]
        return max(0, reach[0] - self.size[0]) // 2, max(0, reach[1] - self.size[1]) // 2


def window_of(nest: LoopNest) -> Window:
    """The window of a loop nest."""
    return Window(
        outputs=(nest.OY, nest.OX),
        taps=(nest.FY, nest.FX),
        stride=(nest.stride_y, nest.stride_x),
        dilation=(nest.dilation_y, nest.dilation_x),
        size=(nest.input_height, nest.input_width),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """Tile sizes and how many tiles have each; `first` is the size of the first tile."""

    values: Ints
    counts: Ints
    first: int


def histogram(per_tile: Ints) -> Histogram:
    """The histogram of the sizes of all tiles, in their order."""
    values, counts = np.unique(per_tile, return_counts=True)
    return Histogram(values=values, counts=counts.astype(np.int64), first=int(per_tile[0]))


@lru_cache(maxsize=65536)
def axis_histogram(
    outputs: int, taps: int, stride: int, dilation: int, size: int, padding: int, tile_outputs: int, tile_taps: int
) -> Histogram:
    """Distinct positions along one axis of every tile of `tile_outputs` by `tile_taps`.

    Inside the input and with dilation 1 a tile of a outputs and b taps has a*b - max(0, b - stride)*(a - 1):

    >>> axis_histogram(4, 3, 1, 1, 6, 0, 4, 3).values.tolist()
    [6]
    """
    output, tap = np.arange(outputs)[:, None], np.arange(taps)[None, :]
    position = stride * output + dilation * tap - padding
    columns = -(-taps // tile_taps)
    tile = (output // tile_outputs) * columns + tap // tile_taps
    tiles = -(-outputs // tile_outputs) * columns
    inside = (position >= 0) & (position < size)
    # Pairs and not a table of tiles by positions: a long signal (audio) has too many of both.
    pairs = np.unique(tile[inside].astype(np.int64) * size + position[inside])
    return histogram(np.bincount(pairs // size, minlength=tiles).astype(np.int64))


def _rectangle(product: str, extent: int, sizes: Mapping[str, int]) -> dict[str, int] | None:
    """The tile of a flattened product as a rectangle of its members, where it is one."""
    fast, slow = split_dims(product)
    if extent % sizes[fast] == 0 or extent >= sizes[fast] * sizes[slow]:
        return {fast: sizes[fast], slow: min(-(-extent // sizes[fast]), sizes[slow])}
    if sizes[fast] % extent == 0:
        return {fast: extent, slow: 1}
    return None


@lru_cache(maxsize=65536)
def window_histogram(window: Window, tile: tuple[tuple[str, int], ...]) -> Histogram:
    """Distinct input positions of every tile; `tile` holds the extent of each window dim or flattened product."""
    sizes = dict(zip(("OY", "OX", "FY", "FX"), (*window.outputs, *window.taps), strict=True))
    extents: dict[str, int] = {}
    ragged: list[str] = []
    for dim, extent in tile:
        part = {dim: extent} if dim in sizes else _rectangle(dim, extent, sizes)
        if part is None:
            ragged.append(dim)
        else:
            extents |= part
    if ragged in (["OX*OY"], ["OY*OX"]):
        return _flat_outputs_histogram(window, ragged[0], dict(tile)[ragged[0]], (extents["FY"], extents["FX"]))
    if ragged in (["FX*FY"], ["FY*FX"]):
        return _flat_taps_histogram(window, ragged[0], dict(tile)[ragged[0]], (extents["OY"], extents["OX"]))
    if ragged:
        return _ragged_histogram(window, tile, sizes)
    rows, columns = (
        axis_histogram(
            window.outputs[i],
            window.taps[i],
            window.stride[i],
            window.dilation[i],
            window.size[i],
            window.padding[i],
            extents[f"O{axis}"],
            extents[f"F{axis}"],
        )
        for i, axis in enumerate("YX")
    )
    values, inverse = np.unique(np.outer(rows.values, columns.values).ravel(), return_inverse=True)
    counts = np.zeros(len(values), dtype=np.int64)
    np.add.at(counts, inverse, np.outer(rows.counts, columns.counts).ravel())
    return Histogram(values=values, counts=counts, first=rows.first * columns.first)


def _flat_outputs_histogram(window: Window, product: str, extent: int, tile_taps: tuple[int, int]) -> Histogram:
    """The histogram where tiles of flattened outputs end inside a row."""
    slow, fast = (0, 1) if product == "OX*OY" else (1, 0)
    lines, columns = (
        WindowAxis(
            outputs=window.outputs[i],
            taps=window.taps[i],
            stride=window.stride[i],
            dilation=window.dilation[i],
            size=window.size[i],
            padding=window.padding[i],
        )
        for i in (slow, fast)
    )
    return histogram(sizes_of_flat_tiles(lines, columns, extent, (tile_taps[slow], tile_taps[fast])))


def _flat_taps_histogram(window: Window, product: str, extent: int, tile_outputs: tuple[int, int]) -> Histogram:
    """The histogram where tiles of flattened taps end inside a row: each pattern drawn once, then clipped everywhere.

    All output tiles of one size read the same pattern; its running sums give the part inside the input.
    """
    slow, fast = (0, 1) if product == "FX*FY" else (1, 0)
    stride, dilation = window.stride, window.dilation
    per_tile = []
    for start in range(0, window.taps[0] * window.taps[1], extent):
        taps = [
            divmod(t, window.taps[fast]) for t in range(start, min(start + extent, window.taps[0] * window.taps[1]))
        ]
        for (rows, tops), (columns, lefts) in product_of(*(_edges(window, i, tile_outputs[i]) for i in (0, 1))):
            spans = stride[0] * (rows - 1) + 1, stride[1] * (columns - 1) + 1
            reach = [spans[i] + dilation[i] * (window.taps[i] - 1) for i in (0, 1)]
            sums = np.zeros((reach[0] + 1, reach[1] + 1), dtype=np.int64)
            for pair in taps:
                y, x = dilation[0] * pair[slow], dilation[1] * pair[fast]
                sums[y + 1 : y + spans[0] + 1 : stride[0], x + 1 : x + spans[1] + 1 : stride[1]] = 1
            sums = sums.cumsum(axis=0).cumsum(axis=1)
            low_y, high_y = (np.clip(bound - tops, 0, reach[0])[:, None] for bound in (0, window.size[0]))
            low_x, high_x = (np.clip(bound - lefts, 0, reach[1])[None, :] for bound in (0, window.size[1]))
            inside = sums[high_y, high_x] - sums[low_y, high_x] - sums[high_y, low_x] + sums[low_y, low_x]
            per_tile.append(inside.ravel())
    return histogram(np.concatenate(per_tile))


def _edges(window: Window, axis: int, tile: int) -> list[tuple[int, Ints]]:
    """Output tiles along an axis, full ones and then the short one: their size and the positions they begin at."""
    full, rest = divmod(window.outputs[axis], tile)
    begins = np.arange(full + (rest > 0)) * (tile * window.stride[axis]) - window.padding[axis]
    sizes = [(tile, begins[:full])]
    return [*sizes, (rest, begins[full:])] if rest else sizes


def _ragged_histogram(window: Window, tile: tuple[tuple[str, int], ...], sizes: Mapping[str, int]) -> Histogram:
    """The histogram where tiles of flattened outputs and flattened taps end inside rows: all positions looked at."""
    grid = dict(zip(("OY", "OX", "FY", "FX"), np.ogrid[tuple(slice(0, n) for n in sizes.values())], strict=True))
    position_y = window.stride[0] * grid["OY"] + window.dilation[0] * grid["FY"] - window.padding[0]
    position_x = window.stride[1] * grid["OX"] + window.dilation[1] * grid["FX"] - window.padding[1]
    index: Ints = np.zeros(tuple(sizes.values()), dtype=np.int64)
    tiles = 1
    for dim, extent in tile:
        members = split_dims(dim)
        flat = grid[members[0]] if len(members) == 1 else grid[members[1]] * sizes[members[0]] + grid[members[0]]
        total = sizes[members[0]] if len(members) == 1 else sizes[members[0]] * sizes[members[1]]
        count = -(-total // extent)
        index = index * count + flat // extent
        tiles *= count
    height, width = window.size
    inside = (position_y >= 0) & (position_y < height) & (position_x >= 0) & (position_x < width)
    key = (index * height + position_y) * width + position_x
    distinct = np.unique(key[np.broadcast_to(inside, key.shape)])
    return histogram(np.bincount(distinct // (height * width), minlength=tiles).astype(np.int64))
