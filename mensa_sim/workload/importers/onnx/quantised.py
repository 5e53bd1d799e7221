"""Quantised ONNX models in the form of float ones: integer operators are the float ones, casts vanish.

Scales and zero points are part of how a product is rounded on its way out, so they are no work of their own. What a
cast says of a tensor's width is kept in `model.bits`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mensa_sim.workload.importers.onnx.constants import as_shape_alone, keep_small
from mensa_sim.workload.importers.onnx.model import OnnxModel, is_standard, label_of, onnx_package
from mensa_sim.workload.importers.onnx.names import read_by, rename_reads, replace_nodes
from mensa_sim.workload.importers.onnx.types import bits_of, is_quantised_type

_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerForm:
    """A float operator in integers: the inputs that are the float one's own, and the result's zero point.

    Results without a zero point are sums of products, in wide integers.
    """

    operator: str
    inputs: tuple[int, ...]
    zero_point: int | None = None


_STANDARD: Mapping[str, IntegerForm] = {
    "QLinearConv": IntegerForm(operator="Conv", inputs=(0, 3, 8), zero_point=7),
    "QLinearMatMul": IntegerForm(operator="MatMul", inputs=(0, 3), zero_point=7),
    "MatMulInteger": IntegerForm(operator="MatMul", inputs=(0, 1)),
    "ConvInteger": IntegerForm(operator="Conv", inputs=(0, 1)),
}

_CONTRIBUTED: Mapping[str, IntegerForm] = {
    "QLinearConv": _STANDARD["QLinearConv"],
    "QLinearMatMul": _STANDARD["QLinearMatMul"],
    "MatMulInteger16": _STANDARD["MatMulInteger"],
    "QGemm": IntegerForm(operator="Gemm", inputs=(0, 3, 6), zero_point=8),
    "QLinearAdd": IntegerForm(operator="Add", inputs=(0, 3), zero_point=7),
    "QLinearMul": IntegerForm(operator="Mul", inputs=(0, 3), zero_point=7),
    "QLinearWhere": IntegerForm(operator="Where", inputs=(0, 1, 4), zero_point=8),
    **{
        f"QLinear{name}": IntegerForm(operator=name, inputs=(0,), zero_point=4)
        for name in ("Sigmoid", "LeakyRelu", "Softmax", "AveragePool", "GlobalAveragePool", "ReduceMean")
    },
}
"""The same among onnxruntime's own operators, which its quantiser writes."""

_CASTS = ("QuantizeLinear", "DequantizeLinear")
_BITS_OF_QUANT = 3
"""Where the `Quant` operator of QONNX says its width."""


def in_float_form(model: OnnxModel) -> None:
    """Rewrites integer operators, and takes casts out: what they cast is read in their place."""
    graph = model.proto.graph
    for node in graph.node:
        _rewrite(node, model)
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in graph.input}
    kinds |= {name: constant.kind for name, constant in model.constants.items()}
    model.bits |= {name: bits_of(kind) or 0 for name, kind in kinds.items() if is_quantised_type(kind)}
    readers = _readers(model)
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        rename_reads(node, renamed)
        if not _is_cast(node):
            kept.append(node)
            continue
        if node.op_type != "DequantizeLinear" and all(map(_is_cast, readers[node.input[0]])):
            model.bits[node.input[0]] = max(_cast_bits(node, model), model.bits.get(node.input[0], 0))
        model.settled.append(label_of(node))
        if node.output[0] in model.outputs:
            kept.append(onnx_package().helper.make_node("Identity", [node.input[0]], [node.output[0]], name=node.name))
        renamed[node.output[0]] = node.input[0]
    replace_nodes(graph, kept)
    _make_float(model, set(renamed.values()))


def _is_cast(node: Any) -> bool:
    if node is None:
        return False
    if node.op_type in _CASTS:
        return is_standard(node) or node.domain == _MICROSOFT
    return _is_quant(node)


def _is_quant(node: Any) -> bool:
    """QONNX's cast to any width and back."""
    return node.op_type in ("Quant", "IntQuant", "BipolarQuant") and not is_standard(node)


def _cast_bits(node: Any, model: OnnxModel) -> int:
    """The width that a node casts to."""
    if _is_quant(node):
        width = model.constants.get(node.input[_BITS_OF_QUANT]) if len(node.input) > _BITS_OF_QUANT else None
        known = width is not None and width.value is not None and width.value.size == 1
        return int(width.value.reshape(-1)[0]) if width is not None and known else 1
    return _zero_point_bits(node, 2, model) or next(
        (bits_of(attribute.i) or 0 for attribute in node.attribute if attribute.name == "output_dtype"), 8
    )


def _zero_point_bits(node: Any, at: int, model: OnnxModel) -> int | None:
    constant = model.constants.get(node.input[at]) if at < len(node.input) else None
    return None if constant is None else bits_of(constant.kind)


def _rewrite(node: Any, model: OnnxModel) -> None:
    table = _STANDARD if is_standard(node) else _CONTRIBUTED if node.domain == _MICROSOFT else {}
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if node.domain == _MICROSOFT and node.op_type == "QLinearConcat":
        # scale and zero point of the result, then data, scale and zero point of each operand
        form = IntegerForm(operator="Concat", inputs=tuple(range(2, len(node.input), 3)), zero_point=1)
    elif node.op_type in table and not ("channels_last" in attributes and attributes["channels_last"].i):
        form = table[node.op_type]
    else:
        return
    if form.zero_point is not None and form.zero_point < len(node.input):
        model.bits[node.output[0]] = _zero_point_bits(node, form.zero_point, model) or 8
    inputs = [node.input[at] if at < len(node.input) else "" for at in form.inputs]
    while inputs and not inputs[-1]:
        inputs.pop()
    node.op_type, node.domain = form.operator, ""
    node.input[:] = inputs
    for name in ("channels_last", "opset"):
        if name in attributes:
            node.attribute.remove(attributes[name])


def _readers(model: OnnxModel) -> dict[str, list[Any]]:
    """The nodes that read each tensor; none stands for the one who reads a model output."""
    readers: dict[str, list[Any]] = {name: [None] for name in model.outputs}
    for node in model.proto.graph.node:
        for name in dict.fromkeys(read_by(node)):
            readers.setdefault(name, []).append(node)
    return readers


def _make_float(model: OnnxModel, names: set[str]) -> None:
    """Calls what was cast a float: integers that stand for one are no indices, and their values say no shape."""
    onnx = onnx_package()
    for entry in model.proto.graph.input:
        if entry.name in names and entry.type.HasField("tensor_type"):
            entry.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    others = [entry for entry in model.proto.graph.initializer if entry.name not in names]
    stated = [entry.name for entry in model.proto.graph.initializer if entry.name in names]
    del model.proto.graph.initializer[:]
    model.proto.graph.initializer.extend(others)
    for name in stated:
        constant = model.constants[name]
        if constant.literal:
            keep_small(model, name, constant.value.astype("float32"), written=True)
        else:
            as_shape_alone(model, name, constant.shape, onnx.TensorProto.FLOAT)
