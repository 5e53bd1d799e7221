"""Nodes of an ONNX model that are one operator taken apart: products by a parameter, and the bias that is added."""

from dataclasses import dataclass
from typing import Any

from mensa_sim.workload.importers.onnx.model import OnnxModel, label_of, onnx_package

LINEAR = "MatMul+Add"
"""A product by a parameter and the addition of a bias: inputs data, weight, bias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The nodes to import, and the names of those that became part of another."""

    nodes: tuple[Any, ...]
    absorbed: tuple[str, ...]


def joined_nodes(model: OnnxModel) -> Joined:
    """The model's nodes, in order, with each product and its bias as one node."""
    replaced: dict[str, Any] = {}
    """First output of a node that goes: the node that stands for it, or none."""
    absorbed: list[str] = []
    readers: dict[str, list[Any]] = {name: [None] for name in model.outputs}
    for node in model.proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    nodes = list(model.proto.graph.node)
    for product in nodes:
        addition = _bias_addition(product, model, readers)
        if addition is not None:
            (bias,) = (name for name in addition.input if name != product.output[0])
            inputs = [*product.input, bias]
            linear = onnx_package().helper.make_node(LINEAR, inputs, list(addition.output), name=product.name)
            replaced[product.output[0]] = None
            replaced[addition.output[0]] = linear
            absorbed.append(label_of(addition))
    kept = (replaced.get(node.output[0], node) for node in nodes)
    return Joined(nodes=tuple(node for node in kept if node is not None), absorbed=tuple(absorbed))


def _bias_addition(product: Any, model: OnnxModel, readers: dict[str, list[Any]]) -> Any:
    """The node that adds one number per column to a product by a two-dimensional parameter, and alone reads it."""
    if product.op_type != "MatMul":
        return None
    (addition, *others) = readers[product.output[0]]
    if others or addition is None or addition.op_type != "Add":
        return None
    other = addition.input[1] if addition.input[0] == product.output[0] else addition.input[0]
    weight, bias = model.constants.get(product.input[1]), model.constants.get(other)
    fits = weight is not None and bias is not None and len(weight.shape) == 2 and bias.shape == weight.shape[1:]
    return addition if fits else None
