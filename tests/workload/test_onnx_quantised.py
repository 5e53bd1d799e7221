"""Quantised ONNX files in operator form, in cast form and dynamic: the work of the float file, at the widths found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import TensorProto, helper, imported, onnx, weights

from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

SCALES = {"s": np.float32(0.1), "z": np.int8(0)}
KERNEL = (np.arange(4 * 3 * 9) % 5).astype(np.int8).reshape(4, 3, 3, 3)
MATRIX = (np.arange(16 * 8) % 5).astype(np.int8).reshape(16, 8)
SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def make(kind: str, inputs: str, output: str, *, domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), output.split(), name=output.split()[0], domain=domain, **attributes)


def work(graph: LayerGraph) -> list[tuple[str, int, int, int, int]]:
    """What each layer computes and moves; names and fused operators apart."""
    assert graph.coverage.unsupported == 0
    return [(e.operator, e.macs, e.parameter_bytes, e.input_bytes, e.output_bytes) for e in graph.layers]


def test_an_integer_convolution_is_the_convolution_between_its_casts(tmp_path: Path) -> None:
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("QLinearConv", "xq s z w s z s z", "yq", **SAME),
        make("DequantizeLinear", "yq s z", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": [1, 3, 8, 8]}, constants={**SCALES, "w": KERNEL})
    assert work(graph) == [("conv2d", 64 * 4 * 27, 108, 192, 256)]
    assert (graph.coverage.costed, graph.coverage.layout) == (1, 2)


def test_an_integer_product_is_the_product_between_its_casts(tmp_path: Path) -> None:
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("QLinearMatMul", "xq s z m s z s z", "yq"),
        make("DequantizeLinear", "yq s z", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": [1, 16]}, constants={**SCALES, "m": MATRIX})
    assert work(graph) == [("linear", 128, 128, 16, 8)]


@pytest.mark.parametrize(
    ("kind", "attributes", "shape", "weight", "macs"),
    [("MatMulInteger", {}, [1, 16], MATRIX, 128), ("ConvInteger", SAME, [1, 3, 8, 8], KERNEL, 6912)],
)
def test_a_dynamic_product_finds_the_range_of_its_input_first(
    tmp_path: Path, kind: str, attributes: dict[str, Any], shape: list[int | str], weight: np.ndarray, macs: int
) -> None:
    nodes = [
        make("DynamicQuantizeLinear", "x", "xq xs xz"),
        make(kind, "xq w xz z", "yi", **attributes),
        make("Cast", "yi", "yf", to=TensorProto.FLOAT),
        make("Mul", "yf xs", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": shape}, constants={"z": np.int8(0), "w": weight})
    quantise, product = graph.layers
    elements = int(np.prod(shape))
    assert (quantise.operator, quantise.vector_ops, quantise.output_bytes) == ("quantize", 3 * elements, elements)
    assert (product.macs, product.parameter_bytes, product.fused) == (macs, weight.size, ("mul",))
    assert graph.predecessors(product.name) == (quantise.name,)


def quantised_by_casts() -> tuple[list[Any], dict[str, np.ndarray]]:
    """A convolution, x * sigmoid(x), a convolution, as a quantiser writes it: casts around everything."""
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("DequantizeLinear", "xq s z", "xd"),
        make("DequantizeLinear", "w1 s z", "w1d"),
        make("DequantizeLinear", "b1 s zi", "b1d"),
        make("Conv", "xd w1d b1d", "c", **SAME),
        make("QuantizeLinear", "c s z", "cq"),
        make("DequantizeLinear", "cq s z", "cd"),
        make("Sigmoid", "cd", "g"),
        make("QuantizeLinear", "g s z", "gq"),
        make("DequantizeLinear", "gq s z", "gd"),
        make("Mul", "cd gd", "a"),
        make("QuantizeLinear", "a s z", "aq"),
        make("DequantizeLinear", "aq s z", "ad"),
        make("DequantizeLinear", "w2 s z", "w2d"),
        make("Conv", "ad w2d", "o"),
        make("QuantizeLinear", "o s z", "oq"),
        make("DequantizeLinear", "oq s z", "y"),
    ]
    constants = {
        **SCALES,
        "zi": np.int32(0),
        "w1": KERNEL,
        "b1": np.arange(4, dtype=np.int32),
        "w2": np.ones((8, 4, 1, 1), np.int8),
    }
    return nodes, constants


def quantised_operators() -> tuple[list[Any], dict[str, np.ndarray]]:
    """The same in onnxruntime's own integer operators."""
    ort = "com.microsoft"
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("QLinearConv", "xq s z w1 s z s z b1", "c", **SAME),
        make("QLinearSigmoid", "c s z s z", "g", domain=ort),
        make("QLinearMul", "c s z g s z s z", "a", domain=ort),
        make("QLinearConv", "a s z w2 s z s z", "o"),
        make("DequantizeLinear", "o s z", "y"),
    ]
    return nodes, quantised_by_casts()[1]


