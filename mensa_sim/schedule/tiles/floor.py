"""What no schedule of a graph is below when simulated: what is left of work where no mapping is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import fsum, inf

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.linear_program import SEARCH_LIMIT_S, LinearProgram, tightened
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, with_bound
from mensa_sim.schedule.tiles.estimate import least_work
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.graph import LayerGraph

_PROOF = (
    "a floor: layers shared out over accelerators at will, MACs at as many lanes as a layer's dims fill, "
    "each parameter and what enters and leaves the model moved once"
)

LeastTimes = tuple[float, float]
"""The time that a layer takes of an accelerator at least, and that of its memory."""


def with_floor(schedule: Schedule, costs: CostTable, problem: Problem, *, whole: bool = False) -> Schedule:
    """The schedule beside what none simulates below, by the costs of the whole layers."""
    asleep = _asleep(problem, costs.system)
    return with_bound(schedule, asleep.value(*floor_of(costs, problem, whole=whole)), _PROOF)


def floor_of(costs: CostTable, problem: Problem, *, whole: bool = False) -> tuple[float, float]:
    """The least energy, and the least time, of whatever shares of layers run where in an inference of empty buffers.

    Other tensors than those that enter and leave the model may stay on chip. It holds for whole layers, pieces and
    tiles alike: none has more lanes to fill than the dims of its layer, and what the parts of a layer do, read and
    write is together no less than what it does. Of `whole` layers, none starts before those that it reads have ended.
    Parameters that several layers read are moved for the first of them, as they may stay for the others.
    """
    crews: dict[tuple[str, tuple[tuple[str, LeastTimes], ...]], int] = Counter()
    least_pj: dict[str, float] = {}
    for placed in costs.system.accelerators:
        own = least_on(placed, costs)
        for layer, (pj, _) in own.items():
            least_pj[layer] = min(least_pj.get(layer, inf), pj)
        crews[placed.memory, tuple((layer, times_ps) for layer, (_, times_ps) in own.items())] += 1
    found = [Crew(count=count, memory=memory, least_ps=dict(own)) for (memory, own), count in crews.items()]
    least_ps = max(shared_ps(found), longest_way_ps(found, problem) if whole else 0.0)
    return fsum(least_pj.values()), problem.host_ps + least_ps


def least_on(
    placed: PlacedAccelerator, costs: CostTable, *, steady: bool = False
) -> dict[str, tuple[float, LeastTimes]]:
    """The least dynamic energy and times of each layer that an accelerator can run; of a steady inference, parameters
    may have stayed."""
    memory, own_bytes = costs.system.memories[placed.memory], _first_read_bytes(costs.graph)
    found = {}
    for layer in costs.graph.layers:
        cost = costs.costs.get((layer.name, placed.name, STREAMED))
        if cost is not None:
            work = least_work(layer, costs.system, cost, 1)
            # What a host brings crosses no memory, nor is it known what does where a device was measured.
            entering_bytes = max(0, work.read_bytes - layer.input_bytes + layer.model_input_bytes)
            parameter_bytes = 0 if steady else min(work.parameter_bytes, own_bytes[layer.name])
            read_bytes = min(parameter_bytes + entering_bytes, cost.memory_read_bytes)
            written_bytes = min(work.written_bytes, layer.model_output_bytes, cost.memory_write_bytes)
            moved_pj = memory.transfer_pj(read_bytes=read_bytes, write_bytes=written_bytes)
            moved_ps = (read_bytes + written_bytes) * PS_PER_S / memory.effective_bytes_per_s
            found[layer.name] = work.chip_pj + moved_pj, (work.on_chip_ps, moved_ps)
    return found


def least_values(
    costs: CostTable, problem: Problem, assignments: npt.NDArray[np.intp], *, steady: bool = False
) -> list[float]:
    """What the objective of each assignment of whole layers, [assignment, unit], is not below when simulated."""
    system = costs.system
    shape = 3, len(problem.units), len(problem.accelerators)
    least = np.zeros(shape)  # [pJ or ps or ps of the memory, unit, accelerator]
    for place, placed in enumerate(system.accelerators):
        own = least_on(placed, costs, steady=steady)
        for index, unit in enumerate(problem.units):
            for pj, times_ps in (own[layer] for layer in unit.layers if layer in own):
                least[:, index, place] += pj, *times_ps
    pj, own_ps, moved_ps = least[:, np.arange(shape[1]), assignments]
    memories = np.array([list(system.memories).index(placed.memory) for placed in system.accelerators])
    loads = [(own_ps * (assignments == place)).sum(axis=1) for place in range(shape[2])]
    loads += [(moved_ps * (memories[assignments] == memory)).sum(axis=1) for memory in range(len(system.memories))]
    ends_ps: list[Floats] = []
    for index, read in enumerate(problem.incoming):
        ends_ps.append(own_ps[:, index] + np.max([ends_ps[each.producer] for each in read], axis=0, initial=0.0))
    latency_ps = problem.host_ps + np.max([*loads, *ends_ps], axis=0)
    return [_asleep(problem, system).value(*each) for each in zip(pj.sum(axis=1), latency_ps, strict=True)]


def _asleep(problem: Problem, system: System) -> Problem:
    """The problem where supplies are cut whenever they may be."""
    return replace(problem, static_mw=static_power(system).least_mw)


def _first_read_bytes(graph: LayerGraph) -> dict[str, int]:
    """Of each layer's parameters those that no layer before it reads."""
    found, known = {}, set[str]()
    for layer in graph.layers:
        found[layer.name] = sum(each.size_bytes for each in layer.parameters if each.name not in known)
        known.update(each.name for each in layer.parameters)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Accelerators on one memory on which each layer takes the same time."""

    count: int
    memory: str
    least_ps: Mapping[str, LeastTimes]
    """By layer that they can run."""


def longest_way_ps(crews: Sequence[Crew], problem: Problem) -> float:
    """The longest way through a problem's graph, each unit on the crew that takes the least time of accelerators."""
    ends_ps: list[float] = []
    for unit, read in zip(problem.units, problem.incoming, strict=True):
        able = (crew.least_ps for crew in crews if all(layer in crew.least_ps for layer in unit.layers))
        own_ps = min(fsum(least_ps[layer][0] for layer in unit.layers) for least_ps in able)
        ends_ps.append(own_ps + max((ends_ps[tensor.producer] for tensor in read), default=0.0))
    return max(ends_ps)


