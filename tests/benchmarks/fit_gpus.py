"""Fits the shipped GPUs anew from the NeuSight data set, and shows how a fit does on the other device.

    python tests/benchmarks/fit_gpus.py FOLDER_OF_THE_DATA_SET [--write]

Prints the mean error per operator on rows left out (each half predicted from the other), the plain roofline's on the
same rows, and the error of each device's constants with the other's figures. `--write` replaces the shipped files.
"""

import sys
from pathlib import Path

import numpy as np

from mensa_sim.cost.fit import VECTOR_FAMILY, DeviceFit, family_of, fit_device, predicted
from mensa_sim.cost.fit_model import roofline_s, shapes_of
from mensa_sim.cost.fit_text import fit_yaml
from mensa_sim.cost.timing_table import Conditions, DeviceFigures, Timing
from mensa_sim.measure.import_table import ImportRequest, import_table
from mensa_sim.shipped import shipped_root

PRODUCT = {"OX": "m", "C": "n", "K": "k"}
CONVOLUTION = {
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


def counts(operations: int, inputs: int = 1) -> dict[str, str]:
    return {"vector_ops": f"{operations}*b*h", "input_elements": f"{inputs}*b*h", "output_elements": "b*h"}


TABLES = {
    "linear": ("linear", PRODUCT),
    "bmm": ("matmul", {"G": "b", **PRODUCT}),
    "conv": ("conv2d", CONVOLUTION),
    "softmax": ("softmax", counts(5)),
    "ln": ("layer_norm", counts(7)),
    "add": ("add", counts(1, inputs=2)),
    "relu": ("relu", counts(1)),
}
SOURCE = (
    "NeuSight data set (Lee, Phanishayee and Mahajan, ASPLOS 2025, github.com/sitar-lab/NeuSight, MIT licence), "
    "kernels measured with PyTorch at float32{}; figures: its table of devices, from NVIDIA's datasheet"
)
OTHER_CARD = "; convolutions on the 80 GB card, whose memory is 1.24 times as fast"
DEVICES = {
    "gpu_t4": (
        ("Tesla T4", "Tesla T4"),
        DeviceFigures(processors=40, cache_bytes=4 * 2**20, bytes_per_s=320e9, peak_macs_per_s=8.141e12 / 2),
        SOURCE.format(""),
    ),
    "gpu_a100": (
        ("NVIDIA A100-PCIE-40GB", "NVIDIA A100 80GB PCIe"),
        DeviceFigures(processors=108, cache_bytes=40 * 2**20, bytes_per_s=1555e9, peak_macs_per_s=19.492e12 / 2),
        SOURCE.format(OTHER_CARD),
    ),
}


def rows(folder: Path, names: tuple[str, str]) -> list[Timing]:
    texts = dict.fromkeys(
        ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"), "not stated"
    )
    conditions = Conditions(**texts, processors=1, cache_bytes=1, copy_bytes_per_s=1.0)
    found: list[Timing] = []
    for file, (operator, columns) in TABLES.items():
        request = ImportRequest(
            operator=operator,
            dtype="float32",
            columns={**columns, "median_ms": "latency_ms"},
            where={"device": names[file == "conv"]},
        )
        found += import_table(folder / f"{file}.csv.gz", request, conditions).timings
    return found


def error_percent(fit: DeviceFit, figures: DeviceFigures, timings: list[Timing], family: str) -> tuple[float, float]:
    """Mean error of a device's constants, and of the plain roofline, on another device's rows."""
    chosen = [timing for timing in timings if family_of(timing.kernel) == family]
    shapes = shapes_of([timing.kernel for timing in chosen])
    measured = np.array([timing.median_us * 1e-6 for timing in chosen])
    times = (predicted(fit.operators[family], figures, shapes), roofline_s(figures, shapes))
    one, other = (100 * float(np.abs(time / measured - 1).mean()) for time in times)
    return one, other


def main() -> None:
    folder = Path(sys.argv[1])
    timings = {name: rows(folder, names) for name, (names, _, _) in DEVICES.items()}
    fits: dict[str, DeviceFit] = {}
    for name, (names, figures, source) in DEVICES.items():
        fit = fit_device(timings[name], device=names[0], dtype="float32", figures=figures, source=source)
        assert fit is not None
        fits[name] = fit
        for family, each in fit.operators.items():
            print(
                f"{name} {family}: {each.error_percent} %, roofline {each.roofline_error_percent} %, {each.rows} rows"
            )
        if "--write" in sys.argv:
            path = shipped_root() / "accelerator_specs" / "measured" / f"{name}.yaml"
            path.write_text(fit_yaml(fit))
    for name, other in (("gpu_t4", "gpu_a100"), ("gpu_a100", "gpu_t4")):
        for family in fits[name].operators:
            if family != VECTOR_FAMILY:
                error, plain = error_percent(fits[name], DEVICES[other][1], timings[other], family)
                print(f"{name} -> {other} {family}: {error:.1f} %, roofline {plain:.1f} %")


if __name__ == "__main__":
    main()
