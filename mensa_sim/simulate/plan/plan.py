"""The plan of one inference: units in order, what each waits for, and the copies between memories."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.routes import handovers
from mensa_sim.hardware.system import System
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.plan.at_home import HomesInUnits, UnitAtHome, at_home
from mensa_sim.simulate.plan.copies import Copy, copies_of, homes_of_units, readers_by_home
from mensa_sim.simulate.plan.options import PLAIN, Options
from mensa_sim.simulate.plan.variants import Variants, variants_of
from mensa_sim.workload.graph import LayerGraph, unit_text, units_in_order
from mensa_sim.workload.layer import Layer, Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUnit:
    """A layer, or a recurrent group as one: what an accelerator runs without interruption."""

    index: int
    accelerator: str
    layers: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    """The tensors of its layers, each once."""
    parameter_bytes: int
    """Their footprint."""
    variants: Variants
    dependents: tuple[int, ...]
    """Units that wait for its end, because they read from the same memory."""
    copies: tuple[int, ...]
    """Copies that wait for its end."""
    waits_for: int
    """Ends of units and copies that must come before it starts."""
    feeds: int | None
    """The only unit that reads its output, if that unit reads nothing else and runs on the same accelerator: then the
    output may stay on chip."""
    next_here: int | None
    """The next unit in order on the same accelerator."""
    home: UnitAtHome | None = None
    """Where tensors live on chip beside it, what it has to do with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One inference of a graph under an assignment."""

    name: str
    """Its own among all that run on a system."""
    model: str
    """Whose parameters it reads: plans of one model have those of a name in common."""
    graph: LayerGraph
    data: DataPlan
    """Where its tensors live between layers."""
    units: tuple[PlannedUnit, ...]
    """In topological order, ties by graph order."""
    copies: tuple[Copy, ...]
    copies_after: Mapping[int, Sequence[int]]
    """The copies that wait for the end of another one, by that one's place."""
    handoffs: int
    """Tensors that an accelerator gets from another one."""
    shared_bytes: Mapping[str, int]
    """Of each shared memory, what it needs to have to itself for its tensors at home."""
    borrowers: Mapping[int, int]
    """Of each unit whose output is read over links, how many units do."""
    multicasts: tuple[tuple[int, tuple[int, ...]], ...]
    """A unit that reads parameters for others at the same time, and those."""
    sharing: Mapping[int, tuple[int, ...]]
    """Units on one accelerator with the very same parameters: tiles of a layer."""


def make_plan(
    graph: LayerGraph,
    costs: CostTable,
    assignment: Mapping[str, str],
    options: Options = PLAIN,
    *,
    name: str | None = None,
    model: str | None = None,
    data: DataPlan = LAYER_BY_LAYER,
) -> Plan:
    """The plan of one inference; it has the graph's name where none is given, and keeps tensors where `data` says.

    Its parameters are its own where no `model` is given that has them in common with other plans.
    `UsageError` where the assignment does not fit graph and system, `InfeasibleError` where an accelerator cannot
    run a layer, a recurrent group is torn apart or two memories have no link.
    """
    system = costs.system
    _check_assignment(graph, system, assignment)
    members = _members(graph, system, assignment, data)
    where = [assignment[layers[0].name] for layers in members]
    copies = copies_of(graph, system, members, where)
    homes = at_home(costs, assignment, data, options, [[layer.name for layer in layers] for layers in members])

    def new() -> Plan:
        return Plan(
            name=name or graph.name,
            model=model or name or graph.name,
            graph=graph,
            data=data,
            units=tuple(_units(graph, costs, options, data, members, where, copies, homes)),
            copies=copies,
            copies_after=_grouped((copy.after_copy, number) for number, copy in enumerate(copies)),
            handoffs=handoffs(graph, assignment),
            shared_bytes=homes.shared_bytes,
            borrowers=homes.borrowers,
            multicasts=homes.multicasts,
            sharing=_sharing(members, where),
        )

    if homes.units or graph is not costs.graph:
        return new()
    # Beside costs it depends on where tensors lie and on who waits for whom: on no link's speed.
    moves = tuple((copy.after, copy.after_copy, copy.dependents) for copy in copies)
    key = ("plan", name, model, options, data, *where, *homes_of_units(system, where), moves)
    return replace(costs.made_of_all(key, new), copies=copies)


def _units(
    graph: LayerGraph,
    costs: CostTable,
    options: Options,
    data: DataPlan,
    members: Sequence[tuple[Layer, ...]],
    where: list[str],
    copies: tuple[Copy, ...],
    homes: HomesInUnits,
) -> Iterator[PlannedUnit]:
    """Each unit, and who waits for it."""
    units = [tuple(layer.name for layer in layers) for layers in members]
    next_here = _next_here(where)
    after_unit = _grouped((unit, number) for number, copy in enumerate(copies) for unit in copy.after)
    dependents = _dependents(graph, costs.system, members, where, next_here, homes)
    waits_for = Counter(chain.from_iterable((*dependents, *(copy.dependents for copy in copies))))
    feeds = [None] * len(units) if homes.units else _feeds(graph, units, where)
    rooms = {kept.accelerator: kept.room_bytes for kept in data.parameters}
    for index, (layers, accelerator) in enumerate(zip(members, where, strict=True)):
        home, parameters = homes.units.get(index), _parameters(layers)
        yield PlannedUnit(
            index=index,
            accelerator=accelerator,
            layers=units[index],
            parameters=parameters,
            parameter_bytes=sum(tensor.size_bytes for tensor in parameters),
            variants=home.variants
            if home
            else variants_of(costs, layers, accelerator, options, rooms.get(accelerator)),
            dependents=tuple(sorted(dependents[index])),
            copies=tuple(after_unit.get(index, ())),
            waits_for=waits_for[index],
            feeds=feeds[index],
            next_here=next_here[index],
            home=home,
        )


