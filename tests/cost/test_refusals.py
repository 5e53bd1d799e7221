"""What an accelerator's file says that it cannot run."""

import pytest
import torch

from mensa_sim.cost.prices.price import price
from mensa_sim.cost.refusals import refusal
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.layer import Layer

NETWORKS: dict[str, tuple[torch.nn.Module, tuple[int, ...]]] = {
    "gru": (torch.nn.GRU(8, 8, batch_first=True, device="meta"), (1, 3, 8)),
    "conv3d": (torch.nn.Conv3d(2, 4, 3, device="meta"), (1, 2, 4, 4, 4)),
    "hardswish": (torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, device="meta"), torch.nn.Hardswish()), (1, 2, 8, 8)),
    "activation_product": (torch.nn.MultiheadAttention(8, 2, device="meta"), (3, 1, 8)),
    "batch": (torch.nn.Conv2d(2, 4, 3, device="meta"), (2, 2, 8, 8)),
    "layer_norm": (torch.nn.LayerNorm(8, device="meta"), (1, 3, 8)),
}
KINDS = ("gru", "activation_product", "batch")
"""What no operator's name says; any other is refused as none of those that are listed."""
MAPPED: dict[str, tuple[torch.nn.Module, tuple[int, ...]]] = {
    "lstm": (torch.nn.LSTM(8, 8, batch_first=True, device="meta"), (1, 3, 8)),
    "convolution": (torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, device="meta"), torch.nn.ReLU()), (1, 2, 8, 8)),
}


def reasons(module: torch.nn.Module, shape: tuple[int, ...]) -> set[str]:
    image = torch.empty(shape, device="meta")
    inputs = (image,) * 3 if isinstance(module, torch.nn.MultiheadAttention) else (image,)
    graph = trace(module, inputs, name="one")
    return set(price(graph, load_system("coral_usb3"), "latency").refusals.values())


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_edge_tpu_refuses_what_its_compiler_does_not_map_by_name(kind: str) -> None:
    spec = load_accelerator("coral")
    assert kind in spec.refuses if kind in KINDS else kind not in spec.runs
    assert f"it does not run {kind}" in reasons(*NETWORKS[kind])


def test_what_nobody_knows_is_not_among_what_it_runs() -> None:
    """A detector's last part, or an operator of an author's own: the vendor's compiler maps what its table has."""
    operators = {"boxes": "conv2d", "chosen": "tflite.TFLite_Detection_PostProcess"}
    layers = [Layer(name=name, operator=operator, output_bytes=8) for name, operator in operators.items()]
    spec = load_accelerator("coral")
    assert [refusal(layer, spec) for layer in layers] == [None, f"it does not run {operators['chosen']}"]


@pytest.mark.parametrize("kind", MAPPED)
def test_it_refuses_nothing_of_what_is_mapped(kind: str) -> None:
    assert reasons(*MAPPED[kind]) == set()
