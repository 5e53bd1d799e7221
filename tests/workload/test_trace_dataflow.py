"""Edges, bytes, fusing and what is free: on modules small enough to check by hand."""

from collections.abc import Callable, Sequence

import pytest
import torch

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.export import export, readable
from mensa_sim.workload.importers.torch.trace import graph_of, trace

F = torch.nn.functional


class Small(torch.nn.Module):
    """A few layers to combine by a function."""

    def __init__(self, function: Callable[["Small", torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        with torch.device("meta"):
            self.conv = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.norm = torch.nn.BatchNorm2d(4)
            self.next = torch.nn.Conv2d(4, 4, 3)
            self.dense = torch.nn.Linear(6, 6)
            self.scale = torch.nn.Parameter(torch.empty(4, 1, 1))
            self.table = torch.nn.Embedding(50, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def graph(
    function: Callable[[Small, torch.Tensor], torch.Tensor],
    shape: Sequence[int] = (1, 3, 6, 6),
    dtype: torch.dtype = torch.float32,
) -> LayerGraph:
    return trace(Small(function), [torch.empty(tuple(shape), device="meta", dtype=dtype)], name="model")


def names(traced: LayerGraph) -> list[str]:
    return [layer.name for layer in traced.layers]


def test_batch_norm_folds_into_weights_and_one_bias() -> None:
    traced = graph(lambda m, x: torch.relu(m.norm(m.conv(x))))
    (conv,) = traced.layers
    assert conv.fused == ("batch_norm", "relu")
    assert conv.parameter_bytes == 4 * 3 * 9 + 4
    assert conv.vector_ops == 4 * 6 * 6
    assert (traced.coverage.costed, traced.coverage.fused) == (1, 2)


def test_batch_norm_alone_is_a_scale_and_a_shift() -> None:
    (norm,) = graph(lambda m, x: m.norm(x), (1, 4, 6, 6)).layers
    assert (norm.operator, norm.parameter_bytes, norm.vector_ops) == ("batch_norm", 8, 2 * 4 * 36)


def test_batch_norm_after_an_activation_does_not_fold() -> None:
    (conv,) = graph(lambda m, x: m.norm(torch.relu(m.conv(x)))).layers
    assert conv.parameter_bytes == 4 * 3 * 9 + 2 * 4
    assert conv.vector_ops == 3 * 4 * 36


def test_a_residual_addition_is_a_layer_and_the_activation_after_it_fuses() -> None:
    def residual(m: Small, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        return torch.relu(y + F.pad(m.next(y), (1, 1, 1, 1)))

    traced = graph(residual)
    assert names(traced) == ["conv", "next", "pad", "add"]
    assert traced["add"].fused == ("relu",)
    assert traced.edge_bytes("conv", "next") == traced.edge_bytes("conv", "add") == 4 * 36
    assert traced.edge_bytes("pad", "add") == 4 * 36
    assert traced["add"].model_output_bytes == 4 * 36
    assert traced["conv"].model_input_bytes == 3 * 36


def test_an_activation_of_a_tensor_that_is_read_elsewhere_does_not_fuse() -> None:
    def gated(m: Small, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        return torch.softmax(y, -1) * torch.sigmoid(y)

    assert names(graph(gated)) == ["conv", "softmax", "sigmoid", "mul"]


def test_an_operator_with_a_parameter_fuses_and_brings_the_parameter() -> None:
    (conv,) = graph(lambda m, x: m.conv(x) * m.scale).layers
    assert [parameter.name for parameter in conv.parameters] == ["conv.weight", "scale"]


def test_a_product_of_activations_takes_in_no_parameter() -> None:
    traced = graph(lambda m, x: torch.matmul(x, x) * m.scale, (1, 4, 6, 6))
    assert traced["matmul"].weights_are_activations
    assert traced["mul"].parameter_bytes == 4


def test_what_one_layer_reads_twice_counts_once() -> None:
    (square,) = graph(lambda m, x: x * x).layers
    assert square.input_bytes == square.model_input_bytes == 3 * 36


def test_zeros_around_rows_and_columns_become_the_convolution_s_own_padding() -> None:
    traced = graph(lambda m, x: m.conv(F.pad(x, (0, 1, 0, 2))))
    (conv,) = traced.layers
    assert conv.nest is not None
    assert (conv.nest.input_height, conv.nest.input_width, conv.input_bytes) == (6, 6, 3 * 36)
    assert conv.fused == ("pad",)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_any_other_padding_is_a_copy_with_its_bytes(mode: str) -> None:
    traced = graph(lambda m, x: torch.relu(F.pad(x, (1, 1, 1, 1), mode=mode)))
    copy, relu = traced.layers
    assert (copy.operator, copy.input_bytes, copy.output_bytes) == ("copy", 3 * 36, 3 * 64)
    assert traced.edge_bytes(copy.name, relu.name) == 3 * 64


def test_a_concatenation_is_a_copy_with_its_bytes() -> None:
    traced = graph(lambda m, x: torch.cat([x, m.conv(x)], 1))
    assert traced["cat"].operator == "copy"
    assert (traced["cat"].input_bytes, traced["cat"].output_bytes) == (7 * 36, 7 * 36)
    assert traced["cat"].model_input_bytes == 3 * 36


def test_a_permutation_that_only_products_read_is_free() -> None:
    traced = graph(lambda m, x: m.dense(x.transpose(1, 2)), (2, 6, 5))
    (dense,) = traced.layers
    assert dense.input_bytes == 2 * 6 * 5
    assert traced.coverage.layout == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: torch.softmax(x.transpose(1, 2), -1),
        lambda m, x: x.transpose(1, 2),
        lambda m, x: torch.softmax(x[..., ::2], -1),
        lambda m, x: m.dense(x.transpose(1, 2)) + x.transpose(1, 2),
        lambda m, x: torch.roll(x, 1, 2),
    ],
)
def test_a_permutation_that_anything_else_reads_is_a_copy(
    function: Callable[[Small, torch.Tensor], torch.Tensor],
) -> None:
    traced = graph(function, (2, 6, 6))
    copies = [layer for layer in traced.layers if layer.operator == "copy"]
    assert copies
    assert all(copy.input_bytes == copy.output_bytes > 0 for copy in copies)


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: torch.softmax(x.reshape(12, 6), -1),
        lambda m, x: torch.softmax(x.unsqueeze(0).transpose(0, 1), -1),
        lambda m, x: torch.softmax(x[1:, 2:4], -1),
        lambda m, x: torch.softmax(x.unbind(0)[1], -1),
        lambda m, x: torch.softmax(x.chunk(2, -1)[0], -1),
    ],
)
def test_a_view_in_whole_runs_is_free(function: Callable[[Small, torch.Tensor], torch.Tensor]) -> None:
    (softmax,) = graph(function, (2, 6, 6)).layers
    assert softmax.input_bytes == softmax.output_bytes


def test_parts_of_one_tensor_carry_their_own_bytes() -> None:
    def parts(m: Small, x: torch.Tensor) -> torch.Tensor:
        first, second = m.dense(x).split([2, 4], -1)
        return torch.softmax(first, -1).sum() + torch.softmax(second, -1).sum()

    traced = graph(parts, (5, 6))
    assert [traced.edge_bytes("dense", name) for name in ("softmax", "softmax_1")] == [5 * 2, 5 * 4]


def test_an_embedding_reads_the_rows_that_it_gathers() -> None:
    (table,) = graph(lambda m, x: m.table(x), (1, 7), torch.int64).layers
    assert (table.parameter_bytes, table.gathered_bytes) == (50 * 6, 7 * 6)
    assert table.input_bytes == 7 * 4  # indices have 32 bits


def test_a_tied_weight_counts_once() -> None:
    traced = graph(lambda m, x: F.linear(m.table(x), m.table.weight), (1, 7), torch.int64)
    assert traced.parameter_bytes == 50 * 6


def test_modules_that_share_one_tensor_count_it_once() -> None:
    module = Small(lambda m, x: m.head(m.table(x)))
    module.head = torch.nn.Linear(6, 50, bias=False, device="meta")
    module.head.weight = module.table.weight
    traced = trace(module, [torch.zeros(1, 7, device="meta", dtype=torch.int64)], name="model")
    assert traced.parameter_bytes == 50 * 6


def test_an_in_place_change_of_a_part_is_seen_by_what_reads_the_whole() -> None:
    def zeroed(m: Small, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        y[:, 0] = x[:, 0]
        return torch.softmax(y, -1)

    traced = graph(zeroed)
    assert [layer.operator for layer in traced.layers] == ["conv2d", "copy", "softmax"]


def test_what_is_computed_of_constants_alone_costs_nothing() -> None:
    traced = graph(lambda m, x: torch.softmax(x + torch.arange(6, device="meta").neg(), -1))
    add, _ = traced.layers
    assert (add.operator, add.parameter_bytes) == ("add", 6)


def test_bits_of_parameters_and_activations_set_the_bytes() -> None:
    module = Small(lambda m, x: m.conv(x))
    data = [torch.empty(1, 3, 6, 6, device="meta")]
    (layer,) = trace(module, data, name="model", parameter_bits=4, activation_bits=16).layers
    assert (layer.parameter_bytes, layer.input_bytes, layer.output_bytes) == (4 * 27 // 2, 2 * 108, 2 * 144)


@pytest.mark.parametrize("known", [True, False])
def test_what_is_computed_of_weights_alone_is_a_weight_whether_or_not_it_is_understood(known: bool) -> None:
    def of_weight(m: Small, x: torch.Tensor) -> torch.Tensor:
        weight = m.next.weight.sin() if known else torch.linalg.pinv(m.next.weight).transpose(2, 3)
        return F.conv2d(m.conv(x), weight)

    traced = graph(of_weight)
    assert names(traced) == ["conv", "conv2d"]
    assert (traced["conv2d"].parameter_bytes, traced["conv2d"].input_bytes) == (4 * 4 * 9, 4 * 36)
    assert traced.coverage.unsupported == 0


def test_a_branch_that_no_output_reads_costs_nothing_and_its_nodes_are_still_counted() -> None:
    def auxiliary(m: Small, x: torch.Tensor) -> torch.Tensor:
        y = m.conv(x)
        torch.softmax(m.next(y), -1)
        return y

    traced = graph(auxiliary)
    assert names(traced) == ["conv"]
    assert traced.parameter_bytes == 4 * 3 * 9
    assert (traced.coverage.costed, traced.coverage.layout) == (1, 2)


def test_an_unsupported_operator_is_charged_its_traffic_and_marked() -> None:
    traced = graph(lambda m, x: torch.relu(torch.linalg.pinv(x)), (1, 3, 6, 6))
    marked = [layer for layer in traced.layers if not layer.supported]
    assert marked
    assert traced.coverage.unsupported == len(marked)
    assert traced.coverage.unsupported_operators
    assert all(layer.input_bytes > 0 and layer.output_bytes > 0 for layer in marked)


def test_every_node_is_covered_exactly_once() -> None:
    def several(m: Small, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(m.norm(m.conv(F.pad(x, (1, 1, 1, 1)))), inplace=True)
        return torch.cat([y.mean((2, 3)), y.flatten(2).transpose(1, 2).amax(1)], 1) + torch.zeros(8, device="meta")

    module, inputs = Small(several), [torch.empty(1, 3, 6, 6, device="meta")]
    program = readable(export(module, inputs, name="model"), name="model")
    nodes = [n for n in program.graph.nodes if isinstance(n.target, torch._ops.OpOverload)]
    coverage = graph_of(program, name="model").coverage
    assert coverage.costed + coverage.fused + coverage.layout + coverage.unsupported == len(nodes)
    assert coverage.unsupported == 0
