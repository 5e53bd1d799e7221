"""Workload files of models that others timed and that have no name of their own: stacks, grids, single layers."""

from mensa_sim.errors import UsageError
from mensa_sim.io.shipped import find
from mensa_sim.workload.files import read_workload

Workload = dict[str, object]


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
    builder, arguments = "mobilenet_v1", {"alpha": alpha, "depth": depth, "classes": classes}
    if softmax:
        arguments["softmax"] = True
    if classes is None:
        builder, arguments = "mobilenet_v1_trunk", {"alpha": alpha, "depth": depth}
    return {
        "name": name,
        "model": f"mensa_sim.workload.models.mobilenet_v1:{builder}",
        "arguments": arguments,
        "inputs": [{"shape": [1, 3, pixels, pixels], "dtype": "float32"}],
    }


def detector(name: str, trunk: str) -> Workload:
    """An SSD on a MobileNet with its post-processing, which the host's CPU runs."""
    return {
        "name": name,
        "model": f"mensa_sim.workload.models.ssd:ssd_{trunk}",
        "arguments": {"detections": 20},
        "inputs": [{"shape": [1, 3, 300, 300], "dtype": "float32"}],
    }


def one_layer(name: str, layer: str) -> Workload:
    """One of AlexNet's convolutions as a workload of its own, from the shipped list of all five."""
    listed = read_workload(find("workloads", "alexnet_convolutions"))
    for entry in listed.layers:
        if entry.name == layer and entry.dims is not None:
            dims = {dim: getattr(entry.dims, dim) for dim in entry.dims.__slots__}
            shape: Workload = {"name": layer, "operator": entry.operator, "dims": dims}
            kept = ("stride", "input_size", "input_zeros", "output_zeros")
            shape |= {name: getattr(entry, name) for name in kept}
            return {"name": name, "parameter_bits": 16, "activation_bits": 16, "layers": [shape]}
    raise UsageError(f"alexnet_convolutions has no layer {layer!r}")
