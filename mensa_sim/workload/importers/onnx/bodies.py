"""A body put in the place of the node that holds it, its constants the model's, its tensors under new names."""

from collections.abc import Mapping, Sequence
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.constants import take_constants
from mensa_sim.workload.importers.onnx.model import OnnxModel, label_of, onnx_package
from mensa_sim.workload.importers.onnx.names import rename_reads


def with_own_constants(node: Any, body: Any, model: OnnxModel) -> Any:
    """A copy of a body whose constants are the model's, under names of their own."""
    own = type(body)()
    own.CopyFrom(body)
    constants = [entry.name for entry in own.initializer]
    constants += [name for part in own.node if part.op_type == "Constant" for name in part.output]
    renamed = {name: f"{node.output[0]}/{name}" for name in constants}
    for entry in own.initializer:
        entry.name = renamed[entry.name]
    for part in own.node:
        if part.op_type == "Constant":
            part.output[:] = [renamed[name] for name in part.output]
        rename_reads(part, renamed)
    for entry in own.output:
        entry.name = renamed.get(entry.name, entry.name)
    take_constants(model, own)
    return own


def copy_of(body: Any, given: Mapping[str, str], prefix: str) -> tuple[list[Any], list[str]]:
    """The nodes of a body under names of their own, and the names of its outputs."""
    renamed = dict(given) | {name: prefix + name for part in body.node for name in part.output if name}
    nodes = []
    for part in body.node:
        copied = type(part)()
        copied.CopyFrom(part)
        rename_reads(copied, renamed)
        copied.output[:] = [renamed.get(name, name) for name in part.output]
        nodes.append(copied)
    return nodes, [renamed.get(entry.name, entry.name) for entry in body.output]


def named(node: Any, made: Sequence[str], outputs: Sequence[str]) -> list[Any]:
    """The outputs of a node as other names for what its body made."""
    if len(made) < len(outputs):
        raise TraceError(f"node {label_of(node)} ({node.op_type}) has more outputs than its body makes")
    pairs = zip(made, outputs, strict=False)
    return [new_node("Identity", [inner], outer, node) for inner, outer in pairs if outer]


def new_node(kind: str, inputs: Sequence[str], output: str, of: Any, **attributes: Any) -> Any:
    """A node under the name of another."""
    return onnx_package().helper.make_node(kind, inputs, [output], name=of.name, **attributes)
