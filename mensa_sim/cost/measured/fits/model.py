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

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.table import DTYPE_BYTES, Kernel
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.workload.layer import LoopNest

ModelForm = Literal["product", "powered_product", "vector", "sequence"]

PRODUCT_FORMS: tuple[ModelForm, ...] = ("product", "powered_product")
"""The forms that are products of tiles."""

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
_TILED = ("rate", "small_tile", "tile_depth", "split")
"""The constants that the choice of a tile depends on: a fit that turns one of the others finds the times known."""
_WINOGRAD_OUTPUTS = 4
_WINOGRAD_TILE = 6
_WARP = 32
_LOADED_BYTES = 16
"""The widest load of a thread (CUDA C++ programming guide, device memory accesses)."""
_BLOCK = 512
"""Kernels whose ways are priced in one piece, so that they stay in a core's cache."""


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

_PRODUCT: Mapping[str, Range] = {
    **_COMMON,
    "small_tile": Range(low=1e-3, start=0.1, high=10, meaning="what a 32 x 32 tile adds to the time of a MAC"),
    "tile_depth": Range(low=0.01, start=10, high=1e3, meaning="depth that a tile's start and end take"),
    "split": Range(low=1e-3, start=1, high=1e4, meaning="time to sum a split's byte over that of memory"),
    "unaligned": Range(low=1e-3, start=0.1, high=10, meaning="what half an alignment adds to the time of a MAC"),
    "throttle": Range(low=1e-3, start=0.3, high=20, meaning="how much slower the clock is in the long run"),
    "throttle_us": Range(low=1, start=1000, high=1e6, meaning="compute time at which half of that is felt"),
    "winograd": Range(low=0.05, start=0.8, high=5, meaning="Winograd's rate over that of direct products"),
}

CONSTANTS: Mapping[ModelForm, Mapping[str, Range]] = {
    "product": _PRODUCT,
    "powered_product": {
        **{name: each for name, each in _PRODUCT.items() if name != "throttle"},
        # It starts at what a V100's datasheet has for each MAC: 250 W for 7 TMAC/s at 12 nm.
        "board_pj_per_mac": Range(low=1, start=36, high=1e3, meaning="board's energy of a MAC at boost clock, 12 nm"),
    },
    "vector": _COMMON,
    "sequence": {
        **_COMMON,
        "step_us": Range(low=0.01, start=2, high=1e3, meaning="time of an empty step"),
    },
}
"""The constants of each form of model, all positive. Of a powered product the device's power says how slow its clock is
in the long run."""


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
    misalignment: Floats
    """How often 16 bytes are halved until they divide the rows in memory of what is multiplied."""

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
        sizes = dict.fromkeys(("groups", "rows", "columns", "depth", "taps"), 1.0)
        sizes |= dict.fromkeys(("winograd_tiles", "misalignment"), 0.0)
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
        "misalignment": _misalignment(kernel, nest),
    }


def is_pointwise(kernel: Kernel) -> bool:
    """Whether a convolution has neither a window nor a stride: one product."""
    nest = kernel.nest
    plain = nest is not None and nest.FY == nest.FX == nest.stride_y == nest.stride_x == 1
    return plain and kernel.operator.startswith("conv")


