"""A network counts the same whether torch traces it or its exporter writes it to ONNX."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.load import load_workload

pytest.importorskip("onnx", reason="the extra onnx is not installed")


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.convolution(x)) + x)


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], **options: bool | int) -> None:
        super().__init__()
        self.cells = kind(12, 10, **options)
        self.head = nn.Linear(20 if options.get("bidirectional") else 10, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0])


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 12)
        self.body = Recurrent(nn.LSTM, batch_first=True)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.body(self.table(tokens))[:, -1]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(32, 32) for _ in range(3))
        self.norm = nn.LayerNorm(32)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            part(x).view(x.shape[0], x.shape[1], 4, 8).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        weights = torch.softmax(query @ key.transpose(-1, -2) * 0.25, -1)
        return self.norm((weights @ value).transpose(1, 2).reshape(x.shape) + x)


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, (3, 5), groups=8, padding=1, dilation=(2, 1)),
        nn.Hardswish(),
        Residual(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 1),
        nn.PReLU(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
        nn.Softmax(-1),
    )


def decoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.ConvTranspose2d(8, 4, 2, 2),
        nn.ZeroPad2d(1),
        nn.Conv2d(4, 4, 3),
        nn.Sigmoid(),
        nn.Upsample(scale_factor=2),
        nn.AvgPool2d(3, 2),
        nn.PixelShuffle(2),
    )


def activations() -> nn.Module:
    kinds = (nn.SiLU(), nn.Mish(), nn.GELU(), nn.GELU(approximate="tanh"), nn.Hardsigmoid(), nn.LeakyReLU(), nn.ELU())
    return nn.Sequential(*(layer for kind in kinds for layer in (nn.Conv1d(4, 4, 3), kind)))


NETWORKS = {
    "cnn": (cnn, (1, 3, 32, 32)),
    "cnn of two": (cnn, (2, 3, 29, 31)),
    "decoder": (decoder, (1, 3, 8, 8)),
    "activations": (activations, (1, 4, 40)),
    "mlp": (lambda: nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 5), nn.LogSoftmax(-1)), (4, 20)),
    "sequence mlp": (lambda: nn.Sequential(nn.Linear(20, 30), nn.GELU(), nn.Linear(30, 5)), (2, 7, 20)),
    "convolution 3d": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3, stride=(1, 2, 2)), nn.ReLU()), (1, 2, 5, 9, 9)),
    "lstm": (lambda: Recurrent(nn.LSTM, num_layers=2, batch_first=True), (1, 9, 12)),
    "lstm of two": (lambda: Recurrent(nn.LSTM, batch_first=True), (2, 9, 12)),
    "lstm without bias": (lambda: Recurrent(nn.LSTM, bias=False), (9, 1, 12)),
    "bidirectional lstm": (lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), (9, 3, 12)),
    "gru": (lambda: Recurrent(nn.GRU), (9, 1, 12)),
    "bidirectional gru": (lambda: Recurrent(nn.GRU, bidirectional=True, batch_first=True), (1, 9, 12)),
    "rnn": (lambda: Recurrent(nn.RNN), (9, 2, 12)),
    "attention": (Attention, (2, 5, 32)),
    "tokens": (Tokens, (1, 9)),
}


def totals(graph: LayerGraph) -> dict[str, int]:
    sums = ("macs", "vector_ops", "input_bytes", "output_bytes", "model_input_bytes", "model_output_bytes", "steps")
    return {
        "parameter_bytes": graph.parameter_bytes,
        "layers": len(graph.layers),
        "edge_bytes": sum(edge.size_bytes for edge in graph.edges),
        "unsupported": graph.coverage.unsupported,
        **{name: sum(getattr(layer, name) for layer in graph.layers) for name in sums},
    }


@pytest.mark.parametrize("opset", [12, 17])
@pytest.mark.parametrize("network", NETWORKS)
def test_an_exported_network_counts_as_the_traced_one(tmp_path: Path, network: str, opset: int) -> None:
    make, shape = NETWORKS[network]
    module = make().eval()
    tokens = network == "tokens"
    example = torch.zeros(shape, dtype=torch.int64 if tokens else torch.float32)
    file = tmp_path / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is the deprecated one
        torch.onnx.export(module, (example,), str(file), dynamo=False, opset_version=opset)
    if network == "attention" and opset < 17:
        pytest.skip("the exporter takes layer normalisation apart before operator set 17")
    traced = trace(module.to("meta"), [example.to("meta")], name="network")
    imported = load_workload(file, cache=False)
    assert totals(imported) == totals(traced)
    assert [layer.operator for layer in imported.layers if layer.nest] == [
        layer.operator for layer in traced.layers if layer.nest
    ]
    assert [layer.nest for layer in imported.layers] == [layer.nest for layer in traced.layers]
