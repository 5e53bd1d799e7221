"""onnxruntime's fused operators (domain com.microsoft), as its optimiser writes them, said in those of the standard."""

from collections.abc import Callable, Mapping
from typing import Any

from mensa_sim.workload.importers.onnx.constants import as_shape_alone
from mensa_sim.workload.importers.onnx.contributed.attention import ATTENTION_PARTS
from mensa_sim.workload.importers.onnx.contributed.fused import FusedNode
from mensa_sim.workload.importers.onnx.model import OnnxModel, bits_of, onnx_package
from mensa_sim.workload.importers.onnx.names import replace_nodes

MICROSOFT = "com.microsoft"

_CHANNELS_SECOND, _CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""Between [batch, height, width, channels] and [batch, channels, height, width]."""

_ORT_IN_STANDARD = ("SimplifiedLayerNormalization",)
"""Operators that onnxruntime put in the standard's own domain."""


def take_apart(model: OnnxModel) -> bool:
    """Replaces every fused operator that we know by its parts, which make what it made; true if there was any.

    Some ask for the shape of what they read, and wait until it is known.
    """
    parts: list[Any] = []
    found = False
    for node in model.proto.graph.node:
        known = node.domain == MICROSOFT or node.op_type in _ORT_IN_STANDARD
        maker = _PARTS.get(node.op_type) if known else None
        made = None if maker is None else maker(FusedNode(node, model))
        found = found or made is not None
        parts.extend([node] if made is None else made)
    replace_nodes(model.proto.graph, parts)
    return found


def _activated(kind: str) -> Callable[[FusedNode], list[Any]]:
    """A function of the data, after a bias where there is one."""

    def parts(fused: FusedNode) -> list[Any]:
        data = fused.input(0)
        if fused.input(1):
            data = fused.add("Add", [data, fused.input(1)])
        fused.add(kind, [data])
        return fused.end()

    return parts


def _skip_norm(fused: FusedNode) -> list[Any]:
    """Data, skip, scale, shift (none for the simplified one), bias; the sum is the fourth output."""
    simple = "Simplified" in fused.node.op_type
    shift, bias = ("", fused.input(3)) if simple else (fused.input(3), fused.input(4))
    total = fused.add("Add", [fused.input(0), fused.input(1)])
    if bias:
        total = fused.add("Add", [total, bias])
    if fused.wants(3):
        total = fused.add("Identity", [total], output=fused.node.output[3])
    kind = "RMSNormalization" if simple else "LayerNormalization"
    fused.add(kind, [total, fused.input(2), *([shift] if shift else [])], axis=-1)
    return fused.end()


def _simple_norm(fused: FusedNode) -> list[Any]:
    fused.add("RMSNormalization", [fused.input(0), fused.input(1)], axis=-1)
    return fused.end()


def _product(fused: FusedNode) -> list[Any]:
    """A product of either operand turned; the factor is part of it."""
    left = "...ji" if fused.attributes.get("transA", 0) else "...ij"
    right = "...kj" if fused.attributes.get("transB", 0) else "...jk"
    fused.add("Einsum", [fused.input(0), fused.input(1)], equation=f"{left},{right}->...ik")
    return fused.end()


def _convolution(fused: FusedNode) -> list[Any] | None:
    """Data, weight, bias, what is added; then an activation that has its standard name.

    Where the channels of the data come last, those of the weight do not.
    """
    last = fused.node.op_type.startswith("Nhwc")
    activation = fused.attributes.pop("activation", b"").decode()
    fused.attributes.pop("activation_params", None)
    data = fused.add("Transpose", [fused.input(0)], perm=_CHANNELS_SECOND) if last else fused.input(0)
    made = fused.add("Conv", [data, *(name for name in map(fused.input, (1, 2)) if name)], **fused.attributes)
    if last:
        made = fused.add("Transpose", [made], perm=_CHANNELS_LAST)
    if fused.input(3):
        made = fused.add("Add", [made, fused.input(3)])
    if activation:
        fused.add(activation, [made])
    return fused.end()


def _group_norm(fused: FusedNode) -> list[Any]:
    """Data, scale, shift, what is added, its bias; the sum is the second output. An activation is Swish."""
    total = fused.input(0)
    for at in (3, 4):
        if fused.input(at):
            total = fused.add("Add", [total, fused.input(at)])
    if fused.wants(1):
        total = fused.add("Identity", [total], output=fused.node.output[1])
    last = bool(fused.attributes.get("channels_last", 1))
    data = fused.add("Transpose", [total], perm=_CHANNELS_SECOND) if last else total
    groups = fused.attributes.get("groups", 1)
    made = fused.add("GroupNormalization", [data, fused.input(1), fused.input(2)], num_groups=groups)
    if fused.attributes.get("activation", 0):
        made = fused.add("Swish", [made])
    if last:
        fused.add("Transpose", [made], perm=_CHANNELS_LAST)
    return fused.end()


