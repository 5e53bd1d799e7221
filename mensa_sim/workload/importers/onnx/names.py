"""The names of tensors in an ONNX graph: who reads them, other names, an order that makes each before it is read."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.workload.importers.onnx.model import OnnxModel, label_of
from mensa_sim.workload.order import CircleError, circles, in_order


def bodies(node: Any) -> Iterator[Any]:
    """The graphs inside a node (branches, loop bodies)."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _inside(body: Any) -> set[str]:
    """The names that a body gives tensors of its own."""
    own = {entry.name for entry in (*body.input, *body.initializer)}
    return own.union(*(part.output for part in body.node))


def read_by(node: Any) -> Iterator[str]:
    """Every tensor that a node reads, those that its bodies take from outside included."""
    yield from (name for name in node.input if name)
    for body in bodies(node):
        inside = _inside(body)
        for part in body.node:
            yield from (name for name in read_by(part) if name not in inside)
        yield from (entry.name for entry in body.output if entry.name not in inside)


def rename_reads(node: Any, renamed: Mapping[str, str]) -> None:
    """Gives the tensors that a node reads their other names, in its bodies too; inner names stay."""
    for at, name in enumerate(node.input):
        if name in renamed:
            node.input[at] = renamed[name]
    for body in bodies(node):
        inside = _inside(body)
        outer = {name: other for name, other in renamed.items() if name not in inside}
        for part in body.node:
            rename_reads(part, outer)
        for entry in body.output:
            entry.name = outer.get(entry.name, entry.name)


def replace_nodes(graph: Any, nodes: Iterable[Any]) -> None:
    """Makes some nodes the graph's own."""
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)


def put_in_order(model: OnnxModel) -> None:
    """Each node after those that make what it reads; refuses cycles, and what nothing makes or two nodes do."""
    nodes = list(model.proto.graph.node)
    made = dict.fromkeys((*model.inputs, *model.constants), -1)
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and name in made:
                raise TraceError(f"node {label_of(node)} ({node.op_type}) makes {name}, which is there already")
            made[name] = index
    readers: dict[int, dict[int, None]] = {index: {} for index in range(len(nodes))}
    for index, node in enumerate(nodes):
        for name in read_by(node):
            if name not in made:
                raise TraceError(f"node {label_of(node)} ({node.op_type}) reads {name}, which nothing makes")
            if made[name] >= 0:
                readers[made[name]][index] = None
    for name in model.outputs:
        if name not in made:
            raise TraceError(f"nothing makes the output {name}")
    if all(before < after for before, found in readers.items() for after in found):
        return
    try:
        order = in_order(readers)
    except CircleError as error:
        at = min(map(min, circles(readers)))
        raise TraceError(f"node {label_of(nodes[at])} ({nodes[at].op_type}) reads what it helps to make") from error
    replace_nodes(model.proto.graph, [nodes[index] for index in order])
