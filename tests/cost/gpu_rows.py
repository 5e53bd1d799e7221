"""Kernels that others measured on two GPUs (NeuSight data set), and what the devices' datasheets say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fits_across import DeviceRows, fit_across

from mensa_sim.cost.measured.fits.fit import DeviceFit, OperatorFit, family_of, predicted
from mensa_sim.cost.measured.fits.model import roofline_s, shapes_of
from mensa_sim.cost.measured.table import Conditions, Timing
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.measurement.import_table import ImportRequest, import_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A device of the data set."""

    name: str
    convolutions_on: str
    """The card that its convolutions were measured on."""
    figures: DeviceFigures
    library: str
    """The file of the GPUs whose library chooses its tiles as this one's does."""
    tiles: Mapping[str, tuple[str, bool]]
    """By family, the set of tiles of that library, and whether small ones share a processor: a fit of this card alone
    chose them, or among equals the set that its neighbours have too."""
    source: str


_SOURCE = (
    "NeuSight data set (Lee, Phanishayee and Mahajan, ASPLOS 2025, github.com/sitar-lab/NeuSight, MIT licence), "
    "kernels measured with PyTorch at float32: all rows of the device, of both its parts, and a kernel that stands "
    "there twice by its median{}; figures: its table of devices, from NVIDIA's datasheet"
)
GPUS: Mapping[str, Gpu] = {
    "gpu_t4": Gpu(
        name="Tesla T4",
        convolutions_on="Tesla T4",
        figures=DeviceFigures(
            processors=40,
            cache_bytes=4 * 2**20,
            bytes_per_s=320e9,
            peak_macs_per_s=8.141e12 / 2,
            power_w=70,
            node_nm=12,
            base_share=585 / 1590,
        ),
        library="gpu_before_ampere",
        tiles={"linear": ("32_to_128", False), "matmul": ("64_128", True), "convolution": ("128x32", True)},
        source=_SOURCE.format(""),
    ),
    "gpu_a100": Gpu(
        name="NVIDIA A100-PCIE-40GB",
        convolutions_on="NVIDIA A100 80GB PCIe",
        figures=DeviceFigures(
            processors=108,
            cache_bytes=40 * 2**20,
            bytes_per_s=1555e9,
            peak_macs_per_s=19.492e12 / 2,
            power_w=250,
            node_nm=7,
            base_share=765 / 1410,
        ),
        library="gpu_from_ampere",
        tiles={"linear": ("32_to_128", False), "matmul": ("128", False), "convolution": ("32_to_128", True)},
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


ACROSS = (("linear", "matmul"), ("convolution",), ("add",), ("relu",), ("softmax",), ("layer_norm",), ("vector",))
"""Families that have their constants in common across devices."""
POWERED = ("linear", "matmul")
"""Those whose long kernels run at the clock that the board's power leaves; those of convolutions do not show it."""


def fits_across(timings: Mapping[str, tuple[Timing, ...]], families: Sequence[str]) -> Mapping[str, DeviceFit]:
    """By library, what both devices' rows give in common, for the other devices with that library."""
    found: dict[tuple[str, str], OperatorFit] = {}
    for group in ACROSS:
        if group[0] in families:
            rows = [device_rows(family, name, timings[name]) for family in group for name in GPUS]
            found |= fit_across(rows)
    return {
        gpu.library: DeviceFit(
            device=f"NVIDIA GPUs, {gpu.library.removeprefix('gpu_').replace('_', ' ').replace('ampere', 'Ampere')}",
            dtype="float32",
            figures=gpu.figures,
            operators={family: found[family, name] for family, device in sorted(found) if device == name},
            method="constants of several devices in common; errors are of each device predicted from the others",
            source=_SOURCE.format(f"; {' and '.join(each.name for each in GPUS.values())} together"),
        )
        for name, gpu in GPUS.items()
    }


def device_rows(family: str, name: str, timings: tuple[Timing, ...]) -> DeviceRows:
    """A family's rows on a device, with what its library and its data sheet say."""
    gpu = GPUS[name]
    tiles, shared = gpu.tiles.get(family, ("128", False))
    rows = (
        tuple(each for each in timings if each.kernel.nest is None)
        if family == "vector"
        else of_family(timings, family)
    )
    return DeviceRows(
        family=family,
        device=name,
        figures=gpu.figures,
        timings=rows,
        tiles=tiles,
        shared=shared,
        powered=family in POWERED,
    )
