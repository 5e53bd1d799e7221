"""The cost of every layer of a graph on every accelerator of a system."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import field, replace
from typing import Protocol, Self, cast

from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.system import System
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph, Made

Key = tuple[str, str, Residency]

Rooms = Mapping[str, int]
"""Bytes of levels by name, where a layer has less than all of them."""

MADE_OF_ALL = 64
"""Things kept that are made of all costs of a graph: thousands of schedules each have their own. A choice."""

WAITS_FREE = "its idle power is not stated, so it draws nothing while it waits"
"""What a reader must know of a measured accelerator beside others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorCosts:
    """What the layers of one graph cost on one accelerator, which all systems share that have it on such a memory."""

    graph: LayerGraph
    costs: Mapping[Key, LayerCost]
    refusals: Mapping[tuple[str, str], str]
    first_alike: Mapping[str, str] = field(default_factory=dict)
    """By layer, the first that costs the same in all: blocks of a model repeat."""
    made: dict[Hashable, object] = field(default_factory=dict)
    """What has been made of those costs alone, by what it is and whatever else it depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCosts:
    """The costs of a graph's layers on several accelerators, which all systems share that have these alone."""

    graph: LayerGraph
    columns: Mapping[str, AcceleratorCosts]
    costs: Mapping[Key, LayerCost]
    refusals: Mapping[tuple[str, str], str]
    made: dict[Hashable, object] = field(default_factory=dict)
    """What has been made of all those costs, by what it is and whatever else it depends on."""


class InRoom(Protocol):
    """What layers cost with less room, as `RoomPrices` says it."""

    def __call__(self, layer: str, accelerator: str, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        """The layer's cost in each residency with those bytes of each named level; none where it does not fit."""

    def expect(self, asks: Iterable[tuple[str, str, Rooms]]) -> None:
        """What will be asked for: it takes less time together."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CostTable:
    """Costs by layer, accelerator and residency; refusals say why an accelerator cannot run a layer."""

    graph: LayerGraph
    system: System
    costs: Mapping[Key, LayerCost]
    refusals: Mapping[tuple[str, str], str]
    objective: str = DEFAULT_OBJECTIVE
    """What the mappings make small."""
    in_room: InRoom | None = field(default=None, repr=False, compare=False)
    """What a layer costs on an accelerator with less room, where anybody can say."""
    columns: Mapping[str, AcceleratorCosts] = field(default_factory=dict, repr=False, compare=False)
    """The costs of accelerators with PE arrays, and what is made of them: other systems may share it."""
    shared: SystemCosts | None = field(default=None, repr=False, compare=False)
    """All of its costs, where other systems may share them all."""

    def __repr__(self) -> str:
        return f"<CostTable: {self.graph.name} on {self.system.name}, {len(self.costs)} costs>"

    def made_once(self, accelerator: str, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of the costs on one accelerator and of its key alone; of shared costs it is made once."""
        if accelerator not in self.columns:
            return make()
        made = self.columns[accelerator].made
        if key not in made:
            made[key] = make()
        return cast(Made, made[key])

    def made_of_all(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of the costs on all accelerators and of its key alone; of shared costs it is made once."""
        if self.shared is None or self.shared.graph is not self.graph:
            return make()
        made = self.shared.made
        if key not in made:
            if len(made) >= MADE_OF_ALL:
                made.clear()
            made[key] = make()
        return cast(Made, made[key])

    def first_alike(self, layer: str, accelerator: str) -> str:
        """The first layer that costs the same as this one there, whatever lies on chip; itself where none is known."""
        column = self.columns.get(accelerator)
        return layer if column is None else column.first_alike.get(layer, layer)

    def with_costs(self, costs: Mapping[Key, LayerCost], in_room: InRoom | None) -> Self:
        """The table with other costs, of which nothing is made yet."""
        return replace(self, costs=costs, in_room=in_room, columns={}, shared=None)

    def cost(self, layer: str, accelerator: str, residency: Residency = STREAMED) -> LayerCost:
        """The cost of a layer on an accelerator; `InfeasibleError` says why where it cannot run."""
        reason = self.refusals.get((layer, accelerator))
        if reason is not None:
            raise InfeasibleError(f"{accelerator} cannot run {layer}: {reason}")
        return self.costs[layer, accelerator, residency]

    def runs(self, layer: str, accelerator: str) -> bool:
        """Whether an accelerator can run a layer."""
        return (layer, accelerator) not in self.refusals

    def caveats(self, assignment: Mapping[str, str]) -> tuple[str, ...]:
        """What a reader must know of the layers' costs where an assignment puts them, with how many it concerns."""
        found: dict[tuple[str, str], int] = {}
        for layer, accelerator in assignment.items():
            for text in self.cost(layer, accelerator).caveats:
                found[accelerator, text] = found.get((accelerator, text), 0) + 1
        texts = [
            f"{accelerator}: {text} ({count} layer{'s' if count > 1 else ''})"
            for (accelerator, text), count in found.items()
        ]
        if len(self.system.accelerators) > 1:
            specs = (placed.spec for placed in self.system.accelerators)
            measured = (spec for spec in specs if isinstance(spec, Device))
            texts += [f"{spec.name}: {WAITS_FREE}" for spec in measured if spec.idle_mw is None]
        return tuple(texts)

    def latency_ps(self, layer: str, accelerator: str, residency: Residency = STREAMED) -> int:
        """Time of a layer that has its accelerator's memory channel to itself."""
        bandwidth = self.system.memory_of(accelerator).effective_bytes_per_s
        return self.cost(layer, accelerator, residency).latency_ps(bandwidth)
