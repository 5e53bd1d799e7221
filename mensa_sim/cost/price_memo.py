"""Prices kept from one system to the next: a pair of a layer and an accelerator is priced once.

A design-space exploration prices thousands of systems that differ in one field; all pairs that the field does not
touch are found here. With a folder, processes share what they price, and each prices missing pairs in an order of its
own, so that two of them split the work instead of doing it twice.
"""

import hashlib
import os
import pickle
import random
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from pathlib import Path

from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology import Technology

Priced = Mapping[Residency, LayerCost] | str
"""A layer's cost in each residency, or why the accelerator cannot run it."""

PAIRS = 8192
"""Pairs kept in memory: about 20 kB each."""

_SPECS = 1024


class PriceMemo:
    """Prices by all that they depend on; the least recently used leave memory first.

    `folder` must be private to the processes that share it, as its files are pickles: anyone who can write there
    can run code. It is no archive: what it holds belongs to this version of the program.
    """

    def __init__(self, folder: Path | None = None, pairs: int = PAIRS) -> None:
        self._folder = folder
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
        return keys if self._folder is None else self._order.sample(keys, len(keys))

    def get(self, key: Hashable) -> Priced | None:
        """The price of a pair, if it is known here or to a process that shares the folder."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        found = self._read(key)
        if found is not None:
            self._remember(key, found)
        return found

    def put(self, key: Hashable, priced: Priced) -> None:
        """Keep the price of a pair."""
        self.priced += 1
        self._remember(key, priced)
        if self._folder is not None:
            try:
                _write(self._file(self._folder, key), pickle.dumps(priced))
            except OSError:
                self._folder = None  # a full disk costs time only: this process goes on with what it has in memory

    def _remember(self, key: Hashable, priced: Priced) -> None:
        self._known[key] = priced
        while len(self._known) > self._pairs:
            self._known.popitem(last=False)

    def _read(self, key: Hashable) -> Priced | None:
        if self._folder is None:
            return None
        try:
            content = self._file(self._folder, key).read_bytes()
        except OSError:
            return None
        priced: Priced = pickle.loads(content)
        return priced

    def _file(self, folder: Path, key: Hashable) -> Path:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        return folder / digest[:2] / digest


def _write(path: Path, content: bytes) -> None:
    """Write a file that no reader sees half; it need not outlive the machine, so nobody waits for the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
