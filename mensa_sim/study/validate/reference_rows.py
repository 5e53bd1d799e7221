"""Measurements of a folder of reference data, with the workload files of the models that they time.

The folder holds CSV files that others published, or that were read from what they published, in `coral/`.
Not every row is a measurement of what we model: other hosts' power modes and models that are not described are left
out. A detector's last part runs on the host's CPU.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from mensa_sim.errors import FileError, UsageError
from mensa_sim.io.files import read_record, read_text, write_yaml
from mensa_sim.io.shipped import is_file
from mensa_sim.records import dataclass
from mensa_sim.study.validate.file import Measurement
from mensa_sim.study.validate.fitted_constants import ENDS_ON_HOST
from mensa_sim.units import MIB

Workload = dict[str, object]
Row = Mapping[str, str]

LARGEST_SIZE = 10_000
"""Nobody times models of more layers, channels or pixels."""


def convolution_stack(name: str, channels: int, kernel: int, layers: int, pixels: int) -> Workload:
    """Equal convolutions on square images, fed by 2x2x3 numbers and read as one (EdgeTPU_Analysis)."""
    entries = _convolutions(channels, kernel, layers, pixels)
    entries[0]["input_bytes"] = 12
    entries += [
        {
            "name": "pool",
            "operator": "pooling",
            "elements": channels,
            "vector_ops": channels * pixels * pixels,
            "inputs": [f"conv{layers - 1}"],
        },
        {"name": "score", "operator": "linear", "dims": {"K": 1, "C": channels}, "bias": True, "inputs": ["pool"]},
    ]
    return {"name": name, "layers": entries}


def image_stack(name: str, channels: int, kernel: int, layers: int, pixels: int) -> Workload:
    """Equal convolutions from a square image of three channels to one of all (EdgeTPU-QuantRL-Evaluation)."""
    return {"name": name, "layers": _convolutions(channels, kernel, layers, pixels)}


def _convolutions(channels: int, kernel: int, layers: int, pixels: int) -> list[Workload]:
    """A chain of equal ones but for the first, which reads three channels."""
    entries: list[Workload] = []
    for index in range(layers):
        dims = {"K": channels, "C": channels if index else 3, "OY": pixels, "OX": pixels, "FY": kernel, "FX": kernel}
        entry: Workload = {"name": f"conv{index}", "operator": "convolution", "dims": dims, "bias": True}
        entries.append(entry | {"padding": "same"} | ({"inputs": [f"conv{index - 1}"]} if index else {}))
    return entries


def dense_stack(name: str, units: int, layers: int, inputs: int = 12, outputs: int = 1) -> Workload:
    """Equal dense layers and one that reads them out."""
    sizes = [inputs, *[units] * layers, outputs]
    entries: list[Workload] = []
    for index in range(layers + 1):
        dims = {"K": sizes[index + 1], "C": sizes[index]}
        entry: Workload = {"name": f"dense{index}", "operator": "linear", "dims": dims, "bias": True}
        entries.append(entry | ({"inputs": [f"dense{index - 1}"]} if index else {}))
    return {"name": name, "layers": entries}


def host_model(name: str, inputs: tuple[int, int, int], outputs: tuple[int, int, int]) -> Workload:
    """A model of hardly any work: one convolution from an image of one size to one of another."""
    height, width, channels = inputs
    dims = {"K": outputs[2], "C": channels, "OY": outputs[0], "OX": outputs[1]}
    entry: Workload = {"name": "conv", "operator": "convolution", "dims": dims, "bias": True}
    entry |= {"stride": [max(1, height // outputs[0]), max(1, width // outputs[1])]}
    entry |= {"input_size": [max(height, outputs[0]), max(width, outputs[1])], "input_bytes": height * width * channels}
    return {"name": name, "layers": [entry]}


def mobilenet_grid(
    name: str, alpha: float, depth: int = 5, classes: int | None = 1000, pixels: int = 224, *, softmax: bool = False
) -> Workload:
    """MobileNetV1 with other widths, numbers of middle blocks (RADMA) and pixels; no classes: only the trunk."""
    builder, arguments = "mobilenet_v1_trunk", {"alpha": alpha, "depth": depth}
    if classes is not None:
        builder, arguments = "mobilenet_v1", arguments | {"classes": classes} | ({"softmax": True} if softmax else {})
    return {
        "name": name,
        "model": f"mensa_sim.workload.models.mobilenet_v1:{builder}",
        "arguments": arguments,
        "inputs": [{"shape": [1, 3, pixels, pixels], "dtype": "float32"}],
    }


def detector(name: str, trunk: str, **arguments: float) -> Workload:
    """An SSD on a MobileNet with its post-processing, which the host's CPU runs."""
    return {
        "name": name,
        "model": f"mensa_sim.workload.models.ssd:ssd_{trunk}",
        "arguments": arguments,
        "inputs": [{"shape": [1, 3, 300, 300], "dtype": "float32"}],
    }


