"""Costs of whole graphs on one accelerator, which systems share that differ elsewhere."""

from collections import OrderedDict
from collections.abc import Hashable

from mensa_sim.cost.table import AcceleratorCosts

HELD_LAYERS = 8192
"""Layers in memory at most, of all columns together: some 30 kB each with what is made of their costs. A choice."""


class SharedColumns:
    """Columns by all that their costs depend on; the least recently used leave first."""

    def __init__(self, layers: int = HELD_LAYERS) -> None:
        self._layers = layers
        self._held = 0
        self._columns: OrderedDict[Hashable, AcceleratorCosts] = OrderedDict()

    def get(self, key: Hashable | None) -> AcceleratorCosts | None:
        """The column of that key, if it is here; none is no key."""
        if key is None or key not in self._columns:
            return None
        self._columns.move_to_end(key)
        return self._columns[key]

    def put(self, key: Hashable | None, column: AcceleratorCosts) -> None:
        """Keep a column that has a key, unless it alone is too long."""
        if key is None or len(column.graph.layers) > self._layers:
            return
        self._columns[key] = column
        self._held += len(column.graph.layers)
        while self._held > self._layers:
            self._held -= len(self._columns.popitem(last=False)[1].graph.layers)
