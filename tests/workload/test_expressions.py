"""Elementwise operators that compute one tensor out of another are one function, however they are spelt."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import quietly
from mensa_sim.workload.importers.torch.trace import graph_of, trace

Function = Callable[[Tensor], Tensor]
ELEMENTS = 4 * 6 * 6


class Between(nn.Module):
    """A function between two convolutions, with a scale per channel at hand."""

    def __init__(self, function: Callable[..., Tensor], *, scaled: bool = False) -> None:
        super().__init__()
        self.function, self.scaled = function, scaled
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.second(self.function(y, self.scale) if self.scaled else self.function(y))


def between(function: Callable[..., Tensor], *, scaled: bool = False) -> LayerGraph:
    return trace(Between(function, scaled=scaled).eval(), [torch.zeros(1, 3, 6, 6)], name="model")


SPELLINGS: dict[str, tuple[nn.Module, list[Function]]] = {
    "silu": (nn.SiLU(), [lambda x: x * torch.sigmoid(x), lambda x: x / (1 + torch.exp(-x)), lambda x: x.sigmoid() * x]),
    "hardswish": (
        nn.Hardswish(),
        [
            lambda x: x * functional.relu6(x + 3) / 6,
            lambda x: x * (functional.hardtanh(x + 3, 0, 6) * (1 / 6)),
            lambda x: x * functional.hardsigmoid(x),
            lambda x: x * torch.clamp(x / 6 + 0.5, 0, 1),
        ],
    ),
    "gelu": (
        nn.GELU(),
        [
            lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)),
            lambda x: x * torch.sigmoid(1.702 * x),
            lambda x: 0.5 * x * (1 + torch.tanh(0.79788 * (x + 0.044715 * x.pow(3)))),
        ],
    ),
    "mish": (nn.Mish(), [lambda x: x * torch.tanh(functional.softplus(x)), lambda x: x * (1 + x.exp()).log().tanh()]),
    "leaky_relu": (nn.LeakyReLU(0.1), [lambda x: torch.where(x > 0, x, 0.1 * x), lambda x: torch.maximum(x, 0.1 * x)]),
    "hardsigmoid": (nn.Hardsigmoid(), [lambda x: functional.relu6(x + 3) / 6]),
}


def cost(graph: LayerGraph) -> list[tuple[object, ...]]:
    """All that decides a layer's price, layer by layer."""
    return [
        (each.operator, each.nest, each.vector_ops, each.parameter_bytes, each.input_bytes, each.output_bytes)
        for each in graph.layers
    ]


@pytest.mark.parametrize("name", SPELLINGS)
def test_an_activation_costs_the_same_however_it_is_spelt(name: str) -> None:
    module, spellings = SPELLINGS[name]
    named = cost(between(module))
    assert len(named) == 2
    for spelt in spellings:
        assert cost(between(spelt)) == named


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_decomposed_program_costs_what_the_plain_one_does(name: str) -> None:
    with quietly():
        program = torch.export.export(Between(SPELLINGS[name][0]).eval(), (torch.zeros(1, 3, 6, 6),))
        core = program.run_decompositions()
    assert cost(graph_of(core, name="core")) == cost(graph_of(program, name="plain"))


UNARY: list[Function] = [torch.sigmoid, torch.tanh, torch.relu, torch.exp, lambda x: x + 3, lambda x: x.float() / 6]
BINARY: list[Callable[[Tensor, Tensor], Tensor]] = [torch.add, torch.mul, torch.sub, torch.maximum]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_expression_of_one_tensor_and_numbers_is_one_operation_per_element(data: st.DataObject) -> None:
    moves = data.draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6)
    )

    def expression(x: Tensor) -> Tensor:
        values = [x]
        for kind, left, right in moves:
            first, second = values[left % len(values)], values[right % len(values)]
            values.append(UNARY[kind](first) if kind < len(UNARY) else BINARY[kind - len(UNARY)](first, second))
        return sum(values[1:], torch.zeros(()))  # so that every value is read

    layers = between(expression).layers
    assert [layer.operator for layer in layers] == ["conv2d", "conv2d"]
    assert layers[0].vector_ops == ELEMENTS


def test_a_tensor_that_leaves_the_expression_in_the_middle_is_written_and_read() -> None:
    def leaking(x: Tensor) -> Tensor:
        gate = torch.sigmoid(x)
        return x * gate + torch.softmax(gate, -1)

    assert [each.operator for each in between(leaking).layers] == [
        *("conv2d", "sigmoid", "mul", "softmax", "add", "conv2d"),
    ]


def test_an_expression_of_two_tensors_stays_two_operators() -> None:
    def gated(x: Tensor) -> Tensor:
        return x * torch.sigmoid(torch.softmax(x, 1))

    graph = between(gated)
    assert [each.operator for each in graph.layers] == ["conv2d", "softmax", "mul", "conv2d"]
    assert graph.layers[1].fused == ("sigmoid",)


def test_a_scale_per_channel_within_an_expression_costs_its_own_operation_and_bytes() -> None:
    graph = between(lambda x, scale: x * torch.sigmoid(scale * x), scaled=True)
    first, _ = graph.layers
    assert first.vector_ops == 3 * ELEMENTS
    assert first.parameter_bytes == 4 * 3 * 9 + 4 + 4


class Swished(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.convolution(x))
        return y * torch.sigmoid(y)


def test_batch_norm_still_folds_before_an_activation_spelt_out() -> None:
    (layer,) = trace(Swished().eval(), [torch.zeros(1, 3, 6, 6)], name="swished").layers
    assert layer.parameter_bytes == 4 * 27 + 4
    assert layer.vector_ops == 4 * 16