def _packed_product(fused: FusedNode) -> list[Any] | None:
    """A product by weights of a few bits, packed in blocks: of K rows and N columns, whatever the packing's shape."""
    rows, columns = fused.attributes.get("K", 0), fused.attributes.get("N", 0)
    packed = fused.input(1)
    if packed not in fused.model.constants or rows < 1 or columns < 1:
        return None
    weight = f"{packed}/spread"
    if weight not in fused.model.constants:
        as_shape_alone(fused.model, weight, (rows, columns), onnx_package().TensorProto.FLOAT)
        fused.model.bits[weight] = max(1, fused.attributes.get("bits", 4))
        fused.model.scales[weight] = fused.model.constants_among((fused.input(2), fused.input(3)))
    product = fused.add("MatMul", [fused.input(0), weight])
    if fused.input(5):
        fused.add("Add", [product, fused.input(5)])
    return fused.end()


def _quantised(fused: FusedNode, data: str) -> str:
    """Data in integers, whose scale and zero point are found at run time."""
    made = fused.add("DynamicQuantizeLinear", [data])
    fused.parts[-1].output.extend([f"{made}/scale", f"{made}/zero"])
    return made


def _scaled_product(fused: FusedNode) -> list[Any]:
    """Integers, or a float that becomes some, times integers; then a bias."""
    data, bias = fused.input(0), fused.input(6)
    if fused.node.op_type == "DynamicQuantizeMatMul":
        data, bias = _quantised(fused, data), fused.input(4)
    product = fused.add("MatMul", [data, fused.input(1)])
    product = fused.add("Cast", [product], to=onnx_package().TensorProto.FLOAT)
    if bias:
        fused.add("Add", [product, bias])
    return fused.end()


def _quantised_lstm(fused: FusedNode) -> list[Any] | None:
    """onnxruntime's DynamicQuantizeLSTM: data, W [D, I, 4 H], R [D, H, 4 H] in integers, then as the standard's LSTM.

    The scales and zero points of W and R stand behind the eight inputs of an LSTM.
    """
    model = fused.model
    turned = []
    for at, factors in ((1, (8, 9)), (2, (10, 11))):
        stored = fused.input(at)
        if stored not in model.constants or len(model.constants[stored].shape) != 3:
            return None
        directions, inputs, rows = model.constants[stored].shape
        weight = f"{stored}/turned"
        if weight not in model.constants:
            as_shape_alone(model, weight, (directions, rows, inputs), onnx_package().TensorProto.FLOAT)
            model.bits[weight] = bits_of(model.constants[stored].kind) or 8
            model.scales[weight] = model.constants_among(map(fused.input, factors))
        turned.append(weight)
    data = _quantised(fused, fused.input(0))
    first = fused.add("LSTM", [data, *turned, *map(fused.input, range(3, 8))], **fused.attributes)
    made = [f"{first}/{at}" for at in range(len(fused.node.output))]
    fused.parts[-1].output[:] = made
    for inner, outer in zip(made, fused.node.output, strict=True):
        if outer:
            fused.add("Cast", [inner], output=outer, to=onnx_package().TensorProto.FLOAT)
    return fused.parts


_PARTS: Mapping[str, Callable[[FusedNode], list[Any] | None]] = {
    **dict.fromkeys(("Gelu", "FastGelu", "BiasGelu"), _activated("Gelu")),
    "QuickGelu": _activated("Swish"),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _skip_norm),
    "SimplifiedLayerNormalization": _simple_norm,
    **ATTENTION_PARTS,
    "FusedMatMul": _product,
    **dict.fromkeys(("FusedConv", "NhwcConv", "NhwcFusedConv"), _convolution),
    **dict.fromkeys(("GroupNorm", "SkipGroupNorm"), _group_norm),
    "MatMulNBits": _packed_product,
    "DynamicQuantizeLSTM": _quantised_lstm,
    **dict.fromkeys(("MatMulIntegerToFloat", "DynamicQuantizeMatMul"), _scaled_product),
}
"""Fused operator to its parts; none where this one cannot be taken apart."""
