"""Kernels that others measured on two GPUs (NeuSight data set), and what the devices' datasheets say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mensa_sim.cost.measured.fits.fit import OperatorFit, family_of, predicted
from mensa_sim.cost.measured.fits.model import roofline_s, shapes_of
from mensa_sim.cost.measured.table import Conditions, DeviceFigures, Timing
from mensa_sim.measurement.import_table import ImportRequest, import_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A device of the data set."""

    name: str
    convolutions_on: str
    """The card that its convolutions were measured on."""
    figures: DeviceFigures
    power_w: float
    """Board power (NVIDIA datasheets)."""
    energy_of_node: float
    """Energy of a logic operation at its process node, at 0.8 V, in the unit of Stillmaker and Baas (2017)."""
    source: str


def _node(a: float, b: float, c: float) -> float:
    return a * 0.8**2 + b * 0.8 + c


NODE_14, NODE_10, NODE_7 = (
    _node(0.2363, -0.09675, 0.02239),
    _node(0.2068, -0.09311, 0.02375),
    _node(0.1776, -0.09097, 0.02447),
)
"""Energy fits of Stillmaker and Baas, Integration 58 (2017)."""

_SOURCE = (
    "NeuSight data set (Lee, Phanishayee and Mahajan, ASPLOS 2025, github.com/sitar-lab/NeuSight, MIT licence), "
    "kernels measured with PyTorch at float32: all rows of the device, of both its parts, and a kernel that stands "
    "there twice by its median{}; figures: its table of devices, from NVIDIA's datasheet"
)
GPUS: Mapping[str, Gpu] = {
    "gpu_t4": Gpu(
        name="Tesla T4",
        convolutions_on="Tesla T4",
        figures=DeviceFigures(processors=40, cache_bytes=4 * 2**20, bytes_per_s=320e9, peak_macs_per_s=8.141e12 / 2),
        power_w=70,
        energy_of_node=(NODE_14 + NODE_10) / 2,  # 12 nm
        source=_SOURCE.format(""),
    ),
    "gpu_a100": Gpu(
        name="NVIDIA A100-PCIE-40GB",
        convolutions_on="NVIDIA A100 80GB PCIe",
        figures=DeviceFigures(
            processors=108, cache_bytes=40 * 2**20, bytes_per_s=1555e9, peak_macs_per_s=19.492e12 / 2
        ),
        power_w=250,
        energy_of_node=NODE_7,
        source=_SOURCE.format("; convolutions on the 80 GB card, whose memory is 1.24 times as fast"),
    ),
}


def _counts(operations: int, inputs: int = 1) -> dict[str, str]:
    return {"vector_ops": f"{operations}*b*h", "input_elements": f"{inputs}*b*h", "output_elements": "b*h"}


_PRODUCT = {"OX": "m", "C": "n", "K": "k"}
_CONVOLUTION = {
    "B": "b",
    "C": "input_channel",
    "K": "output_channel",
    "FY": "kernel_size",
    "FX": "kernel_size",
    "input_height": "input_size",
    "input_width": "input_size",
    "stride_y": "stride",
    "stride_x": "stride",
    "padding": "padding",
}
TABLES = {
    "linear": ("linear", _PRODUCT),
    "bmm": ("matmul", {"G": "b", **_PRODUCT}),
    "conv": ("conv2d", _CONVOLUTION),
    "softmax": ("softmax", _counts(5)),
    "ln": ("layer_norm", _counts(7)),
    "add": ("add", _counts(1, inputs=2)),
    "relu": ("relu", _counts(1)),
}
"""File to operator and columns. The number of operations per element is that of the workload stage."""


def gpu_rows(folder: Path, gpu: Gpu) -> tuple[Timing, ...]:
    """Every kernel of a device, from the folder of the data set."""
    texts = dict.fromkeys(
        ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"), "not stated"
    )
    conditions = Conditions(**texts, processors=1, cache_bytes=1, copy_bytes_per_s=1.0)  # type: ignore[arg-type]
    found: list[Timing] = []
    for file, (operator, columns) in TABLES.items():
        request = ImportRequest(
            operator=operator,
            dtype="float32",
            columns={**columns, "median_ms": "latency_ms"},
            where={"device": gpu.convolutions_on if file == "conv" else gpu.name},
        )
        found += import_table(folder / f"{file}.csv.gz", request, conditions).timings
    return tuple(found)


def error_percent(fit: OperatorFit, figures: DeviceFigures, timings: tuple[Timing, ...]) -> tuple[float, float]:
    """Mean error of a fit's constants, and of the plain roofline, on a device's rows."""
    shapes = shapes_of([timing.kernel for timing in timings])
    measured = np.array([timing.median_us * 1e-6 for timing in timings])
    times = (predicted(fit, figures, shapes), roofline_s(figures, shapes))
    ours, plain = (100 * float(np.abs(time / measured - 1).mean()) for time in times)
    return ours, plain


def of_family(timings: tuple[Timing, ...], family: str) -> tuple[Timing, ...]:
    """The rows that a family is fitted to."""
    return tuple(timing for timing in timings if family_of(timing.kernel) == family)


def carried(fit: OperatorFit, home: Gpu, other: Gpu, *, node: bool) -> OperatorFit:
    """A device's fit as it holds for another: what a device may draw decides how far long kernels slow its clock.

    A device that would draw more than its board's power runs slower in proportion, so 1 + throttle goes with the peak
    rate per watt and, with `node`, with the energy of an operation at its process node.
    """
    if "throttle" not in fit.constants:
        return fit
    hunger = (other.figures.peak_macs_per_s / other.power_w) / (home.figures.peak_macs_per_s / home.power_w)
    hunger *= other.energy_of_node / home.energy_of_node if node else 1
    throttle = max(1e-6, (1 + fit.constants["throttle"]) * hunger - 1)
    return replace(fit, constants={**fit.constants, "throttle": throttle})
