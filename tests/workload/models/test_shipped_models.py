"""Every shipped workload file builds its model on the meta device and exports."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

WORKLOADS = sorted((Path(__file__).parents[3] / "workloads").glob("*.yaml"))
CNNS = {
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_edgetpu",
    "efficientnet_lite0",
    "efficientnet_edgetpu_s",
    "inception_v1",
    "resnet50",
    "ssd_mobilenet_v2",
    "deeplab_v3_mobilenet_v2",
    "unet_mobilenet_v2",
    "posenet_mobilenet_v1",
    "blazeface",
}
LSTMS = {"keyboard_cifg", "speech_lstmp", "translation_lstm", "lstm"}
TRANSDUCERS = {"rnnt_streaming", "rnnt_small", "rnnt_cifg", "conformer_transducer"}
RCNNS = {"lrcn", "crnn", "video_activity"}
OTHERS = {
    "bottleneck_transformer",
    "residual_cnn",
    "cifar_cnn",
    "mnist_cnn",
    "char_lstm",
    "mobilebert",
    "conformer_small",
    "small_cnn",
}


def test_the_24_models_and_the_others_ship() -> None:
    assert len(CNNS | LSTMS | TRANSDUCERS | RCNNS) == 24
    assert {path.stem for path in WORKLOADS} >= CNNS | LSTMS | TRANSDUCERS | RCNNS | OTHERS


@pytest.mark.filterwarnings("ignore:The tensor attribute:UserWarning")  # nn.LSTM's own, harmless
@pytest.mark.parametrize("name", [path.stem for path in WORKLOADS])
def test_a_shipped_workload_exports_without_allocating_weights(
    name: str, shipped: Callable[[str], tuple[nn.Module, tuple[torch.Tensor, ...]]]
) -> None:
    model, inputs = shipped(name)
    program = torch.export.export(model, inputs, strict=False)
    assert all(tensor.is_meta for tensor in [*program.parameters(), *program.buffers()])
    used = {node.target for node in program.graph.nodes if node.op == "call_function"}
    assert not any("higher_order" in type(target).__module__ for target in used), "control flow in the graph"


@pytest.mark.parametrize("path", WORKLOADS, ids=lambda path: path.stem)
def test_a_shipped_workload_is_named_as_its_file_and_calls_a_shipped_model(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert content["name"] == path.stem
    assert content["model"].startswith("mensa_sim.workload.models.")


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
