"""One network in other formats: ONNX with casts around everything, and TFLite of floats or integers, from ONNX."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx_files import TensorProto, helper, onnx
from tflite_files import Net


def with_casts(model: Any) -> Any:
    """An 8-bit ONNX model as quantisers write it: every tensor is cast to integers and back, weights are integers."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    floats = {
        e.name for e in (*graph.input, *graph.value_info, *graph.output) if _is_float(e.type.tensor_type.elem_type)
    }
    constants = {tensor.name: tensor for tensor in graph.initializer}
    scale = onnx.numpy_helper.from_array(np.float32(0.1), "scale")
    zeros = [onnx.numpy_helper.from_array(kind(0), name) for name, kind in (("zero", np.int8), ("wide", np.int32))]
    nodes: list[Any] = []
    kept = [scale, *zeros]
    shown: dict[str, str] = {}

    def cast(name: str) -> None:
        nodes.append(helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}/q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}/q", "scale", "zero"], [f"{name}/d"]))
        shown[name] = f"{name}/d"

    for name, tensor in constants.items():
        if not _is_float(tensor.data_type) or not tensor.dims:
            kept.append(tensor)
            continue
        kind = np.int32 if len(tensor.dims) == 1 else np.int8
        kept.append(onnx.numpy_helper.from_array(np.ones(tensor.dims, kind), f"{name}/q"))
        zero = "wide" if kind is np.int32 else "zero"
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}/q", "scale", zero], [f"{name}/d"]))
        shown[name] = f"{name}/d"
    for entry in graph.input:
        if entry.name in floats and entry.name not in constants:
            cast(entry.name)
    leaving = {entry.name for entry in graph.output}
    for node in graph.node:
        copied = type(node)()
        copied.CopyFrom(node)
        copied.input[:] = [shown.get(name, name) for name in node.input]
        nodes.append(copied)
        for name in node.output:
            if name in floats:
                cast(name)
    outputs = [helper.make_empty_tensor_value_info(shown.get(name, name)) for name in sorted(leaving)]
    made = helper.make_graph(nodes, "graph", list(graph.input), outputs, kept)
    return helper.make_model(made, opset_imports=list(model.opset_import))


def _is_float(kind: int) -> bool:
    return kind == TensorProto.FLOAT


