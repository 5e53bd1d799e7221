"""Tensors that share memory in an exported graph: what an operator that writes in place changes beside its operand.

An exported graph still has in-place operators. Each tensor that shows part of another (a view) has a root that holds
the memory; writing through one changes the root, and every other view of it is out of date until it is made again.
"""

import operator
from collections.abc import Iterable, Iterator
from typing import Any

from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node


class Aliases:
    """Roots of views, and which views were made before their root changed."""

    def __init__(self) -> None:
        self._root: dict[Node, Node] = {}
        self._version: dict[Node, int] = {}
        self._made: dict[Node, int] = {}

    def root(self, node: Node) -> Node:
        """The node that holds the memory of another: itself, where that is no view."""
        return self._root.get(node, node)

    def add_view(self, node: Node, shown: Node) -> None:
        """`node` shows part of what `shown` does."""
        self._root[node] = self.root(shown)
        self.refresh(node)

    def change(self, node: Node) -> int:
        """The memory behind a node was written through it: its other views are out of date. The number of changes."""
        root = self.root(node)
        self._version[root] = self._version.get(root, 0) + 1
        self.refresh(node)
        return self._version[root]

    def is_stale(self, node: Node) -> bool:
        """True for a view that was made before its memory changed."""
        return node in self._root and self._made[node] < self._version.get(self._root[node], 0)

    def refresh(self, node: Node) -> None:
        """A view was made again."""
        self._made[node] = self._version.get(self.root(node), 0)


def shown_by(node: Node) -> Node | None:
    """The operand that a node's result is a view of; none where it is memory of its own."""
    if node.target is operator.getitem:
        source = node.args[0]
        return source if isinstance(source, Node) and shown_by(source) is not None else None
    if not isinstance(node.target, OpOverload):
        return None
    returns = node.target._schema.returns
    shown = {name for result in returns if result.alias_info for name in result.alias_info.before_set}
    found = next((value for alias, value in _shared(node) if shown & set(alias.before_set)), None)
    return found if isinstance(found, Node) else None


def _shared(node: Node) -> Iterator[tuple[Any, Any]]:
    """What an operator's schema says of the memory of its arguments, each with what the node gives for it."""
    assert isinstance(node.target, OpOverload)
    for index, argument in enumerate(node.target._schema.arguments):
        if argument.alias_info is not None:
            yield argument.alias_info, node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)


def overwritten(node: Node) -> Iterator[Node]:
    """The operands that a node writes to."""
    if isinstance(node.target, OpOverload) and node.target._schema.is_mutable:
        yield from (value for alias, value in _shared(node) if alias.is_write and isinstance(value, Node))


def changed_inputs(graph: Graph) -> Iterable[str]:
    """The names of the placeholders whose memory a graph writes to."""
    aliases = Aliases()
    changed: dict[str, None] = {}
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        shown = shown_by(node)
        if shown is not None:
            aliases.add_view(node, shown)
        for operand in overwritten(node):
            root = aliases.root(operand)
            if root.op == "placeholder":
                changed[root.name] = None
    return changed


def writes_inside(module: GraphModule) -> bool:
    """True where a graph inside another one, a region, writes in place."""
    regions = [part for part in module.modules() if isinstance(part, GraphModule) and part is not module]
    return any(True for region in regions for node in region.graph.nodes for _ in overwritten(node))