def _misalignment(kernel: Kernel, nest: LoopNest) -> int:
    """Halvings of 16 bytes, which a thread loads at once, to a piece that all rows in memory are a multiple of.

    A product reads rows along its depth and writes rows along its columns; one row alone is written as it comes. A
    convolution of one tap does so with its pixels; one with a window brings its operands into another layout first.
    """
    if is_pointwise(kernel):
        rows = nest.OY * nest.OX
    elif kernel.operator.startswith("conv"):
        return 0
    else:
        rows = nest.K if nest.B * nest.OY * nest.OX > 1 or nest.G > 1 else 0
    whole = _LOADED_BYTES // kernel.element_bytes
    piece = math.gcd(whole, nest.C, rows)
    return (whole // piece).bit_length() - 1


class Model:
    """The model of some kernels on a device: what does not depend on the constants is worked out once."""

    def __init__(self, form: ModelForm, tiles: str, *, shared: bool, figures: DeviceFigures, shapes: Shapes) -> None:
        """`tiles` and `shared` matter to products alone."""
        self._form, self._figures, self._shapes = form, figures, shapes
        self._beyond_bytes = np.maximum(shapes.moved_bytes - figures.cache_bytes, 0)
        self._winograd = np.flatnonzero(shapes.winograd_tiles > 0)
        if form in PRODUCT_FORMS:
            made = (TILES[tiles], shared, figures, shapes.element_bytes)
            self._direct = Tilings(*made, shapes.groups, shapes.rows, shapes.columns, shapes.depth, SPLITS)
            self._transformed = Tilings(*made, *_winograd_products(shapes.take(self._winograd)), (1,))

    def seconds(self, constants: Mapping[str, float]) -> Floats:
        """Seconds of each kernel."""
        shapes, figures = self._shapes, self._figures
        memory = self._beyond_bytes / (figures.bytes_per_s * constants["memory"])
        memory = memory + shapes.moved_bytes * constants["cache"] / figures.bytes_per_s
        launch = constants["launch_us"] * 1e-6
        p = 1 + constants["sharpness"]
        if self._form in PRODUCT_FORMS:
            if self._form == "powered_product":
                constants = {**constants, "throttle": figures.clock_excess(constants["board_pj_per_mac"])}
            return launch + self._product_s(constants, memory, p)
        compute = shapes.operations / (constants["rate"] * figures.peak_macs_per_s)
        if self._form == "sequence":
            return launch + shapes.steps * (constants["step_us"] * 1e-6 + _softened(compute, memory, p))
        return launch + _softened(compute, memory, p)

    def _product_s(self, constants: Mapping[str, float], memory: Floats, p: float) -> Floats:
        products = self._direct.seconds(constants) * (1 + constants["unaligned"] * self._shapes.misalignment)
        time = _softened(_throttled(products, constants), memory, p)
        chosen = self._winograd
        if len(chosen):
            fast = self._winograd_s(constants, memory[chosen], p)
            time[chosen] = np.minimum(time[chosen], fast)
        return time

    def _winograd_s(self, constants: Mapping[str, float], memory: Floats, p: float) -> Floats:
        """36 products of a ninth of the depth on 4 x 4 output tiles; inputs, weights and outputs are transformed."""
        products, tiles, columns, channels = _winograd_products(self._shapes.take(self._winograd))
        compute = self._transformed.seconds(constants, rate=constants["winograd"])
        transformed = self._shapes.element_bytes * products * (tiles * (channels + columns) + channels * columns)
        transform = transformed * constants["cache"] / self._figures.bytes_per_s
        return _softened(_throttled(compute, constants), transform + memory, p)


def predict_s(
    form: ModelForm, constants: Mapping[str, float], tiles: str, *, shared: bool, figures: DeviceFigures, shapes: Shapes
) -> Floats:
    """Seconds of each kernel; `tiles` and `shared` matter to products alone."""
    return Model(form, tiles, shared=shared, figures=figures, shapes=shapes).seconds(constants)


def roofline_s(figures: DeviceFigures, shapes: Shapes) -> Floats:
    """The plain roofline of the device's figures (Williams et al. 2009): the larger of compute and memory time."""
    compute = shapes.steps * shapes.operations / figures.peak_macs_per_s
    return np.maximum(compute, shapes.steps * shapes.moved_bytes / figures.bytes_per_s)


def _softened(one: Floats, other: Floats, p: float) -> Floats:
    """The p-norm of two times: their maximum for a large p, their sum for p = 1."""
    larger = np.maximum(np.maximum(one, other), 1e-15)
    ratio: Floats = np.minimum(one, other) / larger
    return larger * (1 + ratio**p) ** (1 / p)


class Tilings:
    """Every way to cut some products into tiles and splits on a device; the constants say which is the fastest."""

    def __init__(
        self,
        tiles: Sequence[tuple[int, int]],
        shared: bool,
        figures: DeviceFigures,
        element: float,
        groups: Floats,
        rows: Floats,
        columns: Floats,
        depth: Floats,
        splits: Sequence[int],
    ) -> None:
        self._figures = figures
        self._known: OrderedDict[tuple[float, ...], Floats] = OrderedDict()
        self._shrink = np.array([_WARP / height + _WARP / width for height, width in tiles for _ in splits])[:, None]
        self._blocks: list[tuple[Floats, Floats, Floats]] = []
        for first in range(0, max(1, len(rows)), _BLOCK):
            part = slice(first, first + _BLOCK)
            ways = [
                _way(tile, split, shared, figures, element, groups[part], rows[part], columns[part], depth[part])
                for tile in tiles
                for split in splits
            ]
            work, deep, summed = (np.array(each) for each in zip(*ways, strict=True))
            self._blocks.append((work, deep, summed))

    def seconds(self, constants: Mapping[str, float], rate: float = 1.0) -> Floats:
        """Compute time of each product with its fastest tile and split; `rate` is a share of the device's."""
        asked = (rate, *(constants[name] for name in _TILED))
        if asked not in self._known:
            self._known[asked] = self._fastest_s(constants, rate)
            if len(self._known) > len(_TILED) + 2:
                self._known.popitem(last=False)
        return self._known[asked]

    def _fastest_s(self, constants: Mapping[str, float], rate: float) -> Floats:
        macs_per_s = self._figures.peak_macs_per_s / self._figures.processors * rate
        mac_s = (1 / constants["rate"] + constants["small_tile"] * self._shrink) / macs_per_s
        fastest = []
        for work, deep, summed in self._blocks:
            time = deep + constants["tile_depth"]
            time *= work
            time *= mac_s
            time += summed * constants["split"] / self._figures.bytes_per_s
            fastest.append(time.min(axis=0))
        return np.concatenate(fastest)


def _way(
    tile: tuple[int, int],
    split: int,
    shared: bool,
    figures: DeviceFigures,
    element: float,
    groups: Floats,
    rows: Floats,
    columns: Floats,
    depth: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Outputs that a processor works on one after another, the depth of each, and bytes to sum up, of one way."""
    height, width = tile
    together = max(1, FULL_TILE // (height * width)) if shared else 1
    count = groups * np.ceil(rows / height) * np.ceil(columns / width)
    waves = np.ceil(count * split / (figures.processors * together)) * together
    summed = element * groups * rows * columns * split if split > 1 else np.zeros_like(rows)
    return waves * height * width, np.ceil(depth / split), summed


def _throttled(compute: Floats, constants: Mapping[str, float]) -> Floats:
    """Compute time at the clock that a device keeps up for so long."""
    share = compute / (compute + constants["throttle_us"] * 1e-6)
    return compute * (1 + constants["throttle"] * share)


def _winograd_products(shapes: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    """Groups, rows, columns and depth of the products that Winograd's algorithm makes of convolutions."""
    tiles, channels = shapes.winograd_tiles, shapes.depth / shapes.taps
    return np.full_like(tiles, float(_WINOGRAD_TILE**2)), tiles, shapes.columns, channels
