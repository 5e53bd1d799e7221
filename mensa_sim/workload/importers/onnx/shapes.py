"""Working out every shape of an ONNX model: inference, and the arithmetic on shapes that models carry along."""

import importlib
import math
import re
from typing import Any

import numpy as np

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.file_call import LARGEST_VALUE
from mensa_sim.workload.importers.onnx.constants import keep_small
from mensa_sim.workload.importers.onnx.contributed.parts import take_apart
from mensa_sim.workload.importers.onnx.control_flow import CONTROL_FLOW, refuse_control_flow, settle_control_flow
from mensa_sim.workload.importers.onnx.evaluate import RANDOM, evaluated
from mensa_sim.workload.importers.onnx.functions import expand_functions
from mensa_sim.workload.importers.onnx.model import (
    KnownTensor,
    OnnxModel,
    Shape,
    is_index_type,
    is_standard,
    label_of,
    onnx_package,
)
from mensa_sim.workload.importers.onnx.names import bodies, put_in_order, read_by, replace_nodes
from mensa_sim.workload.importers.onnx.quantised import CASTS, in_float_form, take_casts_out

_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")

_MOST_ROUNDS = 100
_SHAPED_AS_INPUT = frozenset(
    ["GroupNormalization", "MeanVarianceNormalization", "RMSNormalization", "RotaryEmbedding", "Gelu", "Swish"]
)
"""Operators that onnx (1.23) infers no shape of, or in later operator sets alone: they keep their first input's."""


def settle_shapes(model: OnnxModel) -> None:
    """Fills in `shapes` and `integers`, and takes out the nodes that only compute shapes and those nothing reads.

    Branches that shapes decide and loops that they count are put in their place on the way.
    """
    check_nodes(model.proto.graph)
    put_in_order(model)
    _drop_unread(model)
    take_apart(model)
    in_float_form(model)
    for _ in range(_MOST_ROUNDS):
        _infer(model)
        if settle_control_flow(model) or expand_functions(model) or take_apart(model):
            take_apart(model)
            in_float_form(model)
        elif not (_settle_some(model) or _state_some(model)):
            break
    _drop_unread(model)
    refuse_control_flow(model)
    take_casts_out(model)
    nodes = model.proto.graph.node
    if all(map(is_standard, nodes)) and any(name and name not in model.shapes for n in nodes for name in n.output):
        _infer(model, strict=True)


def _infer(model: OnnxModel, *, strict: bool = False) -> None:
    """What the file's operators say of shapes; only when `strict` does a node that contradicts itself speak up."""
    inference = importlib.import_module("onnx.shape_inference")
    try:
        graph = inference.infer_shapes(model.proto, strict_mode=strict, data_prop=True).graph
    except Exception as error:  # the checker's own kinds of errors, and protobuf's
        reason = re.sub(r"\[\w+\] |Inference error\(s\): ", "", str(error))
        raise TraceError(f"shapes do not fit together: {' '.join(reason.split())}") from error
    for entry in (*graph.input, *graph.value_info, *graph.output):
        kind = entry.type.tensor_type
        if kind.elem_type:
            model.kinds[entry.name] = kind.elem_type
        if is_index_type(kind.elem_type):
            model.integers.add(entry.name)
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            model.shapes[entry.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    model.kinds.update({name: constant.kind for name, constant in model.constants.items()})
    model.shapes.update({name: constant.shape for name, constant in model.constants.items()})


def _settle_some(model: OnnxModel) -> bool:
    """Computes nodes whose inputs are small known numbers; true if there were any."""
    remaining = []
    for node in model.proto.graph.node:
        values = _shape_of(node, model) if node.op_type in ("Shape", "Size") else _computed(node, model)
        if values is None:
            remaining.append(node)
            continue
        for name, value in zip((name for name in node.output if name), values, strict=True):
            keep_small(model, name, value, written=True)
        model.settled.append(label_of(node))
    found = len(remaining) < len(model.proto.graph.node)
    replace_nodes(model.proto.graph, remaining)
    return found


def _state_some(model: OnnxModel) -> bool:
    """States the shapes of nodes that inference leaves out though their inputs are known; true if there were any."""
    onnx = onnx_package()
    found = False
    for node in model.proto.graph.node:
        for name, shape in zip(node.output, _shapes_made(node, model), strict=False):
            if name and shape is not None and name not in model.shapes:
                model.shapes[name] = shape
                stated = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                model.proto.graph.value_info.append(stated)
                found = True
    return found


def _shapes_made(node: Any, model: OnnxModel) -> tuple[Shape | None, ...]:
    """What a node of the standard makes of known inputs, where later versions of the standard say it alone."""
    if node.op_type in _SHAPED_AS_INPUT:
        return (model.shapes.get(node.input[0]),)
    if node.op_type != "Attention" or not is_standard(node):
        return ()
    read = [model.shapes.get(name) for name in node.input[:3]]
    query, key, value = read if len(read) == 3 else (None,) * 3
    if query is None or key is None or value is None or {len(query), len(key), len(value)} != {4}:
        return ()
    past = model.shapes.get(node.input[4]) if len(node.input) > 4 else None
    grown = key[2] + (past[2] if past is not None else 0)
    return (*query[:3], value[3]), (*key[:2], grown, key[3]), (*value[:2], grown, value[3])


def _shape_of(node: Any, model: OnnxModel) -> list[Any] | None:
    shape = model.shapes.get(node.input[0])
    if shape is None:
        return None
    if node.op_type == "Size":
        return [np.array(np.prod(shape, dtype=np.int64), dtype=np.int64)]
    limits = {attribute.name: attribute.i for attribute in node.attribute}
    return [np.array(shape[limits.get("start") : limits.get("end")], dtype=np.int64)]


def _computed(node: Any, model: OnnxModel) -> list[Any] | None:
    """The outputs of a node all of whose inputs are integers or single numbers; none where it is not one."""
    names = [name for name in node.input if name]
    known = [model.constants.get(name) for name in names]
    if not names or not is_standard(node) or node.op_type in (*RANDOM, *CASTS, *CONTROL_FLOW):
        return None
    if not all(constant is not None and _is_shape_like(constant) for constant in known):
        return None
    if any(math.prod(model.shapes.get(name, ())) > LARGEST_VALUE for name in node.output):
        return None
    feeds = {name: constant.value for name, constant in zip(names, known, strict=True) if constant is not None}
    try:
        values = evaluated([node], feeds, [name for name in node.output if name], model.opset)
    except Exception:  # what the evaluator cannot do stays a node, and is judged as one
        return None
    return values if all(value.size <= LARGEST_VALUE for value in values) else None


def _is_shape_like(constant: KnownTensor) -> bool:
    value = constant.value
    return value is not None and (value.dtype.kind in "iub" or value.size <= 1)


def _drop_unread(model: OnnxModel) -> None:
    """Takes out nodes whose results nothing reads, last first."""
    read = set(model.outputs)
    kept = []
    for node in reversed(model.proto.graph.node):
        if any(name in read for name in node.output):
            read.update(read_by(node))
            kept.append(node)
    replace_nodes(model.proto.graph, reversed(kept))


def check_nodes(graph: Any) -> None:
    """Refuses nodes on which inference (onnx 1.23) would not come to an end."""
    for node in graph.node:
        if node.op_type == "Einsum":
            equations = [a.s.decode(errors="replace") for a in node.attribute if a.name == "equation"]
            if not all(_EQUATION.fullmatch(equation.replace(" ", "")) for equation in equations):
                raise TraceError(f"node {label_of(node)} (Einsum) has the equation {equations[0]!r}, which is none")
        for body in bodies(node):
            check_nodes(body)
