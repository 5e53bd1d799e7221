"""Operators that we cannot read, taken apart by torch's own decompositions, one node at a time."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from mensa_sim.workload.operators.registry import can_read, without_underscore


@cache
def _decompositions() -> Mapping[OpOverload, Callable[..., Any]]:
    """Torch's table, which takes a while to put together."""
    table = torch.export.default_decompositions()
    return {target: table[target] for target in table}


def parts_of(node: Node) -> tuple[GraphModule, list[Node]] | None:
    """A graph that does what a node does, and the nodes that its placeholders stand for; none where torch has none.

    Nor where it is made of nothing that we can read: then the operator says more than its parts.
    """
    assert isinstance(node.target, OpOverload)
    rule = _decompositions().get(node.target)
    if rule is None:
        return None
    leaves, spec = tree_flatten((node.args, dict(node.kwargs)))
    values = [leaf.meta.get("val") if isinstance(leaf, Node) else leaf for leaf in leaves]
    places = [at for at, leaf in enumerate(leaves) if isinstance(leaf, Node)]
    if not all(isinstance(values[at], torch.Tensor) for at in places):
        return None

    def run(*tensors: torch.Tensor) -> Any:
        given = list(values)
        for at, tensor in zip(places, tensors, strict=True):
            given[at] = tensor
        arguments, options = tree_unflatten(given, spec)
        return rule(*arguments, **options)

    tensors = [values[at] for at in places]
    mode = detect_fake_mode(tensors)
    if mode is None:
        return None
    with mode:
        graph = make_fx(run)(*tensors)
    calls = [each for each in graph.graph.nodes if isinstance(each.target, OpOverload)]
    if not any(can_read(without_underscore(str(each.target)), each.args) for each in calls):
        return None
    for each in graph.graph.nodes:
        each.meta["nn_module_stack"] = node.meta.get("nn_module_stack")
    return graph, [leaves[at] for at in places]
