"""ONNX: sums of products, caches, weights made of one number, sizes of 0, open sizes, operators few models have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx_files import Shape, TensorProto, helper, imported, node, only, onnx, save, weights
from torch import nn

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.load import load_workload


@pytest.mark.parametrize(
    ("equation", "shapes", "output", "macs"),
    [
        ("...ij,...jk->...ik", ([2, 4, 8], [2, 8, 3]), [2, 4, 3], 2 * 4 * 8 * 3),
        ("...ij,jk", ([5, 2, 4, 8], [8, 3]), [5, 2, 4, 3], 5 * 2 * 4 * 8 * 3),
        ("b...d,d->b...", ([3, 4, 5, 8], [8]), [3, 4, 5], 3 * 4 * 5 * 8),
        ("ij,jk,kl->il", ([2, 3], [3, 4], [4, 5]), [2, 5], 2 * 3 * 4 + 2 * 4 * 5),
        ("ab,bc->a", ([4, 5], [5, 6]), [4], 4 * 5),
        ("bhqd,bkd->bhqk", ([2, 3, 4, 8], [2, 5, 8]), [2, 3, 4, 5], 2 * 3 * 4 * 5 * 8),
        ("ii->i", ([6, 6],), [6], 0),
        ("ij->", ([6, 7],), [], 0),
        ("ij->ji", ([6, 7],), [7, 6], 0),
    ],
)
def test_an_einstein_sum_is_products_of_two(
    tmp_path: Path, equation: str, shapes: tuple[Shape, ...], output: list[int], macs: int
) -> None:
    names = "abc"[: len(shapes)]
    nodes = [node("Einsum", " ".join(names), equation=equation)]
    graph = imported(tmp_path, nodes, inputs=dict(zip(names, shapes, strict=True)))
    assert graph.macs == macs
    assert graph.layers[-1].output_bytes == int(np.prod(output))
    assert graph.coverage.unsupported == 0


@pytest.mark.parametrize("equation", ["ij,jk", "i->j", "i!->i", "....i->i"])
def test_an_equation_that_fits_no_operand_is_refused_by_node(tmp_path: Path, equation: str) -> None:
    path = save(tmp_path, [node("Einsum", "a", equation=equation)], inputs={"a": [3]})
    with pytest.raises(TraceError, match=r"model\.onnx: "):
        load_workload(path, cache=False)


def test_attention_reads_its_cache_and_appends_one_row(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x wk", "k"),
        node("MatMul", "x wv", "v"),
        node("Attention", "x k v _ pk pv", "y nk nv", q_num_heads=4, kv_num_heads=2),
    ]
    inputs: dict[str, Shape] = {"x": [1, 1, 32], "pk": [1, 2, 7, 8], "pv": [1, 2, 7, 8]}
    constants = {"wk": weights(32, 16), "wv": weights(32, 16)}
    graph = imported(tmp_path, nodes, inputs=inputs, outputs=("y", "nk", "nv"), constants=constants, opset=23)
    scores = next(layer for layer in graph.layers if layer.name.endswith(".scores"))
    context = next(layer for layer in graph.layers if layer.name.endswith(".context"))
    assert (scores.macs, context.macs) == (4 * 8 * 8, 4 * 8 * 8)
    assert scores.input_bytes == 32 + 2 * 8 * 8
    assert scores.model_input_bytes == 32 + 2 * 7 * 8
    leaving = sum(layer.model_output_bytes for layer in graph.layers)
    assert leaving == 32 + 2 * 16, "the answer and one row each of keys and values, never the cache"
    assert graph.coverage.unsupported == 0


@pytest.mark.parametrize("kept", [True, False])
def test_a_cache_that_comes_and_goes_grows_in_place(tmp_path: Path, kept: bool) -> None:
    """`past` in, `present` out: one row is written, all are read; without the way out the two are put together."""
    nodes = [node("MatMul", "x w", "new"), node("Concat", "past new", "present", axis=1)]
    nodes += [node("Transpose", "present", "turned", perm=[0, 2, 1]), node("MatMul", "q turned")]
    inputs: dict[str, Shape] = {"x": [1, 1, 16], "past": [1, 7, 8], "q": [1, 5, 8]}
    outputs = ("y", "present") if kept else ("y",)
    graph = imported(tmp_path, nodes, inputs=inputs, outputs=outputs, constants={"w": weights(16, 8)})
    assert [layer.operator for layer in graph.layers] == ["linear", *([] if kept else ["copy"]), "matmul"]
    assert graph.layers[-1].input_bytes == 5 * 8 + 8 * 8
    assert sum(layer.model_output_bytes for layer in graph.layers) == 5 * 8 + (8 if kept else 0)


def test_a_weight_of_one_number_has_its_bytes(tmp_path: Path) -> None:
    nodes = [
        node("ConstantOfShape", "s", "w"),
        node("Conv", "x w", "a"),
        node("ConstantOfShape", "t", "flat"),
        node("Reshape", "a r", "b"),
        node("Transpose", "flat", "m"),
        node("MatMul", "b m"),
    ]
    constants = {"s": np.array([300, 80, 3, 3]), "t": np.array([7, 300]), "r": np.array([-1, 300])}
    graph = imported(tmp_path, nodes, inputs={"x": [1, 80, 3, 3]}, constants=constants)
    assert [layer.parameter_bytes for layer in graph.layers] == [300 * 80 * 9, 7 * 300]


def test_a_stripped_weight_keeps_its_shape(tmp_path: Path) -> None:
    path = save(
        tmp_path, [node("Gemm", "x w b")], inputs={"x": [1, 40]}, constants={"w": weights(40, 30), "b": weights(30)}
    )
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    graph = load_workload(path, cache=False)
    assert (graph.macs, graph.parameter_bytes) == (1200, 1230)


@pytest.mark.parametrize("batch", [0, -1])
@pytest.mark.parametrize("inside", [False, True])
def test_an_open_size_may_be_written_as_a_number(tmp_path: Path, batch: int, inside: bool) -> None:
    values = [helper.make_tensor_value_info("a", TensorProto.FLOAT, [batch, 5])] if inside else []
    graph = helper.make_graph(
        [node("MatMul", "x w", "a"), node("Relu", "a"), node("MatMul", "y v", "z")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [batch, 4])],
        [onnx.numpy_helper.from_array(v, k) for k, v in {"w": weights(8, 5), "v": weights(5, 4)}.items()],
        value_info=values,
    )
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    workload = tmp_path / "w.yaml"
    workload.write_text("name: w\nmodel: m.onnx\ninputs: [{shape: [3, 8]}]\n")
    read = load_workload(workload, cache=False)
    assert (read.macs, read.layers[-1].output_bytes) == (3 * 8 * 5 + 3 * 5 * 4, 12)
    with pytest.raises(TraceError, match="leaves sizes open; give its shape under inputs"):
        load_workload(tmp_path / "m.onnx", cache=False)


def test_what_makes_an_empty_tensor_costs_nothing(tmp_path: Path) -> None:
    nodes = [
        node("Slice", "x a a", "none"),
        node("MatMul", "none w", "nothing"),
        node("MatMul", "x w", "full"),
        node("Concat", "full nothing", axis=0),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": [4, 16]}, constants={"a": np.array([0]), "w": weights(16, 8)})
    assert (graph.macs, only(graph).output_bytes) == (4 * 16 * 8, 32)


def test_texts_among_the_outputs_are_left_out(tmp_path: Path) -> None:
    nodes = [node("Constant", "", "label", value_strings=[b"cat", b"dog"]), node("Relu", "x")]
    assert only(imported(tmp_path, nodes, inputs={"x": [2]}, outputs=("y", "label"))).operator == "relu"


def test_a_graph_whose_outputs_are_its_inputs_has_no_layers(tmp_path: Path) -> None:
    assert imported(tmp_path, [], inputs={"y": [2, 3]}).layers == ()


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "shape", "operations", "opset"),
    [
        ("LRN", "x", {"size": 5}, [1, 8, 4, 4], 128 * 9, 17),
        ("LpPool", "x", {"kernel_shape": [2, 2], "strides": [2, 2]}, [1, 8, 4, 4], 32 * 8, 17),
        ("GlobalLpPool", "x", {}, [1, 8, 4, 4], 8 * 32, 17),
        ("LpNormalization", "x", {"axis": 1}, [1, 8, 4, 4], 3 * 128 + 16, 17),
        ("MeanVarianceNormalization", "x", {}, [1, 8, 4, 4], 5 * 128 + 8 * 4, 17),
        ("Shrink", "x", {"lambd": 0.5}, [4, 4], 16, 17),
        ("Hardmax", "x", {}, [4, 4], 32, 17),
        ("Mean", "x x", {}, [4, 4], 32, 17),
        ("ReduceLogSum", "x", {"keepdims": 1, "axes": [1]}, [4, 4], 16, 17),
        ("Trilu", "x", {}, [4, 4], 0, 17),
        ("DFT", "x", {"axis": 1}, [2, 16, 1], 2 * 5 * 16 * 4, 17),
        ("RandomNormalLike", "x", {}, [4, 4], 16, 17),
    ],
)
def test_rarer_operators_are_counted(
    tmp_path: Path, kind: str, inputs: str, attributes: dict[str, Any], shape: Shape, operations: int, opset: int
) -> None:
    graph = imported(tmp_path, [node(kind, inputs, **attributes)], inputs={"x": shape}, opset=opset)
    assert only(graph).vector_ops == operations


def test_a_local_normalisation_reads_and_writes_what_its_input_holds(tmp_path: Path) -> None:
    layer = only(imported(tmp_path, [node("LRN", "x", size=5)], inputs={"x": [1, 8, 4, 4]}))
    assert (layer.operator, layer.input_bytes, layer.output_bytes) == ("local_response_norm", 128, 128)


def test_a_deformable_convolution_multiplies_as_a_plain_one(tmp_path: Path) -> None:
    nodes = [node("DeformConv", "x w o", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]
    inputs: dict[str, Shape] = {"x": [1, 4, 8, 8], "o": [1, 18, 8, 8]}
    graph = imported(tmp_path, nodes, inputs=inputs, constants={"w": weights(6, 4, 3, 3)}, opset=22)
    plain = trace(nn.Conv2d(4, 6, 3, padding=1, bias=False), [torch.zeros(1, 4, 8, 8)], name="plain")
    assert (graph.macs, graph.parameter_bytes) == (plain.macs, plain.parameter_bytes)
    assert graph.coverage.unsupported == 0
