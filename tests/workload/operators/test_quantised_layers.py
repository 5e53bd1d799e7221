"""Quantised models: casts cost nothing, and the widths that a model states are its layers' own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import quietly
from mensa_sim.workload.importers.torch.trace import trace

with quietly():
    import torch.ao.quantization.fx._decomposed  # defines the operators that quantisation by export writes

DECOMPOSED: Any = torch.ops.quantized_decomposed


class Block(nn.Module):
    """Two convolutions with an activation spelt out and a residual, in floats or as quantisation writes it."""

    def __init__(self, *, quantised: bool, low: int = -128, high: int = 127) -> None:
        super().__init__()
        self.quantised, self.low, self.high = quantised, low, high
        self.first, self.second = nn.Conv2d(8, 16, 3, padding=1), nn.Conv2d(16, 8, 1)
        for name, convolution in (("first", self.first), ("second", self.second)):
            self.register_buffer(f"{name}_codes", torch.zeros(convolution.weight.shape, dtype=torch.int8))
            self.register_buffer(f"{name}_scales", torch.ones(convolution.out_channels))
            self.register_buffer(f"{name}_zeros", torch.zeros(convolution.out_channels, dtype=torch.int64))

    def cast(self, x: Tensor) -> Tensor:
        if not self.quantised:
            return x
        codes = DECOMPOSED.quantize_per_tensor(x, 0.1, 3, 0, 255, torch.uint8)
        return DECOMPOSED.dequantize_per_tensor(codes, 0.1, 3, 0, 255, torch.uint8)

    def weight(self, name: str) -> Tensor:
        if not self.quantised:
            return getattr(self, name).weight
        codes, scales, zeros = (getattr(self, f"{name}_{part}") for part in ("codes", "scales", "zeros"))
        return DECOMPOSED.dequantize_per_channel(codes, scales, zeros, 0, self.low, self.high, torch.int8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cast(x)
        y = self.cast(functional.conv2d(x, self.weight("first"), self.first.bias, padding=1))
        y = self.cast(y * self.cast(torch.sigmoid(y)))
        return self.cast(self.cast(functional.conv2d(y, self.weight("second"), self.second.bias)) + x)


def graph(module: nn.Module, *inputs: Tensor, bits: int = 8) -> LayerGraph:
    return trace(module.eval(), inputs, name="model", parameter_bits=bits, activation_bits=bits)


def figures(traced: LayerGraph) -> list[tuple[Any, ...]]:
    return [
        (each.operator, each.nest, each.vector_ops, each.parameter_bytes, each.input_bytes, each.output_bytes)
        for each in traced.layers
    ]


IMAGE = torch.zeros(1, 8, 6, 6)


def test_a_model_quantised_to_eight_bits_is_the_float_model_priced_at_eight_bits() -> None:
    quantised, plain = (graph(Block(quantised=each), IMAGE) for each in (True, False))
    assert figures(quantised) == figures(plain)
    assert [each.operator for each in plain.layers] == ["conv2d", "conv2d", "add"]
    assert quantised.coverage.unsupported == 0
    assert [edge.size_bytes for edge in quantised.edges] == [edge.size_bytes for edge in plain.edges]


def test_the_widths_of_a_quantised_model_hold_whatever_the_workload_says_of_others() -> None:
    traced = graph(Block(quantised=True), IMAGE, bits=32)
    first, second, add = traced.layers
    for each in (first, second):
        assert [each.element_bits(operand) for operand in ("weight", "input", "output")] == [8, 8, 8]
    biases = 4 * (16 + 8)
    assert traced.parameter_bytes == 16 * 8 * 9 + 8 * 16 + biases
    assert (first.input_bytes, first.output_bytes) == (8 * 36, 16 * 36)
    assert (add.input_bytes, add.model_output_bytes) == (2 * 8 * 36, 8 * 36)


@pytest.mark.parametrize(("low", "high", "bits"), [(-8, 7, 4), (-2, 1, 2), (-128, 127, 8), (-127, 127, 8)])
def test_the_range_of_the_integers_says_their_width(low: int, high: int, bits: int) -> None:
    first, *_ = graph(Block(quantised=True, low=low, high=high), IMAGE).layers
    assert first.element_bits("weight") == bits
    assert first.parameter_bytes == 16 * 8 * 9 * bits // 8 + 16


class Faked(nn.Module):
    """Weights quantised in training: still floats, of 8 bits' worth."""

    def __init__(self, fake: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fake = fake
        self.weight_of = nn.Parameter(torch.zeros(16, 8, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.fake(self.weight_of), padding=1)


FAKES: dict[str, Callable[[Tensor], Tensor]] = {
    "tensor": lambda w: torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -128, 127),
    "channel": lambda w: torch.fake_quantize_per_channel_affine(
        w, torch.ones(16), torch.zeros(16, dtype=torch.int32), 0, -128, 127
    ),
    "by hand": lambda w: w + ((w / 0.1).round().clamp(-128, 127) * 0.1 - w).detach(),
}


@pytest.mark.parametrize("name", FAKES)
def test_fake_quantised_weights_are_weights(name: str) -> None:
    (layer,) = graph(Faked(FAKES[name]), IMAGE).layers
    assert (layer.operator, layer.parameter_bytes, layer.input_bytes) == ("conv2d", 16 * 8 * 9, 8 * 36)
    assert not layer.weights_are_activations


def test_a_tensor_that_one_reader_takes_wide_is_written_wide() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.first(x)
            codes = DECOMPOSED.quantize_per_tensor(y, 0.1, 0, -128, 127, torch.int8)
            return self.second(DECOMPOSED.dequantize_per_tensor(codes, 0.1, 0, -128, 127, torch.int8)), y.softmax(-1)

    traced = graph(Split(), torch.zeros(3, 4), bits=32)
    assert traced["first"].output_bytes == 4 * 3 * 6
    assert traced["second"].element_bits("input") == 8
    assert traced["softmax"].input_bytes == 4 * 3 * 6


def test_products_of_integers_are_priced_at_eight_bits_and_their_scales_fuse() -> None:
    class Integer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("codes", torch.zeros(32, 24, dtype=torch.int8))
            self.register_buffer("scales", torch.ones(24))

        def forward(self, x: Tensor) -> Tensor:
            codes = torch.clamp(torch.round(x / 0.1), -128, 127).to(torch.int8)
            return torch._int_mm(codes, self.codes).to(torch.float32) * self.scales

    quantise, product = graph(Integer(), torch.zeros(40, 32), bits=16).layers
    assert (quantise.vector_ops, quantise.output_bytes) == (40 * 32, 40 * 32)
    assert (product.operator, product.macs, product.fused) == ("linear", 40 * 32 * 24, ("mul",))
    assert [product.element_bits(operand) for operand in ("weight", "input", "output")] == [8, 8, 16]
    assert product.parameter_bytes == 32 * 24 + 2 * 24


def test_products_in_eight_bit_floats_have_both_operands_at_eight_bits() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("codes", torch.zeros(32, 48, dtype=torch.float8_e4m3fn))

        def forward(self, x: Tensor) -> Tensor:
            one = torch.ones((), device=x.device)
            codes = x.to(torch.float8_e4m3fn)
            return torch._scaled_mm(codes, self.codes.t().contiguous().t(), one, one, out_dtype=torch.bfloat16)

    (product,) = graph(Scaled().to("meta"), torch.zeros(16, 32, device="meta"), bits=32).layers
    assert product.macs == 16 * 32 * 48
    assert [product.element_bits(operand) for operand in ("weight", "input", "output")] == [8, 8, 16]


def test_halves_beside_integers_keep_sixteen_bits() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("codes", torch.zeros(16, 16, dtype=torch.int8))
            self.other = nn.Linear(16, 16, bias=False, dtype=torch.float16)

        def forward(self, x: Tensor) -> Tensor:
            return self.other(functional.linear(x, self.codes.to(torch.float16)))

    integers, halves = graph(Mixed(), torch.zeros(2, 16, dtype=torch.float16)).layers
    assert (integers.parameter_bytes, halves.parameter_bytes) == (16 * 16, 2 * 16 * 16)
    assert (integers.element_bits("input"), halves.element_bits("weight")) == (16, 16)
    (alone,) = graph(nn.Linear(16, 16, bias=False, dtype=torch.float16), torch.zeros(2, 16, dtype=torch.float16)).layers
    assert alone.parameter_bytes == 16 * 16  # all in halves: the workload says in how many bits it will run
