"""Only what stands between two products of activations is inside an attention."""

import pytest
import torch
from torch import nn

from mensa_sim.cost.datasheet import device_work
from mensa_sim.workload.importers.torch.trace import trace


class Scored(nn.Module):
    """An attention spelt out and a classifier behind it, each with a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 5, device="meta")

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        scores = (query @ key.transpose(1, 2) / 3).softmax(-1)
        return self.head(scores @ value).softmax(-1)


class Product(nn.Module):
    """A product of activations that no softmax reads."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right


@pytest.mark.parametrize(("module", "marked"), [(Scored(), [True, True, True, False, False]), (Product(), [False])])
def test_an_attention_is_two_products_of_activations_and_the_softmax_between(
    module: nn.Module, marked: list[bool]
) -> None:
    inputs = [torch.empty(2, 6, 8, device="meta")] * (3 if len(marked) > 1 else 1)
    inputs += [] if len(marked) > 1 else [torch.empty(2, 8, 6, device="meta")]
    layers = trace(module, inputs, name="one").layers
    assert [layer.in_attention for layer in layers] == marked
    for layer in layers:
        moved = device_work(layer).streamed_bytes
        assert moved == (0 if layer.in_attention else layer.parameter_bytes + layer.input_bytes + layer.output_bytes)
