"""Nodes of an ONNX model that are one operator taken apart: linear layers with a bias, and written-out activations.

A vector unit looks an activation up, so it is one operation however many nodes spell it (as in torch's own operators).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mensa_sim.workload.importers.onnx.model import OnnxModel, is_standard, label_of, onnx_package

LINEAR = "MatMul+Add"
"""A product by a parameter and the addition of a bias: inputs data, weight, bias."""
ACTIVATION = "Activation"
"""A function of one tensor; the attribute `kind` names it."""

_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Neg"})
_KERNELS = {
    ("Erf",): "gelu",
    ("Tanh",): "gelu",
    ("Sigmoid",): "silu",
    ("HardSigmoid",): "hardswish",
    ("Clip",): "hardswish",
    ("Softplus", "Tanh"): "mish",
}
"""The functions inside an activation that multiplies its operand, and its name."""
_FUNCTIONS = frozenset(name for kernel in _KERNELS for name in kernel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The nodes to import, and the names of those that became part of another."""

    nodes: tuple[Any, ...]
    absorbed: tuple[str, ...]


def joined_nodes(model: OnnxModel) -> Joined:
    """The model's nodes, in order, with what is one operator as one node."""
    replaced: dict[str, Any] = {}
    """First output of a node that goes: the node that stands for it, or none."""
    absorbed: list[str] = []
    readers = _readers(model)
    nodes = list(model.proto.graph.node)
    for node in nodes:
        if node.op_type == "MatMul":
            _join_bias(node, model, readers, replaced, absorbed)
    for tensor in dict.fromkeys(name for node in nodes for name in node.input if len(readers.get(name, ())) > 1):
        if tensor not in model.constants:
            _join_activation(tensor, model, readers, replaced, absorbed)
    kept = (replaced.get(node.output[0], node) for node in nodes)
    return Joined(nodes=tuple(node for node in kept if node is not None), absorbed=tuple(absorbed))


def _readers(model: OnnxModel) -> dict[str, list[Any]]:
    """The nodes that read each tensor, once for each time; a model output has one more."""
    readers: dict[str, list[Any]] = {}
    for node in model.proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for name in model.outputs:
        readers.setdefault(name, []).append(None)
    return readers


def _join_bias(
    product: Any, model: OnnxModel, readers: dict[str, list[Any]], replaced: dict[str, Any], absorbed: list[str]
) -> None:
    """One number per column, added to the product by a two-dimensional parameter that nothing else reads."""
    (addition, *others) = readers[product.output[0]]
    if others or addition is None or addition.op_type != "Add":
        return
    other = addition.input[1] if addition.input[0] == product.output[0] else addition.input[0]
    weight, bias = model.constants.get(product.input[1]), model.constants.get(other)
    if weight is None or bias is None or len(weight.shape) != 2 or bias.shape != weight.shape[1:]:
        return
    linear = onnx_package().helper.make_node(LINEAR, [*product.input, other], list(addition.output), name=product.name)
    replaced[product.output[0]] = None
    replaced[addition.output[0]] = linear
    absorbed.append(label_of(addition))


def _join_activation(
    tensor: str, model: OnnxModel, readers: dict[str, list[Any]], replaced: dict[str, Any], absorbed: list[str]
) -> None:
    """Nodes that compute one tensor out of another and literals alone, with one known function among them."""
    cone = _cone(tensor, model, readers)
    outside = [node for node in cone if not _inside(readers[node.output[0]], cone)]
    functions = tuple(sorted(node.op_type for node in cone if node.op_type in _FUNCTIONS))
    uses = Counter(name for node in cone for name in node.input)[tensor]
    if len(outside) != 1 or outside[0] is not cone[-1] or functions not in _KERNELS or uses < 2:
        return
    kind = _KERNELS[functions]
    last = cone[-1]
    node = onnx_package().helper.make_node(ACTIVATION, [tensor], list(last.output), name=last.name, kind=kind)
    replaced.update((part.output[0], None) for part in cone)
    replaced[last.output[0]] = node
    absorbed.extend(label_of(part) for part in cone[:-1])


def _cone(tensor: str, model: OnnxModel, readers: dict[str, list[Any]]) -> list[Any]:
    """All nodes of arithmetic and activations that read only the tensor, one another and literals, in order."""
    known = {tensor}
    found: list[Any] = []
    waiting = [node for node in readers[tensor] if node is not None]
    while waiting:
        node = waiting.pop(0)
        if node.output[0] in known or not _allowed(node, model, known):
            continue
        known.add(node.output[0])
        found.append(node)
        waiting.extend(reader for reader in readers.get(node.output[0], ()) if reader is not None)
    order = {node.output[0]: at for at, node in enumerate(model.proto.graph.node)}
    return sorted(found, key=lambda node: order[node.output[0]])


def _allowed(node: Any, model: OnnxModel, known: set[str]) -> bool:
    if node.op_type not in _ARITHMETIC | _FUNCTIONS or not is_standard(node):
        return False
    return all(name in known or not name or _is_number(name, model) for name in node.input)


def _is_number(name: str, model: OnnxModel) -> bool:
    constant = model.constants.get(name)
    return constant is not None and constant.value is not None and constant.value.size == 1


def _inside(readers: Iterable[Any], cone: Sequence[Any]) -> bool:
    return all(any(reader is node for node in cone) for reader in readers)
