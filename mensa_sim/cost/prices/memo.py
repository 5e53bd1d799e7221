"""Prices kept from one system to the next: a pair of a layer and an accelerator is priced once.

A design-space exploration prices thousands of systems that differ in one field; all pairs that the field does not
touch are found here. With a folder, processes share what they price, and each prices missing pairs in an order of its
own, so that two of them split the work instead of doing it twice.
"""

import hashlib
import os
import random
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

from mensa_sim.cost.prices.log import Priced, PriceLog
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.technology import Technology

PAIRS = 8192
"""Pairs kept in memory: about 20 kB each."""

_SPECS = 1024


class PriceMemo:
    """Prices by all that they depend on; the least recently used leave memory first.

    Processes that are given the same `folder`, private to them, share prices through it. It is no archive: what it
    holds belongs to this version of the program.
    """

    def __init__(self, folder: Path | None = None, pairs: int = PAIRS) -> None:
        self._log = _log_in(folder)
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
            text = repr((placed.spec, placed.technology, memory, objective))
            self._specs[identity] = (objects, hashlib.sha256(text.encode()).hexdigest())
        return self._specs[identity][1]

    def in_own_order(self, keys: list[Hashable]) -> list[Hashable]:
        """The keys in an order that differs between processes where they share a folder."""
        return keys if self._log is None else self._order.sample(keys, len(keys))

    def get(self, key: Hashable) -> Priced | None:
        """The price of a pair, if it is known here or to a process that shares the folder."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        found = self._shared(key)
        if found is not None:
            self._remember(key, found)
        return found

    def _shared(self, key: Hashable) -> Priced | None:
        try:
            return None if self._log is None else self._log.get(_digest(key))
        except OSError:
            self._log = None
            return None

    def put(self, key: Hashable, priced: Priced) -> None:
        """Keep the price of a pair."""
        self.priced += 1
        self._remember(key, priced)
        if self._log is not None:
            try:
                self._log.put(_digest(key), priced)
            except OSError:
                self._log = None  # a full disk costs time only: this process goes on with what it has in memory

    def _remember(self, key: Hashable, priced: Priced) -> None:
        self._known[key] = priced
        while len(self._known) > self._pairs:
            self._known.popitem(last=False)


def _log_in(folder: Path | None) -> PriceLog | None:
    """The log of a folder; none where none is wanted or none can be kept, which costs time only."""
    try:
        return None if folder is None else PriceLog(folder)
    except OSError:
        return None


def _digest(key: Hashable) -> bytes:
    return hashlib.sha256(repr(key).encode()).digest()
