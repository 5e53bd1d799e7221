"""The tensors that may live in an accelerator's activation level, from their producer to their last reader."""

from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import field

from mensa_sim.hardware.routes import from_level
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph, units_in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeTensor:
    """The output of a layer that lives on the chip: where it is made, or in a memory that several reach."""

    layer: str
    home: str
    """The accelerator that makes it, or the memory."""
    size_bytes: int
    first: int
    """The place of its producer among the units of that accelerator, in their order; of a memory, among all units."""
    last: int
    """That of the last unit of those that runs before or when its last reader does."""
    readers: Mapping[str, int]
    """The layers that read it there, and how many bytes of it each."""
    remote: Mapping[str, int] = field(default_factory=dict)
    """The layers on other accelerators that read it over links, likewise."""


def readers_of(graph: LayerGraph, layer: str) -> dict[str, int]:
    """Who reads what a layer makes, and how many bytes."""
    sizes = {name: graph.edge_bytes(layer, name) for name in graph.successors(layer)}
    return {name: size for name, size in sizes.items() if size}


def tensors_of(
    graph: LayerGraph, system: System, assignment: Mapping[str, str], stacks: Sequence[Sequence[str]] = ()
) -> tuple[dict[str, HomeTensor], dict[str, str]]:
    """The tensors that may have a home on chip, by the layer that makes each; of the others, why they may not.

    All readers run on the accelerator that makes it or on one that links lead to, none is the model's output, and no
    recurrent group or stack makes or reads it: those hand their tensors on step by step, or tile by tile.
    """
    units = units_in_order(graph, stacks)
    order: dict[str, list[int]] = {name: [] for name in assignment.values()}
    place: dict[str, int] = {}
    number: dict[str, int] = {}
    for index, layers in enumerate(units):
        accelerator = assignment[layers[0].name]
        place |= {layer.name: len(order[accelerator]) for layer in layers}
        number |= {layer.name: index for layer in layers}
        order[accelerator].append(index)
    single = {layers[0].name for layers in units if len(layers) == 1}
    groups: dict[str, list[int]] = {name: [] for name in order}
    for layers in units:
        if len(layers) > 1:
            groups[assignment[layers[0].name]].append(place[layers[0].name])
    found: dict[str, HomeTensor] = {}
    refused: dict[str, str] = {}
    for layer in graph.layers:
        accelerator = assignment[layer.name]
        readers = readers_of(graph, layer.name)
        if not readers:
            continue
        last = bisect_right(order[accelerator], max(number[name] for name in readers)) - 1
        reason = _refusal(graph, system, assignment, single, layer.name, readers)
        after = bisect_right(groups[accelerator], place[layer.name])
        if not reason and after < len(groups[accelerator]) and groups[accelerator][after] <= last:
            reason = "a recurrent group or a stack runs before its last reader"
        if reason:
            refused[layer.name] = reason
            continue
        found[layer.name] = HomeTensor(
            layer=layer.name,
            home=accelerator,
            size_bytes=layer.output_bytes,
            first=place[layer.name],
            last=last,
            readers={name: size for name, size in readers.items() if assignment[name] == accelerator},
            remote={name: size for name, size in readers.items() if assignment[name] != accelerator},
        )
    return found, refused


def _refusal(
    graph: LayerGraph,
    system: System,
    assignment: Mapping[str, str],
    single: set[str],
    layer: str,
    readers: Mapping[str, int],
) -> str:
    accelerator, size_bytes = assignment[layer], graph[layer].output_bytes
    capacity_bytes = system.room_for_tensors(accelerator)
    others = sorted({assignment[name] for name in readers} - {accelerator})
    elsewhere = [name for name in others if from_level(system, accelerator, name) is None]
    if reason := level_refusal(system, accelerator):
        return reason
    if elsewhere:
        return f"it is read on {', '.join(elsewhere)} too"
    if reason := tensor_refusal(graph, layer, readers, single):
        return reason
    if size_bytes > capacity_bytes:
        return f"its {size_bytes} bytes exceed the {capacity_bytes} of {accelerator}"
    return ""


def tensor_refusal(graph: LayerGraph, layer: str, readers: Iterable[str], single: Container[str]) -> str:
    """Why what a layer makes may live in no level; `single` are those that run alone."""
    if graph[layer].model_output_bytes:
        return "it leaves the model"
    grouped = [name for name in (layer, *readers) if name not in single]
    if grouped:
        return f"{grouped[0]} is part of a recurrent group or a stack, which hands its tensors on piece by piece"
    return ""


def level_refusal(system: System, accelerator: str) -> str:
    """Why no tensor may live in an accelerator's level; empty where one may."""
    if system.feeder_of(accelerator) is not None:
        return "a host feeds its accelerator, behind which all activations stay on chip"
    if system.accelerator(accelerator).spec.power_gating is not None:
        return f"{accelerator} loses what it holds when its supply is cut"
    if not system.room_for_tensors(accelerator):
        return f"{accelerator} has no level that holds activations"
    return ""
