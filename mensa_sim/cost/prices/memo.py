"""Prices kept from one system to the next: a pair of a layer and an accelerator is priced once.

A design-space exploration prices thousands of systems that differ in one field; all pairs that the field does not
touch are found here. With prices on disk, processes share what they price, and each prices missing pairs in an order of
its own, so that two of them split the work instead of doing it twice.
"""

import os
import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import LayerCost, Priced
from mensa_sim.cost.prices.kept import FILE, KeptPrices, PriceKey
from mensa_sim.cost.prices.recent import Recent
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.table import AcceleratorCosts, SystemCosts
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.hardware.technology.technology import Technology
from mensa_sim.io.pack import Pack
from mensa_sim.io.store import cache_folder, digest_of
from mensa_sim.workload.layer import Layer

if TYPE_CHECKING:
    from mensa_sim.cost.prices.repriced import Contests


NO_PRICE = frozenset(
    {"name", "parameters", "group", "gate", "fused", "source", "window", "model_input_bytes", "model_output_bytes"}
)
"""Fields of a layer that its price does not depend on: names, ties to other layers, and what the simulator alone asks.

Of `parameters` the price depends on how many bytes there are and whether there are any, not on what they are called.
"""

PAIRS = 8192
"""Pairs kept in memory: about 20 kB each."""

HELD_LAYERS = 8192
"""Layers in memory at most, of all columns together: some 30 kB each with what is made of their costs. A choice."""

_SPECS = 1024


@cache
def _values_of(kind: type[Layer]) -> Callable[[Layer], tuple[Hashable, ...]]:
    """What reads the fields that count of layers of a kind."""
    return attrgetter(*(each.name for each in fields(kind) if each.name not in NO_PRICE))


class Known(tuple[Hashable, ...]):
    """A tuple that works out its hash once: a price is looked up a dozen times, by records within records."""

    def __hash__(self) -> int:
        own: dict[str, int] = self.__dict__
        if "hash" not in own:
            own["hash"] = super().__hash__()
        return own["hash"]

    def __reduce__(self) -> tuple[type, tuple[tuple[Hashable, ...]]]:
        return type(self), (tuple(self),)  # another process hashes texts in its own way


def shape_of(layer: Layer) -> Hashable:
    """All that a layer's price depends on besides its accelerator: whatever field a layer has that is not excused."""
    kind: Any = type(layer)
    return Known((*_values_of(kind)(layer), layer.parameter_bytes, bool(layer.parameters)))


def _nameless(spec: Accelerator) -> Accelerator:
    return replace(spec, name="any") if isinstance(spec, PeArray) and not spec.mappings else spec


def _layers_of(costs: AcceleratorCosts | SystemCosts) -> int:
    return len(costs.graph.layers)


PairKey = tuple[Hashable, ...]
"""All that a price depends on: the accelerator's key first, then its levels' room, the layer, and its steps."""


