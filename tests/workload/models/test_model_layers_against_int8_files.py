"""Layer by layer: shapes and MACs of MobileNetV1, V2 and a MobileNet grid equal those of real int8 files."""

import csv
import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from mensa_sim.workload.models.mobilenet_v1 import mobilenet_v1
from mensa_sim.workload.models.mobilenet_v2 import mobilenet_v2

FILES = {
    "mobilenet_v1_0.25_128_quant.tflite": (lambda: mobilenet_v1(0.25), 128),
    "mobilenet_v1_0.5_160_quant.tflite": (lambda: mobilenet_v1(0.5), 160),
    "mobilenet_v1_0.75_192_quant.tflite": (lambda: mobilenet_v1(0.75), 192),
    "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite": (lambda: mobilenet_v1()[0], 224),
    "mobilenet_v2_1.0_224_quant.tflite": (mobilenet_v2, 224),
}


class Shaped(NamedTuple):
    """A convolution or a dense layer: output height, width, channels; filter taps per output; MACs."""

    height: int
    width: int
    channels: int
    taps: int
    macs: int


def ours(build: Callable[[], nn.Module], resolution: int) -> list[Shaped]:
    """The layers of a model in the order they run in."""
    made = []

    def note(module: nn.Module, _: Any, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        height, width = output.shape[2:] if output.dim() == 4 else (1, 1)
        taps = math.prod(module.weight.shape[1:])
        made.append(Shaped(height, width, output.shape[1], taps, output.numel() * taps))

    with torch.device("meta"):
        model = build().eval()
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(note)
        model(torch.empty(1, 3, resolution, resolution))
    return made


def theirs(path: Path) -> dict[str, list[Shaped]]:
    """The convolutions of every MobileNet in a table of decoded files."""
    files = defaultdict(list)
    with path.open() as table:
        for row in csv.DictReader(table):
            if "CONV" in row["op"]:
                _, height, width, channels = map(int, row["out_shape"].split("x"))
                _, fy, fx, inner = map(int, row["weight_shape"].split("x"))
                taps = fy * fx * (1 if row["op"].startswith("DEPTHWISE") else inner)
                layer = Shaped(height, width, channels, taps, int(row["macs"]))
                files[row.get("file") or row["model"]].append(layer)
    return files


@pytest.mark.parametrize("file", FILES)
def test_layers_equal_those_of_the_int8_file(file: str, reference: Path) -> None:
    build, resolution = FILES[file]
    assert ours(build, resolution) == theirs(reference / "models" / "tflite_int8_layers.csv")[file]


@pytest.mark.parametrize("alpha", [0.25, 0.75])
@pytest.mark.parametrize("depth", [2, 4, 6, 8, 10, 12])
def test_layers_of_the_depth_grid_equal_those_of_the_measured_models(alpha: float, depth: int, reference: Path) -> None:
    layers = theirs(reference / "coral" / "dev_board_micro_grid_layers.csv")
    name = f"Grid A{alpha:.2f} D{depth:02d}"
    if name not in layers:
        pytest.skip(f"no layer table of {name}")
    assert ours(lambda: mobilenet_v1(alpha, depth, classes=1000), 224) == layers[name]
