"""Normalisations, reductions, sorts, resizing and copies: operations and bytes counted by hand."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace


class Of(nn.Module):
    """A function as a module, with a parameter where it takes one."""

    def __init__(self, function: Callable[..., torch.Tensor], *parameter: int) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.empty(parameter, device="meta")) if parameter else None

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs, *(() if self.weight is None else (self.weight,)))


def traced(module: nn.Module, *shapes: tuple[int, ...], indices: tuple[int, ...] = ()) -> LayerGraph:
    kinds = [torch.int64 if at in indices else torch.float32 for at in range(len(shapes))]
    inputs = [torch.zeros(shape, dtype=kind, device="meta") for shape, kind in zip(shapes, kinds, strict=True)]
    graph = trace(module, inputs, name="model")
    assert graph.coverage.unsupported == 0
    return graph


class Case(NamedTuple):
    """A function, the shapes of its inputs, and what its only layer must be charged."""

    function: Callable[..., torch.Tensor]
    shapes: tuple[tuple[int, ...], ...]
    vector_ops: int
    bytes_in_out: tuple[int, int]


CASES = {
    # per element: sum, difference, square, sum, product; per statistic: two divisions, an addition, a root
    "group_norm": Case(lambda x: functional.group_norm(x, 3), ((2, 6, 5),), 5 * 60 + 4 * 2 * 3, (60, 60)),
    "instance_norm": Case(lambda x: functional.instance_norm(x), ((2, 6, 5),), 5 * 60 + 4 * 2 * 6, (60, 60)),
    "layer_norm": Case(lambda x: functional.layer_norm(x, (6, 5)), ((2, 6, 5),), 5 * 60 + 4 * 2, (60, 60)),
    # per element: square, sum, product
    "rms_norm": Case(lambda x: functional.rms_norm(x, (6,)), ((4, 6),), 3 * 24 + 4 * 4, (24, 24)),
    "cumsum": Case(lambda x: x.cumsum(0), ((4, 6),), 24, (24, 24)),
    "var": Case(lambda x: x.var(1), ((4, 6),), 4 * 24, (24, 4)),
    "logsumexp": Case(lambda x: x.logsumexp(1), ((4, 6),), 4 * 24, (24, 4)),
    # a row of 8 takes log2 8 passes, of 9 one more; the two largest take one
    "sort": Case(lambda x: x.sort(dim=1).values, ((4, 8),), 3 * 32, (32, 32)),
    "sort of 9": Case(lambda x: x.sort(dim=1).values, ((4, 9),), 4 * 36, (36, 36)),
    "topk": Case(lambda x: x.topk(2, dim=1).values, ((4, 8),), 32, (32, 8)),
    # four taps are four products and three additions; sixteen make 31; the nearest one none
    "grid_sample": Case(
        lambda x, g: functional.grid_sample(x, g, align_corners=False), ((1, 3, 8, 8), (1, 5, 4, 2)), 7 * 60, (232, 60)
    ),
    "nearest grid_sample": Case(
        lambda x, g: functional.grid_sample(x, g, mode="nearest", align_corners=False),
        ((1, 3, 8, 8), (1, 5, 4, 2)),
        0,
        (232, 60),
    ),
    "bicubic grid_sample": Case(
        lambda x, g: functional.grid_sample(x, g, mode="bicubic", align_corners=False),
        ((1, 3, 8, 8), (1, 5, 4, 2)),
        31 * 60,
        (232, 60),
    ),
    "repeat": Case(lambda x: x.repeat(2, 3), ((4, 6),), 0, (24, 144)),
    "tile": Case(lambda x: x.tile(2), ((4, 6),), 0, (24, 48)),
    "reflection pad": Case(
        lambda x: functional.pad(x, (1, 1, 2, 2), mode="reflect"), ((1, 3, 8, 8),), 0, (192, 3 * 12 * 10)
    ),
    "roll": Case(lambda x: x.roll(1, 0), ((4, 6),), 0, (24, 24)),
    "unfold": Case(lambda x: functional.unfold(x, 3), ((1, 2, 8, 8),), 0, (128, 2 * 9 * 36)),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_and_bytes_are_those_of_the_definition(name: str) -> None:
    case = CASES[name]
    (layer,) = traced(Of(case.function), *case.shapes).layers
    assert layer.vector_ops == case.vector_ops
    assert (layer.input_bytes, layer.output_bytes) == case.bytes_in_out
    assert layer.macs == layer.parameter_bytes == 0


@pytest.mark.parametrize(
    ("function", "shape", "slices", "elements"),
    [
        (lambda x: x.softmax(-1), (2, 3, 8), 6, 8),
        (lambda x: x.log_softmax(1), (2, 3, 8), 16, 3),
        (lambda x: functional.layer_norm(x, (3, 8)), (2, 3, 8), 2, 24),
        (lambda x: functional.group_norm(x, 2), (2, 6, 4, 4), 4, 48),
        (lambda x: functional.instance_norm(x), (2, 6, 4, 5), 12, 20),
        (lambda x: functional.scaled_dot_product_attention(x, x, x), (2, 5, 8), 10, 5),
        (lambda x: x.var(1), (4, 6), 0, 0),  # one pass (Welford 1962)
    ],
)
def test_what_is_gone_over_twice_and_in_which_slices(
    function: Callable[..., torch.Tensor], shape: tuple[int, ...], slices: int, elements: int
) -> None:
    graph = traced(Of(function), shape)
    assert [(each.slices, each.slice_elements) for each in graph.layers if each.nest is None] == [(slices, elements)]


def test_each_affine_parameter_of_a_normalisation_adds_an_operation_per_element() -> None:
    plain = traced(nn.GroupNorm(3, 6, affine=False), (2, 6, 5)).layers[0]
    affine = traced(nn.GroupNorm(3, 6, device="meta"), (2, 6, 5)).layers[0]
    assert affine.vector_ops == plain.vector_ops + 2 * 60
    assert (plain.parameter_bytes, affine.parameter_bytes) == (0, 12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_a_bag_of_embeddings_reads_and_combines_a_row_for_every_index(mode: str) -> None:
    (layer,) = traced(nn.EmbeddingBag(50, 7, mode=mode, device="meta"), (3, 5), indices=(0,)).layers
    assert layer.parameter_bytes == 350
    assert layer.gathered_bytes == layer.vector_ops == 15 * 7
    assert layer.output_bytes == 3 * 7


def test_a_scatter_that_adds_pays_an_addition_for_each_element_of_its_source() -> None:
    def added(data: torch.Tensor, index: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        return data.scatter_add(0, index, source)

    (layer,) = traced(Of(added), (4, 6), (2, 6), (2, 6), indices=(1,)).layers
    assert layer.vector_ops == 12
    assert layer.output_bytes == 24


@pytest.mark.parametrize("once", [lambda x: x.repeat(1, 1), lambda x: x.view(6, 4), lambda x: x.movedim(0, 0)])
def test_what_moves_nothing_costs_nothing(once: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert not traced(Of(once), (4, 6)).layers


@pytest.mark.parametrize(
    "moved",
    [
        lambda x: x.movedim(0, 2),
        lambda x: x.moveaxis((0, 1), (1, 2)),
        lambda x: x.swapaxes(0, 1),
        lambda x: x.transpose(0, 1),
        lambda x: x.mT,
        lambda x: x.permute(2, 0, 1),
    ],
)
def test_axes_in_another_order_are_a_copy_for_a_reader_that_needs_them_in_order(
    moved: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    graph = traced(Of(lambda x: torch.softmax(moved(x), -1)), (4, 6, 5))
    assert [layer.operator for layer in graph.layers] == ["copy", "softmax"]
    assert (graph.layers[0].input_bytes, graph.layers[0].output_bytes) == (120, 120)


@pytest.mark.parametrize(
    ("orders", "operators"),
    [
        ([(1, 2, 0), (2, 0, 1)], ["softmax"]),
        ([(1, 2, 0), (1, 2, 0)], ["copy", "softmax"]),
        ([(1, 2, 0), (1, 2, 0), (1, 2, 0)], ["softmax"]),
        ([(1, 0, 2), (0, 2, 1), (2, 0, 1)], ["softmax"]),
    ],
)
def test_orders_of_axes_that_undo_each_other_cost_nothing(orders: list[tuple[int, ...]], operators: list[str]) -> None:
    def moved(x: torch.Tensor) -> torch.Tensor:
        for order in orders:
            x = x.permute(order)
        return torch.softmax(x, -1)

    graph = traced(Of(moved), (4, 6, 5))
    assert [layer.operator for layer in graph.layers] == operators


def test_axes_of_size_one_move_for_nothing() -> None:
    graph = traced(Of(lambda x: torch.softmax(x.movedim(0, 1), -1)), (1, 6, 5))
    assert [layer.operator for layer in graph.layers] == ["softmax"]


@pytest.mark.parametrize(("mode", "copied"), [("constant", False), ("reflect", True), ("replicate", True)])
def test_only_zeros_around_an_image_become_the_padding_of_the_convolution_behind(mode: str, copied: bool) -> None:
    def padded(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode=mode), weight)

    graph = traced(Of(padded, 4, 3, 3, 3), (1, 3, 8, 8))
    assert [layer.operator for layer in graph.layers] == (["copy"] if copied else []) + ["conv2d"]
    assert graph.layers[-1].input_bytes == (300 if copied else 192)


def test_random_numbers_are_made_one_by_one() -> None:
    graph = traced(Of(lambda x: x + torch.rand_like(x)), (4, 6))
    assert [(layer.operator, layer.vector_ops) for layer in graph.layers] == [("random", 24), ("add", 24)]


def test_sums_without_products_cost_additions_and_transpositions_copies() -> None:
    assert [each.operator for each in traced(Of(lambda x: torch.einsum("ij->ji", x)), (4, 6)).layers] == ["copy"]
    (summed,) = traced(Of(lambda x: torch.einsum("ij->i", x)), (4, 6)).layers
    assert summed.vector_ops == 24