SWEEP_SYSTEMS = {"edgetpu_usb3": "coral_usb3_jetson", "edgetpu_usb2": "coral_usb2"}
HOST_PARTS = "parts on the host"
"""Of models that no accelerator runs as a whole."""
HOST_MODE = "10W"
"""The power mode of the sweep's host that the shipped systems stand for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceNames:
    """What `reference_rows.yaml` holds: shipped workloads by what the folder's files call them."""

    zoo: Mapping[str, Mapping[str, str]]
    """Of the vendor's model pages, by model and then by input."""
    swept: Mapping[str, str]
    compiled: Mapping[str, str]


_NAMES = read_record(Path(__file__).with_name("reference_rows.yaml"), ReferenceNames)


def reference_measurements(folder: Path, scratch: Path) -> tuple[Measurement, ...]:
    """Every row that the model can be held against; workload files of unnamed models are written to `scratch`."""
    if not os.path.isdir(folder / "coral"):
        raise FileError(str(folder), ["holds no folder coral"])
    found: list[Measurement] = []
    for name, source in _SOURCES.items():
        path = folder / name
        if is_file(path):
            reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="")
            try:
                found += source(reader, scratch)
            except KeyError as error:
                raise FileError(str(path), [f"no column {error.args[0]}"]) from error
            except (ValueError, UsageError, csv.Error) as error:
                raise FileError(str(path), [f"line {reader.line_num}: {error}"]) from error
    return tuple(found)


def _size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"a size is {text}, must be from 1 to {LARGEST_SIZE}")
    return size


def _row(name: str, path: str, system: str, metric: str, measured: str, source: str, group: str = "") -> Measurement:
    return Measurement(
        workload=name,
        workload_path=path,
        system=system,
        system_path=system,
        metric=metric,
        measured=float(measured),
        source=source,
        group=group,
        known=True,
    )


def _written(scratch: Path, workload: Workload) -> str:
    path = scratch / f"{workload['name']}.yaml"
    if not path.exists():
        path.write_text(write_yaml(workload), encoding="utf-8")
    return str(path)


