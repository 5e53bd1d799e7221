"""The same network costs the same in every format: torch module, exported program, ONNX and TFLite, float and 8-bit."""

import io
import warnings
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path

import pytest
import torch
from formats import Converter, with_casts
from onnx_files import onnx
from test_tflite_operators import lstm
from torch import Tensor, nn

import mensa_sim as ms
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.models.mobilenet_v2 import mobilenet_v2


class Residual(nn.Module):
    """Two blocks with a way around them, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.first, self.second = (nn.Conv2d(16, 16, 3, padding=1) for _ in range(2))
        self.short = nn.Conv2d(16, 32, 1, 2)
        self.third = nn.Conv2d(16, 32, 3, 2, 1)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.second(torch.relu(self.first(x))) + x)
        x = torch.relu(self.third(x) + self.short(x))
        return self.head(x.mean((2, 3)))


class Transformer(nn.Module):
    """Attention of four heads and a gated product of two layers, each with a way around it."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.joined = (nn.Linear(32, 32) for _ in range(4))
        self.wide, self.narrow = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part(x).view(1, 9, 4, 8).permute(0, 2, 1, 3) for part in (self.query, self.key, self.value)
        )
        weights = torch.softmax((query * 0.35) @ key.permute(0, 1, 3, 2), -1)
        x = x + self.joined((weights @ value).permute(0, 2, 1, 3).reshape(1, 9, 32))
        hidden = self.wide(x)
        return x + self.narrow(hidden * torch.sigmoid(hidden))


class Sequence(nn.Module):
    """The sequence that an LSTM gives."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(5, 6, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(x)[0]


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], bool]] = {
    "mobilenet_v2": (lambda: mobilenet_v2(0.35, 10), (1, 3, 64, 64), True),
    "residual": (Residual, (1, 3, 32, 32), True),
    "transformer": (Transformer, (1, 9, 32), False),
    "lstm": (Sequence, (1, 9, 5), False),
}
FORMATS = ("pt2", "onnx", "onnx with casts", "tflite", "tflite of integers")


class Made:
    """A network, and what every test of it needs."""

    def __init__(self, make: Callable[[], nn.Module], shape: tuple[int, ...], *, images: bool) -> None:
        self.module, self.example, self.images = make().eval(), torch.zeros(shape), images

    @cached_property
    def traced(self) -> LayerGraph:
        """Its graph by way of the module."""
        return trace(self.module, [self.example], name="network")

    @cached_property
    def onnx(self) -> bytes:
        """Its file as torch writes it."""
        written = io.BytesIO()
        torch.onnx.export(self.module, (self.example,), written, dynamo=False, opset_version=17)
        return written.getvalue()


@cache
def net(name: str) -> Made:
    make, shape, images = NETWORKS[name]
    return Made(make, shape, images=images)


def in_format(name: str, net: Made, folder: Path) -> LayerGraph:
    """The graph of a network by way of a file."""
    file = folder / f"network.{name.split()[0]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exporters warn of LSTMs, and the one that needs no further package of itself
        if name == "pt2":
            torch.export.save(torch.export.export(net.module, (net.example,)), file)
            return load_workload(file, allow_code=True, cache=False)
        model = onnx.load_from_string(net.onnx)
    if name.startswith("onnx"):
        file.write_bytes((with_casts(model) if "casts" in name else model).SerializeToString())
    else:
        Converter(model, kind="int8" if "integers" in name else "float32", images=net.images).save(file)
    return load_workload(file, cache=False)


def work(graph: LayerGraph) -> list[tuple[object, ...]]:
    """What each layer is to an accelerator, names apart."""
    assert graph.coverage.unsupported == 0
    return [
        (
            (e.nest, e.vector_ops, e.steps, e.recurrent),
            (e.parameter_bytes, e.input_bytes, e.output_bytes),
            (e.weight_bits, e.input_bits, e.output_bits),
        )
        for e in graph.layers
    ]


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (network, name)
        for network in ("mobilenet_v2", "residual", "transformer")
        for name in FORMATS
        if (network, name) != ("mobilenet_v2", "pt2")
    ],
)
def test_a_network_is_the_same_layers_in_every_format(tmp_path: Path, network: str, name: str) -> None:
    expected = net(network).traced
    graph = in_format(name, net(network), tmp_path)
    assert work(graph) == work(expected)
    assert sorted(edge.size_bytes for edge in graph.edges) == sorted(edge.size_bytes for edge in expected.edges)


@pytest.mark.parametrize("name", ["onnx with casts", "tflite of integers"])
def test_a_file_of_integers_costs_what_the_module_costs(tmp_path: Path, name: str) -> None:
    graph = in_format(name, net("residual"), tmp_path)
    ours, theirs = (ms.run(each, "edge_tpu", baseline="edge_tpu").main for each in (graph, net("residual").traced))
    assert (ours.latency_ps, ours.energy_pj) == (theirs.latency_ps, pytest.approx(theirs.energy_pj, rel=1e-12))


@pytest.mark.parametrize("name", ["pt2", "onnx", "tflite"])
def test_an_lstm_is_the_same_layers_in_every_format(tmp_path: Path, name: str) -> None:
    graph = lstm(tmp_path) if name == "tflite" else in_format(name, net("lstm"), tmp_path)
    assert sorted(map(str, work(graph))) == sorted(map(str, work(net("lstm").traced)))
