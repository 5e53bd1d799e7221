"""Costs of whole graphs, on one accelerator or on all of a system, which systems share that differ elsewhere."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from mensa_sim.workload.graph import LayerGraph

HELD_LAYERS = 8192
"""Layers in memory at most, of all columns together: some 30 kB each with what is made of their costs. A choice."""


class _OfGraph(Protocol):
    @property
    def graph(self) -> LayerGraph: ...


Costs = TypeVar("Costs", bound=_OfGraph)


class SharedCosts(Generic[Costs]):
    """Costs of graphs by all that they depend on; the least recently used leave first."""

    def __init__(self, layers: int = HELD_LAYERS) -> None:
        self._layers = layers
        self._held = 0
        self._known: OrderedDict[Hashable, Costs] = OrderedDict()

    def get(self, key: Hashable | None) -> Costs | None:
        """The costs of that key, if they are here; none is no key."""
        if key is None or key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key]

    def put(self, key: Hashable | None, costs: Costs) -> None:
        """Keep costs that have a key, unless their graph alone is too long."""
        if key is None or len(costs.graph.layers) > self._layers:
            return
        self._known[key] = costs
        self._held += len(costs.graph.layers)
        while self._held > self._layers:
            self._held -= len(self._known.popitem(last=False)[1].graph.layers)
