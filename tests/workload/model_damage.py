"""Damage to model files: edits of an ONNX graph that keep it readable, and flipped, set and lost bytes of any file."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx_files import TensorProto, helper, onnx, weights

KINDS = (
    *("Conv", "Gemm", "MatMul", "Resize", "Loop", "Scan", "If", "Split", "Concat", "Gather", "LSTM", "GRU"),
    *("Pad", "Slice", "Einsum", "Attention", "TopK", "Det", "Tile", "Expand", "Range", "ConstantOfShape"),
    *("Reshape", "BatchNormalization", "LayerNormalization", "DFT", "RoiAlign", "GridSample", "OneHot"),
    *("DeformConv", "Constant", "QLinearMatMul", "DynamicQuantizeLinear", "ConvTranspose", "CumSum", "NonZero"),
    "SequenceAt",
)
ATTRIBUTES = (
    *("pads", "strides", "axis", "perm", "kernel_shape", "equation", "body", "to", "hidden_size", "group"),
    *("dilations", "axes", "mode"),
)
HUGE = (0, -1, 3, 2**40, -(2**62))


def whole() -> Any:
    """An ONNX model with every kind of thing that the importer handles apart."""
    constants = {
        "w1": weights(8, 3, 3, 3),
        "b1": weights(8),
        "wq": np.ones((4, 8, 1, 1), np.int8),
        "s": np.float32(0.1),
        "z": np.int8(0),
        "flat": np.array([1, -1]),
        "rows": np.array([2, 2, 4]),
        "zero": np.array(0),
        "one": np.array(1),
        "lw": weights(1, 16, 4),
        "lr": weights(1, 16, 4),
    }
    then, other = (
        helper.make_graph(
            [helper.make_node(kind, ["r"], [name])], name, [], [helper.make_empty_tensor_value_info(name)]
        )
        for kind, name in (("Relu", "q"), ("Identity", "p"))
    )
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Sigmoid", ["c"], ["g"]),
        helper.make_node("Mul", ["c", "g"], ["a"]),
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["aq"]),
        helper.make_node("QLinearConv", ["aq", "s", "z", "wq", "s", "z", "s", "z"], ["oq"]),
        helper.make_node("DequantizeLinear", ["oq", "s", "z"], ["o"]),
        helper.make_node("MaxPool", ["o"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["m"], ["t"], perm=[2, 0, 3, 1]),
        helper.make_node("Reshape", ["t", "rows"], ["steps"]),
        helper.make_node("LSTM", ["steps", "lw", "lr"], ["sequence", "last"], hidden_size=4),
        helper.make_node("Shape", ["c"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Equal", ["batch", "one"], ["alone"]),
        helper.make_node("Reshape", ["c", "flat"], ["r"]),
        helper.make_node("If", ["alone"], ["chosen"], then_branch=then, else_branch=other),
        helper.make_node("Einsum", ["chosen", "chosen"], ["e"], equation="ij,kj->ik"),
        helper.make_node("Softmax", ["e"], ["y"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_empty_tensor_value_info(name) for name in ("y", "last")],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def edited(content: bytes, rng: random.Random) -> bytes:
    """A model with one to three things of its graph changed."""
    model = onnx.ModelProto()
    model.ParseFromString(content)
    for _ in range(rng.choice([1, 1, 2, 3])):
        if model.graph.node and model.graph.initializer:
            rng.choice(EDITS)(model.graph, rng)
    return bytes(model.SerializeToString())


def _reads_another(graph: Any, rng: random.Random) -> None:
    node, names = rng.choice(graph.node), [name for node in graph.node for name in (*node.input, *node.output)]
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def _makes_another(graph: Any, rng: random.Random) -> None:
    node, names = rng.choice(graph.node), [name for node in graph.node for name in (*node.input, *node.output)]
    if node.output:
        node.output[rng.randrange(len(node.output))] = rng.choice(names)


def _loses_an_attribute(graph: Any, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    if node.attribute:
        del node.attribute[rng.randrange(len(node.attribute))]


def _gains_an_attribute(graph: Any, rng: random.Random) -> None:
    attribute = rng.choice(graph.node).attribute.add()
    attribute.name, attribute.type = rng.choice(ATTRIBUTES), rng.choice([1, 2, 3, 4, 6, 7, 8])
    attribute.i, attribute.s, attribute.f = rng.choice(HUGE), b"\xff?", float("nan")
    attribute.ints.extend(rng.choice(HUGE) for _ in range(rng.randrange(5)))


def _changes_an_attribute(graph: Any, rng: random.Random) -> None:
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    if not attributes:
        return
    attribute = rng.choice(attributes)
    if rng.random() < 0.5:
        attribute.type = rng.randrange(10)
    elif attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(HUGE)
    else:
        attribute.i = rng.choice(HUGE)


def _is_another_operator(graph: Any, rng: random.Random) -> None:
    node = rng.choice(graph.node)
    node.op_type, node.domain = rng.choice(KINDS), rng.choice(["", "", "", "com.microsoft", "elsewhere"])


def _changes_a_constant(graph: Any, rng: random.Random) -> None:
    tensor, way = rng.choice(graph.initializer), rng.randrange(4)
    if way == 0:
        tensor.dims.append(rng.choice([0, 1, -1, 7, 2**40]))
    elif way == 1:
        tensor.data_type = rng.choice([0, 1, 2, 6, 7, 8, 9, 14, 22, 99, -3])
    elif way == 2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    else:
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../../../../etc/passwd"


def _changes_nodes(graph: Any, rng: random.Random) -> None:
    way = rng.randrange(3)
    if way == 0:
        del graph.node[rng.randrange(len(graph.node))]
    elif way == 1:
        graph.node.insert(0, rng.choice(graph.node))
    else:
        graph.node.insert(0, graph.node.pop())


def _changes_the_ends(graph: Any, rng: random.Random) -> None:
    dims = graph.input[0].type.tensor_type.shape.dim if graph.input else ()
    if rng.random() < 0.3:
        del graph.output[:]
    elif dims:
        rng.choice(dims).dim_value = rng.choice(HUGE)


EDITS: tuple[Callable[[Any, random.Random], None], ...] = (
    _reads_another,
    _makes_another,
    _loses_an_attribute,
    _gains_an_attribute,
    _changes_an_attribute,
    _is_another_operator,
    _changes_a_constant,
    _changes_nodes,
    _changes_the_ends,
)


def flipped(content: bytes, rng: random.Random) -> bytes:
    """A file with a few bits flipped, bytes set or bytes lost."""
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, way = rng.randrange(len(damaged)), rng.randrange(5)
        if way < 2:
            damaged[at] ^= 1 << rng.randrange(8)
        elif way == 2:
            damaged[at] = rng.choice([0, 1, 127, 255])
        elif way == 3:
            damaged[at : at + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0"])
        else:
            del damaged[at : at + rng.randrange(1, 9)]
    return bytes(damaged)
