"""Mixtures of experts, deformable convolutions, transforms and other operators that few models have."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace


class Of(nn.Module):
    """A function as a module, with a parameter where it takes one."""

    def __init__(self, function: Callable[..., Tensor], *parameter: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.empty(parameter, device="meta")) if parameter else None

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, *(() if self.weight is None else (self.weight,)))


def traced(module: nn.Module, *shapes: tuple[int, ...]) -> LayerGraph:
    graph = trace(module, [torch.empty(shape, device="meta") for shape in shapes], name="model")
    assert graph.coverage.unsupported == 0
    return graph


def experts_apart(rows: int, experts: int) -> list[int]:
    """Rows of each expert when they are dealt like cards."""
    hands = [0] * experts
    for row in range(rows):
        hands[row % experts] += 1
    return hands


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 20), experts=st.integers(1, 6), depth=st.integers(1, 4), columns=st.integers(1, 4))
def test_each_row_meets_one_expert_and_all_experts_are_parameters(
    rows: int, experts: int, depth: int, columns: int
) -> None:
    depth, columns = 8 * depth, 8 * columns  # what the product's own rules of alignment allow

    def grouped(x: Tensor, weight: Tensor) -> Tensor:
        ends = torch.empty(experts, dtype=torch.int32, device=x.device)
        return torch._grouped_mm(x.to(torch.bfloat16), weight.to(torch.bfloat16), offs=ends)

    graph = traced(Of(grouped, experts, depth, columns), (rows, depth))
    hands = experts_apart(rows, experts)
    assert graph.macs == sum(hands) * depth * columns
    assert graph.parameter_bytes == experts * depth * columns
    read = sum(each.parameter_bytes if each.gathered_bytes is None else each.gathered_bytes for each in graph.layers)
    assert read == sum(1 for hand in hands if hand) * depth * columns
    assert sorted((each.nest.OX, each.nest.G) for each in graph.layers if each.nest) == sorted(
        (rows_each, hands.count(rows_each)) for rows_each in set(hands) - {0}
    )
    assert sum(each.model_input_bytes for each in graph.layers) == rows * depth
    assert sum(each.model_output_bytes for each in graph.layers) == rows * columns


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:transformers")
@pytest.mark.parametrize("tokens", [3, 16, 21])
def test_a_mixture_of_experts_counts_its_experts(tokens: int) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = transformers.MixtralConfig(num_hidden_layers=2, vocab_size=40, use_cache=False, **sizes)
    with torch.device("meta"):
        module = transformers.MixtralForCausalLM(config).eval()
        graph = trace(module, {"input_ids": torch.zeros(1, tokens, dtype=torch.int64)}, name="moe")
    per_token = 2 * 3 * 32 * 48  # two experts of three products
    projections = 32 * (32 + 2 * 16) + 32 * 32 + 32 * 8  # query, key, value; output; router
    attention = 2 * 4 * tokens * 8
    assert graph.macs == tokens * (2 * (per_token + projections + attention) + 32 * 40)
    assert graph.coverage.unsupported == 0


def test_a_deformable_convolution_samples_its_taps_and_multiplies_them() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    if not hasattr(torch.ops.torchvision, "deform_conv2d"):
        sizes = ", ".join(f"SymInt {name}" for name in ("sh", "sw", "ph", "pw", "dh", "dw", "groups", "offset_groups"))
        tensors = ", ".join(f"Tensor {name}" for name in ("input", "weight", "offset", "mask", "bias"))
        library.define(f"deform_conv2d({tensors}, {sizes}, bool use_mask) -> Tensor")
        library.impl("deform_conv2d", lambda x, w, o, *rest: x.new_empty((1, w.shape[0], *o.shape[2:])), "Meta")

    def deformable(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
        bias = torch.zeros(6, device=x.device)
        return torch.ops.torchvision.deform_conv2d(x, weight, offset, mask, bias, 1, 1, 1, 1, 1, 1, 2, 1, True)

    sampling, product = traced(Of(deformable, 6, 4, 3, 3), (1, 8, 10, 12), (1, 18, 10, 12), (1, 9, 10, 12)).layers
    assert product.macs == 6 * 4 * 9 * 10 * 12
    assert product.nest is not None
    assert product.nest.weight_elements == product.parameter_bytes == 6 * 4 * 9
    samples = 8 * 9 * 10 * 12
    assert sampling.vector_ops == samples * (7 + 1)
    assert sampling.input_bytes == (8 + 18 + 9) * 120
    assert sampling.output_bytes == product.input_bytes == samples


def test_a_bilinear_layer_is_two_products() -> None:
    graph = traced(nn.Bilinear(4, 5, 6, bias=False, device="meta"), (3, 4), (3, 5))
    assert graph.macs == 3 * 4 * 5 * 6 + 3 * 5 * 6
    assert graph.parameter_bytes == 4 * 5 * 6


def test_a_convolution_with_time_first_has_the_macs_of_one_with_channels_first() -> None:
    first = traced(Of(lambda x, w: torch.conv_tbc(x, w, torch.zeros(6, device="meta"), 1), 3, 4, 6), (10, 2, 4))
    second = traced(Of(lambda x, w: functional.conv1d(x, w, padding=1), 6, 4, 3), (2, 4, 10))
    assert first.macs == second.macs
    assert [each.nest for each in first.layers] == [each.nest for each in second.layers]


def test_a_sum_over_a_batch_of_products_adds_the_batch_to_the_depth() -> None:
    (layer,) = traced(Of(torch.addbmm), (3, 5), (2, 3, 4), (2, 4, 5)).layers
    assert layer.macs == 2 * 3 * 4 * 5
    assert (layer.input_bytes, layer.output_bytes) == (15 + 24 + 40, 15)


@pytest.mark.parametrize("points", [16, 64, 1024])
def test_a_fourier_transform_takes_n_log_n_operations_and_real_numbers_half_of_them(points: int) -> None:
    butterflies = 3 * points // 2 * int(math.log2(points))
    (real,) = traced(Of(lambda x: torch.view_as_real(torch.fft.rfft(x))), (3, points)).layers
    assert (real.operator, real.vector_ops) == ("fft", 5 * butterflies)
    assert (real.input_bytes, real.output_bytes) == (3 * points, 3 * 2 * (points // 2 + 1))

    def of_complex(x: Tensor) -> Tensor:
        return torch.view_as_real(torch.fft.fft(torch.view_as_complex(x)))

    (whole,) = traced(Of(of_complex), (3, points, 2)).layers
    assert whole.vector_ops == 10 * butterflies
    assert whole.input_bytes == whole.output_bytes == 2 * 3 * points


def test_a_product_of_complex_numbers_is_six_operations_and_its_elements_are_two_numbers() -> None:
    def rotated(x: Tensor, angle: Tensor) -> Tensor:
        return torch.view_as_real(torch.view_as_complex(x) * torch.view_as_complex(angle))

    (layer,) = traced(Of(rotated), (5, 8, 2), (5, 8, 2)).layers
    assert (layer.vector_ops, layer.input_bytes, layer.output_bytes) == (6 * 40, 160, 80)


@pytest.mark.parametrize(("boundaries", "steps"), [(1, 1), (7, 3), (8, 4), (255, 8)])
def test_a_place_among_sorted_boundaries_is_found_by_halving(boundaries: int, steps: int) -> None:
    (layer,) = traced(Of(lambda edges, x: torch.bucketize(x, edges)), (boundaries,), (10,)).layers
    assert layer.vector_ops == 10 * steps


def test_random_numbers_drawn_into_a_tensor_are_no_constants() -> None:
    graph = traced(Of(lambda x: x + torch.empty_like(x).exponential_()), (4, 6))
    assert [each.operator for each in graph.layers] == ["random", "add"]


@pytest.mark.parametrize(
    "empty",
    [
        lambda x, w: torch.cat([functional.linear(x, w), functional.linear(x[:0], w)]),
        lambda x, w: functional.linear(torch.cat([x, x[:0]]), w),
        lambda x, w: functional.linear(x, w) + (x[:, :0] @ w[:0, :5]).sum(),
    ],
)
def test_what_holds_no_elements_costs_nothing(empty: Callable[..., Tensor]) -> None:
    graph = traced(Of(empty, 5, 16), (4, 16))
    assert graph.macs == 4 * 16 * 5
    assert graph["linear"].macs == graph.macs