@pytest.mark.parametrize("kind", ["Add", "Mul"])
def test_of_two_operands_in_integers_both_are_read_and_no_scale(tmp_path: Path, kind: str) -> None:
    inputs: dict[str, list[int | str]] = {"x": [1, 3, 8, 8], "v": [1, 3, 1, 8]}
    expected = imported(tmp_path, [make(kind, "x v", "y")], inputs=inputs)
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("QuantizeLinear", "v s z", "vq"),
        make(f"QLinear{kind}", "xq s z vq s z s z", "yq", domain="com.microsoft"),
        make("DequantizeLinear", "yq s z", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs=inputs, constants=SCALES)
    assert work(graph) == work(expected)


@pytest.mark.parametrize("form", [quantised_by_casts, quantised_operators])
def test_every_form_of_a_quantised_block_is_the_float_block(tmp_path: Path, form: Any) -> None:
    plain = [
        make("Conv", "x w1 b1", "c", **SAME),
        make("Sigmoid", "c", "g"),
        make("Mul", "c g", "a"),
        make("Conv", "a w2", "y"),
    ]
    learned = {"w1": weights(4, 3, 3, 3), "b1": weights(4), "w2": weights(8, 4, 1, 1)}
    inputs: dict[str, list[int | str]] = {"x": [1, 3, 8, 8]}
    expected = imported(tmp_path, plain, inputs=inputs, constants=learned)
    nodes, constants = form()
    graph = imported(tmp_path, nodes, inputs=inputs, constants=constants)
    assert work(graph) == work(expected)
    assert [layer.vector_ops for layer in graph.layers] == [layer.vector_ops for layer in expected.layers]
    assert [edge.size_bytes for edge in graph.edges] == [edge.size_bytes for edge in expected.edges]


def test_a_bias_that_two_layers_share_behind_their_casts_is_one_parameter(tmp_path: Path) -> None:
    nodes = [
        make("DequantizeLinear", "b s", "b1"),
        make("DequantizeLinear", "b s", "b2"),
        make("DequantizeLinear", "w s", "wd"),
        make("Gemm", "x wd b1", "h"),
        make("Gemm", "h wd b2", "y"),
    ]
    constants = {"s": np.float32(1), "b": np.arange(6, dtype=np.int32), "w": np.ones((6, 6), np.int8)}
    graph = imported(tmp_path, nodes, inputs={"x": [2, 6]}, constants=constants)
    assert graph.parameter_bytes == 36 + 6


def test_sixteen_bit_activations_are_no_indices(tmp_path: Path) -> None:
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("DequantizeLinear", "xq s z", "xd"),
        make("Relu", "xd", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": [4, 4]}, constants={"s": np.float32(1), "z": np.int16(0)}, opset=21)
    assert [layer.operator for layer in graph.layers] == ["relu"]


def test_a_model_that_takes_and_gives_integers_needs_no_float(tmp_path: Path) -> None:
    inside = [
        make("DequantizeLinear", "x s", "xd"),
        make("DequantizeLinear", "m s", "w"),
        make("MatMul", "xd w", "h"),
        make("QuantizeLinear", "h s z", "y"),
    ]
    graph = helper.make_graph(
        inside,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.INT8, [1, 8])],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in {**SCALES, "m": MATRIX}.items()],
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    assert work(load_workload(path, cache=False)) == [("linear", 128, 128, 16, 8)]


def widths(graph: LayerGraph) -> list[tuple[int, int, int]]:
    return [tuple(layer.element_bits(operand) for operand in ("weight", "input", "output")) for layer in graph.layers]


