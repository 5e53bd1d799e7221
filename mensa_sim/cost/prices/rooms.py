"""What a layer costs where part of a buffer is taken: by what stays there while the layer runs."""

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.fed import as_fed
from mensa_sim.cost.layer_cost import LayerCost, Priced, Residency
from mensa_sim.cost.prices.memo import Job, PairKey, PriceMemo, known_or_priced, shape_of
from mensa_sim.cost.recurrent import footprints, steps_of
from mensa_sim.cost.refusals import refusal
from mensa_sim.cost.table import Rooms
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import LayerGraph


class RoomPrices:
    """The layers of a graph with less room in the levels of an accelerator, each priced when it is first asked for."""

    def __init__(self, graph: LayerGraph, system: System, objective: str, memo: PriceMemo) -> None:
        self._graph, self._system, self._objective, self._memo = graph, system, objective, memo
        self._footprints = footprints(graph)
        self._energies: dict[str, EnergyModel] = {}
        self._specs: dict[Hashable, PeArray] = {}
        self._found: dict[Hashable, Mapping[Residency, LayerCost] | None] = {}

    def __call__(self, layer: str, accelerator: str, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        """The layer's cost in each residency with those bytes of each named level; none where it does not fit.

        An access costs what it does in the whole level. Also none where a host feeds the accelerator or it is
        measured: there no buffer is shared out.
        """
        asked = _asked(layer, accelerator, rooms)
        if asked not in self._found:
            self.expect([(layer, accelerator, rooms)])
        return self._found[asked]

    def expect(self, asks: Iterable[tuple[str, str, Rooms]]) -> None:
        """Price what will be asked for together, which takes less time than one after another."""
        new = {asked: ask for ask in asks if (asked := _asked(*ask)) not in self._found}
        keys: dict[Hashable, PairKey] = {}
        jobs: dict[str, dict[PairKey, Job]] = {}
        """By accelerator and key."""
        for asked, (layer, accelerator, rooms) in new.items():
            job = self._job(layer, accelerator, rooms)
            if job is not None:
                keys[asked] = key = self._key(job, accelerator, rooms)
                jobs.setdefault(accelerator, {})[key] = job
        priced = {key: each for accelerator, mine in jobs.items() for key, each in self._priced(accelerator, mine)}
        for asked, (layer, accelerator, _) in new.items():
            found = priced[keys[asked]] if asked in keys else ""
            costs = {} if isinstance(found, str) else as_fed(found, self._graph[layer], accelerator, self._system)
            self._found[asked] = {kept: cost.of(layer, accelerator) for kept, cost in costs.items()} or None

    def _job(self, layer: str, accelerator: str, rooms: Rooms) -> Job | None:
        array, shape = self._system.array_of(accelerator), self._graph[layer]
        if array is None or min(rooms.values(), default=1) < 1 or refusal(shape, array) is not None:
            return None
        key = accelerator, *sorted(rooms.items())
        spec = self._specs[key] = self._specs.get(key) or with_room(array, rooms)
        return shape, steps_of(shape, spec, self._footprints[layer]), spec

    def _key(self, job: Job, accelerator: str, rooms: Rooms) -> PairKey:
        layer, steps, spec = job
        placed, memory = self._system.accelerator(accelerator), self._system.memory_of(accelerator)
        on = self._memo.accelerator_key(placed, memory, self._objective)
        own = (layer.name if spec.mappings else "", accelerator if layer.mappings else "")
        return (on, tuple(sorted(rooms.items())), shape_of(layer), own, steps)

    def _priced(self, accelerator: str, jobs: Mapping[PairKey, Job]) -> Iterator[tuple[PairKey, Priced]]:
        """By key; a user's own mapping that fits the whole levels may not fit what is left of them."""
        placed, memory = self._system.accelerator(accelerator), self._system.memory_of(accelerator)
        energy = self._energies.setdefault(accelerator, energy_model(placed, memory))
        own = bool(placed.array.mappings)
        for some in [{key: job} for key, job in jobs.items()] if own else [jobs]:
            try:
                yield from known_or_priced(self._memo, some, memory, energy, self._objective).items()
            except FileError as error:
                yield from ((key, str(error)) for key in some)


def _asked(layer: str, accelerator: str, rooms: Rooms) -> Hashable:
    return (layer, accelerator, *sorted(rooms.items()))


def with_room(spec: PeArray, rooms: Rooms) -> PeArray:
    """An accelerator with no more than those bytes in each named level."""
    levels = (
        dataclasses.replace(level, capacity_bytes=min(level.capacity_bytes, rooms[level.name]))
        if level.name in rooms
        else level
        for level in spec.levels
    )
    return dataclasses.replace(spec, levels=tuple(levels))
