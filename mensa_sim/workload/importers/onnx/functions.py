"""Standard operators that we lack and the standard defines by others: its definition is put in their place."""

from collections.abc import Mapping
from typing import Any

from mensa_sim.workload.importers.onnx.call import OnnxHandler
from mensa_sim.workload.importers.onnx.control_flow import CONTROL_FLOW, copy_of, named, with_own_constants
from mensa_sim.workload.importers.onnx.handlers import attention, layers, moves, rarer, vectors
from mensa_sim.workload.importers.onnx.model import OnnxModel, is_standard, onnx_package
from mensa_sim.workload.importers.onnx.names import bodies, replace_nodes
from mensa_sim.workload.importers.onnx.quantised import CASTS

ONNX_OPERATORS: Mapping[str, OnnxHandler] = {
    name: handler for family in (layers, attention, vectors, moves, rarer) for name, handler in family.HANDLERS.items()
}
"""ONNX operator to the handler that adds its layers."""


_NOT_TAKEN_APART = (*CONTROL_FLOW, *CASTS, "Constant")


def expand_functions(model: OnnxModel) -> bool:
    """Replaces every operator that has a definition and no handler; true if there was any."""
    kept: list[Any] = []
    found = False
    for node in model.proto.graph.node:
        lacking = is_standard(node) and node.op_type not in ONNX_OPERATORS and node.op_type not in _NOT_TAKEN_APART
        function = _definition(node, model) if lacking else None
        found = found or function is not None
        kept.extend([node] if function is None else _parts(node, function, model))
    replace_nodes(model.proto.graph, kept)
    return found


def _definition(node: Any, model: OnnxModel) -> Any:
    """An operator in others, as its schema says; some say it only where the types and shapes of inputs are known."""
    onnx = onnx_package()
    types = [_type(name, model) for name in node.input]
    try:
        schema = onnx.defs.get_schema(node.op_type, model.opset, "")
        if schema.has_function:
            return schema.function_body
        if schema.has_context_dependent_function and all(types):
            given = _with_defaults(node, schema)
            text = schema.get_context_dependent_function(given.SerializeToString(), types)
            return onnx.FunctionProto.FromString(text) if text else None
    except Exception:  # an operator that this version of onnx does not know, or says nothing of
        return None
    return None


def _type(name: str, model: OnnxModel) -> bytes:
    """The type of an input, written out: of a missing one nothing is known, of a known one its shape too."""
    onnx = onnx_package()
    if not name:
        return bytes(onnx.TypeProto(optional_type=onnx.TypeProto.Optional()).SerializeToString())
    kind, shape = model.kinds.get(name), model.shapes.get(name)
    if not kind or shape is None:
        return b""
    return bytes(onnx.helper.make_tensor_type_proto(kind, shape).SerializeToString())


def _with_defaults(node: Any, schema: Any) -> Any:
    whole = type(node)()
    whole.CopyFrom(node)
    given = {entry.name for entry in node.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.name:
            whole.attribute.append(attribute.default_value)
    return whole


def _parts(node: Any, function: Any, model: OnnxModel) -> list[Any]:
    onnx = onnx_package()
    schema = onnx.defs.get_schema(node.op_type, model.opset, "")
    attributes = {entry.name: entry for entry in (*function.attribute_proto, *_with_defaults(node, schema).attribute)}
    body = onnx.GraphProto(node=function.node)
    body.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in function.output)
    _fill_in(body, attributes)
    own = with_own_constants(node, body, model)
    given = dict.fromkeys(function.input, "") | dict(zip(function.input, node.input, strict=False))
    parts, outputs = copy_of(own, given, f"{node.output[0]}/")
    for part in parts:
        part.name = node.name
    return [*parts, *named(node, outputs, node.output)]


def _fill_in(graph: Any, attributes: Mapping[str, Any]) -> None:
    """The node's own attributes where a definition refers to them; what the node leaves out, its parts leave out."""
    for part in graph.node:
        kept = []
        for entry in part.attribute:
            source = attributes.get(entry.ref_attr_name) if entry.ref_attr_name else entry
            if source is not None:
                filled = type(entry)()
                filled.CopyFrom(source)
                filled.name = entry.name
                kept.append(filled)
        del part.attribute[:]
        part.attribute.extend(kept)
        for body in bodies(part):
            _fill_in(body, attributes)
