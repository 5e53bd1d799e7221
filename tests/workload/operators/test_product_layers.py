"""Matrix products, Einstein sums and attention: as many MACs as a walk over their indices, or as torch counts."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.operators.einsum import is_product

SIZES = st.integers(1, 5)


class Of(torch.nn.Module):
    """A function as a module, with a parameter where it takes one."""

    def __init__(self, function: Callable[..., torch.Tensor], *parameter: int) -> None:
        super().__init__()
        self.function = function
        self.weight = torch.nn.Parameter(torch.empty(parameter, device="meta")) if parameter else None

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        weights = () if self.weight is None else (self.weight,)
        return self.function(*inputs, *weights)


def traced(module: torch.nn.Module, *shapes: tuple[int, ...]) -> LayerGraph:
    return trace(module, [torch.empty(shape, device="meta") for shape in shapes], name="model")


def torch_macs(module: torch.nn.Module, *shapes: tuple[int, ...]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*[torch.empty(shape, device="meta") for shape in shapes])
    return counter.get_total_flops() // 2


@settings(max_examples=15, deadline=None)
@given(lead=st.lists(SIZES, max_size=3), depth=SIZES, columns=SIZES, bias=st.booleans())
def test_a_linear_layer_has_rows_times_depth_times_columns(
    lead: list[int], depth: int, columns: int, bias: bool
) -> None:
    module = torch.nn.Linear(depth, columns, bias=bias, device="meta")
    graph = traced(module, (*lead, depth))
    (layer,) = graph.layers
    assert layer.macs == len(list(product(*map(range, (*lead, depth, columns)))))
    assert layer.parameter_bytes == sum(p.numel() for p in module.parameters())
    assert layer.nest is not None
    assert layer.nest.weight_elements == depth * columns


@settings(max_examples=12, deadline=None)
@given(
    left=st.lists(SIZES, max_size=2),
    right=st.lists(SIZES, max_size=2),
    rows=SIZES,
    depth=SIZES,
    columns=SIZES,
    weight=st.sampled_from(["none", "left", "right"]),
)
def test_a_product_has_the_macs_that_torch_counts(
    left: list[int], right: list[int], rows: int, depth: int, columns: int, weight: str
) -> None:
    if len(left) == len(right):
        right = left
    shapes = (*left, rows, depth), (*right, depth, columns)
    if weight == "none":
        if len(left) != len(right) and left and right:
            right = left[-len(right) :] if len(right) < len(left) else right
            left = left if len(right) <= len(left) else right[-len(left) :]
            shapes = (*left, rows, depth), (*right, depth, columns)
        module, inputs = Of(torch.matmul), shapes
    elif weight == "right":
        module, inputs = Of(torch.matmul, *shapes[1][-2:]), shapes[:1]
    else:
        module, inputs = Of(lambda x, w: torch.matmul(w, x), *shapes[0][-2:]), shapes[1:]
    graph = traced(module, *inputs)
    layers = [layer for layer in graph.layers if layer.nest is not None]
    assert sum(layer.macs for layer in layers) == torch_macs(module, *inputs)
    assert all(layer.weights_are_activations == (weight == "none") for layer in layers)
    expected_weight = 0 if weight == "none" else module.weight.numel() if module.weight is not None else 0
    assert graph.parameter_bytes == expected_weight


@settings(max_examples=10, deadline=None)
@given(batch=SIZES, rows=SIZES, depth=SIZES, columns=SIZES)
def test_biased_products_count_the_product_and_one_addition_per_element(
    batch: int, rows: int, depth: int, columns: int
) -> None:
    shapes = (batch, rows, columns), (batch, rows, depth), (batch, depth, columns)
    (layer,) = traced(Of(torch.baddbmm), *shapes).layers
    assert layer.macs == torch_macs(Of(torch.baddbmm), *shapes)
    assert layer.vector_ops == batch * rows * columns
    (bias,) = traced(Of(lambda a, b, w: torch.addmm(w, a, b), columns), (rows, depth), (depth, columns)).layers
    assert (bias.macs, bias.vector_ops) == (rows * depth * columns, 0)


@pytest.mark.parametrize(
    "equation", ["ij,jk->ik", "bhqd,bhkd->bhqk", "bij,bkj->bik", "i,j->ij", "bchw,bcx->bhwx", "ab,bc"]
)
def test_an_einstein_sum_walks_all_its_letters(equation: str) -> None:
    sizes = {letter: 2 + index for index, letter in enumerate(sorted(set(equation) - set(",->")))}
    shapes = [tuple(sizes[letter] for letter in term) for term in equation.split("->")[0].split(",")]
    assert is_product(equation)
    graph = traced(Of(lambda a, b: torch.einsum(equation, a, b)), *shapes)
    assert graph.macs == torch.Size(sizes.values()).numel()
    assert [layer.operator for layer in graph.layers] == ["matmul"]


@pytest.mark.parametrize("equation", ["ij,jk,kl->il", "bij,bjk,bk->bi"])
def test_an_einstein_sum_of_three_is_taken_apart(equation: str) -> None:
    assert not is_product(equation)
    shapes = [tuple(3 for _ in term) for term in equation.split("->")[0].split(",")]
    module = Of(lambda *operands: torch.einsum(equation, *operands))
    graph = traced(module, *shapes)
    assert graph.coverage.unsupported == 0
    assert graph.macs == torch_macs(module, *shapes)


@settings(max_examples=10, deadline=None)
@given(batch=SIZES, shared=st.integers(1, 3), keys=SIZES, heads=SIZES, rows=SIZES, width=SIZES, causal=st.booleans())
def test_attention_is_two_products_and_a_softmax(
    batch: int, shared: int, keys: int, heads: int, rows: int, width: int, causal: bool
) -> None:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    shapes = (batch, heads * shared, rows, width), (batch, heads, keys, width), (batch, heads, keys, width)
    graph = traced(Of(attend), *shapes)
    scores, softmax, context = graph.layers
    every_score = batch * heads * shared * rows * keys
    assert scores.macs == context.macs == every_score * width
    assert scores.weights_are_activations
    assert graph.edge_bytes(scores.name, softmax.name) == every_score
    assert softmax.vector_ops >= 5 * every_score - 2 * every_score // keys


def test_a_learned_query_is_the_weight_of_its_product() -> None:
    attend = torch.nn.functional.scaled_dot_product_attention
    module = Of(lambda k, v, q: attend(q, k, v), 1, 2, 3, 4)
    scores = traced(module, (1, 2, 7, 4), (1, 2, 7, 4)).layers[0]
    assert not scores.weights_are_activations
    assert scores.nest is not None
    assert (scores.nest.weight_elements, scores.parameter_bytes) == (2 * 3 * 4, 2 * 3 * 4)


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda q, k: functional.scaled_dot_product_attention(q, k, k).exp(), ((1, 2, 3, 4), (1, 2, 0, 4))),
        (lambda a, x, y: torch.baddbmm(a, x, y).exp(), ((2, 3, 4), (2, 3, 0), (2, 0, 4))),
        (lambda a, x, y: torch.addbmm(a, x, y).exp(), ((3, 4), (2, 3, 0), (2, 0, 4))),
    ],
)
def test_products_over_no_elements_are_zeros_and_cost_nothing(
    function: Callable[..., torch.Tensor], shapes: tuple[tuple[int, ...], ...]
) -> None:
    graph = traced(Of(function), *shapes)
    assert sum(layer.macs for layer in graph.layers) == 0
    assert all(layer.operator in ("exp", "add") for layer in graph.layers)
