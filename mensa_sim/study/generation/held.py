"""What a model that generates keeps in each memory, whether it fits, and what moves from the prompt to the steps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.routes import Route, route_between
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPhase:
    """The graph of a phase, and the accelerator of each of its layers."""

    graph: LayerGraph
    assignment: Mapping[str, str]


def pins_in(phase: Literal["prompt", "steps"], pins: Mapping[str, str]) -> dict[str, str]:
    """The pins of a phase: those of both, and on top of them those that begin with its name.

    >>> pins_in("steps", {"steps:*.up": "pim", "prompt:*": "npu", "head": "npu"})
    {'head': 'npu', '*.up': 'pim'}
    """
    own = {key.removeprefix(f"{phase}:"): on for key, on in pins.items() if key.startswith(f"{phase}:")}
    return {**{key: on for key, on in pins.items() if not key.startswith(("prompt:", "steps:"))}, **own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Keys and values that a layer of the prompt makes on one memory and steps read on another."""

    layer: str
    route: Route
    size_bytes: int


def moved_to_steps(system: System, prompt: PlacedPhase, step: PlacedPhase) -> Iterator[Moved]:
    """What goes from one memory to another between the prompt and the steps; of a sliding window what a step reads."""
    for layer in step.graph.layers:
        if not layer.state_bytes or layer.name not in prompt.graph:
            continue
        reader = step.assignment[layer.name]
        for name in prompt.graph.predecessors(layer.name):
            maker = prompt.assignment[name]
            made = prompt.graph[name].model_output_bytes
            if made and system.home_of(maker) != system.home_of(reader):
                size_bytes = min(made, layer.state_bytes)
                yield Moved(layer=name, route=route_between(system, maker, reader), size_bytes=size_bytes)


def weights_held(system: System, phases: Sequence[PlacedPhase]) -> dict[str, int]:
    """Parameters by memory: each tensor once in every memory where some phase reads it."""
    held: dict[str, dict[str, int]] = {name: {} for name in system.memories}
    for phase in phases:
        for layer in phase.graph.layers:
            memory = system.storage_of(phase.assignment[layer.name])
            held[memory].update((each.name, each.size_bytes) for each in layer.parameters)
    return {name: sum(tensors.values()) for name, tensors in held.items() if tensors}


def kv_held(system: System, step: PlacedPhase, kv_bytes: int) -> dict[str, int]:
    """So many bytes of keys and values by memory, in proportion to what the steps read there."""
    read: dict[str, int] = {}
    for layer in step.graph.layers:
        if layer.state_bytes:
            memory = system.storage_of(step.assignment[layer.name])
            read[memory] = read.get(memory, 0) + layer.state_bytes
    if not read:
        read[system.storage_of(step.assignment[step.graph.layers[-1].name])] = 1
    total = sum(read.values())
    return {name: -(-kv_bytes * size // total) for name, size in read.items()}


def refuse_too_much(name: str, system: System, weights: Mapping[str, int], kv: Mapping[str, int]) -> None:
    """Raises `InfeasibleError` where a memory would hold more than its capacity, and says by how much."""
    faults = []
    for memory, spec in system.memories.items():
        needed = weights.get(memory, 0) + kv.get(memory, 0)
        if spec.capacity_bytes is not None and needed > spec.capacity_bytes:
            parts = f"{weights.get(memory, 0)} bytes of weights and {kv.get(memory, 0)} of keys and values"
            short = needed - spec.capacity_bytes
            faults.append(f"{memory} holds {spec.capacity_bytes} bytes, {short} fewer than the {parts} take")
    if faults:
        raise InfeasibleError(f"{name} does not fit {system.name}: {'; '.join(faults)}")
