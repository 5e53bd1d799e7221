"""Quantised ONNX models in the form of float ones: integer operators are the float ones, casts vanish.

Scales and zero points are part of how a product is rounded on its way out, so they are no work of their own. What a
cast says of a tensor's width is kept in `model.bits`.
"""

from collections.abc import Mapping
from typing import Any

from mensa_sim.records import dataclass
from mensa_sim.workload.importers.onnx.contributed.parts import MICROSOFT
from mensa_sim.workload.importers.onnx.model import (
    OnnxModel,
    bits_of,
    is_index_type,
    is_quantised_type,
    is_standard,
    label_of,
    onnx_package,
)
from mensa_sim.workload.importers.onnx.names import rename_reads, replace_nodes


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

_SUM_BITS = 32
"""Bits of a sum of products that is left in integers."""

CASTS = ("QuantizeLinear", "DequantizeLinear")
_BITS_OF_QUANT = 3
"""Where the `Quant` operator of QONNX says its width."""


def in_float_form(model: OnnxModel) -> None:
    """Rewrites integer operators as the float ones that they stand for, on tensors of integers."""
    for node in model.proto.graph.node:
        _rewrite(node, model)


def take_casts_out(model: OnnxModel) -> None:
    """What a cast widens is read in its place; what one narrows is a view of other bits."""
    graph = model.proto.graph
    if not model.bits and not any(map(_is_cast, graph.node)):
        return
    integers = {name for name, kind in model.kinds.items() if is_quantised_type(kind)} | set(model.bits)
    model.bits = _widths(model) | model.bits
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        rename_reads(node, renamed)
        widens = node.op_type == "DequantizeLinear" and _is_cast(node)
        if _is_cast(node) or (not widens and any(name in integers for name in node.input)):
            integers.update(node.output)
        if not _is_cast(node):
            kept.append(node)
            continue
        if widens:
            integers.add(node.input[0])
            model.scales[node.input[0]] = model.constants_among(node.input[1:])
            model.settled.append(label_of(node))
            renamed[node.output[0]] = node.input[0]
        else:
            model.bits[node.output[0]] = _cast_bits(node, model)
        if not widens or node.output[0] in model.outputs:
            kept.append(onnx_package().helper.make_node("Identity", [node.input[0]], [node.output[0]], name=node.name))
    replace_nodes(graph, kept)
    model.integers -= integers


def _widths(model: OnnxModel) -> dict[str, int]:
    """Bits of every tensor of a quantised model; those of indices are known, wide integers are sums or biases."""
    bits = {name: bits_of(kind) for name, kind in model.kinds.items() if kind and not is_index_type(kind)}
    return {name: each for name, each in bits.items() if each is not None}


def _is_cast(node: Any) -> bool:
    if node.op_type in CASTS:
        return is_standard(node) or node.domain == MICROSOFT
    return _is_quant(node)


def _is_quant(node: Any) -> bool:
    """QONNX's cast to any width and back."""
    return node.op_type in ("Quant", "IntQuant", "BipolarQuant") and not is_standard(node)


def _cast_bits(node: Any, model: OnnxModel) -> int:
    """The width that a node casts to."""
    if _is_quant(node):
        width = model.number(node.input[_BITS_OF_QUANT]) if len(node.input) > _BITS_OF_QUANT else None
        return 1 if width is None else int(width)
    return _zero_point_bits(node, 2, model) or next(
        (bits_of(attribute.i) or 0 for attribute in node.attribute if attribute.name == "output_dtype"), 8
    )


def _zero_point_bits(node: Any, at: int, model: OnnxModel) -> int | None:
    constant = model.constants.get(node.input[at]) if at < len(node.input) else None
    return None if constant is None else bits_of(constant.kind)


def _rewrite(node: Any, model: OnnxModel) -> None:
    table = _STANDARD if is_standard(node) else _CONTRIBUTED if node.domain == MICROSOFT else {}
    attributes = {attribute.name: attribute for attribute in node.attribute}
    if node.domain == MICROSOFT and node.op_type == "QLinearConcat":
        # scale and zero point of the result, then data, scale and zero point of each operand
        form = IntegerForm(operator="Concat", inputs=tuple(range(2, len(node.input), 3)), zero_point=1)
    elif node.op_type in table and not ("channels_last" in attributes and attributes["channels_last"].i):
        form = table[node.op_type]
    else:
        return
    if form.zero_point is None:
        model.bits[node.output[0]] = _SUM_BITS
    elif form.zero_point < len(node.input):
        model.bits[node.output[0]] = _zero_point_bits(node, form.zero_point, model) or 8
    inputs = [node.input[at] if at < len(node.input) else "" for at in form.inputs]
    while inputs and not inputs[-1]:
        inputs.pop()
    node.op_type, node.domain = form.operator, ""
    node.input[:] = inputs
    for name in ("channels_last", "opset"):
        if name in attributes:
            node.attribute.remove(attributes[name])
