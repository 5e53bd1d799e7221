"""A model that cannot be mapped ends in one error that says where and what to do."""

from collections.abc import Sequence

import pytest
import torch

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.trace import trace


class Branching(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Conditional(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chosen: torch.Tensor = torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))
        return chosen


class Filtering(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[x > 0] * 2


class Sizing(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(int(x.sum().item()), -1)


class Packing(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 3, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([2, 1]))
        return self.rnn(packed)[0].data


class Inverting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(torch.linalg.inv(x))


def refused(module: object, *shapes: Sequence[int]) -> str:
    with pytest.raises(TraceError) as error:
        trace(module, [torch.empty(tuple(shape), device="meta") for shape in shapes], name="my_model")
    return str(error.value)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (Branching(), "depends on the data"),
        (Sizing(), "depends on the data"),
        (Filtering(), "the shape of index"),
        (Conditional(), "dynamic control flow"),
        (Packing(), "packed sequences"),
    ],
)
def test_what_depends_on_the_data_is_named_in_one_line(
    module: torch.nn.Module, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    message = refused(module, (2, 2, 3))
    assert message.startswith("my_model: ")
    assert says in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_a_wrong_input_shape_says_what_does_not_fit() -> None:
    assert "`inputs`" in refused(torch.nn.Linear(4, 4, device="meta"), (2, 3))


def test_too_many_inputs_are_an_error() -> None:
    assert "too many positional arguments" in refused(torch.nn.Linear(3, 4, device="meta"), (2, 3), (2, 3))


@pytest.mark.parametrize("module", [3, "resnet", torch.nn.Linear, lambda x: x])
def test_what_is_no_module_is_an_error(module: object) -> None:
    assert "not a torch.nn.Module" in refused(module, (2, 3))


def test_a_traced_module_keeps_its_training_mode() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4, device="meta"), torch.nn.Dropout()).train()
    module[1].eval()
    trace(module, [torch.empty(2, 3, device="meta")], name="model")
    assert [part.training for part in module.modules()] == [True, True, False]


def test_an_operator_that_checks_its_values_is_charged_as_a_whole() -> None:
    graph = trace(Inverting(), [torch.empty(8, 8, device="meta")], name="inverting")
    assert graph.coverage.unsupported_operators == ("aten.linalg_inv.default",)
    assert next(layer for layer in graph.layers if not layer.supported).input_bytes == 64