class Converter:
    """An ONNX graph as a TFLite one, operator by operator; `images` puts channels last."""

    def __init__(self, model: Any, *, kind: str, images: bool) -> None:
        graph = onnx.shape_inference.infer_shapes(model).graph
        self.net, self.images, self.graph = Net(kind), images, graph
        self.bias_kind = "int32" if kind == "int8" else kind
        self.values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        entries = (*graph.input, *graph.value_info, *graph.output)
        self.shapes = {e.name: tuple(d.dim_value for d in e.type.tensor_type.shape.dim) for e in entries}
        self.made: dict[str, int] = {}

    def save(self, path: Any) -> Any:
        inputs = [entry.name for entry in self.graph.input if entry.name not in self.values]
        for name in inputs:
            self.made[name] = self.net.tensor(name, self.shape(name))
        for node in self.graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self.values[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
                continue
            if node.op_type == "Identity":
                self._rename(node.input[0], node.output[0])
                continue
            self.made[node.output[0]] = getattr(self, f"_{node.op_type.lower()}")(node, attributes)
        outputs = [self.made[entry.name] for entry in self.graph.output]
        return self.net.save(path, [self.made[name] for name in inputs], outputs)

    def _rename(self, name: str, other: str) -> None:
        known: dict[str, Any] = self.values if name in self.values else self.made
        known[other] = known[name]

    def shape(self, name: str) -> tuple[int, ...]:
        first, *rest = self.shapes[name]
        return (first, *rest[1:], rest[0]) if self.images and len(rest) == 3 else self.shapes[name]

    def constant(self, name: str, array: np.ndarray) -> int:
        kind = self.bias_kind if array.ndim == 1 else self.net.kind
        return self.net.constant(name, np.ones(array.shape), kind=kind)

    def numbers(self, name: str, values: Sequence[int]) -> int:
        return self.net.constant(name, values, kind="int32")

    def add(self, node: Any, operator: str, inputs: Sequence[int], options: str = "", **values: Any) -> int:
        return self.net.add(operator, inputs, self.shape(node.output[0]), options, **values)

    def _conv(self, node: Any, attributes: Mapping[str, Any]) -> int:
        weight, group = self.values[node.input[1]], attributes.get("group", 1)
        depthwise = group > 1 and weight.shape[1] == 1
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [self.made[node.input[0]], self.constant(node.input[1], weight.transpose(order))]
        inputs += [self.constant(name, self.values[name]) for name in node.input[2:]]
        kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        values = dict(zip(("StrideH", "StrideW"), attributes.get("strides", (1, 1)), strict=True))
        values |= dict(zip(("DilationHFactor", "DilationWFactor"), attributes.get("dilations", (1, 1)), strict=True))
        return self.add(node, "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", inputs, kind, **values)

    def _clip(self, node: Any, _: Mapping[str, Any]) -> int:
        return self.add(node, "RELU6", [self.made[node.input[0]]])

    def _relu(self, node: Any, _: Mapping[str, Any]) -> int:
        return self.add(node, "RELU", [self.made[node.input[0]]])

    def _binary(self, node: Any, operator: str, options: str) -> int:
        inputs = [self.made[n] if n in self.made else self.net.constant(n, self.values[n]) for n in node.input]
        return self.add(node, operator, inputs, options)

    def _mul(self, node: Any, _: Mapping[str, Any]) -> int:
        return self._binary(node, "MUL", "MulOptions")

    def _add(self, node: Any, _: Mapping[str, Any]) -> int:
        for at, name in enumerate(node.input):
            value = self.values.get(name)
            other = node.input[1 - at]
            if value is not None and value.ndim == 1 and other in self.dense:
                product = self.dense[other]
                inputs = [*self.net.operators[product][1], self.constant(name, value)]
                kind, _, outputs, options, values = self.net.operators[product]
                self.net.operators[product] = (kind, inputs, outputs, options, values)
                return self.made[other]
        return self._binary(node, "ADD", "AddOptions")

    dense: dict[str, int]

    def _matmul(self, node: Any, _: Mapping[str, Any]) -> int:
        weight = self.values.get(node.input[1])
        if weight is None:
            return self.add(node, "BATCH_MATMUL", [self.made[name] for name in node.input], "BatchMatMulOptions")
        self.dense = getattr(self, "dense", {}) | {node.output[0]: len(self.net.operators)}
        inputs = [self.made[node.input[0]], self.constant(node.input[1], weight.T)]
        return self.add(node, "FULLY_CONNECTED", inputs, "FullyConnectedOptions", KeepNumDims=True)

    def _gemm(self, node: Any, attributes: Mapping[str, Any]) -> int:
        weight = self.values[node.input[1]]
        weight = weight if attributes.get("transB", 0) else weight.T
        inputs = [self.made[node.input[0]], self.constant(node.input[1], weight)]
        inputs += [self.constant(name, self.values[name]) for name in node.input[2:]]
        return self.add(node, "FULLY_CONNECTED", inputs, "FullyConnectedOptions")

    def _globalaveragepool(self, node: Any, _: Mapping[str, Any]) -> int:
        axes = self.numbers(f"{node.output[0]}/axes", [1, 2])
        return self.add(node, "MEAN", [self.made[node.input[0]], axes], "ReducerOptions", KeepDims=True)

    def _reducemean(self, node: Any, _: Mapping[str, Any]) -> int:
        axes = self.numbers(f"{node.output[0]}/axes", [1, 2])
        return self.add(node, "MEAN", [self.made[node.input[0]], axes], "ReducerOptions")

    def _reshape(self, node: Any, _: Mapping[str, Any]) -> int:
        shape = self.numbers(f"{node.output[0]}/shape", self.shape(node.output[0]))
        return self.add(node, "RESHAPE", [self.made[node.input[0]], shape], "ReshapeOptions")

    _flatten = _squeeze = _reshape

    def _transpose(self, node: Any, attributes: Mapping[str, Any]) -> int:
        order = self.numbers(f"{node.output[0]}/order", attributes["perm"])
        return self.add(node, "TRANSPOSE", [self.made[node.input[0]], order], "TransposeOptions")

    def _softmax(self, node: Any, _: Mapping[str, Any]) -> int:
        return self.add(node, "SOFTMAX", [self.made[node.input[0]]], "SoftmaxOptions", Beta=1.0)

    def _sigmoid(self, node: Any, _: Mapping[str, Any]) -> int:
        return self.add(node, "LOGISTIC", [self.made[node.input[0]]])