def test_each_layer_of_a_mixed_file_has_the_widths_that_it_is_written_at(tmp_path: Path) -> None:
    """int8, then int4 weights on int16 activations, then what stays a float of 16 bits."""
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("DequantizeLinear", "xq s z", "xd"),
        make("DequantizeLinear", "w s", "wd"),
        make("MatMul", "xd wd", "h"),
        make("QuantizeLinear", "h s wide", "hq"),
        make("DequantizeLinear", "hq s wide", "hd"),
        make("DequantizeLinear", "v s", "vd"),
        make("MatMul", "hd vd", "i"),
        make("Cast", "i", "j", to=TensorProto.FLOAT16),
        make("MatMul", "j u", "y"),
    ]
    constants = {
        "s": np.float32(1),
        "z": np.int8(0),
        "wide": np.int16(0),
        "w": np.ones((16, 8), np.int8),
        "u": np.ones((4, 2), np.float16),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [2, 2])],
        [
            *(onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()),
            helper.make_tensor("v", TensorProto.INT4, [8, 4], np.ones(32, np.int8)),
        ],
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    read = load_workload(path, cache=False)
    assert widths(read) == [(8, 8, 16), (4, 16, 16), (16, 16, 16)]
    assert [layer.parameter_bytes for layer in read.layers] == [128, 16, 16]
    assert [(layer.input_bytes, layer.output_bytes) for layer in read.layers] == [(32, 32), (32, 16), (16, 8)]


def test_what_a_dynamic_file_leaves_a_float_is_moved_as_one(tmp_path: Path) -> None:
    nodes = [
        make("DynamicQuantizeLinear", "x", "xq xs xz"),
        make("MatMulInteger", "xq w xz z", "yi"),
        make("Cast", "yi", "yf", to=TensorProto.FLOAT),
        make("Mul", "yf xs", "y"),
    ]
    graph = imported(tmp_path, nodes, inputs={"x": [1, 16]}, constants={"z": np.int8(0), "w": MATRIX})
    assert [(layer.input_bytes, layer.output_bytes) for layer in graph.layers] == [(64, 16), (16, 32)]


def test_a_float_file_with_a_picture_of_bytes_is_no_quantised_one(tmp_path: Path) -> None:
    model = helper.make_graph(
        [make("Cast", "x", "f", to=TensorProto.FLOAT), make("MatMul", "f w", "y")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])],
        [onnx.numpy_helper.from_array(weights(16, 8), "w")],
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    assert work(load_workload(path, cache=False)) == [("linear", 128, 128, 16, 8)]


@pytest.mark.parametrize("columns", [8, 1])
def test_a_bias_behind_a_cast_of_its_product_is_a_bias(tmp_path: Path, columns: int) -> None:
    """One number for each column is where sums start; a single one for all of them is an addition."""
    nodes = [
        make("QuantizeLinear", "x s z", "xq"),
        make("DequantizeLinear", "xq s z", "xd"),
        make("DequantizeLinear", "m s", "w"),
        make("MatMul", "xd w", "h"),
        make("QuantizeLinear", "h s z", "hq"),
        make("DequantizeLinear", "hq s z", "hd"),
        make("DequantizeLinear", "b s", "bd"),
        make("Add", "hd bd", "i"),
        make("QuantizeLinear", "i s z", "iq"),
        make("DequantizeLinear", "iq s z", "y"),
    ]
    constants = {**SCALES, "m": MATRIX, "b": np.ones(columns, np.int32)}
    graph = imported(tmp_path, nodes, inputs={"x": [3, 16]}, constants=constants)
    (layer,) = graph.layers
    assert layer.parameter_bytes == 128 + columns
    assert (layer.vector_ops, layer.fused) == ((0, ()) if columns == 8 else (24, ("add",)))


def test_scales_of_blocks_inside_a_channel_are_bytes_beside_the_weights(tmp_path: Path) -> None:
    nodes = [make("DequantizeLinear", "m blocks", "mf", axis=0, block_size=4), make("MatMul", "x mf", "y")]
    constants = {"m": MATRIX, "blocks": weights(4, 8)}
    graph = imported(tmp_path, nodes, inputs={"x": [1, 16]}, constants=constants, opset=21)
    assert [(layer.weight_bytes, layer.parameter_bytes) for layer in graph.layers] == [(128, 128 + 4 * 8 * 4)]
