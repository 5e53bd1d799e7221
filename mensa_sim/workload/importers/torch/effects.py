"""In-place operators of an exported graph: which of them change what another operator sees."""

from collections.abc import Iterator

from torch._ops import OpOverload
from torch.fx import GraphModule, Node


def has_visible_effects(module: GraphModule) -> bool:
    """True where some in-place operator cannot be read as one that makes a new tensor.

    It can where its operand is a fresh tensor (no view, no input) that nothing else reads: then only its result counts.
    """
    graphs = [part.graph for part in module.modules() if isinstance(part, GraphModule)]
    return any(not _is_fresh(operand) for graph in graphs for node in graph.nodes for operand in _overwritten(node))


def _overwritten(node: Node) -> Iterator[Node | None]:
    """The operands that a node writes to; none for one that is no node."""
    if not isinstance(node.target, OpOverload) or not node.target._schema.is_mutable:
        return
    for index, argument in enumerate(node.target._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = node.args[index] if index < len(node.args) else node.kwargs.get(argument.name)
            yield value if isinstance(value, Node) else None


def _is_fresh(operand: Node | None) -> bool:
    if operand is None or len(operand.users) != 1 or not isinstance(operand.target, OpOverload):
        return False
    in_place = operand.target._schema.is_mutable
    return in_place or all(result.alias_info is None for result in operand.target._schema.returns)