class PriceMemo:
    """Prices by all that they depend on; the least recently used leave memory first."""

    def __init__(
        self,
        kept: KeptPrices | None = None,
        pairs: int = PAIRS,
        layers: int = HELD_LAYERS,
        contests: "Contests | None" = None,
    ) -> None:
        """`kept` are prices on disk, in which those that are found nowhere are kept.

        With `contests` what differs in speed alone is priced again by them, and nothing but prices is kept.
        """
        self._kept = kept
        self._contests = contests
        self._known = Recent[Hashable, Priced](pairs)
        self._specs: dict[Hashable, tuple[tuple[Accelerator, Technology], str]] = {}
        self._order = random.Random(os.getpid())
        self._slowed: dict[Hashable, str] = {}
        """By an accelerator's key, the one that it has in common with slower and faster ones."""
        self.columns = Recent[Hashable, AcceleratorCosts](layers, _layers_of)
        """What whole graphs cost on an accelerator."""
        self.systems = Recent[Hashable, SystemCosts](layers, _layers_of)
        """What they cost on all accelerators of a system."""
        self.priced = 0
        """Pairs that were found nowhere and so were priced."""

    @property
    def pack(self) -> Pack | None:
        """The file of the prices on disk, where what is found by them may be kept too."""
        return None if self._kept is None or self._contests is not None else self._kept.pack

    def accelerator_key(self, placed: PlacedAccelerator, memory: Memory, objective: str) -> str:
        """A digest of all that the prices of an accelerator's layers depend on besides the layer.

        Its name is none of that unless own mappings speak of it: equal accelerators have one price. Neither is who
        else is served by its memory, nor what it may spend, which slow a mapping and do not choose it.
        """
        objects = (placed.spec, placed.technology)
        identity = (id(placed.spec), id(placed.technology), memory, objective)
        if identity not in self._specs:
            spec, alone = _nameless(placed.spec), replace(memory, takes_turns=False, unit_power_mw=None)
            key = digest_of(spec, placed.technology, alone, objective)
            self._specs[identity] = (objects, key)
            if self._contests is not None:
                slowed = replace(alone, bandwidth_bytes_per_s=1, efficiency=1.0, background_mw=0.0)
                self._slowed.pop(key, None)
                self._slowed[key] = digest_of(replace(spec, clock_hz=1), placed.technology, slowed)
            for oldest_first in (self._specs, self._slowed):
                if len(oldest_first) > _SPECS:
                    del oldest_first[next(iter(oldest_first))]
        return self._specs[identity][1]

    def priced_again(
        self, jobs: Mapping[PairKey, "Job"], memory: Memory, energy: EnergyModel, objective: str
    ) -> dict[PairKey, Priced]:
        """The prices of those jobs that came before at another speed."""
        if self._contests is None:
            return {}
        keys: dict[Hashable, PairKey] = {(self._slowed[key[0]], *key[1:]): key for key in jobs}
        again = self._contests.priced({own: jobs[key] for own, key in keys.items()}, memory, energy, objective)
        return {keys[own]: priced for own, priced in again.items()}

    def in_own_order(self, keys: list[PriceKey]) -> list[PriceKey]:
        """The keys in an order that differs between processes where they may share prices."""
        return keys if self._kept is None else self._order.sample(keys, len(keys))

    @property
    def known(self) -> Mapping[Hashable, Priced]:
        """All prices that are held here."""
        return self._known.all

    def held(self, keys: Iterable[PriceKey]) -> dict[PriceKey, Priced]:
        """The prices of those pairs that are known here."""
        return {key: known for key in keys if (known := self._known.get(key)) is not None}

    def get(self, keys: Sequence[PriceKey]) -> dict[PriceKey, Priced]:
        """The prices of those pairs that are known, here or on disk."""
        found = self.held(keys)
        if self._kept is not None and len(found) < len(keys):
            elsewhere = self._kept.get([key for key in keys if key not in found])
            self.remember(elsewhere)
            found |= elsewhere
        return found

    def put(self, prices: Mapping[PriceKey, Priced]) -> None:
        """Keep the prices of pairs."""
        self.priced += len(prices)
        self.remember(prices)
        if self._kept is not None:
            self._kept.put(prices)

    def remember(self, prices: Mapping[PriceKey, Priced]) -> None:
        """Hold prices that are known elsewhere."""
        for pair, priced in prices.items():
            self._known.put(pair, priced)


def shared_memo(*, cache: bool = True, contests: "Contests | None" = None) -> PriceMemo:
    """A memo of the prices that all commands on this machine share, unless nothing is to be stored.

    `contests` are for who runs thousands of systems once: nobody asks for their plans again, many differ in speed.
    """
    folder = cache_folder() if cache else None
    return PriceMemo(None if folder is None else KeptPrices(folder / FILE), contests=contests)


Key = TypeVar("Key")

Job = tuple[Layer, Steps, PeArray]
"""A layer on an accelerator, of whose levels it may have less than all."""

_TOGETHER = 256
"""Jobs of one accelerator that are looked up and priced together: a choice."""


def known_or_priced(
    memo: PriceMemo, jobs: Mapping[PairKey, Job], memory: Memory, energy: EnergyModel, objective: str
) -> dict[PairKey, Priced]:
    """The price of each job on one accelerator, from the memo where it holds it, by a key of all it depends on.

    A limit of power is no part of that: it slows what was found.
    """
    found: dict[PairKey, Priced] = {}
    keys = list(jobs)
    for first in range(0, len(keys), _TOGETHER):
        some = keys[first : first + _TOGETHER]
        found |= memo.held(some)
        found |= memo.priced_again({key: jobs[key] for key in some if key not in found}, memory, energy, objective)
        found |= memo.get([key for key in some if key not in found])
        new = [key for key in some if key not in found]
        if not new:
            continue
        from mensa_sim.cost.prices.together import price_layers  # the search: many modules, where all is known unused

        priced = dict(zip(new, price_layers([jobs[key] for key in new], memory, energy, objective), strict=True))
        memo.put(priced)
        found |= priced
    return {key: each if isinstance(each, str) else limited(each, memory) for key, each in found.items()}


def limited(costs: Mapping[Key, LayerCost], memory: Memory) -> Mapping[Key, LayerCost]:
    """The costs of a unit's layers under what it may spend; residencies that cost the same share one record still."""
    power_mw = memory.unit_power_mw
    if power_mw is None:
        return costs
    slowed = {id(cost): replace(cost, power_mw=power_mw) for cost in costs.values()}
    return {key: slowed[id(cost)] for key, cost in costs.items()}
