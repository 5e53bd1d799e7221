"""The plan of one inference: units in order, what each waits for, and the copies between memories."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.routes import Handover, handovers, route_between
from mensa_sim.hardware.system import System
from mensa_sim.lookup import unknown_name
from mensa_sim.simulate.plan.options import PLAIN, Options
from mensa_sim.simulate.plan.variants import Variants, variants_of
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Parameter
from mensa_sim.workload.unit_order import units_in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Bytes that pass one resource."""

    resource: str
    size_bytes: int
    latency_ps: int
    """Before the first byte moves; it keeps nobody else from moving."""
    alone_ps: int
    """Time of the bytes with the resource to themselves."""
    energy_pj: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A tensor on its way to where others read it, over one resource after another."""

    layer: str
    """The one that made it."""
    crossings: tuple[Crossing, ...]
    dependents: tuple[int, ...]
    """Units that wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedUnit:
    """A layer, or a recurrent group as one: what an accelerator runs without interruption."""

    index: int
    name: str
    accelerator: str
    layers: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    """The tensors of its layers, each once."""
    parameter_bytes: int
    """Their footprint."""
    variants: Variants
    dependents: tuple[int, ...]
    """Units that wait for its end, because they read from the same memory."""
    copies: tuple[Copy, ...]
    waits_for: int
    """Ends of units and copies that must come before it starts."""
    feeds: int | None
    """The only unit that reads its output, if that unit reads nothing else and runs on the same accelerator: then the
    output may stay on chip."""
    next_here: int | None
    """The next unit in order on the same accelerator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One inference of a graph under an assignment."""

    name: str
    units: tuple[PlannedUnit, ...]
    """In topological order, ties by graph order."""
    handoffs: int
    """Tensors that an accelerator gets from another one."""


def make_plan(graph: LayerGraph, costs: CostTable, assignment: Mapping[str, str], options: Options = PLAIN) -> Plan:
    """The plan of one inference.

    `UsageError` where the assignment does not fit graph and system, `InfeasibleError` where an accelerator cannot
    run a layer, a recurrent group is torn apart or two memories have no link.
    """
    system = costs.system
    _check_assignment(graph, system, assignment)
    members = units_in_order(graph)
    groups = [(layers[0].group or layers[0].name, tuple(layer.name for layer in layers)) for layers in members]
    where = [_accelerator_of(name, layers, assignment) for name, layers in groups]
    dependents: list[set[int]] = [set() for _ in groups]
    copies: list[list[Copy]] = [[] for _ in groups]
    for each in handovers(graph, members):
        read_in = _readers_by_home(system, each, where)
        dependents[each.producer].update(read_in.pop(system.home_of(where[each.producer]), ()))
        copies[each.producer] += [_copy(system, each, where, readers) for readers in read_in.values()]
    waits_for = [0] * len(groups)
    for unit in chain.from_iterable((*dependents, *(copy.dependents for own in copies for copy in own))):
        waits_for[unit] += 1
    feeds = _feeds(graph, groups, where)
    next_here = _next_here(where)
    return Plan(
        name=graph.name,
        handoffs=handoffs(graph, assignment),
        units=tuple(
            PlannedUnit(
                index=index,
                name=name,
                accelerator=where[index],
                layers=layers,
                parameters=_parameters(graph, layers),
                parameter_bytes=sum(tensor.size_bytes for tensor in _parameters(graph, layers)),
                variants=variants_of(costs, [graph[layer] for layer in layers], where[index], options),
                dependents=tuple(sorted(dependents[index])),
                copies=tuple(copies[index]),
                waits_for=waits_for[index],
                feeds=feeds[index],
                next_here=next_here[index],
            )
            for index, (name, layers) in enumerate(groups)
        ),
    )


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


def _accelerator_of(unit: str, layers: tuple[str, ...], assignment: Mapping[str, str]) -> str:
    names = sorted({assignment[layer] for layer in layers})
    if len(names) > 1:
        raise InfeasibleError(
            f"the recurrent group {unit} is split over {', '.join(names)}; it runs on one accelerator"
        )
    return names[0]


def _readers_by_home(system: System, handover: Handover, where: list[str]) -> dict[str, list[int]]:
    """The units that read where it lies, and those on each other home; without bytes there is nothing to move."""
    home = system.home_of(where[handover.producer])
    found: dict[str, list[int]] = {}
    for reader in handover.readers:
        found.setdefault(system.home_of(where[reader]) if handover.size_bytes else home, []).append(reader)
    return found


def _copy(system: System, handover: Handover, where: list[str], readers: list[int]) -> Copy:
    """The copy to one home, where these units read it."""
    route = route_between(system, where[handover.producer], where[readers[0]])
    size_bytes = handover.size_bytes
    return Copy(
        layer=handover.layer,
        crossings=tuple(
            Crossing(
                resource=leg.resource,
                size_bytes=size_bytes,
                latency_ps=leg.latency_ps,
                alone_ps=leg.time_ps(size_bytes) - leg.latency_ps,
                energy_pj={leg.component: leg.pj_per_byte * size_bytes},
            )
            for leg in route.legs
        ),
        dependents=tuple(readers),
    )


def handoffs(graph: LayerGraph, assignment: Mapping[str, str]) -> int:
    """Tensors that an accelerator gets from another one: a tensor that several layers there read counts once."""
    return len(
        {
            (edge.producer, assignment[edge.consumer])
            for edge in graph.edges
            if assignment[edge.producer] != assignment[edge.consumer]
        }
    )


def _parameters(graph: LayerGraph, layers: Iterable[str]) -> tuple[Parameter, ...]:
    tensors = {tensor.name: tensor for layer in layers for tensor in graph[layer].parameters}
    return tuple(tensors.values())


def _feeds(graph: LayerGraph, groups: list[tuple[str, tuple[str, ...]]], where: list[str]) -> list[int | None]:
    """For each unit the one that its output may stay on chip for: two single layers that have only each other."""
    index_of = {layers[0]: index for index, (_, layers) in enumerate(groups) if len(layers) == 1}
    feeds: list[int | None] = []
    for index, (_, layers) in enumerate(groups):
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
