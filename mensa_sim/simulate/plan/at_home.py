"""Units beside tensors that live on the chip: in their accelerator's level, in a shared memory, or over links."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field, replace
from functools import cache

from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.moved import Fed, moved_cost
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.routes import Route, from_level, from_shared, to_shared
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.homes.plan import order_of, tensors_at_home
from mensa_sim.schedule.homes.shared import tensors_in_shared
from mensa_sim.schedule.homes.step import HomeCosts, Step, live_at, step_of
from mensa_sim.schedule.homes.tensors import HomeTensor
from mensa_sim.schedule.tiles.multicast import multicast_of
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.variants import Variant, Variants, variant_of
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAtHome:
    """A unit beside tensors at home, its own or those of others."""

    variants: Variants
    """By whether its parameters lie on chip."""
    otherwise: Callable[[bool, bool], Variants] = field(repr=False, compare=False)
    """The same where not all is as planned: whether inputs have left their room for memory, and whether its inference
    has room in the shared memories. Asked when it comes to that, which it seldom does."""
    reads: tuple[int, ...]
    """The units whose output it reads in its accelerator's level, or over links in that of others."""
    leaves: Mapping[int, int]
    """Bytes that live on in its accelerator's level when it has ended, by the unit that made them."""
    lends: Mapping[int, int]
    """Likewise of those that live on only until others have read them over links."""
    borrows: tuple[tuple[str, int], ...]
    """The accelerators whose levels it reads over links, and the units that made what lies there."""

    def at(self, *, missing: bool, shared: bool) -> Variants:
        """What it costs where inputs have left, or its inference has no room in shared memories."""
        return self.otherwise(missing, shared) if missing or not shared else self.variants


@dataclass(frozen=True, slots=True, kw_only=True)
class HomesInUnits:
    """The units that have to do with tensors at home, and who waits for whom that they fit at any time."""

    units: Mapping[int, UnitAtHome] = field(default_factory=dict)
    """By place among the units."""
    waits: tuple[tuple[int, int], ...] = ()
    """Units that must end, and those that start after them."""
    shared_bytes: Mapping[str, int] = field(default_factory=dict)
    """Of each shared memory, what an inference needs to have to itself."""
    crowded: frozenset[int] = frozenset()
    """Units beside which tensors live in their accelerator's level."""
    borrowers: Mapping[int, int] = field(default_factory=dict)
    """Of each unit whose output is read over links, how many units do."""
    multicasts: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """A unit that reads parameters for others at the same time, and those."""


def at_home(
    costs: CostTable, assignment: Mapping[str, str], data: DataPlan, options: Options, units: Sequence[Sequence[str]]
) -> HomesInUnits:
    """What a plan's homes ask of the units of a graph.

    Raises `UsageError` for a home that a tensor cannot have, or beside which a layer does not fit.
    """
    multicast = multicast_of(costs, assignment, data.splits)
    if not options.activations:
        data = replace(data, homes=())
    if not data.homes and not multicast.heard:
        return HomesInUnits()
    graph, system = costs.graph, costs.system
    index_of = {layer: index for index, layers in enumerate(units) for layer in layers}
    own = tensors_at_home(graph, system, assignment, data)
    shared = tensors_in_shared(graph, system, assignment, data)
    feeds = _Feeds(costs, assignment, own, shared, multicast.heard)
    order = order_of(graph, assignment, [stack.layers for stack in data.stacks])
    live = live_at(own, order)
    writer = _Writer(costs, data, options, feeds)
    reads: dict[str, list[int]] = {}
    borrows: dict[str, list[tuple[str, int]]] = {}
    for tensor in own:
        for name in {**tensor.readers, **tensor.remote}:
            reads.setdefault(name, []).append(index_of[tensor.layer])
        for name in tensor.remote:
            borrows.setdefault(name, []).append((tensor.home, index_of[tensor.layer]))
    found: dict[int, UnitAtHome] = {}
    for accelerator, layers in order.items():
        for place, name in enumerate(layers):
            if name in live or name in feeds:
                here = live.get(name, [])
                state = writer.states(name, accelerator, here)
                found[index_of[name]] = UnitAtHome(
                    variants=state(False, True),
                    otherwise=state,
                    reads=tuple(reads.get(name, ())),
                    leaves={index_of[tensor.layer]: tensor.size_bytes for tensor in here if tensor.last > place},
                    lends={
                        index_of[tensor.layer]: tensor.size_bytes
                        for tensor in here
                        if tensor.last == place and tensor.remote
                    },
                    borrows=tuple(borrows.get(name, ())),
                )
    peaks, turns = _turns(shared, index_of, {name: system.room_for_tensors(name) for name in system.memories})
    return HomesInUnits(
        units=found,
        waits=(*_after_remote(own, order, index_of), *turns),
        shared_bytes=peaks,
        crowded=frozenset(index_of[name] for name in live),
        borrowers={index_of[tensor.layer]: len(tensor.remote) for tensor in own if tensor.remote},
        multicasts=tuple(
            (index_of[name], tuple(index_of[other] for other in others)) for name, others in multicast.readers.items()
        ),
    )


