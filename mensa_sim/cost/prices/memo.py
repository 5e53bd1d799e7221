"""Prices kept from one system to the next: a pair of a layer and an accelerator is priced once.

A design-space exploration prices thousands of systems that differ in one field; all pairs that the field does not
touch are found here. With a folder, processes share what they price, and each prices missing pairs in an order of its
own, so that two of them split the work instead of doing it twice.
"""

import os
import pickle
import random
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import fields
from pathlib import Path

from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.io.store import Store, digest_of
from mensa_sim.workload.layer import Layer

Priced = Mapping[Residency, LayerCost] | str
"""A layer's cost in each residency, or why the accelerator cannot run it."""

NO_PRICE = frozenset(
    {"name", "parameters", "group", "gate", "fused", "source", "window", "model_input_bytes", "model_output_bytes"}
)
"""Fields of a layer that its price does not depend on: names, ties to other layers, and what the simulator alone asks.

Of `parameters` the price depends on how many bytes there are and whether there are any, not on what they are called.
"""

PAIRS = 8192
"""Pairs kept in memory: about 20 kB each."""

_SPECS = 1024


def shape_of(layer: Layer) -> Hashable:
    """All that a layer's price depends on besides its accelerator: whatever field a layer has that is not excused."""
    own = tuple(getattr(layer, each.name) for each in fields(layer) if each.name not in NO_PRICE)
    return (*own, layer.parameter_bytes, bool(layer.parameters))


class PriceMemo:
    """Prices by all that they depend on; the least recently used leave memory first.

    Processes that are given the same `folder` share prices through it. The folder must be private to them: prices lie
    there as pickles, so that anyone who can write there can run code. It is no archive: what it holds belongs to this
    version of the program.
    """

    def __init__(self, folder: Path | None = None, pairs: int = PAIRS) -> None:
        self._shared = None if folder is None else Store(folder, durable=False)
        self._pairs = pairs
        self._known: OrderedDict[Hashable, Priced] = OrderedDict()
        self._specs: dict[Hashable, tuple[tuple[Accelerator, Technology], str]] = {}
        self._order = random.Random(os.getpid())
        self.priced = 0
        """Pairs that were found nowhere and so were priced."""

    def accelerator_key(self, placed: PlacedAccelerator, memory: Memory, objective: str) -> str:
        """A digest of all that the prices of an accelerator's layers depend on besides the layer."""
        objects = (placed.spec, placed.technology)
        identity = (id(placed.spec), id(placed.technology), memory, objective)
        if identity not in self._specs:
            if len(self._specs) >= _SPECS:
                self._specs.clear()
            self._specs[identity] = (objects, digest_of(placed.spec, placed.technology, memory, objective))
        return self._specs[identity][1]

    def in_own_order(self, keys: list[Hashable]) -> list[Hashable]:
        """The keys in an order that differs between processes where they share a folder."""
        return keys if self._shared is None else self._order.sample(keys, len(keys))

    def get(self, key: Hashable) -> Priced | None:
        """The price of a pair, if it is known here or to a process that shares the folder."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        content = None if self._shared is None else self._shared.get(digest_of(key))
        if content is None:
            return None
        shared: Priced = pickle.loads(content)
        self._remember(key, shared)
        return shared

    def put(self, key: Hashable, priced: Priced) -> None:
        """Keep the price of a pair."""
        self.priced += 1
        self._remember(key, priced)
        if self._shared is not None:
            self._shared.put(digest_of(key), pickle.dumps(priced))

    def _remember(self, key: Hashable, priced: Priced) -> None:
        self._known[key] = priced
        while len(self._known) > self._pairs:
            self._known.popitem(last=False)
