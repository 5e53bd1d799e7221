"""The plan of one inference: units in order, what each waits for, and the copies between memories."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.memory import Link
from mensa_sim.hardware.system import System
from mensa_sim.lookup import unknown_name
from mensa_sim.simulate.plan.options import PLAIN, Options
from mensa_sim.simulate.plan.variants import Variants, variants_of
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Parameter
from mensa_sim.workload.unit_order import units_in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One resource that a copy passes, for its latency and then at its bandwidth."""

    resource: str
    latency_ps: int
    energy_pj: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A tensor that consumers on another memory need: read, carried over the link and written there, once."""

    producer: str
    size_bytes: int
    legs: tuple[Leg, ...]
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


def link_name(link: Link) -> str:
    """The name of a link among the resources of a timeline.

    >>> link_name(Link(between=("b", "a"), bandwidth_bytes_per_s=1, energy_pj_per_bit=0, latency_ps=0))
    'b-a'
    """
    return "-".join(link.between)


def make_plan(graph: LayerGraph, costs: CostTable, assignment: Mapping[str, str], options: Options = PLAIN) -> Plan:
    """The plan of one inference.

    `UsageError` where the assignment does not fit graph and system, `InfeasibleError` where an accelerator cannot
    run a layer, a recurrent group is torn apart or two memories have no link.
    """
    system = costs.system
    _check_assignment(graph, system, assignment)
    groups = [
        (layers[0].group or layers[0].name, tuple(layer.name for layer in layers)) for layers in units_in_order(graph)
    ]
    unit_of = {layer: index for index, (_, layers) in enumerate(groups) for layer in layers}
    where = [_accelerator_of(name, layers, assignment) for name, layers in groups]
    dependents: list[list[int]] = [[] for _ in groups]
    copies: list[list[Copy]] = [[] for _ in groups]
    waits_for = [0] * len(groups)
    for producer, (_, layers) in enumerate(groups):
        copies[producer] = _copies(graph, system, layers, unit_of, where)
        copied = {(copy.producer, unit) for copy in copies[producer] for unit in copy.dependents}
        readers = {
            unit_of[consumer]
            for layer in layers
            for consumer in graph.successors(layer)
            if unit_of[consumer] != producer and (layer, unit_of[consumer]) not in copied
        }
        dependents[producer] = sorted(readers)
        for unit in (*dependents[producer], *(unit for copy in copies[producer] for unit in copy.dependents)):
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
                dependents=tuple(dependents[index]),
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


def _copies(
    graph: LayerGraph, system: System, layers: Iterable[str], unit_of: Mapping[str, int], where: list[str]
) -> list[Copy]:
    """One copy for each layer and each memory, other than its own, whose accelerators read it."""
    copies: list[Copy] = []
    for layer in layers:
        source = system.accelerator(where[unit_of[layer]]).memory
        readers: dict[str, list[str]] = {}
        for consumer in graph.successors(layer):
            memory = system.accelerator(where[unit_of[consumer]]).memory
            if memory != source and graph.edge_bytes(layer, consumer):
                readers.setdefault(memory, []).append(consumer)
        for destination, consumers in readers.items():
            link = system.link_between(source, destination)
            if link is None:
                raise InfeasibleError(
                    f"{layer} on {where[unit_of[layer]]} feeds {consumers[0]} on {where[unit_of[consumers[0]]]}, "
                    f"but system {system.name} has no link between memories {source} and {destination}"
                )
            size = copied_bytes(graph, layer, consumers)
            read_pj = system.memories[source].transfer_pj(read_bytes=size)
            write_pj = system.memories[destination].transfer_pj(write_bytes=size)
            legs = (
                Leg(resource=source, latency_ps=0, energy_pj={"memory": read_pj}),
                Leg(resource=link_name(link), latency_ps=link.latency_ps, energy_pj={"link": link.transfer_pj(size)}),
                Leg(resource=destination, latency_ps=0, energy_pj={"memory": write_pj}),
            )
            waiting = tuple(sorted({unit_of[consumer] for consumer in consumers}))
            copies.append(Copy(producer=layer, size_bytes=size, legs=legs, dependents=waiting))
    return copies


def copied_bytes(graph: LayerGraph, producer: str, consumers: Iterable[str]) -> int:
    """Bytes of a layer's output that some consumers need together: their edges, but no byte of the output twice."""
    sizes = [graph.edge_bytes(producer, consumer) for consumer in consumers]
    return min(sum(sizes), max(graph[producer].output_bytes, *sizes))


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
