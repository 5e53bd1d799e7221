"""Control flow whose course is known beforehand: branches decided, loops unrolled. What stays open is refused later."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.constants import keep_small, take_constants
from mensa_sim.workload.importers.onnx.evaluate import counted_trips
from mensa_sim.workload.importers.onnx.model import OnnxModel, label_of, onnx_package
from mensa_sim.workload.importers.onnx.names import rename_reads, replace_nodes


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


CONTROL_FLOW = ("If", "Loop", "Scan", "SequenceMap")

_MOST_NODES = 200_000
"""Nodes that an unrolled loop may have (a choice): beyond it is no model for an edge device."""


def settle_control_flow(model: OnnxModel) -> bool:
    """Puts the body of every decided branch and counted loop in its place; true if there was any."""
    settled = {"If": _branch, "Loop": _loop, "Scan": _scan}
    kept: list[Any] = []
    found = False
    for node in list(model.proto.graph.node):
        parts = settled[node.op_type](node, model) if node.op_type in settled else None
        kept.extend([node] if parts is None else parts)
        found = found or parts is not None
    replace_nodes(model.proto.graph, kept)
    return found


def refuse_control_flow(model: OnnxModel) -> None:
    """A `TraceError` that names the first node whose course hangs on the data."""
    for node in model.proto.graph.node:
        if node.op_type in CONTROL_FLOW:
            raise TraceError(
                f"node {node.name or node.output[0]} is dynamic control flow ({node.op_type}); "
                "only static graphs can be mapped, export the model with it unrolled or decided"
            )


def _branch(node: Any, model: OnnxModel) -> list[Any] | None:
    condition = model.number(node.input[0])
    if condition is None:
        return None
    body = _attribute(node, "then_branch" if condition else "else_branch")
    body = with_own_constants(node, body, model)
    parts, outputs = copy_of(body, {}, f"{node.output[0]}/")
    return [*parts, *named(node, outputs, node.output)]


def _loop(node: Any, model: OnnxModel) -> list[Any] | None:
    """Trips counted by a constant, or by a condition on numbers that are known."""
    body = _attribute(node, "body")
    limited = bool(node.input[0])
    trips = model.number(node.input[0]) if limited else None
    starts = model.number(node.input[1]) if len(node.input) > 1 and node.input[1] else True
    if (limited and trips is None) or starts is None or len(body.input) < 2 or not body.output:
        return None
    body = with_own_constants(node, body, model)
    most = _MOST_NODES // max(len(body.node), 1) + 1
    limit = most if trips is None else max(int(trips), 0)
    if not starts:
        count = 0
    elif _goes_on(body, model):
        if trips is None:
            return None
        count = limit
    else:
        found = counted_trips(node, body, model, min(limit, most))
        if found is None:
            return None
        count = found
    _refuse_endless(node, count, body)
    carried = list(node.input[2:])
    stacked: list[list[str]] = [[] for _ in body.output[1 + len(carried) :]]
    if stacked and not count:
        return None
    parts: list[Any] = []
    for trip in range(count):
        prefix = f"{node.output[0]}/{trip}/"
        given = dict(zip((entry.name for entry in body.input[2:]), carried, strict=False))
        given[body.input[0].name] = _number(model, f"{prefix}trip", trip)
        given[body.input[1].name] = _number(model, f"{prefix}condition", True)
        nodes, outputs = copy_of(body, given, prefix)
        parts.extend(nodes)
        carried = outputs[1 : 1 + len(carried)]
        for rows, name in zip(stacked, outputs[1 + len(carried) :], strict=True):
            rows.append(name)
    joined = [_stack(node, model, rows, 0, f"{node.output[0]}/{at}/rows", parts) for at, rows in enumerate(stacked)]
    return [*parts, *named(node, [*carried, *joined], node.output)]


def _scan(node: Any, model: OnnxModel) -> list[Any] | None:
    """As many trips as the scanned axis is long; before operator set 9 it had a batch axis, which is not read here."""
    body, attributes = _attribute(node, "body"), _integers(node)
    scanned = (attributes.get("num_scan_inputs") or [0])[0]
    states = len(node.input) - scanned
    if model.opset < 9 or scanned < 1 or states < 0 or len(body.input) != len(node.input):
        return None
    sources = list(node.input[states:])
    axes = attributes.get("scan_input_axes", [0] * scanned)
    shapes = [model.shapes.get(name, ()) for name in sources]
    if any(axis >= len(shape) for shape, axis in zip(shapes, axes, strict=True)):
        return None
    count = shapes[0][axes[0]]
    if count < 1:
        return None
    _refuse_endless(node, count, body)
    body = with_own_constants(node, body, model)
    backwards = attributes.get("scan_input_directions", [0] * scanned)
    carried = list(node.input[:states])
    stacked: list[list[str]] = [[] for _ in body.output[states:]]
    parts: list[Any] = []
    for trip in range(count):
        prefix = f"{node.output[0]}/{trip}/"
        given = dict(zip((entry.name for entry in body.input[:states]), carried, strict=True))
        for at, source in enumerate(sources):
            index = _number(model, f"{prefix}place{at}", count - 1 - trip if backwards[at] else trip)
            given[body.input[states + at].name] = f"{prefix}slice{at}"
            parts.append(new_node("Gather", [source, index], f"{prefix}slice{at}", node, axis=axes[at]))
        nodes, outputs = copy_of(body, given, prefix)
        parts.extend(nodes)
        carried = outputs[:states]
        for rows, name in zip(stacked, outputs[states:], strict=True):
            rows.append(name)
    axes = attributes.get("scan_output_axes", [0] * len(stacked))
    backwards = attributes.get("scan_output_directions", [0] * len(stacked))
    joined = [
        _stack(node, model, rows[::-1] if backwards[at] else rows, axes[at], f"{node.output[0]}/{at}/rows", parts)
        for at, rows in enumerate(stacked)
    ]
    return [*parts, *named(node, [*carried, *joined], node.output)]


def _attribute(node: Any, name: str) -> Any:
    for attribute in node.attribute:
        if attribute.name == name and attribute.HasField("g"):
            return attribute.g
    raise TraceError(f"node {label_of(node)} ({node.op_type}) lacks its {name}")


def _integers(node: Any) -> dict[str, list[int]]:
    return {a.name: list(a.ints) if a.ints else [a.i] for a in node.attribute if not a.HasField("g")}


def _goes_on(body: Any, model: OnnxModel) -> bool:
    """Whether a loop's condition stays as it was: it is handed on, or a constant that holds."""
    makers = {name: part for part in body.node for name in part.output}
    name = body.output[0].name
    while name in makers and makers[name].op_type in ("Identity", "Cast"):
        name = makers.pop(name).input[0]  # a circle of them ends where it began
    return name == body.input[1].name or bool(model.number(name))


def _refuse_endless(node: Any, count: int, body: Any) -> None:
    if count * max(len(body.node), 1) > _MOST_NODES:
        raise TraceError(
            f"node {label_of(node)} ({node.op_type}) runs {count} times through {len(body.node)} nodes, "
            f"more than {_MOST_NODES} in all; give a shorter sequence"
        )


def _number(model: OnnxModel, name: str, value: int | bool) -> str:
    keep_small(model, name, np.array(value), written=True)
    return name


def _stack(node: Any, model: OnnxModel, rows: Sequence[str], axis: int, prefix: str, parts: list[Any]) -> str:
    """One tensor of many, each a position along a new axis."""
    attributes = {"axes": [axis]} if model.opset < 13 else {}
    given = []
    if model.opset >= 13:
        keep_small(model, f"{prefix}/axis", np.array([axis]), written=True)
        given = [f"{prefix}/axis"]
    for at, row in enumerate(rows):
        parts.append(new_node("Unsqueeze", [row, *given], f"{prefix}/{at}", node, **attributes))
    parts.append(new_node("Concat", [f"{prefix}/{at}" for at in range(len(rows))], prefix, node, axis=axis))
    return prefix