def _zoo(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    for row in rows:
        name = _NAMES.zoo.get(row["model"], {}).get(row["input"])
        measured, source = row["latency_ms_usb_accelerator_desktop"], f"Coral model page, {row['model']}"
        if name is not None:
            yield _row(name, name, "coral_usb3", "latency_ms", measured, source)
        elif row["model"] == "SSD MobileNet V1":
            yield _detector("mobilenet_v1", scratch, "coral_usb3", measured, source)


def _published(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    """Of the vendor's benchmark table the row that the shipped measurements leave out."""
    columns = {"coral_usb3": "desktop_cpu_plus_usb3_edgetpu_ms", "coral_dev_board": "devboard_edgetpu_ms"}
    for row in rows:
        if row["model"].startswith("MobileNet v2 SSD"):
            for system, column in columns.items():
                yield _detector("mobilenet_v2", scratch, system, row[column], f"Coral benchmarks, {row['model']}")


def _detector(trunk: str, scratch: Path, system: str, measured: str, source: str) -> Measurement:
    """One of the vendor's, which show 20 boxes."""
    name = f"ssd_{trunk}{ENDS_ON_HOST}"
    path = _written(scratch, detector(name, trunk, detections=20))
    return _row(name, path, system, "latency_ms", measured, source, HOST_PARTS)


def _sweep(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = (row["model"], row["device"])
        if row["device"] not in SWEEP_SYSTEMS or row["host_power_mode"] != HOST_MODE or key in seen:
            continue
        seen.add(key)
        workload = _swept_workload(row["model"])
        if workload is not None:
            path = workload if isinstance(workload, str) else _written(scratch, workload)
            name = workload if isinstance(workload, str) else str(workload["name"])
            system, source = SWEEP_SYSTEMS[row["device"]], "iwatake2222/EdgeTPU_Analysis"
            yield _row(name, path, system, "latency_ms", row["latency_ms"], source, _kind(name))
            if row["onchip_used_MiB"] and system == "coral_usb3_jetson":
                kept = str(float(row["onchip_used_MiB"]) * MIB)
                yield _row(name, path, system, "cached_parameter_bytes", kept, source, _kind(name))


def _kind(name: str) -> str:
    """What a swept model is."""
    kinds = {"conv": "convolution stacks", "dense": "dense stacks", "in": "input and output models", "ssd": HOST_PARTS}
    return kinds.get(name.partition("_")[0], "models")


def _pcie(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    source = "Jorgitou98/EdgeTPU-QuantRL-Evaluation"
    for row in rows:
        width, layers = _size(row["width"]), _size(row["hidden_layers"])
        if row["stack"] == "conv3x3_64x64x3":
            workload = image_stack(f"conv_3x3_{width}", width, 3, layers, pixels=64)
        else:
            workload = dense_stack(f"dense_64_in_10_out_{width}", width, layers, inputs=64, outputs=10)
        name, path = str(workload["name"]), _written(scratch, workload)
        spilled = float(row["offchip_mib"]) > 0
        group = f"spilled {_kind(name)}" if spilled else _kind(name)
        yield _row(name, path, "coral_pcie", "latency_ms", row["latency_ms"], source, group)
        kept = str(float(row["onchip_mib"]) * MIB)
        yield _row(name, path, "coral_pcie", "cached_parameter_bytes", kept, source, group)


def _desktop(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    for row in rows:
        alpha, pixels = row["model"].removeprefix("mobilenet_v1_").split("_")
        name = f"mobilenet_v1_{alpha}_{pixels}"
        path = _written(scratch, mobilenet_grid(name, float(alpha), classes=1001, pixels=_size(pixels)))
        yield _row(name, path, "coral_usb3_500mhz", "latency_ms", row["latency_ms"], "salimmj/coral-benchmarks")


def _swept_workload(model: str) -> str | Workload | None:
    """A shipped workload's name, a workload file as data, or none for a model that is not known."""
    if model == "coco_ssd_mobilenet_v1":  # of ten boxes and, as its report says, of a width of 0.75
        return detector(f"ssd_mobilenet_v1_0.75{ENDS_ON_HOST}", "mobilenet_v1", alpha=0.75, detections=10)
    if model in _NAMES.swept:
        return _NAMES.swept[model]
    if match := re.fullmatch(r"conv_(\d+)x(\d+)_L(\d+)", model):
        channels, kernel, layers = map(_size, match.groups())
        return convolution_stack(model, channels, kernel, layers, pixels=128)
    if match := re.fullmatch(r"dense_(\d+)u_L(\d+)", model):
        units, layers = map(_size, match.groups())
        return dense_stack(model, units, layers)
    if match := re.fullmatch(r"in_(\d+)x(\d+)x(\d+)_out_(\d+)x(\d+)x(\d+)", model):
        sizes = [_size(part) for part in match.groups()]
        return host_model(model, (sizes[0], sizes[1], sizes[2]), (sizes[3], sizes[4], sizes[5]))
    return None


def _grid(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    source = "starbelt/RADMA"
    for row in rows:
        name = f"mobilenet_grid_{row['alpha']}_{row['depth']}"
        path = _written(scratch, mobilenet_grid(name, float(row["alpha"]), _size(row["depth"])))
        for metric, column in (
            ("latency_ms", "measured_latency_ms"),
            ("energy_mj", "measured_energy_mJ"),
            ("cached_parameter_bytes", "cached_param_bytes"),
        ):
            if row[column]:
                yield _row(name, path, "coral_dev_board_micro", metric, row[column], source)


def _compiler_cycles(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    for row in rows:
        stem = Path(row["path"]).name.removesuffix("_edgetpu.tflite")
        if match := re.fullmatch(r"model_conv_(\d+)x\d+x3x(\d+)x(\d+)x(\d+)", stem):
            pixels, channels, kernel, layers = map(_size, match.groups())
            stack = f"conv_{channels}x{kernel}_L{layers}"
            path = _written(scratch, convolution_stack(stack, channels, kernel, layers, pixels=pixels))
            name = stack
        elif stem == "mobilenet_v1_1.0_224_quant_embedding_extractor":
            name = path = "mobilenet_v1_embedding"
            path = _written(scratch, mobilenet_grid(name, 1.0, classes=None))
        elif stem in _NAMES.compiled:
            name = path = _NAMES.compiled[stem]
        else:
            continue
        for metric, column in (
            ("compiler_cycles", "compiler_estimated_cycles"),
            ("cached_parameter_bytes", "onchip_param_bytes"),
        ):
            yield _row(name, path, "coral_usb3", metric, row[column], f"edgetpu_compiler, {row['repo']}")


def _compiled_memory(rows: Iterable[Row], scratch: Path) -> Iterator[Measurement]:
    """Of whole classifiers, whose softmax this compiler maps."""
    for row in rows:
        if match := re.fullmatch(r"mobilenet_v1_([\d.]+)_(\d+)_quant_edgetpu.tflite", row["file"]):
            alpha, pixels = match.groups()
            name = f"mobilenet_v1_{alpha}_{pixels}_softmax"
            model = mobilenet_grid(name, float(alpha), classes=1001, pixels=_size(pixels), softmax=True)
            measured, source = row["cached_param_bytes_onchip"], "edgetpu_compiler, google-coral/test_data"
            path = _written(scratch, model)
            yield _row(name, path, "coral_dev_board", "cached_parameter_bytes", measured, source)


_SOURCES: Mapping[str, Callable[[Iterable[Row], Path], Iterable[Measurement]]] = {
    "coral/model_zoo_latency.csv": _zoo,
    "coral/published_latency.csv": _published,
    "coral/usb_operator_sweep.csv": _sweep,
    "coral/pcie_stacks.csv": _pcie,
    "coral/desktop_500mhz.csv": _desktop,
    "coral/dev_board_micro_grid.csv": _grid,
    "coral/compiler_cycles.csv": _compiler_cycles,
    "coral/compiled_memory.csv": _compiled_memory,
}
"""Who reads each file of the folder."""
