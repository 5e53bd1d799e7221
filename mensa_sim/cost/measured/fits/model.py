"""How long a kernel takes, from its shape and a few constants: a roofline with the efficiency that tiles leave of it.

    time = launch + (throttled compute ^ p + memory ^ p) ^ (1/p)

Compute of a product [groups x rows x columns x depth]: the output is cut into tiles, `processors` tiles run at a time
(wave quantisation, NVIDIA "Matrix Multiplication Background User's Guide" 2023), a smaller tile reuses less, each tile
pays a fixed depth for its start and end, a step along the depth waits for its operands however small the tile, and the
depth of one product may be split over several tiles that then sum up. The device takes the fastest of its tiles. Rows
that loads do not divide slow each MAC and make each step wait longer. A convolution with a window brings its tensors
into another layout for matrix units, or runs without them; one of 3x3 and stride 1 may also run as Winograd's
F(4x4, 3x3) (Lavin and Gray 2016). Long kernels run at lower clocks than short ones (`throttle`). No product takes less
than its MACs at the peak rate, however fast constants of throttled devices make one that is not. Memory: bytes beyond
the cache at the memory's bandwidth, all bytes at the cache's. Constants are shares of the device's figures, so they
carry over to another device of its kind. Time never falls where batch, channels or outputs grow by whole loads.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.sloped import Sloped, plus, softened, throttled
from mensa_sim.cost.measured.fits.tilings import Tilings
from mensa_sim.cost.measured.table import DTYPE_BYTES, Kernel
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass
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

SPLITS = (1, 2, 4, 8, 16)
_WINOGRAD_OUTPUTS = 4
_WINOGRAD_TILE = 6
_STEP = 1e-6
"""Share of an energy by which a clock's slope is told; the clock is linear in it."""
_MATRIX_UNIT_BYTES = 2
"""Widest element of tensor cores in frameworks' usual settings: TF32 off (PyTorch, CUDA semantics)."""
_LOADED_BYTES = 16
"""The widest load of a thread (CUDA C++ programming guide, device memory accesses)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where a constant may lie, and where a fit starts."""

    low: float
    start: float
    high: float
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantsFile:
    """What `constants.yaml` holds."""

    common: Mapping[str, Range]
    product: Mapping[str, Range]
    powered_product: Mapping[str, Range]
    sequence: Mapping[str, Range]


_FILE = read_record(Path(__file__).with_name("constants.yaml"), ConstantsFile)
_PRODUCT = {**_FILE.common, **_FILE.product}
_UNTHROTTLED = {name: each for name, each in _PRODUCT.items() if name != "throttle"}

CONSTANTS: Mapping[ModelForm, Mapping[str, Range]] = {
    "product": _PRODUCT,
    "powered_product": {**_UNTHROTTLED, **_FILE.powered_product},
    "vector": _FILE.common,
    "sequence": {**_FILE.common, **_FILE.sequence},
}
"""The constants of each form of model."""


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
    reordered: Floats
    """1 where operands are first brought into a layout in which matrix units load channels together, else 0."""
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
        sizes |= dict.fromkeys(("winograd_tiles", "reordered", "misalignment"), 0.0)
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
        "reordered": _feeds_matrix_units(kernel) and nest.C % _whole(kernel) == 0,
        "misalignment": _misalignment(kernel, nest),
    }


def is_pointwise(kernel: Kernel) -> bool:
    """Whether a convolution has neither a window nor a stride: one product."""
    nest = kernel.nest
    plain = nest is not None and nest.FY == nest.FX == nest.stride_y == nest.stride_x == 1
    return plain and kernel.operator.startswith("conv")


def _feeds_matrix_units(kernel: Kernel) -> bool:
    """Whether it is a convolution with a window at an element type that matrix units multiply.

    They take channels together, where tensors have them as planes: a library reorders both operands and the result,
    or, where channels do not fill whole loads, multiplies without them (NVIDIA, Convolutional Layers User's Guide,
    2023, channels in and out, tensor layouts).
    """
    window = kernel.operator.startswith("conv") and not is_pointwise(kernel)
    return window and kernel.element_bytes <= _MATRIX_UNIT_BYTES


def _whole(kernel: Kernel) -> int:
    """Elements that a thread loads at once."""
    return _LOADED_BYTES // kernel.element_bytes


