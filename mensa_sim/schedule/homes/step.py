"""What a layer costs while tensors live on chip beside it: those that it reads, that it makes, and those of others."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from mensa_sim.cost.energy import with_buffer_cycles
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, LayerCost, Residency
from mensa_sim.cost.moved import Fed, moved_cost
from mensa_sim.cost.prices.memo import shape_of
from mensa_sim.cost.table import CostTable, Rooms
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.routes import Route
from mensa_sim.hardware.technology.sram import access_pj
from mensa_sim.objective import objective_named
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.homes.tensors import HomeTensor
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes, transfer_ps
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

HALVINGS = 6
"""Rooms of a level that mappings are looked for in: all of it, a half, a quarter, and so on: a choice."""
ROOM_PARTS = 64
"""What is left of a level beside tensors at home is rounded down to this many parts of it: a choice, for the memo."""
_HERE = Route(legs=())
"""The way to an accelerator's own level, whose accesses and port are counted as its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A layer beside what lives in its accelerator's activation level while it runs."""

    layer: str
    accelerator: str
    live_bytes: int
    """All tensors at home, its own included."""
    reads_bytes: int
    """What it reads of them."""
    whole: bool
    """Whether that is all of its input."""
    output: bool
    """Whether its output has a home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHome:
    """The cost of a layer in a step, and the bytes that it holds in the level beside tensors at home."""

    cost: LayerCost
    beside_bytes: int
    as_they_lie: bool
    """Whether it takes its inputs from where they lie, all of them at home, and not tile by tile."""


def _named(held: AtHome, step: Step) -> AtHome:
    """The same of a layer that is alike."""
    if held.cost.layer == step.layer:
        return held
    cost = held.cost.of(step.layer, step.accelerator)
    return AtHome(cost=cost, beside_bytes=held.beside_bytes, as_they_lie=held.as_they_lie)


def step_of(graph: LayerGraph, layer: str, accelerator: str, live: Sequence[HomeTensor]) -> Step:
    """The step of a layer beside those tensors."""
    reads = [tensor.layer for tensor in live if layer in tensor.readers]
    live_bytes, output = sum(tensor.size_bytes for tensor in live), any(tensor.layer == layer for tensor in live)
    return step_beside(graph, layer, accelerator, reads, live_bytes, output=output)


def step_beside(
    graph: LayerGraph, layer: str, accelerator: str, reads: Sequence[str], live_bytes: int, *, output: bool
) -> Step:
    """The step of a layer that reads at home what those layers make, beside so many bytes that live there."""
    shape, sources = graph[layer], {name for name in graph.predecessors(layer) if graph.edge_bytes(name, layer)}
    return Step(
        layer=layer,
        accelerator=accelerator,
        live_bytes=live_bytes,
        reads_bytes=sum(graph.edge_bytes(name, layer) for name in reads),
        whole=bool(reads) and sources == set(reads) and not shape.model_input_bytes and not shape.state_bytes,
        output=output,
    )


def live_at(tensors: Iterable[HomeTensor], order: Mapping[str, Sequence[str]]) -> dict[str, list[HomeTensor]]:
    """The tensors that live while each layer runs, where any does; `order` has the units of each accelerator.

    A unit goes by its first layer there.
    """
    live: dict[str, list[HomeTensor]] = {}
    for tensor in tensors:
        for layer in order[tensor.home][tensor.first : tensor.last + 1]:
            live.setdefault(layer, []).append(tensor)
    return live


