"""A model that cannot be mapped ends in one error that says where and what to do."""

from collections.abc import Sequence
from typing import cast

import pytest
import torch

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.export import quietly
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
    assert len(message) < 300
    assert " at 0x" not in message
    assert capfd.readouterr() == ("", "")


def test_an_operator_with_a_graph_of_its_own_is_no_control_flow() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    class Flexible(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, flex_attention(x, x, x, score_mod=lambda score, *at: score + at[-1]))

    with pytest.raises(TraceError, match="my_model: flex_attention runs flex_attention, whose own graph is not read"):
        trace(Flexible(), [torch.zeros(1, 2, 16, 16)], name="my_model")


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


class Packed(torch.nn.Module):
    """Sequences of several lengths, with and without a first state, sorted or not."""

    def __init__(self, *, state: bool, sort: bool) -> None:
        super().__init__()
        self.rnn, self.state, self.sort = torch.nn.LSTM(4, 6, batch_first=True), state, sort

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=not self.sort)
        first = torch.zeros(1, 3, 6)
        return self.rnn(packed, (first, first) if self.state else None)[0].data


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("sort", [True, False])
def test_a_packed_sequence_is_refused_with_what_to_do(state: bool, sort: bool) -> None:
    with pytest.raises(TraceError, match="leave pack_padded_sequence out and pass padded tensors"):
        trace(Packed(state=state, sort=sort), (torch.zeros(3, 7, 4), torch.tensor([7, 5, 3])), name="packed")


def test_a_selection_of_boxes_is_refused_with_what_to_do() -> None:
    @torch.library.custom_op("mensa_tests::nms", mutates_args=())
    def nms(boxes: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    @nms.register_fake
    def _(boxes: torch.Tensor) -> torch.Tensor:
        return boxes.new_empty(torch.library.get_ctx().new_dynamic_size(), dtype=torch.int64)

    class Detector(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[torch.ops.mensa_tests.nms(x)]

    with pytest.raises(TraceError, match="trace the network up to the selection of boxes"):
        trace(Detector(), (torch.zeros(10, 4),), name="detector")


def test_weights_packed_by_eager_quantisation_are_named() -> None:
    with quietly():
        module = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(torch.nn.Linear(4, 4)), {torch.nn.Linear})
        with pytest.raises(TraceError, match="eager quantisation"):
            trace(module, (torch.zeros(1, 4),), name="eager")


def test_a_transform_of_functions_is_read() -> None:
    class Mapped(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return torch.vmap(torch.matmul)(a, b)

    graph = trace(Mapped(), (torch.zeros(2, 3, 4), torch.zeros(2, 4, 5)), name="mapped")
    assert graph.macs == 2 * 3 * 4 * 5


def test_texts_and_numbers_among_the_outputs_are_no_tensors() -> None:
    class Wordy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"scores": x.softmax(-1), "kind": "logits", "count": 3, "none": None}

    graph = trace(Wordy(), (torch.zeros(2, 4),), name="wordy")
    assert [layer.model_output_bytes for layer in graph.layers] == [8]
