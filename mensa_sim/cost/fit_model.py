"""How long a kernel takes, from its shape and a few constants: a roofline with the efficiency that tiles leave of it.

    time = launch + (throttled compute ^ p + memory ^ p) ^ (1/p)

Compute of a product [groups x rows x columns x depth]: the output is cut into tiles, `processors` tiles run at a time
(wave quantisation, NVIDIA "Matrix Multiplication Background User's Guide" 2023), a smaller tile reuses less, each tile
pays a fixed depth for its start and end, and the depth may be split over several tiles that then sum up. The device
takes the fastest of its tiles. A 3x3 convolution of stride 1 may also run as Winograd's F(4x4, 3x3) (Lavin and Gray
2016). Long kernels run at lower clocks than short ones (`throttle`). Memory: bytes beyond the cache at the memory's
bandwidth, and all bytes at the cache's. Constants are shares of the device's figures, so they carry over to another
device of its kind. Time never falls where batch, channels or outputs grow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mensa_sim.cost.timing_table import DTYPE_BYTES, DeviceFigures, Kernel

Floats = NDArray[np.float64]
Form = Literal["product", "vector", "sequence"]

TILES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "128": ((128, 128),),
    "128x32": ((128, 32),),
    "64": ((64, 64),),
    "64_128": ((64, 64), (128, 128)),
    "32x64_64_64x128": ((32, 64), (64, 64), (64, 128)),
    "1_to_64": ((1, 64), (4, 64), (16, 64), (64, 64)),
    "32_to_128": ((32, 32), (32, 64), (64, 32), (64, 64), (64, 128), (128, 64), (128, 128)),
}
"""Sets of tiles (rows x columns) that a library may choose from; a fit picks the set."""

FULL_TILE = 128 * 128
"""Elements of the tile that fills a processor: several smaller ones share it where `shared` is on."""

SPLITS = (1, 2, 4, 8, 16)
_WINOGRAD_OUTPUTS = 4
_WINOGRAD_TILE = 6
_WARP = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where a constant may lie, and where a fit starts."""

    low: float
    start: float
    high: float
    meaning: str


_COMMON: Mapping[str, Range] = {
    "launch_us": Range(low=0.01, start=10, high=1e4, meaning="time of an empty kernel"),
    "rate": Range(low=0.01, start=1, high=30, meaning="share of the peak rate that the best tile reaches"),
    "memory": Range(low=0.02, start=0.8, high=20, meaning="share of the memory bandwidth that is reached"),
    "cache": Range(low=1e-3, start=0.5, high=30, meaning="time of a byte through the cache over that of memory"),
    "sharpness": Range(low=0.05, start=1, high=15, meaning="p - 1: how little compute and memory overlap softens"),
}

CONSTANTS: Mapping[Form, Mapping[str, Range]] = {
    "product": {
        **_COMMON,
        "small_tile": Range(low=1e-3, start=0.1, high=10, meaning="what a 32 x 32 tile adds to the time of a MAC"),
        "tile_depth": Range(low=0.01, start=10, high=1e3, meaning="depth that a tile's start and end take"),
        "split": Range(low=1e-3, start=1, high=1e4, meaning="time to sum a split's byte over that of memory"),
        "throttle": Range(low=1e-3, start=0.3, high=20, meaning="how much slower the clock is in the long run"),
        "throttle_us": Range(low=1, start=1000, high=1e6, meaning="compute time at which half of that is felt"),
        "winograd": Range(low=0.05, start=0.8, high=5, meaning="Winograd's rate over that of direct products"),
    },
    "vector": _COMMON,
    "sequence": {
        **_COMMON,
        "step_us": Range(low=0.01, start=2, high=1e3, meaning="time of an empty step"),
    },
}
"""The constants of each form of model, all positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What the model sees of some kernels: one entry per kernel in each array."""

    groups: Floats
    rows: Floats
    columns: Floats
    depth: Floats
    operations: Floats
    """MACs, or vector operations of a kernel without a nest; of one step of a sequence."""
    moved_bytes: Floats
    steps: Floats
    element_bytes: float
    winograd_tiles: Floats
    """Output tiles of 4 x 4 where Winograd's algorithm applies, else 0."""
    taps: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[np.int64]) -> "Shapes":
        """Some of the kernels."""
        arrays = {name: getattr(self, name)[index] for name in self.__dataclass_fields__ if name != "element_bytes"}
        return Shapes(element_bytes=self.element_bytes, **arrays)


def shapes_of(kernels: Sequence[Kernel]) -> Shapes:
    """The shapes of kernels of one element type."""
    columns: dict[str, list[float]] = {name: [] for name in Shapes.__dataclass_fields__ if name != "element_bytes"}
    for kernel in kernels:
        for name, value in _shape(kernel).items():
            columns[name].append(value)
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    return Shapes(element_bytes=DTYPE_BYTES[kernels[0].dtype] if kernels else 4, **arrays)


