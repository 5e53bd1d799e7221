"""What a layer costs where part of a buffer is taken: by what stays there while the layer runs."""

import dataclasses
from collections.abc import Hashable, Mapping

from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.fed import as_fed
from mensa_sim.cost.layer_cost import LayerCost, Priced, Residency
from mensa_sim.cost.prices.memo import PriceMemo, shape_of
from mensa_sim.cost.prices.together import price_layers
from mensa_sim.cost.recurrent import Steps, footprints, steps_of
from mensa_sim.cost.refusals import refusal
from mensa_sim.cost.table import Rooms
from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer


class RoomPrices:
    """The layers of a graph with less room in the levels of an accelerator, each priced when it is first asked for."""

    def __init__(self, graph: LayerGraph, system: System, objective: str, memo: PriceMemo) -> None:
        self._graph, self._system, self._objective, self._memo = graph, system, objective, memo
        self._footprints = footprints(graph)
        self._energies: dict[str, EnergyModel] = {}
        self._found: dict[Hashable, Mapping[Residency, LayerCost] | None] = {}

    def __call__(self, layer: str, accelerator: str, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        """The layer's cost in each residency with those bytes of each named level; none where it does not fit.

        An access costs what it does in the whole level. Also none where a host feeds the accelerator or it is
        measured: there no buffer is shared out.
        """
        asked = (layer, accelerator, *sorted(rooms.items()))
        if asked not in self._found:
            self._found[asked] = self._priced(layer, accelerator, rooms)
        return self._found[asked]

    def _priced(self, layer: str, accelerator: str, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        placed = self._system.accelerator(accelerator)
        fed = self._system.feeder_of(accelerator) is not None
        if fed or not isinstance(placed.spec, PeArray) or min(rooms.values(), default=1) < 1:
            return None
        shape, memory = self._graph[layer], self._system.memory_of(accelerator)
        if refusal(shape, placed.spec) is not None:
            return None
        spec = with_room(placed.spec, rooms)
        steps = steps_of(shape, spec, self._footprints[layer])
        on = self._memo.accelerator_key(placed, memory, self._objective)
        own = layer if spec.mappings else ""
        key = (on, tuple(sorted(rooms.items())), shape_of(shape), own, steps)
        found = self._memo.get([key]).get(key)
        if found is None:
            energy = self._energies.setdefault(accelerator, energy_model(placed, memory))
            found = _priced_in(shape, steps, spec, memory, energy, self._objective)
            self._memo.put({key: found})
        if isinstance(found, str):
            return None
        costs = as_fed(found, shape, accelerator, self._system)
        return {kept: cost.of(layer) for kept, cost in costs.items()}


def _priced_in(
    layer: Layer, steps: Steps, spec: PeArray, memory: Memory, energy: EnergyModel, objective: str
) -> Priced:
    """The price of a layer; a user's own mapping that fits the whole levels may not fit what is left of them."""
    try:
        (found,) = price_layers([(layer, steps)], spec, memory, energy, objective)
    except FileError as error:
        return str(error)
    return found


def with_room(spec: PeArray, rooms: Rooms) -> PeArray:
    """An accelerator with no more than those bytes in each named level."""
    levels = (
        dataclasses.replace(level, capacity_bytes=min(level.capacity_bytes, rooms[level.name]))
        if level.name in rooms
        else level
        for level in spec.levels
    )
    return dataclasses.replace(spec, levels=tuple(levels))