def _dependents(
    graph: LayerGraph,
    system: System,
    members: Sequence[tuple[Layer, ...]],
    where: list[str],
    next_here: Sequence[int | None],
    homes: HomesInUnits,
) -> list[set[int]]:
    """Of each unit those that wait for its end: they read in its memory, or what lives when would not be known.

    So on an accelerator where tensors live, each unit waits for the one before it.
    """
    lie = homes_of_units(system, where)
    found: list[set[int]] = [set() for _ in members]
    for each in handovers(graph, members):
        found[each.producer].update(readers_by_home(each, lie).get(lie[each.producer], ()))
    for index, following in enumerate(next_here):
        if following is not None and (index in homes.crowded or following in homes.crowded):
            found[index].add(following)
    for before, after in homes.waits:
        found[before].add(after)
    return found


def with_copies(plan: Plan, further: Sequence[Copy]) -> Plan:
    """The plan with more copies, which wait for units alone and for which nothing waits."""
    waiting = _grouped((unit, number) for number, copy in enumerate(further, len(plan.copies)) for unit in copy.after)
    units = (replace(unit, copies=(*unit.copies, *waiting.get(unit.index, ()))) for unit in plan.units)
    return replace(plan, units=tuple(units), copies=(*plan.copies, *further))


def _grouped(pairs: Iterable[tuple[int | None, int]]) -> dict[int, list[int]]:
    """The second of each pair by the first, where there is one."""
    found: dict[int, list[int]] = {}
    for key, number in pairs:
        if key is not None:
            found.setdefault(key, []).append(number)
    return found


def _check_assignment(graph: LayerGraph, system: System, assignment: Mapping[str, str]) -> None:
    names = [accelerator.name for accelerator in system.accelerators]
    for layer in graph.layers:
        if layer.name not in assignment:
            raise UsageError(f"{graph.name}: the schedule assigns no accelerator to layer {layer.name!r}")
        if assignment[layer.name] not in names:
            raise unknown_name(assignment[layer.name], names, f"accelerator for layer {layer.name!r}")
    for name in assignment:
        if name not in graph:
            raise unknown_name(name, [layer.name for layer in graph.layers], f"layer in the schedule of {graph.name}")


def _members(
    graph: LayerGraph, system: System, assignment: Mapping[str, str], data: DataPlan
) -> tuple[tuple[Layer, ...], ...]:
    """The layers of each unit: a recurrent group is one, but behind a host its layers stream or stay one by one."""
    members = units_in_order(graph, [stack.layers for stack in data.stacks])
    for layers in members:
        names = sorted({assignment[layer.name] for layer in layers})
        if len(names) > 1:
            where = ", ".join(names)
            raise InfeasibleError(f"the {unit_text(layers)} is split over {where}; it runs on one accelerator")
    parts: list[tuple[Layer, ...]] = []
    for layers in members:
        fed = system.feeder_of(assignment[layers[0].name]) is not None
        parts += [(layer,) for layer in layers] if fed else [layers]
    return tuple(parts)


def handoffs(graph: LayerGraph, assignment: Mapping[str, str]) -> int:
    """Tensors that an accelerator gets from another one: a tensor that several layers there read counts once."""
    return len(
        {
            (edge.producer, assignment[edge.consumer])
            for edge in graph.edges
            if assignment[edge.producer] != assignment[edge.consumer]
        }
    )


def _parameters(layers: Iterable[Layer]) -> tuple[Parameter, ...]:
    tensors = {tensor.name: tensor for layer in layers for tensor in layer.parameters}
    return tuple(tensors.values())


def _sharing(members: Sequence[tuple[Layer, ...]], where: Sequence[str]) -> dict[int, tuple[int, ...]]:
    alike: dict[tuple[str, tuple[Parameter, ...]], list[int]] = {}
    for index, layers in enumerate(members):
        parameters = _parameters(layers)
        if parameters:
            alike.setdefault((where[index], parameters), []).append(index)
    several = (each for each in alike.values() if len(each) > 1)
    return {index: tuple(each) for each in several for index in each}


def _feeds(graph: LayerGraph, units: Sequence[tuple[str, ...]], where: list[str]) -> list[int | None]:
    """For each unit the one that its output may stay on chip for: two single layers that have only each other."""
    index_of = {layers[0]: index for index, layers in enumerate(units) if len(layers) == 1}
    feeds: list[int | None] = []
    for index, layers in enumerate(units):
        readers = graph.successors(layers[0]) if len(layers) == 1 and not graph[layers[0]].model_output_bytes else ()
        reader = index_of.get(readers[0]) if len(readers) == 1 else None
        alone = (
            reader is not None
            and where[reader] == where[index]
            and graph.predecessors(readers[0]) == (layers[0],)
            and not graph[readers[0]].model_input_bytes
        )
        feeds.append(reader if alone else None)
    return feeds


def _next_here(where: list[str]) -> list[int | None]:
    following: dict[str, int] = {}
    found: list[int | None] = [None] * len(where)
    for index in reversed(range(len(where))):
        found[index] = following.get(where[index])
        following[where[index]] = index
    return found