def _shape(kernel: Kernel) -> Mapping[str, float]:
    nest = kernel.nest
    if nest is None:
        sizes = {"groups": 1.0, "rows": 1.0, "columns": 1.0, "depth": 1.0, "winograd_tiles": 0.0, "taps": 1.0}
        return {**sizes, "operations": kernel.vector_ops, "moved_bytes": kernel.moved_bytes, "steps": 1}
    plain = nest.stride_y == nest.stride_x == nest.dilation_y == nest.dilation_x == 1
    winograd = plain and nest.FY == nest.FX == 3 and nest.G == 1
    tiles = nest.B * -(-nest.OY // _WINOGRAD_OUTPUTS) * -(-nest.OX // _WINOGRAD_OUTPUTS)
    return {
        "groups": nest.G,
        "rows": nest.B * nest.OY * nest.OX,
        "columns": nest.K,
        "depth": nest.C * nest.FY * nest.FX,
        "operations": nest.macs,
        "moved_bytes": kernel.moved_bytes,
        "steps": kernel.steps,
        "winograd_tiles": tiles if winograd else 0,
        "taps": nest.FY * nest.FX,
    }


def predict_s(
    form: Form, constants: Mapping[str, float], tiles: str, *, shared: bool, figures: DeviceFigures, shapes: Shapes
) -> Floats:
    """Seconds of each kernel; `tiles` and `shared` matter to products alone."""
    memory = _memory_s(shapes.moved_bytes, constants, figures)
    launch = constants["launch_us"] * 1e-6
    p = 1 + constants["sharpness"]
    if form != "product":
        compute = shapes.operations / (constants["rate"] * figures.peak_macs_per_s)
        if form == "sequence":
            return launch + shapes.steps * (constants["step_us"] * 1e-6 + _softened(compute, memory, p))
        return launch + _softened(compute, memory, p)
    device = _Device(
        constants=constants, tiles=TILES[tiles], shared=shared, figures=figures, element=shapes.element_bytes
    )
    direct = device.product_s(shapes.groups, shapes.rows, shapes.columns, shapes.depth, SPLITS)
    time = _softened(device.throttled(direct), memory, p)
    winograd = shapes.winograd_tiles > 0
    if winograd.any():
        time[winograd] = np.minimum(time[winograd], _winograd_s(device, shapes, winograd, memory[winograd], p))
    return launch + time


def roofline_s(figures: DeviceFigures, shapes: Shapes) -> Floats:
    """The plain roofline of the device's figures (Williams et al. 2009): the larger of compute and memory time."""
    compute = shapes.steps * shapes.operations / figures.peak_macs_per_s
    return np.maximum(compute, shapes.steps * shapes.moved_bytes / figures.bytes_per_s)


def _memory_s(moved_bytes: Floats, constants: Mapping[str, float], figures: DeviceFigures) -> Floats:
    beyond = np.maximum(moved_bytes - figures.cache_bytes, 0)
    return beyond / (figures.bytes_per_s * constants["memory"]) + moved_bytes * constants["cache"] / figures.bytes_per_s


def _softened(one: Floats, other: Floats, p: float) -> Floats:
    """The p-norm of two times: their maximum for a large p, their sum for p = 1."""
    larger = np.maximum(np.maximum(one, other), 1e-15)
    ratio: Floats = np.minimum(one, other) / larger
    return larger * (1 + ratio**p) ** (1 / p)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    constants: Mapping[str, float]
    tiles: Sequence[tuple[int, int]]
    shared: bool
    figures: DeviceFigures
    element: float

    def product_s(
        self, groups: Floats, rows: Floats, columns: Floats, depth: Floats, splits: Sequence[int], rate: float = 1.0
    ) -> Floats:
        """Compute time of products with the fastest tile and split of each."""
        constants, processors = self.constants, self.figures.processors
        macs_per_s = self.figures.peak_macs_per_s / processors * rate
        best = np.full_like(rows, np.inf)
        for height, width in self.tiles:
            mac_s = (1 / constants["rate"] + constants["small_tile"] * (_WARP / height + _WARP / width)) / macs_per_s
            together = max(1, FULL_TILE // (height * width)) if self.shared else 1
            count = groups * np.ceil(rows / height) * np.ceil(columns / width)
            for split in splits:
                waves = np.ceil(count * split / (processors * together)) * together
                time = waves * height * width * (np.ceil(depth / split) + constants["tile_depth"]) * mac_s
                if split > 1:
                    summed = self.element * groups * rows * columns * split
                    time = time + summed * constants["split"] / self.figures.bytes_per_s
                best = np.minimum(best, time)
        return best

    def throttled(self, compute: Floats) -> Floats:
        """Compute time at the clock that a device keeps up for so long."""
        constants = self.constants
        share = compute / (compute + constants["throttle_us"] * 1e-6)
        return compute * (1 + constants["throttle"] * share)


def _winograd_s(device: _Device, shapes: Shapes, where: NDArray[np.bool_], memory: Floats, p: float) -> Floats:
    """36 products of a ninth of the depth on 4 x 4 output tiles; inputs, weights and outputs are transformed."""
    tiles, columns = shapes.winograd_tiles[where], shapes.columns[where]
    channels = shapes.depth[where] / shapes.taps[where]
    products = float(_WINOGRAD_TILE**2)
    compute = device.product_s(
        np.full_like(tiles, products), tiles, columns, channels, (1,), rate=device.constants["winograd"]
    )
    transformed = device.element * products * (tiles * (channels + columns) + channels * columns)
    transform = transformed * device.constants["cache"] / device.figures.bytes_per_s
    return _softened(device.throttled(compute), transform + memory, p)