class _Feeds:
    """By layer, what it reads and writes outside its accelerator's own level."""

    def __init__(
        self,
        costs: CostTable,
        assignment: Mapping[str, str],
        own: Sequence[HomeTensor],
        shared: Sequence[HomeTensor],
        heard: Mapping[str, frozenset[Operand]],
    ) -> None:
        system, self._heard = costs.system, heard
        self._links: dict[str, list[tuple[Route, int]]] = {}
        self._shared: dict[str, list[tuple[Route, int]]] = {}
        self._written: dict[str, tuple[Route, Route]] = {}
        for home in own:
            for name, size_bytes in home.remote.items():
                way = from_level(system, home.home, assignment[name])
                assert way is not None
                self._links.setdefault(name, []).append((way, size_bytes))
        for tensor in shared:
            ways = to_shared(system, tensor.home), from_shared(system, tensor.home)
            self._written[tensor.layer] = ways
            for name, size_bytes in tensor.readers.items():
                self._shared.setdefault(name, []).append((ways[1], size_bytes))

    def __contains__(self, layer: str) -> bool:
        return layer in self._links or layer in self._heard or layer in self._shared or layer in self._written

    def of(self, layer: str, *, links: bool, shared: bool) -> Fed:
        """Where its tensors lie, as far as they do."""
        over_links = self._links.get(layer, []) if links else []
        from_there = self._shared.get(layer, []) if shared else []
        return Fed(
            inputs=(*over_links, *from_there),
            output=self._written.get(layer) if shared else None,
            heard=self._heard.get(layer, frozenset()),
        )


class _Writer:
    """Writes down what a unit costs in each state of the memories."""

    def __init__(self, costs: CostTable, data: DataPlan, options: Options, feeds: _Feeds) -> None:
        self._costs, self._options, self._feeds = costs, options, feeds
        self._home_costs = HomeCosts(costs, data)
        self._known: dict[Hashable, Variant | None] = {}

    def states(self, name: str, accelerator: str, live: Sequence[HomeTensor]) -> Callable[[bool, bool], Variants]:
        """A layer beside the tensors that live in its accelerator's level, as `UnitAtHome.otherwise` has it."""
        layer = self._costs.graph[name]

        @cache
        def state(missing: bool, shared: bool) -> Variants:
            here = [tensor for tensor in live if not missing or name not in tensor.readers]
            step = step_of(self._costs.graph, name, accelerator, here)
            return self._variants(layer, step, self._feeds.of(name, links=not missing, shared=shared))

        return state

    def _variants(self, layer: Layer, step: Step, fed: Fed) -> Variants:
        streamed = self._alike(layer, step, fed, parameters=False)
        if streamed is None:
            raise UsageError(
                f"{layer.name} does not fit {step.accelerator} beside the {step.live_bytes} bytes of tensors at home"
            )
        able = self._options.parameters != "none" and bool(layer.parameters)

        def write(residency: Residency) -> Variant | None:
            stay = residency == Residency(parameters=True)
            return self._alike(layer, step, fed, parameters=True) if able and stay else None

        return Variants(streamed, write, streamed.stages[0].cost.heard_bytes)

    def _alike(self, layer: Layer, step: Step, fed: Fed, *, parameters: bool) -> Variant | None:
        """The many equal layers of a network are looked at once, where all that they read lies at home or in memory."""
        if fed.moves:
            return self._variant(layer, step, fed, parameters=parameters)
        alike = self._home_costs.alike(step), parameters
        if alike not in self._known:
            self._known[alike] = self._variant(layer, step, fed, parameters=parameters)
        found = self._known[alike]
        return found if found is None or found.stages[0].layer == layer.name else found.of(layer.name)

    def _variant(self, layer: Layer, step: Step, fed: Fed, *, parameters: bool) -> Variant | None:
        cost, beside_bytes = self._cost(step, parameters=parameters)
        if cost is None:
            return None
        if fed.moves:
            cost = moved_cost(cost, layer, self._costs.system, fed, step.reads_bytes)
        variant = variant_of(self._costs, [layer], [cost])
        return replace(variant, activation_bytes=step.live_bytes + beside_bytes)

    def _cost(self, step: Step, *, parameters: bool) -> tuple[LayerCost | None, int]:
        """The cost beside what lives there, and what it holds in the level beside that."""
        held = self._home_costs.best(step, parameters=parameters)
        return (None, 0) if held is None else (held.cost, held.beside_bytes)


def _after_remote(
    own: Sequence[HomeTensor], order: Mapping[str, Sequence[str]], index_of: Mapping[str, int]
) -> list[tuple[int, int]]:
    """What runs where a tensor lives, after the last unit that it is counted beside, waits for its remote readers."""
    found = []
    for tensor in own:
        layers = order[tensor.home]
        if tensor.remote and tensor.last + 1 < len(layers):
            following = index_of[layers[tensor.last + 1]]
            found += [(index_of[name], following) for name in tensor.remote]
    return found


def _turns(
    shared: Sequence[HomeTensor], index_of: Mapping[str, int], capacities: Mapping[str, int]
) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """What each shared memory holds at most, and which readers a producer waits for that its tensor has room.

    Whatever overtakes what in the order: a tensor's room is given on only to one whose producer waits for its readers.
    """
    peaks: dict[str, int] = {}
    waits: list[tuple[int, int]] = []
    for memory in dict.fromkeys(tensor.home for tensor in shared):
        held: list[HomeTensor] = []
        for tensor in sorted((each for each in shared if each.home == memory), key=lambda each: each.first):
            over = sorted((each for each in held if each.last < tensor.first), key=lambda each: each.last)
            while over and sum(each.size_bytes for each in held) + tensor.size_bytes > capacities[memory]:
                gone = over.pop(0)
                held.remove(gone)
                waits += [(index_of[name], index_of[tensor.layer]) for name in gone.readers]
            held.append(tensor)
            peaks[memory] = max(peaks.get(memory, 0), sum(each.size_bytes for each in held))
            if peaks[memory] > capacities[memory]:
                raise UsageError(
                    f"{memory}: the tensors at home there beside {tensor.layer} need {peaks[memory]} bytes"
                )
    return peaks, waits