def shared_ps(crews: Sequence[Crew]) -> float:
    """The least time in which crews and their memories have done every layer, each shared out at will.

    Equal accelerators may have equal shares of all: what is left to choose is which crew does how much, and one crew
    has no choice. Else a linear program tells.
    """
    if len(crews) == 1:
        (crew,) = crews
        work_ps, moved_ps = map(fsum, zip(*crew.least_ps.values(), strict=True))
        return max(work_ps / crew.count, moved_ps)
    program = LinearProgram()
    time = program.variable(1.0, high=inf)
    alone_ps: dict[str, float] = {}
    shares: dict[str, list[tuple[int, float]]] = {}
    channels: dict[str, list[tuple[int, float]]] = {}
    for crew in crews:
        busy = [(time, -float(crew.count))]
        for layer, (work_ps, moved_ps) in crew.least_ps.items():
            share = program.variable()
            busy.append((share, work_ps))
            channels.setdefault(crew.memory, [(time, -1.0)]).append((share, moved_ps))
            shares.setdefault(layer, []).append((share, 1.0))
            alone_ps[layer] = min(alone_ps.get(layer, inf), work_ps + moved_ps)
        program.row(busy, high=0.0)
    for terms in channels.values():
        program.row(terms, high=0.0)
    for terms in shares.values():
        program.row(terms, low=1.0, high=1.0)
    return max(0.0, tightened(program.solve(SEARCH_LIMIT_S, sum(alone_ps.values())).bound))
