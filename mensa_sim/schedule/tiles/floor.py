"""What no schedule of a graph is below, however its layers are cut: what is left of work where no mapping is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf

from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.least_work import least_array_pj, least_array_ps
from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.exact.linear_program import LinearProgram, tightened
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, with_bound
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.graph import LayerGraph

_PROOF = (
    "a floor: layers shared out over accelerators at will, MACs at as many lanes as a layer's dims fill, "
    "each parameter read and each output written once"
)
_FLOOR_LIMIT_S = 600.0


def with_floor(schedule: Schedule, costs: CostTable, problem: Problem) -> Schedule:
    """The schedule beside what none is below, by the costs of the whole layers."""
    return with_bound(schedule, floor_of(costs, problem), _PROOF)


def floor_of(costs: CostTable, problem: Problem) -> float:
    """The objective of the least energy, and of the least time, of whatever shares of layers run where.

    In an inference that finds empty buffers. It holds for whole layers, stacks, pieces and tiles alike: none has more
    lanes to fill than the dims of its layer, and work and bytes of the parts of a layer add up to no less than its own.
    """
    graph, memories = costs.graph, costs.system.memories.values()
    options: dict[str, dict[str, LayerCost]] = {layer.name: {} for layer in graph.layers}
    for (layer, accelerator, residency), cost in costs.costs.items():
        if residency == STREAMED:
            options[layer][accelerator] = cost
    moved = _moved_bytes(graph)
    read_bytes = sum(read for read, _ in moved.values())
    written_bytes = sum(written for _, written in moved.values())
    work_pj = sum(min(least_array_pj(each) for each in own.values()) for own in options.values())
    moved_pj = min(memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes) for memory in memories)
    return problem.value(work_pj + moved_pj, problem.host_ps + _least_ps(costs, options, moved))


def _moved_bytes(graph: LayerGraph) -> dict[str, tuple[int, int]]:
    """By layer, parameters that it alone must read whole, those of several for the first of them, and outputs."""
    times = Counter(tensor.name for layer in graph.layers for tensor in layer.parameters)
    gathered = {
        tensor.name for layer in graph.layers if layer.gathered_bytes is not None for tensor in layer.parameters
    }
    found: dict[str, tuple[int, int]] = {}
    seen: set[str] = set()
    for layer in graph.layers:
        own = {tensor.name: tensor.size_bytes for tensor in layer.parameters if tensor.name not in seen | gathered}
        seen |= {name for name in own if times[name] > 1}
        found[layer.name] = sum(own.values()), layer.model_output_bytes
    return found


def _least_ps(
    costs: CostTable, options: Mapping[str, Mapping[str, LayerCost]], moved: Mapping[str, tuple[int, int]]
) -> float:
    """The least time in which accelerators and memories have done all, where layers may be shared out at will."""
    graph, system = costs.graph, costs.system
    works = {
        name: {layer: least_array_ps(graph[layer], system, own[name]) for layer, own in options.items() if name in own}
        for name in (placed.name for placed in system.accelerators)
    }
    moved_ps = {
        name: {layer: sum(each) * PS_PER_S / memory.effective_bytes_per_s for layer, each in moved.items()}
        for name, memory in system.memories.items()
    }
    crews: dict[tuple[str, tuple[tuple[str, float], ...]], int] = Counter(
        (placed.memory, tuple(works[placed.name].items())) for placed in system.accelerators
    )
    return shared_ps(
        [Crew(count=count, memory=memory, work_ps=dict(work)) for (memory, work), count in crews.items()], moved_ps
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Accelerators on one memory on which each layer takes the same time."""

    count: int
    memory: str
    work_ps: Mapping[str, float]
    """By layer that they can run."""


def shared_ps(crews: Sequence[Crew], moved_ps: Mapping[str, Mapping[str, float]]) -> float:
    """The least time in which crews and their memories have done every layer, each shared out at will.

    `moved_ps` is the time that each layer's bytes take of each memory. Equal accelerators may have equal shares of all:
    what is left to choose is which crew does how much, and one crew has no choice. Else a linear program tells.
    """
    if len(crews) == 1:
        (crew,) = crews
        return max(fsum(crew.work_ps.values()) / crew.count, fsum(moved_ps[crew.memory].values()))
    program = LinearProgram()
    time = program.variable(1.0, high=inf)
    shares: dict[str, list[tuple[int, float]]] = {}
    times: dict[str, list[float]] = {}
    channels: dict[str, list[tuple[int, float]]] = {}
    for crew in crews:
        busy = []
        for layer, work_ps in crew.work_ps.items():
            share = program.variable()
            busy.append((share, work_ps))
            channels.setdefault(crew.memory, []).append((share, moved_ps[crew.memory][layer]))
            shares.setdefault(layer, []).append((share, 1.0))
            times.setdefault(layer, []).append(work_ps + moved_ps[crew.memory][layer])
        program.row([*busy, (time, -float(crew.count))], high=0.0)
    for terms in channels.values():
        program.row([*terms, (time, -1.0)], high=0.0)
    for terms in shares.values():
        program.row(terms, low=1.0, high=1.0)
    solved = program.solve(_FLOOR_LIMIT_S, sum(min(each) for each in times.values()))
    return max(0.0, tightened(solved.bound))
