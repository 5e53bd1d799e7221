"""Working out every shape of an ONNX model: inference, and the arithmetic on shapes that models carry along."""

import importlib
import math
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.model import LARGEST_VALUE, KnownTensor, OnnxModel, keep_small, onnx_package

_MOST_ROUNDS = 100
_CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")
_NOT_FOLDED = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")
_SHAPED_AS_INPUT = ("GroupNormalization",)
"""Operators that onnx (1.23) infers no shape of: they are functions, and keep that of their first input."""
_INDEX_TYPES = ("INT16", "INT32", "INT64", "UINT16", "UINT32", "UINT64")


def settle_shapes(model: OnnxModel, file: str) -> None:
    """Fills in `shapes` and `integers`, and takes out the nodes that only compute shapes and those nothing reads."""
    for node in model.proto.graph.node:
        if node.op_type in _CONTROL_FLOW:
            raise TraceError(
                f"{file}: node {node.name or node.output[0]} is dynamic control flow ({node.op_type}); "
                "only static graphs can be mapped, export the model with it unrolled or decided"
            )
    for _ in range(_MOST_ROUNDS):
        _infer(model, file)
        if not (_settle_some(model) or _state_some(model)):
            break
    _drop_unread(model)
    standard = all(node.domain in ("", "ai.onnx") for node in model.proto.graph.node)
    if standard and any(name and name not in model.shapes for node in model.proto.graph.node for name in node.output):
        _infer(model, file, strict=True)


def _infer(model: OnnxModel, file: str, *, strict: bool = False) -> None:
    """What the file's operators say of shapes; only when `strict` does a node that contradicts itself speak up."""
    onnx = onnx_package()
    inference = importlib.import_module("onnx.shape_inference")
    try:
        graph = inference.infer_shapes(model.proto, strict_mode=strict, data_prop=True).graph
    except Exception as error:  # the checker's own kinds of errors, and protobuf's
        reason = " ".join(str(error).split())
        raise TraceError(f"{file}: shapes do not fit together: {reason}") from error
    integers = {onnx.TensorProto.DataType.Value(name) for name in _INDEX_TYPES}
    for entry in (*graph.input, *graph.value_info, *graph.output):
        kind = entry.type.tensor_type
        if kind.elem_type in integers:
            model.integers.add(entry.name)
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            model.shapes[entry.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    model.shapes.update({name: constant.shape for name, constant in model.constants.items()})


def _settle_some(model: OnnxModel) -> bool:
    """Computes nodes whose inputs are small known numbers; true if there were any."""
    onnx = onnx_package()
    remaining = []
    for node in model.proto.graph.node:
        values = _shape_of(node, model) if node.op_type in ("Shape", "Size") else _computed(node, model)
        if values is None:
            remaining.append(node)
            continue
        for name, value in zip((name for name in node.output if name), values, strict=True):
            keep_small(model, name, value, onnx, written=True)
        model.settled.append(node.name or node.output[0])
    found = len(remaining) < len(model.proto.graph.node)
    del model.proto.graph.node[:]
    model.proto.graph.node.extend(remaining)
    return found


def _state_some(model: OnnxModel) -> bool:
    """States the shapes of nodes that inference leaves out though their input is known; true if there were any."""
    onnx = onnx_package()
    found = False
    for node in model.proto.graph.node:
        shape = model.shapes.get(node.input[0]) if node.op_type in _SHAPED_AS_INPUT else None
        if shape is not None and node.output[0] not in model.shapes:
            model.shapes[node.output[0]] = shape
            stated = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, shape)
            model.proto.graph.value_info.append(stated)
            found = True
    return found


def _shape_of(node: Any, model: OnnxModel) -> list[Any] | None:
    numpy = importlib.import_module("numpy")
    shape = model.shapes.get(node.input[0])
    if shape is None:
        return None
    if node.op_type == "Size":
        return [numpy.array(numpy.prod(shape, dtype=numpy.int64), dtype=numpy.int64)]
    limits = {attribute.name: attribute.i for attribute in node.attribute}
    return [numpy.array(shape[limits.get("start") : limits.get("end")], dtype=numpy.int64)]


def _computed(node: Any, model: OnnxModel) -> list[Any] | None:
    """The outputs of a node all of whose inputs are integers or single numbers; none where it is not one."""
    names = [name for name in node.input if name]
    known = [model.constants.get(name) for name in names]
    if not names or node.domain not in ("", "ai.onnx") or node.op_type in _NOT_FOLDED:
        return None
    if not all(constant is not None and _is_shape_like(constant) for constant in known):
        return None
    if any(math.prod(model.shapes.get(name, ())) > LARGEST_VALUE for name in node.output):
        return None
    feeds = {name: constant.value for name, constant in zip(names, known, strict=True) if constant is not None}
    try:
        values = _evaluated(node, feeds, model.opset)
    except Exception:  # what the evaluator cannot do stays a node, and is judged as one
        return None
    return values if all(value.size <= LARGEST_VALUE for value in values) else None


def _evaluated(node: Any, feeds: dict[str, Any], opset: int) -> list[Any]:
    """A node's outputs, by the reference implementation of its operator set."""
    numpy, helper = importlib.import_module("numpy"), onnx_package().helper
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", inputs, outputs)
    wrapped = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = importlib.import_module("onnx.reference").ReferenceEvaluator(wrapped)
    return [numpy.asarray(value) for value in evaluator.run(None, feeds)]


def _is_shape_like(constant: KnownTensor) -> bool:
    value = constant.value
    return value is not None and (value.dtype.kind in "iub" or value.size <= 1)


def _drop_unread(model: OnnxModel) -> None:
    """Takes out nodes whose results nothing reads, last first."""
    read = set(model.outputs)
    kept = []
    for node in reversed(model.proto.graph.node):
        if any(name in read for name in node.output):
            read.update(name for name in node.input if name)
            kept.append(node)
    del model.proto.graph.node[:]
    model.proto.graph.node.extend(reversed(kept))
