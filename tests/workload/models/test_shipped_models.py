"""Every shipped workload file traces, and its model has the outputs of its publication."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODEL_KINDS, MODELS

WORKLOADS = sorted((Path(__file__).parents[3] / "workloads").glob("*.yaml"))
OTHERS = {
    *("bottleneck_transformer", "residual_cnn", "cifar_cnn", "mnist_cnn", "char_lstm", "mobilebert"),
    *("conformer_small", "small_cnn"),
}


def test_the_24_models_and_the_others_ship() -> None:
    assert {kind: len(names) for kind, names in MODEL_KINDS.items()} == {
        "cnn": 13,
        "lstm": 4,
        "transducer": 4,
        "rcnn": 3,
    }
    assert len(set(MODELS)) == 24
    assert {path.stem for path in WORKLOADS} >= set(MODELS) | OTHERS


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_a_shipped_workload_traces_with_nothing_unsupported(path: Path) -> None:
    graph = load_workload(path)
    assert graph.name == path.stem
    assert graph.coverage.unsupported == 0
    assert graph.macs > 0
    assert any(layer.model_input_bytes for layer in graph.layers)
    assert any(layer.model_output_bytes for layer in graph.layers)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("mobilenet_v1", [(1, 1001)]),
        ("ssd_mobilenet_v2", [(1, 1917, 4), (1, 1917, 91)]),  # 3 * 19^2 + 6 * (10^2 + 5^2 + 3^2 + 2^2 + 1) anchors
        ("deeplab_v3_mobilenet_v2", [(1, 21, 513, 513)]),
        ("unet_mobilenet_v2", [(1, 3, 128, 128)]),
        ("posenet_mobilenet_v1", [(1, 17, 23, 31), (1, 34, 23, 31), (1, 32, 23, 31), (1, 32, 23, 31)]),
        ("blazeface", [(1, 896, 1), (1, 896, 16)]),
        ("crnn", [(1, 24, 37)]),
        ("lrcn", [(1, 20, 8801)]),
        ("video_activity", [(1, 101)]),
        ("rnnt_streaming", [(1, 16, 5, 4096)]),  # 64 reduced frames and 16 labels: 80 evaluations
        ("conformer_transducer", [(1, 16, 7, 1024)]),
        ("conformer_small", [(1, 96, 1025)]),
        ("mobilebert", [(1, 128, 512)]),
        ("keyboard_cifg", [(1, 10, 10_000)]),
        ("translation_lstm", [(1, 20, 7709)]),
    ],
)
def test_outputs_have_the_published_shapes(
    name: str,
    shapes: list[tuple[int, ...]],
    shipped: Callable[[str], tuple[nn.Module, tuple[torch.Tensor, ...]]],
) -> None:
    model, inputs = shipped(name)
    made = model(*inputs)
    assert [tuple(tensor.shape) for tensor in (made if isinstance(made, tuple) else (made,))] == shapes
