"""ONNX operators one by one, older spellings of them, and one clear error for what cannot be read."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import Shape, TensorProto, helper, imported, node, only, onnx, save, weights

from mensa_sim.errors import TraceError, UsageError
from mensa_sim.workload.load import load_workload

BACKWARDS = {"a": np.array([3]), "b": np.array([-9]), "c": np.array([2]), "d": np.array([-1])}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))


def test_a_linear_layer_is_named_by_its_node_and_its_tensors(tmp_path: Path) -> None:
    nodes = [node("Gemm", "x w b", transB=1)]
    layer = only(imported(tmp_path, nodes, inputs={"x": [3, 8]}, constants={"w": weights(5, 8), "b": weights(5)}))
    assert (layer.name, layer.operator, layer.macs) == ("Gemm", "linear", 3 * 8 * 5)
    assert [(p.name, p.size_bytes) for p in layer.parameters] == [("w", 40), ("b", 5)]
    assert (layer.input_bytes, layer.output_bytes) == (24, 15)


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_parameter_on_the_left_is_the_weight(tmp_path: Path, transposed: int) -> None:
    constants = {"w": weights(*((8, 5) if transposed else (5, 8)))}
    nodes = [node("Gemm", "w x", transA=transposed)]
    layer = only(imported(tmp_path, nodes, inputs={"x": [8, 3]}, constants=constants))
    assert layer.nest is not None
    assert (layer.nest.K, layer.nest.C, layer.nest.OX) == (5, 8, 3)
    assert layer.parameter_bytes == 40


def test_a_scaled_product_of_activations_pays_for_its_scale(tmp_path: Path) -> None:
    nodes = [node("Gemm", "a b", alpha=0.5)]
    graph = imported(tmp_path, nodes, inputs={"a": [3, 8], "b": [8, 5]})
    assert sum(layer.vector_ops for layer in graph.layers) == 3 * 8
    assert graph.macs == 3 * 8 * 5


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "constants", "opset", "output"),
    [
        ("Squeeze", "x", {"axes": [0]}, {}, 11, [4, 6]),
        ("Squeeze", "x a", {}, {"a": np.array([0])}, 17, [4, 6]),
        ("Unsqueeze", "x", {"axes": [0]}, {}, 11, [1, 1, 4, 6]),
        ("Reshape", "x a", {}, {"a": np.array([-1, 3])}, 17, [8, 3]),
        ("Flatten", "x", {}, {}, 17, [1, 24]),
        ("Slice", "x", {"starts": [1], "ends": [3], "axes": [1]}, {}, 9, [1, 2, 6]),
        ("Slice", "x a b c", {}, {"a": np.array([1]), "b": np.array([-1]), "c": np.array([1])}, 17, [1, 2, 6]),
        ("Gather", "x a", {"axis": 1}, {"a": np.array(2)}, 17, [1, 6]),
        ("Identity", "x", {}, {}, 17, [1, 4, 6]),
        ("Dropout", "x", {}, {}, 17, [1, 4, 6]),
        ("Cast", "x", {"to": TensorProto.FLOAT16}, {}, 17, [1, 4, 6]),
        ("Expand", "x a", {}, {"a": np.array([5, 4, 6])}, 17, [5, 4, 6]),
        ("Tile", "x a", {}, {"a": np.array([1, 1, 1])}, 17, [1, 4, 6]),
        ("ReduceSum", "x", {"axes": [0], "keepdims": 1}, {}, 11, [1, 4, 6]),
    ],
)
def test_re_indexing_is_layout_in_every_spelling(
    tmp_path: Path,
    kind: str,
    inputs: str,
    attributes: dict[str, Any],
    constants: dict[str, np.ndarray],
    opset: int,
    output: list[int],
) -> None:
    nodes = [node(kind, inputs, "v", **attributes), node("Relu", "v")]
    graph = imported(tmp_path, nodes, inputs={"x": [1, 4, 6]}, constants=constants, opset=opset)
    layer = only(graph)
    assert layer.operator == "relu"
    assert layer.vector_ops == int(np.prod(output))
    assert graph.coverage.layout == 1


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "constants", "read", "written"),
    [
        ("Concat", "x x", {"axis": 1}, {}, 48, 96),
        ("Tile", "x a", {}, {"a": np.array([1, 2, 1, 1])}, 48, 96),
        ("Pad", "x a", {"mode": "reflect"}, {"a": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, 48, 3 * 6 * 6),
        ("Slice", "x a b c d", {}, BACKWARDS, 48, 48),
        ("ScatterND", "x i u", {}, {"i": np.array([[0]]), "u": weights(1, 3, 4, 4)}, 48, 48),
    ],
)
def test_what_moves_bytes_is_a_layer_charged_with_them(
    tmp_path: Path,
    kind: str,
    inputs: str,
    attributes: dict[str, Any],
    constants: dict[str, np.ndarray],
    read: int,
    written: int,
) -> None:
    nodes = [node(kind, inputs, **attributes)]
    layer = only(imported(tmp_path, nodes, inputs={"x": [1, 3, 4, 4]}, constants=constants))
    assert (layer.operator, layer.input_bytes, layer.output_bytes) == ("copy", read, written)


def test_zeros_around_a_convolution_are_its_own_padding(tmp_path: Path) -> None:
    constants = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "w": weights(2, 3, 3, 3)}
    nodes = [node("Pad", "x p", "padded"), node("Conv", "padded w")]
    layer = only(imported(tmp_path, nodes, inputs={"x": [1, 3, 4, 4]}, constants=constants))
    assert layer.nest is not None
    assert (layer.nest.input_height, layer.nest.OY, layer.input_bytes) == (4, 4, 48)


@pytest.mark.parametrize(
    ("kind", "attributes", "shape", "operations"),
    [
        ("Softmax", {}, [2, 3, 4], 5 * 24 - 2 * 6),
        ("LogSoftmax", {"axis": 1}, [2, 3, 4], 5 * 24 - 2 * 8 + 8),
        ("GlobalAveragePool", {}, [1, 2, 3, 3], 18),
        ("GlobalMaxPool", {}, [1, 2, 3, 3], 16),
        ("MaxPool", {"kernel_shape": [2, 2]}, [1, 2, 3, 3], 2 * 4 * 3),
        ("AveragePool", {"kernel_shape": [2, 2]}, [1, 2, 3, 3], 2 * 4 * 4),
        ("ReduceMean", {"axes": [1]}, [2, 3, 4], 24),
        ("ReduceL2", {"axes": [1]}, [2, 3, 4], 48),
        ("ArgMax", {"axis": 1}, [2, 3, 4], 24),
        ("HardSwish", {}, [2, 3], 6),
        ("Clip", {}, [2, 3], 6),
    ],
)
def test_vector_operations_are_counted_as_for_torch(
    tmp_path: Path, kind: str, attributes: dict[str, Any], shape: Shape, operations: int
) -> None:
    layer = only(imported(tmp_path, [node(kind, "x", **attributes)], inputs={"x": shape}))
    assert layer.vector_ops == operations


def test_the_rows_of_an_old_softmax_are_all_axes_from_its_own_on(tmp_path: Path) -> None:
    layer = only(imported(tmp_path, [node("Softmax", "x")], inputs={"x": [2, 3, 4]}, opset=11))
    assert layer.vector_ops == 5 * 24 - 2 * 2


def test_a_sum_of_three_costs_two_additions(tmp_path: Path) -> None:
    layer = only(imported(tmp_path, [node("Sum", "a b c")], inputs={name: [2, 3] for name in "abc"}))
    assert (layer.vector_ops, layer.input_bytes) == (12, 18)


def test_an_embedding_reads_only_its_rows(tmp_path: Path) -> None:
    nodes = [node("Gather", "table tokens")]
    layer = only(
        imported(tmp_path, nodes, inputs={"tokens": [1, 3]}, constants={"table": weights(50, 4)}, integers=("tokens",))
    )
    assert (layer.operator, layer.parameter_bytes, layer.gathered_bytes) == ("embedding", 200, 12)
    assert layer.input_bytes == 12


def test_attention_is_two_products_and_a_softmax(tmp_path: Path) -> None:
    nodes = [node("Attention", "q k v", q_num_heads=4, kv_num_heads=2)]
    inputs: dict[str, Shape] = {"q": [1, 5, 32], "k": [1, 7, 16], "v": [1, 7, 16]}
    graph = imported(tmp_path, nodes, inputs=inputs, opset=23)
    assert graph.macs == 2 * 4 * 5 * 7 * 8
    assert graph.coverage.unsupported == 0


def test_an_einsum_of_two_operands_is_a_product(tmp_path: Path) -> None:
    nodes = [node("Einsum", "a b", equation="bhqd,bhkd->bhqk")]
    layer = only(imported(tmp_path, nodes, inputs={"a": [1, 2, 3, 4], "b": [1, 2, 5, 4]}))
    assert (layer.operator, layer.macs) == ("matmul", 2 * 3 * 5 * 4)


def test_arithmetic_on_shapes_is_worked_out(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axis"], ["batch_list"]),
        helper.make_node("Concat", ["batch_list", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    constants = {"zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1]), "w": weights(12, 2)}
    graph = imported(tmp_path, nodes, inputs={"x": [2, 3, 4]}, constants=constants)
    assert only(graph).macs == 2 * 12 * 2
    assert graph.coverage.layout == 5


def test_weights_beside_the_file_are_never_opened(tmp_path: Path) -> None:
    path = save(tmp_path, [node("MatMul", "x w")], inputs={"x": [1, 400]}, constants={"w": weights(400, 300)})
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="data.bin", size_threshold=0)
    (tmp_path / "data.bin").unlink()
    graph = load_workload(path, cache=False)
    assert (graph.macs, graph.parameter_bytes) == (120_000, 120_000)


def test_open_sizes_are_given_in_the_workload_file(tmp_path: Path) -> None:
    path = save(tmp_path, [node("MatMul", "x w")], inputs={"x": ["batch", 8]}, constants={"w": weights(8, 2)})
    with pytest.raises(TraceError, match=r"model.onnx: input x \[batch, 8\] leaves sizes open; give its shape"):
        load_workload(path)
    workload = tmp_path / "w.yaml"
    for inputs in ("{shape: [3, 8]}", "{shape: [3, 8], name: x}"):
        workload.write_text(f"name: w\nmodel: model.onnx\ninputs: [{inputs}]\nparameter_bits: 4\n")
        graph = load_workload(workload)
        assert (graph.name, graph.macs, graph.parameter_bytes) == ("w", 3 * 8 * 2, 8)
    workload.write_text("name: w\nmodel: model.onnx\ninputs: [{shape: [3, 9]}, {shape: [1], name: z}]\n")
    workload.write_text("name: w\nmodel: model.onnx\ninputs: [{shape: [3, 9], name: x}, {shape: [1], name: z}]\n")
    with pytest.raises(TraceError, match=r"the model has no input z; it has x; input x is \[batch, 8\] in the model"):
        load_workload(workload)


def test_an_operator_that_we_lack_is_charged_its_traffic_and_refused_when_strict(tmp_path: Path) -> None:
    path = save(tmp_path, [node("Det", "x")], inputs={"x": [5, 4, 4]})
    graph = load_workload(path)
    (layer,) = graph.layers
    assert (layer.supported, layer.input_bytes, layer.output_bytes) == (False, 80, 5)
    assert graph.coverage.unsupported_operators == ("onnx.Det",)
    with pytest.raises(TraceError, match=r"model.onnx: unsupported operators: \S+ \(onnx\.Det\)"):
        load_workload(path, strict=True)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([helper.make_node("Mystery", ["x"], ["y"], name="who", domain="elsewhere")], "node who .Mystery.: the shape"),
        ([node("NonZero", "x")], r"node /NonZero \(NonZero\): the shape of its output y is unknown"),
        ([node("MatMul", "x x")], "shapes do not fit together"),
    ],
)
def test_a_model_that_cannot_be_mapped_names_file_and_node(tmp_path: Path, nodes: list[Any], message: str) -> None:
    path = save(tmp_path, nodes, inputs={"x": [3, 4]})
    with pytest.raises(TraceError, match=message) as caught:
        load_workload(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_control_flow_says_what_to_do(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "b", [], [helper.make_empty_tensor_value_info("z")]
    )
    nodes = [helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch)]
    path = save(tmp_path, nodes, inputs={"x": [3], "c": []})
    with pytest.raises(TraceError, match=r"node choice is dynamic control flow \(If\)"):
        load_workload(path)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256))])
def test_a_file_that_is_no_model_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=r"model.onnx is no ONNX model"):
        load_workload(path)


def test_without_the_package_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path, [node("Relu", "x")], inputs={"x": [3]})
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install 'mensa-sim\[onnx\]'"):
        load_workload(path, cache=False)
