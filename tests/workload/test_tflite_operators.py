"""TFLite operators one by one: what each multiplies, computes and moves, and what is refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tflite_files import ONES, Net, imported, only, same_work, single, tflite
from torch import nn

from mensa_sim.errors import TraceError, UsageError
from mensa_sim.workload.coverage import coverage_shares
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.tflite.importer import TFLITE_OPERATORS
from mensa_sim.workload.load import load_workload

RELU6 = 3
WINDOW = {"FilterHeight": 2, "FilterWidth": 2}
PLACE = np.array([0, 1])
NORM = "LocalResponseNormalizationOptions"
BEGIN, END, STEP = np.array([0, 0, 0, 0]), np.array([1, 2, 4, 6]), np.array([1, 1, 1, 1])


def test_a_convolution_with_its_activation(tmp_path: Path) -> None:
    values = {**ONES, "StrideH": 2, "StrideW": 2, "FusedActivationFunction": RELU6}
    graph = single(tmp_path, "CONV_2D", [(1, 9, 9, 3)], (1, 5, 5, 8), "Conv2DOptions", ((8, 3, 3, 3), (8,)), **values)
    same_work(graph, nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU6()), (1, 3, 9, 9))
    assert only(graph).fused == ("hardtanh",)


def test_a_grouped_and_a_depthwise_convolution(tmp_path: Path) -> None:
    graph = single(tmp_path, "CONV_2D", [(1, 8, 8, 8)], (1, 8, 8, 12), "Conv2DOptions", ((12, 3, 3, 4), (12,)), **ONES)
    same_work(graph, nn.Conv2d(8, 12, 3, padding=1, groups=2), (1, 8, 8, 8))
    values = {**ONES, "DepthMultiplier": 2}
    graph = single(
        tmp_path,
        "DEPTHWISE_CONV_2D",
        [(1, 8, 8, 4)],
        (1, 8, 8, 8),
        "DepthwiseConv2DOptions",
        ((1, 3, 3, 8), (8,)),
        **values,
    )
    same_work(graph, nn.Conv2d(4, 8, 3, padding=1, groups=4), (1, 4, 8, 8))


def test_transposed_and_deep_convolutions(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 4, 4, 6))
    shape = net.constant("shape", [1, 8, 8, 5], kind="int32")
    y = net.add(
        "TRANSPOSE_CONV",
        [shape, net.weight("w", 5, 2, 2, 6), x],
        (1, 8, 8, 5),
        "TransposeConvOptions",
        StrideH=2,
        StrideW=2,
    )
    same_work(imported(tmp_path, net, [x], [y]), nn.ConvTranspose2d(6, 5, 2, 2, bias=False), (1, 6, 4, 4))
    values = {f"Stride{axis}": 1 for axis in "DHW"} | {f"Dilation{axis}Factor": 1 for axis in "DHW"}
    graph = single(
        tmp_path, "CONV_3D", [(1, 5, 6, 7, 2)], (1, 3, 4, 5, 4), "Conv3DOptions", ((3, 3, 3, 2, 4),), **values
    )
    same_work(graph, nn.Conv3d(2, 4, 3, bias=False), (1, 2, 5, 6, 7))


def test_a_convolution_between_batches_and_space_is_dilated(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 8, 8, 3))
    block = net.constant("block", [2, 2], kind="int32")
    pads, crops = (net.constant(name, [[2, 2], [2, 2]], kind="int32") for name in ("pads", "crops"))
    apart = net.add("SPACE_TO_BATCH_ND", [x, block, pads], (4, 6, 6, 3), "SpaceToBatchNDOptions")
    made = net.add("CONV_2D", [apart, net.weight("w", 5, 3, 3, 3)], (4, 4, 4, 5), "Conv2DOptions", **ONES)
    y = net.add("BATCH_TO_SPACE_ND", [made, block, crops], (1, 8, 8, 5), "BatchToSpaceNDOptions")
    graph = imported(tmp_path, net, [x], [y])
    same_work(graph, nn.Conv2d(3, 5, 3, padding=2, dilation=2, bias=False), (1, 3, 8, 8))
    assert (graph.coverage.costed, graph.coverage.layout) == (1, 2)


def test_zeros_around_an_image_are_the_convolutions_own(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 8, 8, 3))
    wide = net.add(
        "PAD", [x, net.constant("p", [[0, 0], [1, 1], [2, 2], [0, 0]], kind="int32")], (1, 10, 12, 3), "PadOptions"
    )
    y = net.add("CONV_2D", [wide, net.weight("w", 4, 3, 5, 3)], (1, 8, 8, 4), "Conv2DOptions", **ONES)
    layer = only(imported(tmp_path, net, [x], [y]))
    assert layer.nest is not None
    assert (layer.nest.input_height, layer.nest.input_width, layer.input_bytes) == (8, 8, 192)


def test_a_pad_of_channels_is_a_copy(tmp_path: Path) -> None:
    graph = single(
        tmp_path, "PAD", [(1, 8, 8, 3)], (1, 8, 8, 5), "PadOptions", (np.array([[0, 0], [0, 0], [0, 0], [1, 1]]),)
    )
    assert (only(graph).operator, only(graph).output_bytes) == ("copy", 320)


def test_dense_layers_and_products_of_activations(tmp_path: Path) -> None:
    graph = single(tmp_path, "FULLY_CONNECTED", [(2, 4, 8)], (8, 5), "FullyConnectedOptions", ((5, 8), (5,)))
    same_work(graph, nn.Linear(8, 5), (8, 8))
    graph = single(
        tmp_path, "BATCH_MATMUL", [(2, 3, 4, 8), (2, 3, 5, 8)], (2, 3, 4, 5), "BatchMatMulOptions", AdjY=True
    )
    assert (only(graph).operator, graph.macs) == ("matmul", 2 * 3 * 4 * 5 * 8)


def lstm(
    folder: Path,
    *,
    coupled: bool = False,
    bias: bool = False,
    projection: int = 0,
    peepholes: bool = False,
    normalised: bool = False,
) -> LayerGraph:
    net = Net()
    state = projection or 6
    x = net.tensor("x", (1, 9, 5))
    gates = range(1, 4) if coupled else range(4)
    inputs = [x, *[-1] * 23]
    for gate in gates:
        inputs[1 + gate] = net.weight(f"w{gate}", 6, 5)
        inputs[5 + gate] = net.weight(f"r{gate}", 6, state)
        if bias:
            inputs[12 + gate] = net.weight(f"b{gate}", 6)
        if normalised:
            inputs[20 + gate] = net.weight(f"n{gate}", 6)
    if peepholes:
        inputs[9:12] = [net.weight(f"p{gate}", 6) for gate in range(3)]
    if projection:
        inputs[16] = net.weight("projection", projection, 6)
    inputs[18] = net.tensor("h", (1, state), variable=True)
    inputs[19] = net.tensor("c", (1, 6), variable=True)
    y = net.add(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        (1, 9, state),
        "UnidirectionalSequenceLSTMOptions",
        FusedActivationFunction=4,
    )
    return imported(folder, net, [x], [y])


class First(nn.Module):
    """The sequence that a recurrent layer gives."""

    def __init__(self, cells: nn.Module) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cells(x)[0]


@pytest.mark.parametrize("projection", [0, 4])
def test_an_lstm_is_the_one_of_torch(tmp_path: Path, projection: int) -> None:
    graph = lstm(tmp_path, projection=projection)
    cells = nn.LSTM(5, 6, bias=False, batch_first=True, proj_size=projection)
    same_work(graph, First(cells), (1, 9, 5))
    hidden = [layer for layer in graph.layers if layer.operator == "hidden_gate"]
    assert {(layer.steps, layer.recurrent, layer.group) for layer in hidden} == {(9, True, hidden[0].group)}


def test_biases_peepholes_norms_and_a_coupled_gate_of_an_lstm(tmp_path: Path) -> None:
    plain, biased = lstm(tmp_path), lstm(tmp_path, bias=True)
    assert biased.parameter_bytes - plain.parameter_bytes == 4 * 6
    watched = lstm(tmp_path, peepholes=True)
    assert watched.parameter_bytes - plain.parameter_bytes == 3 * 6
    more = sum(e.vector_ops for e in watched.layers) - sum(e.vector_ops for e in plain.layers)
    assert more == 9 * 6 * 3 * 2
    scaled = lstm(tmp_path, normalised=True)
    assert scaled.parameter_bytes - plain.parameter_bytes == 4 * 6
    more = sum(e.vector_ops for e in scaled.layers) - sum(e.vector_ops for e in plain.layers)
    assert more == 9 * 6 * 4 * 7
    coupled = lstm(tmp_path, coupled=True)
    assert (coupled.macs, plain.macs) == (9 * 3 * 6 * 11, 9 * 4 * 6 * 11)


def test_one_step_of_a_basic_lstm(tmp_path: Path) -> None:
    net = Net()
    x, h, c = (net.tensor(name, (1, size)) for name, size in (("x", 5), ("h", 6), ("c", 6)))
    inputs = [x, h, net.weight("w", 24, 11), net.weight("b", 24), c]
    y = net.add("LSTM", inputs, (1, 6), "LSTMOptions", KernelType=1)
    graph = imported(tmp_path, net, [x, h, c], [y])
    assert (graph.macs, graph.parameter_bytes) == (24 * 11, 24 * 11 + 24)


def test_one_step_of_a_full_lstm(tmp_path: Path) -> None:
    net = Net()
    x, h, c = (net.tensor(name, (1, size)) for name, size in (("x", 5), ("h", 6), ("c", 6)))
    gates = [net.weight(f"{half}{gate}", 6, size) for half, size in (("w", 5), ("r", 6)) for gate in range(4)]
    y = net.add("LSTM", [x, *gates, *[-1] * 9, h, c], (1, 6), "LSTMOptions", KernelType=0)
    graph = imported(tmp_path, net, [x, h, c], [y])
    assert (graph.macs, graph.parameter_bytes) == (24 * 11, 24 * 11)


def test_plain_recurrent_layers_and_memory_filters(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 9, 5))
    state = net.tensor("h", (1, 6), variable=True)
    cells = [x, net.weight("w", 6, 5), net.weight("r", 6, 6), net.weight("b", 6), state]
    y = net.add("UNIDIRECTIONAL_SEQUENCE_RNN", cells, (1, 9, 6), "SequenceRNNOptions")
    graph = imported(tmp_path, net, [x], [y])
    assert (graph.macs, graph.parameter_bytes) == (9 * 6 * 11, 6 * 11 + 6)
    net = Net()
    x = net.tensor("x", (1, 20))
    memory = net.tensor("memory", (1, 8 * 10), variable=True)
    y = net.add("SVDF", [x, net.weight("f", 8, 20), net.weight("t", 8, 10), -1, memory], (1, 8), "SVDFOptions", Rank=1)
    graph = imported(tmp_path, net, [x], [y])
    assert (graph.macs, graph.parameter_bytes) == (8 * 20 + 8 * 10, 8 * 20 + 8 * 10)
    assert graph.layers[-1].input_bytes == 8 + 80, "the features, and the whole memory"
    assert graph.layers[-1].model_input_bytes == 0, "a memory is state, no input"


@pytest.mark.parametrize(
    ("operator", "shape", "output", "options", "constants", "values", "operations"),
    [
        ("LOGISTIC", (2, 8), (2, 8), "", (), {}, 16),
        ("HARD_SWISH", (2, 8), (2, 8), "HardSwishOptions", (), {}, 16),
        ("PRELU", (1, 4, 4, 8), (1, 4, 4, 8), "", ((1, 1, 8),), {}, 128),
        ("SQUARED_DIFFERENCE", (2, 8), (2, 8), "", ((2, 8),), {}, 32),
        ("SOFTMAX", (2, 8), (2, 8), "SoftmaxOptions", (), {"Beta": 1.0}, 2 * (5 * 8 - 2)),
        (
            "AVERAGE_POOL_2D",
            (1, 4, 4, 8),
            (1, 2, 2, 8),
            "Pool2DOptions",
            (),
            WINDOW,
            128,
        ),
        ("MAX_POOL_2D", (1, 4, 4, 8), (1, 2, 2, 8), "Pool2DOptions", (), WINDOW, 96),
        ("L2_POOL_2D", (1, 4, 4, 8), (1, 2, 2, 8), "Pool2DOptions", (), WINDOW, 256),
        ("MEAN", (1, 4, 4, 8), (1, 8), "ReducerOptions", (np.array([1, 2]),), {}, 128),
        ("SUM", (1, 4, 4, 8), (1, 8), "ReducerOptions", (np.array([1, 2]),), {}, 128),
        ("ARG_MAX", (2, 8), (2,), "ArgMaxOptions", (np.array(1),), {}, 16),
        ("CUMSUM", (2, 8), (2, 8), "CumsumOptions", (np.array(1),), {}, 16),
        ("L2_NORMALIZATION", (2, 8), (2, 8), "L2NormOptions", (), {}, 3 * 16 + 2),
        (
            "LOCAL_RESPONSE_NORMALIZATION",
            (1, 4, 4, 8),
            (1, 4, 4, 8),
            "LocalResponseNormalizationOptions",
            (),
            {"Radius": 2},
            128 * 9,
        ),
        ("RESIZE_BILINEAR", (1, 4, 4, 8), (1, 8, 8, 8), "ResizeBilinearOptions", (np.array([8, 8]),), {}, 512 * 7),
        ("RESIZE_NEAREST_NEIGHBOR", (1, 4, 4, 8), (1, 8, 8, 8), "", (np.array([8, 8]),), {}, 0),
    ],
)
def test_the_vector_unit_computes(
    tmp_path: Path,
    operator: str,
    shape: tuple[int, ...],
    output: tuple[int, ...],
    options: str,
    constants: tuple[Any, ...],
    values: dict[str, Any],
    operations: int,
) -> None:
    layer = only(single(tmp_path, operator, [shape], output, options, constants, **values))
    assert layer.vector_ops == operations
    assert layer.input_bytes == int(np.prod(shape))


@pytest.mark.parametrize(
    ("operator", "output", "options", "constants", "values"),
    [
        ("RESHAPE", (8, 12), "ReshapeOptions", (), {}),
        ("SQUEEZE", (4, 4, 6), "SqueezeOptions", (), {}),
        ("EXPAND_DIMS", (1, 1, 4, 4, 6), "ExpandDimsOptions", (np.array(0),), {}),
        ("SLICE", (1, 2, 4, 6), "SliceOptions", (np.array([0, 1, 0, 0]), np.array([1, 2, 4, 6])), {}),
        (
            "STRIDED_SLICE",
            (1, 2, 4, 6),
            "StridedSliceOptions",
            (np.array([0, 0, 0, 0]), np.array([1, 2, 4, 6]), np.array([1, 1, 1, 1])),
            {},
        ),
        (
            "STRIDED_SLICE",
            (1, 4, 6),
            "StridedSliceOptions",
            (np.array([0, 1]), np.array([1, 2]), np.array([1, 1])),
            {"ShrinkAxisMask": 2},
        ),
        ("GATHER", (1, 4, 6), "GatherOptions", (np.array(2),), {"Axis": 1}),
        ("DEQUANTIZE", (1, 4, 4, 6), "", (), {}),
        ("CAST", (1, 4, 4, 6), "CastOptions", (), {}),
        ("TILE", (1, 4, 4, 6), "TileOptions", (np.array([1, 1, 1, 1]),), {}),
    ],
)
def test_re_indexing_costs_nothing(
    tmp_path: Path,
    operator: str,
    output: tuple[int, ...],
    options: str,
    constants: tuple[Any, ...],
    values: dict[str, Any],
) -> None:
    net = Net()
    x = net.tensor("x", (1, 4, 4, 6))
    known = [net.constant(f"c{at}", value, kind="int32") for at, value in enumerate(constants)]
    shown = net.add(operator, [x, *known], output, options, **values)
    y = net.add("RELU", [shown], output)
    graph = imported(tmp_path, net, [x], [y])
    assert only(graph).operator == "relu"
    assert only(graph).input_bytes == int(np.prod(output))
    assert graph.coverage.layout == 1


@pytest.mark.parametrize(("mask", "parts"), [(0b01, ["w[0:2]"]), (0b10, ["w[0:2]", "w[3:5]"])])
def test_where_its_mask_opens_it_a_strided_slice_begins_at_the_first_element(
    mask: int, parts: list[str], tmp_path: Path
) -> None:
    """Two layers with rows 0 and 1 of a table, of which the second says row 3 and may be told to leave that out."""
    net = Net()
    x, table = net.tensor("x", (4, 8)), net.weight("w", 5, 8)
    made = []
    for row, opened in ((0, 0), (3, mask)):
        places = [
            net.constant(f"{row}{at}", value, kind="int32") for at, value in enumerate(([row, 0], [5, 8], [1, 1]))
        ]
        rows = net.add("STRIDED_SLICE", [table, *places], (2, 8), "StridedSliceOptions", BeginMask=opened)
        made.append(net.add("FULLY_CONNECTED", [x, rows], (4, 2), "FullyConnectedOptions"))
    graph = imported(tmp_path, net, [x], made)
    assert graph.parameter_bytes == 16 * len(parts)
    assert list(dict.fromkeys(each.name for layer in graph.layers for each in layer.parameters)) == parts


def test_an_embedding_reads_its_rows(tmp_path: Path) -> None:
    net = Net()
    tokens = net.tensor("tokens", (5,), kind="int32")
    y = net.add("EMBEDDING_LOOKUP", [tokens, net.weight("table", 50, 4)], (5, 4))
    layer = only(imported(tmp_path, net, [tokens], [y]))
    assert (layer.parameter_bytes, layer.gathered_bytes, layer.input_bytes) == (200, 20, 20)


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_weights_behind_casts_are_still_the_weights(tmp_path: Path, kind: str) -> None:
    net = Net()
    x = net.tensor("x", (2, 8))
    stored = net.weight("w", 5, 8, kind=kind)
    wide = net.add("DENSIFY", [stored], (5, 8), "DensifyOptions", kind=kind)
    wide = net.add("DEQUANTIZE", [wide], (5, 8), kind="float32")
    y = net.add("FULLY_CONNECTED", [x, wide], (2, 5), "FullyConnectedOptions")
    layer = only(imported(tmp_path, net, [x], [y]))
    assert (layer.macs, layer.parameter_bytes) == (80, 40)
    assert [p.name for p in layer.parameters] == ["w"]


def test_a_quantised_file_says_its_widths(tmp_path: Path) -> None:
    """Eight-bit layers between casts from and to floats, and one on sixteen bits."""
    net = Net("int8")
    x = net.tensor("x", (2, 8), kind="float32")
    cast = net.add("QUANTIZE", [x], (2, 8), "QuantizeOptions")
    wide = net.add(
        "FULLY_CONNECTED",
        [cast, net.weight("w", 6, 8), net.weight("b", 6, kind="int32")],
        (2, 6),
        "FullyConnectedOptions",
        kind="int16",
    )
    made = net.add("FULLY_CONNECTED", [wide, net.weight("v", 4, 6)], (2, 4), "FullyConnectedOptions")
    y = net.add("DEQUANTIZE", [made], (2, 4), kind="float32")
    first, second = imported(tmp_path, net, [x], [y]).layers
    assert [first.element_bits(operand) for operand in ("weight", "input", "output")] == [8, 8, 16]
    assert [second.element_bits(operand) for operand in ("weight", "input", "output")] == [8, 16, 8]
    assert [(e.input_bytes, e.output_bytes, e.parameter_bytes) for e in (first, second)] == [(16, 24, 54), (24, 8, 24)]


def test_a_custom_operator_that_nobody_published_is_named_and_refused_when_strict(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 10, 4))
    path = net.save(tmp_path / "model.tflite", [x], [net.add("MyOwnOp", [x], (1, 5, 4))])
    graph = load_workload(path, cache=False)
    assert graph.coverage.unsupported_operators == ("tflite.MyOwnOp",)
    assert coverage_shares(graph)["costed"].macs is None
    with pytest.raises(TraceError, match=r"unsupported operators: .*MyOwnOp"):
        load_workload(path, strict=True, cache=False)


@pytest.mark.parametrize(
    ("operator", "message"),
    [("WHILE", r"operator 0 \(WHILE\) is control flow"), ("edgetpu-custom-op", "compiled for the Edge TPU")],
)
def test_what_lies_outside_the_graph_is_refused(tmp_path: Path, operator: str, message: str) -> None:
    net = Net()
    x = net.tensor("x", (1, 8))
    path = net.save(tmp_path / "model.tflite", [x], [net.add(operator, [x], (1, 8))])
    with pytest.raises(TraceError, match=message) as caught:
        load_workload(path, cache=False)
    assert str(caught.value).count("\n") == 0


def test_an_operator_without_its_options_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"operator 0 \(CONV_2D\) lacks its option StrideH"):
        single(tmp_path, "CONV_2D", [(1, 4, 4, 3)], (1, 4, 4, 5), "", ((5, 1, 1, 3),))


def test_a_workload_file_gives_a_name_and_no_inputs(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 8))
    net.save(
        tmp_path / "m.tflite",
        [x],
        [net.add("FULLY_CONNECTED", [x, net.weight("w", 4, 8)], (1, 4), "FullyConnectedOptions")],
    )
    workload = tmp_path / "w.yaml"
    workload.write_text("name: mine\nmodel: m.tflite\nparameter_bits: 4\n")
    graph = load_workload(workload, cache=False)
    assert (graph.name, graph.macs, graph.parameter_bytes) == ("mine", 32, 16)
    workload.write_text("name: mine\nmodel: m.tflite\ninputs: [{shape: [1, 8]}]\n")
    with pytest.raises(UsageError, match="inputs must be left out: a TFLite model holds its own"):
        load_workload(workload, cache=False)


def test_every_name_in_the_table_is_one_of_the_schema() -> None:
    assert [name for name in TFLITE_OPERATORS if not hasattr(tflite.BuiltinOperator, name)] == []
