"""The order in which things that wait for others can be done."""

from collections.abc import Hashable, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import TypeVar

from mensa_sim.errors import MensaError

Node = TypeVar("Node", bound=Hashable)


class CircleError(MensaError):
    """Some things wait for each other."""


def in_order(after: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Everything behind all that it comes after; what is free to go, in the order given.

    `after` names for each node those that come after it, each once. Raises `CircleError` where there is no order.

    >>> in_order({"c": ["b"], "a": ["b"], "b": []})
    ['c', 'a', 'b']
    """
    nodes = list(after)
    position = {node: index for index, node in enumerate(nodes)}
    waits_for = dict.fromkeys(nodes, 0)
    for followers in after.values():
        for node in followers:
            waits_for[node] += 1
    free = [position[node] for node, count in waits_for.items() if not count]
    heapify(free)
    order: list[Node] = []
    while free:
        order.append(nodes[heappop(free)])
        for node in after[order[-1]]:
            waits_for[node] -= 1
            if not waits_for[node]:
                heappush(free, position[node])
    if len(order) < len(nodes):
        raise CircleError(", ".join(str(node) for node, count in waits_for.items() if count))
    return order


def circles(after: Mapping[Node, Iterable[Node]]) -> list[set[Node]]:
    """The nodes that wait for each other, and each that waits for itself.

    >>> circles({1: [2], 2: [1], 3: [3], 4: [1]})
    [{1, 2}, {3}]
    """
    import networkx as nx  # slow to import, and hardly a graph has circles

    digraph: nx.DiGraph[Node] = nx.DiGraph()
    digraph.add_edges_from((node, follower) for node, followers in after.items() for follower in followers)
    found = nx.strongly_connected_components(digraph)
    return [circle for circle in found if len(circle) > 1 or any(digraph.has_edge(node, node) for node in circle)]