class HomeCosts:
    """The costs of layers beside tensors at home, from a cost table that prices in any room.

    Parameters that stream take no more of their buffer than the plan leaves to them.
    """

    def __init__(self, costs: CostTable, data: DataPlan) -> None:
        self._costs = costs
        self._parameter_rooms = {kept.accelerator: kept.room_bytes for kept in data.parameters}
        self._stay = {layer for kept in data.parameters for layer in kept.layers}
        self._shapes: dict[Hashable, int] = {}
        """The number of each shape, and of the layers on accelerators that have it."""
        self._known: dict[Hashable, list[AtHome]] = {}
        self._best: dict[Hashable, AtHome | None] = {}
        self._whole: dict[Hashable, list[AtHome]] = {}
        """With all of the level, parameters streaming."""
        self._read_pj: dict[str, float] = {}

    def options(self, step: Step, *, parameters: bool) -> list[AtHome]:
        """A layer's costs in a step, in several rooms, each with what it needs of the level: not all of them fit.

        Where all inputs are at home they are taken from there as they lie, or tile by tile like any other tensor.
        """
        return [_named(each, step) for each in self._options(step, parameters=parameters)]

    def _options(self, step: Step, *, parameters: bool) -> list[AtHome]:
        """The same, named after the first layer that is alike."""
        alike = self.alike(step), parameters
        if alike not in self._known:
            rooms = (self._in_room(step, room_bytes, parameters=parameters) for room_bytes in self._rooms(step))
            whole = self._in_room(step, None, parameters=True) if parameters else self._in_whole(step)
            self._known[alike] = [*whole, *chain.from_iterable(rooms)]
        return self._known[alike]

    def alike(self, step: Step) -> Hashable:
        """All that a layer's costs in a step depend on: the many equal layers of a network are looked at once.

        A recurrent layer's costs depend on its group, and a mapping may be a named layer's own.
        """
        at = (step.layer, step.accelerator)
        if at not in self._shapes:
            layer, spec = self._costs.graph[step.layer], self._costs.system.accelerator(step.accelerator).spec
            alone = layer.group is not None or layer.mappings or getattr(spec, "mappings", ())
            shape = layer.name if alone else shape_of(layer)
            self._shapes[at] = self._shapes.setdefault(shape, len(self._shapes))
        live = step.live_bytes, step.reads_bytes, step.whole, step.output
        return self._shapes[at], step.accelerator, live, tuple(self._through(step).items())

    def _in_whole(self, step: Step) -> list[AtHome]:
        alike = self.alike(step)
        if alike not in self._whole:
            self._whole[alike] = self._in_room(step, None, parameters=False)
        return self._whole[alike]

    def best(self, step: Step, *, parameters: bool) -> AtHome | None:
        """The best of the costs that fit beside what lives there; none where none does."""
        alike = self.alike(step), parameters
        if alike not in self._best:
            self._best[alike] = self._new_best(step, parameters=parameters)
        found = self._best[alike]
        return None if found is None else _named(found, step)

    def _new_best(self, step: Step, *, parameters: bool) -> AtHome | None:
        capacity_bytes = self._capacity_bytes(step)
        fitting = [
            each
            for each in self._options(step, parameters=parameters)
            if step.live_bytes + each.beside_bytes <= capacity_bytes
        ]
        bandwidth = self._costs.system.memory_of(step.accelerator).effective_bytes_per_s
        value = objective_named(self._costs.objective).value
        return min(
            fitting,
            key=lambda each: (value(each.cost.energy_pj, each.cost.latency_ps(bandwidth)), each.cost.energy_pj),
            default=None,
        )

    def _rooms(self, step: Step) -> Iterator[int]:
        """Where all of the level may be too much: halves of it, and what is left beside what lives there."""
        capacity_bytes = self._capacity_bytes(step)
        if all(each.beside_bytes + step.live_bytes <= capacity_bytes for each in self._in_whole(step)):
            return
        yield from (capacity_bytes >> halvings for halvings in range(1, HALVINGS))
        part_bytes = max(1, capacity_bytes // ROOM_PARTS)
        for own_bytes in dict.fromkeys(self._own_bytes(step, whole=whole) for whole in (False, True)):
            left_bytes = capacity_bytes - step.live_bytes + own_bytes
            if left_bytes >= part_bytes:
                yield left_bytes // part_bytes * part_bytes

    def _in_room(self, step: Step, room_bytes: int | None, *, parameters: bool) -> list[AtHome]:
        costs = self._priced(step, room_bytes, parameters=parameters)
        if costs is None:
            return []
        found = []
        as_they_lie = step.whole and not self._costs.graph[step.layer].weights_are_activations
        if as_they_lie:
            asked = Residency(parameters=parameters, input=True, output=step.output)
            found.append(self._held(step, costs.get(asked), asked, whole=True))
        asked = Residency(parameters=parameters, output=step.output)
        tiles = self._held(step, costs.get(asked), asked, whole=False)
        if tiles is not None:
            found.append(replace(tiles, cost=self._from_home(step, tiles.cost)))
        return [each for each in found if each is not None]

    def expect(self, steps: Iterable[Step]) -> None:
        """Have all that `options` will ask for in these steps priced together."""
        asked: dict[Hashable, Step] = {}
        for step in steps:
            asked.setdefault(self.alike(step), step)
        self._expect([(step, {}) for step in asked.values()])
        self._expect([(step, self._part(step, room)) for step in asked.values() for room in self._rooms(step)])

    def _expect(self, asks: Sequence[tuple[Step, Rooms]]) -> None:
        """First what is asked for, then those of it whose parameters take more than what is left to them."""
        if self._costs.in_room is None:
            return
        self._costs.in_room.expect((step.layer, step.accelerator, rooms) for step, rooms in asks if rooms)
        wide = [(step, rooms) for step, rooms in asks if _too_wide(self._at(step, rooms) or {}, self._through(step))]
        self._costs.in_room.expect(
            (step.layer, step.accelerator, {**rooms, **self._through(step)}) for step, rooms in wide
        )

    def _part(self, step: Step, room_bytes: int | None) -> Rooms:
        """So much of the level; all of it where no number is given."""
        return {} if room_bytes is None else {self._level(step.accelerator).name: room_bytes}

    def _through(self, step: Step) -> Rooms:
        """What a layer that streams its parameters may take of their buffer, where that is not all of it."""
        room_bytes = self._parameter_rooms.get(step.accelerator)
        if room_bytes is None or step.layer in self._stay:
            return {}
        store = self._costs.system.accelerator(step.accelerator).array.buffer("parameter")
        return {} if store is None else {store.name: room_bytes}

    def _priced(self, step: Step, room_bytes: int | None, *, parameters: bool) -> Mapping[Residency, LayerCost] | None:
        """The layer's costs with so much of the level, and of the parameters' buffer what streams may have.

        A layer that does not fit that with nothing at home, whatever its tiles, takes what it takes.
        """
        rooms, through = self._part(step, room_bytes), {} if parameters else self._through(step)
        found = self._at(step, rooms)
        wide = _too_wide(found or {}, through)
        if found is None or not wide:
            return found
        narrow = self._at(step, {**rooms, **through}) or {}
        fitting = {kept: narrow[kept] for kept in wide & narrow.keys() if narrow[kept].residency == kept}
        if room_bytes is None and STREAMED in wide - fitting.keys():
            return found
        return {kept: fitting.get(kept, cost) for kept, cost in found.items() if kept in fitting or kept not in wide}

    def _at(self, step: Step, rooms: Rooms) -> Mapping[Residency, LayerCost] | None:
        if not rooms:
            return {kept: self._costs.cost(step.layer, step.accelerator, kept) for kept in RESIDENCIES}
        return None if self._costs.in_room is None else self._costs.in_room(step.layer, step.accelerator, rooms)

    def _held(self, step: Step, cost: LayerCost | None, asked: Residency, *, whole: bool) -> AtHome | None:
        """The cost with what it holds beside tensors at home, its own not counted; none for another residency."""
        if cost is None or cost.residency != asked:
            return None
        shape = self._costs.graph[step.layer]
        held_bytes = cost.buffered_bytes.get("activation", 0)
        own_bytes = self._own_bytes(step, whole=whole) if shape.nest is not None else 0
        return AtHome(cost=cost, beside_bytes=max(0, held_bytes - own_bytes), as_they_lie=whole)

    def _own_bytes(self, step: Step, *, whole: bool) -> int:
        """What a mapping counts of the tensors at home as its own: its output, and its input as it lies there."""
        shape = self._costs.graph[step.layer]
        return output_nest_bytes(shape) * step.output + min(input_nest_bytes(shape), step.reads_bytes) * whole

    def _capacity_bytes(self, step: Step) -> int:
        """Of its activation level; nothing lies at home on an accelerator that has none."""
        return self._costs.system.accelerator(step.accelerator).spec.buffer_bytes.get("activation", 0)

    def _level(self, accelerator: str) -> Level:
        level = self._costs.system.accelerator(accelerator).array.buffer("activation")
        if level is None:
            raise ValueError(f"{accelerator} has no level that holds activations")
        return level

    def _from_home(self, step: Step, cost: LayerCost) -> LayerCost:
        """The cost of a layer that reads inputs tile by tile, with those at home read there instead of in memory."""
        shape = self._costs.graph[step.layer]
        size_bytes = shape.input_bytes if step.whole else step.reads_bytes
        if not step.reads_bytes or not size_bytes:
            return cost
        placed = self._costs.system.accelerator(step.accelerator)
        moved = moved_cost(cost, shape, self._costs.system, Fed(inputs=((_HERE, size_bytes),)))
        saved_bytes = cost.memory_read_bytes - moved.memory_read_bytes
        level, bits = self._level(step.accelerator), saved_bytes * BITS_PER_BYTE
        if placed.name not in self._read_pj:
            self._read_pj[placed.name], _ = access_pj(placed, level)
        pj = dict(moved.dynamic_pj)
        read_pj = self._read_pj[placed.name] * -(-bits // level.access_bits)
        pj[level.component] = pj.get(level.component, 0.0) + read_pj
        own = moved.changed(dynamic_pj={name: energy for name, energy in pj.items() if energy})
        # Its port's cycles beside all others.
        return with_buffer_cycles(own, cost.buffer_cycles + -(-bits // level.read_width), placed.array)


def _too_wide(costs: Mapping[Residency, LayerCost], through: Rooms) -> set[Residency]:
    """Those in which a layer's parameters take more of their buffer on their way than they may."""
    if not through:
        return set()
    streams = {kept: cost for kept, cost in costs.items() if not cost.residency.parameters}
    return {kept for kept, each in streams.items() if each.buffered_bytes.get("parameter", 0) > max(through.values())}


def input_nest_bytes(layer: Layer) -> int:
    """Bytes of the input that the layer's loop nest reads, in one step."""
    return bits_to_bytes(layer.nest.input_elements * layer.element_bits("input")) if layer.nest else 0


def output_nest_bytes(layer: Layer) -> int:
    """Bytes of the output that the layer's loop nest makes, in one step."""
    return bits_to_bytes(layer.made_elements * layer.element_bits("output"))


def weighed(cost: LayerCost, bandwidth_bytes_per_s: float, per_pj: float, per_ps: float) -> float:
    """What a layer adds to an objective, by its rates for energy and time; its traffic decides where neither counts."""
    traffic_ps = transfer_ps(cost.memory_bytes, bandwidth_bytes_per_s)
    return per_pj * cost.energy_pj + per_ps * (cost.latency_ps(bandwidth_bytes_per_s) + TRAFFIC_SHARE * traffic_ps)


def gain(costs: CostTable, layer: str, accelerator: str, fed: Fed, rates: tuple[float, float]) -> float:
    """What the objective gains where a layer's tensors lie where `fed` says and not in memory; may be negative."""
    cost, bandwidth = costs.cost(layer, accelerator), costs.system.memory_of(accelerator).effective_bytes_per_s
    moved = moved_cost(cost, costs.graph[layer], costs.system, fed)
    return weighed(cost, bandwidth, *rates) - weighed(moved, bandwidth, *rates)


TRAFFIC_SHARE = 0.01
"""Of the time of hidden traffic, what counts: enough to prefer less of it, too little to outweigh time (a choice)."""