def _misalignment(kernel: Kernel, nest: LoopNest) -> int:
    """Halvings of 16 bytes, which a thread loads at once, to a piece that all rows in memory are a multiple of.

    A product reads rows along its depth and writes rows along its columns; one row alone is written as it comes. A
    convolution of one tap does so with its pixels; one with a window has its channels as rows on matrix units, and
    else none. A batch of products with a vector has no tiles: each thread loads an element (cuBLAS, gemv).
    """
    if is_pointwise(kernel):
        written = nest.OY * nest.OX
    elif kernel.operator.startswith("conv"):
        if not _feeds_matrix_units(kernel):
            return 0
        written = 0
    elif nest.B == nest.OY == nest.OX == 1:
        if nest.G > 1:
            return 0
        written = 0
    else:
        written = nest.K
    whole = _whole(kernel)
    piece = math.gcd(whole, nest.C, written)
    return (whole // piece).bit_length() - 1


class Model:
    """The model of some kernels on a device: what does not depend on the constants is worked out once."""

    def __init__(self, form: ModelForm, tiles: str, *, shared: bool, figures: DeviceFigures, shapes: Shapes) -> None:
        """`tiles` and `shared` matter to products alone."""
        self._form, self._figures, self._shapes = form, figures, shapes
        self._beyond_bytes = np.maximum(shapes.moved_bytes - figures.cache_bytes, 0)
        self._winograd = np.flatnonzero(shapes.winograd_tiles > 0)
        if form in PRODUCT_FORMS:
            self._peak_s = shapes.operations / figures.peak_macs_per_s
            made = (TILES[tiles], shared, figures, shapes.element_bytes)
            sizes = shapes.groups, shapes.rows, shapes.columns, shapes.depth
            self._direct = Tilings(*made, *sizes, shapes.misalignment, SPLITS)
            products, rows, columns, channels = _winograd_products(shapes.take(self._winograd))
            self._transformed = Tilings(*made, products, rows, columns, channels, np.zeros_like(rows), (1,))
            transformed = products * (rows * (channels + columns) + channels * columns)
            self._transformed_bytes = shapes.element_bytes * transformed

    def seconds(self, constants: Mapping[str, float]) -> Floats:
        """Seconds of each kernel."""
        return self._time(constants, bounded=True).seconds

    def sloped(self, constants: Mapping[str, float]) -> Sloped:
        """Seconds of each kernel and what the constants do to them, for their search.

        No peak bounds them: beyond it nothing has a slope, and measured kernels are not beyond it.
        """
        return self._time(constants, bounded=False)

    def _time(self, constants: Mapping[str, float], *, bounded: bool) -> Sloped:
        shapes, figures = self._shapes, self._figures
        beyond = Sloped(self._beyond_bytes / (figures.bytes_per_s * constants["memory"]), {"memory": -1.0})
        memory = plus(beyond, self._cached(shapes.moved_bytes, constants))
        if self._form in PRODUCT_FORMS:
            time = self._product(constants, memory, bounded=bounded)
        else:
            operations_per_s = constants["rate"] * figures.peak_macs_per_s
            compute = Sloped(shapes.operations / operations_per_s, {"rate": -1.0})
            time = softened(compute, memory, constants["sharpness"])
        if self._form == "sequence":
            step = plus(_empty("step_us", constants, time), time)
            time = Sloped(shapes.steps * step.seconds, step.slopes)
        return plus(_empty("launch_us", constants, time), time)

    def _cached(self, moved_bytes: Floats, constants: Mapping[str, float]) -> Sloped:
        """What bytes take through the cache."""
        return Sloped(moved_bytes * constants["cache"] / self._figures.bytes_per_s, {"cache": 1.0})

    def _product(self, constants: Mapping[str, float], memory: Sloped, *, bounded: bool) -> Sloped:
        compute = self._throttled(self._direct.sloped(constants), constants)
        direct = softened(compute, memory, constants["sharpness"])
        if bounded:
            direct = direct._replace(seconds=np.maximum(direct.seconds, self._peak_s))
        time = plus(self._reordering(constants), direct)
        chosen = self._winograd
        if not len(chosen):
            return time
        fast = self._winograd_time(constants, memory.take(chosen))
        return time.where_less(chosen, fast)

    def _reordering(self, constants: Mapping[str, float]) -> Sloped:
        """What brings operands into another layout: kernels of their own, through which all bytes pass twice."""
        reordered = self._shapes.reordered
        kernels = Sloped(reordered * constants["reorder_us"] * 1e-6, {"reorder_us": 1.0})
        return plus(kernels, self._cached(2 * reordered * self._shapes.moved_bytes, constants))

    def _winograd_time(self, constants: Mapping[str, float], memory: Sloped) -> Sloped:
        """36 products of a ninth of the depth on 4 x 4 output tiles; inputs, weights and outputs are transformed."""
        compute = self._throttled(self._transformed.sloped(constants, rate="winograd"), constants)
        moved = plus(self._cached(self._transformed_bytes, constants), memory)
        return softened(compute, moved, constants["sharpness"])

    def _throttled(self, compute: Sloped, constants: Mapping[str, float]) -> Sloped:
        """Compute time at the clock that the device keeps up for so long."""
        if self._form == "product":
            excess = constants["throttle"]
            return throttled(compute, excess, {"throttle": excess}, constants["throttle_us"])
        energy_pj = constants["board_pj_per_mac"]
        excess, above = (self._figures.clock_excess(energy_pj * factor) for factor in (1, 1 + _STEP))
        return throttled(compute, excess, {"board_pj_per_mac": (above - excess) / _STEP}, constants["throttle_us"])


def _empty(name: str, constants: Mapping[str, float], like: Sloped) -> Sloped:
    """The time of kernels or steps that do nothing."""
    return Sloped(np.full_like(like.seconds, constants[name] * 1e-6), {name: 1.0})


def predict_s(
    form: ModelForm, constants: Mapping[str, float], tiles: str, *, shared: bool, figures: DeviceFigures, shapes: Shapes
) -> Floats:
    """Seconds of each kernel; `tiles` and `shared` matter to products alone."""
    return Model(form, tiles, shared=shared, figures=figures, shapes=shapes).seconds(constants)


def roofline_s(figures: DeviceFigures, shapes: Shapes) -> Floats:
    """The plain roofline of the device's figures (Williams et al. 2009): the larger of compute and memory time."""
    compute = shapes.steps * shapes.operations / figures.peak_macs_per_s
    return np.maximum(compute, shapes.steps * shapes.moved_bytes / figures.bytes_per_s)


def _winograd_products(shapes: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    """Groups, rows, columns and depth of the products that Winograd's algorithm makes of convolutions."""
    tiles, channels = shapes.winograd_tiles, shapes.depth / shapes.taps
    return np.full_like(tiles, float(_WINOGRAD_TILE**2)), tiles, shapes.columns, channels
