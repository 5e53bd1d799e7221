"""Where units stand best if tensors may live on chip, layer by layer, while none competes for room with another.

Each unit runs in a mode: on an accelerator, with all that it reads at home there or in memory, and what it makes at
home or in memory. What is at home is read where it is made, not over links. Of all that lives beside a layer its own
tensors alone take room, and a layer has the mapping that is best in the whole level: nothing is predicted better so.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.elimination import sets_of
from mensa_sim.schedule.exact.weighted import Candidate, elimination_of
from mensa_sim.schedule.homes.step import AtHome, HomeCosts, Step
from mensa_sim.schedule.problem import Problem
from mensa_sim.workload.graph import LayerGraph

MOST_APART = 3
"""Of more tensors that a layer reads, all are at home or none: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A unit on an accelerator, beside those of its own tensors that live there."""

    accelerator: int
    inputs: frozenset[int] = frozenset()
    """The units whose tensors it reads at home."""
    output: bool = False
    """Whether its own is."""
    latency_ps: int
    energy_pj: float
    """Dynamic."""
    cost: LayerCost | None = None
    """Of its one layer, or of one that is alike, where any of its tensors is at home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InModes(Candidate):
    """An assignment, and the mode of each unit."""

    modes: Sequence[Mode]


class AtHomeSolver:
    """Exact for layer-by-layer latency with homes, by dynamic programming; raises `TooWideError` when made."""

    def __init__(self, problem: Problem, costs: CostTable) -> None:
        self.problem = replace(problem, execution="serial")
        self._arrays = Arrays(problem)
        self._modes = list(modes_of(problem, costs))
        self._memories = [self._arrays.memory[[mode.accelerator for mode in modes]] for modes in self._modes]
        self._tensors = [tensor for tensor in problem.tensors if tensor.size_bytes]
        self._holders = sets_of(len(self._arrays.memories))
        """The sets of memories that may hold a tensor which several read; else one accelerator's level does."""
        holders = len(self._holders) + len(problem.accelerators)
        self._elimination = elimination_of([len(modes) for modes in self._modes], self._tensors, holders)

    def minimise(self, energy_weight: float, latency_weight: float, assignment: Sequence[int] | None = None) -> InModes:
        """The optimum, of one assignment where it is given; its bound is its own value."""
        own = [
            np.array([energy_weight * mode.energy_pj + latency_weight * mode.latency_ps for mode in modes])
            for modes in self._modes
        ]
        if assignment is not None:
            for costs, modes, place in zip(own, self._modes, assignment, strict=True):
                costs[[mode.accelerator != place for mode in modes]] = np.inf
        values, _ = self._elimination.minimise([*own, *self._copies(energy_weight, latency_weight)])
        found = self._predicted([modes[value] for modes, value in zip(self._modes, values[: len(own)], strict=True)])
        return replace(found, bound=found.weighted(energy_weight, latency_weight))

    def _predicted(self, modes: Sequence[Mode]) -> InModes:
        """What units in those modes take, of which nothing is proved."""
        problem, assignment = self.problem, tuple(mode.accelerator for mode in modes)
        through_memory = evaluate(problem, assignment)
        latency_ps, dynamic_pj = through_memory.serial_ps, through_memory.dynamic_pj
        for unit, mode in zip(problem.units, modes, strict=True):
            option = unit.option(mode.accelerator)
            latency_ps += mode.latency_ps - option.latency_ps
            dynamic_pj += mode.energy_pj - option.energy_pj
        prediction = replace(
            through_memory,
            serial_ps=latency_ps,
            dynamic_pj=dynamic_pj,
        )
        proof = "exact: dynamic programming over the graph, tensors at home"
        return InModes(assignment=assignment, prediction=prediction, bound=-math.inf, proof=proof, modes=modes)

    def _copies(self, energy_weight: float, latency_weight: float) -> Iterator[Floats]:
        """What each tensor costs: by modes of producer and reader, or of each and what holds it."""
        of_all = energy_weight * self._arrays.copy_pj + latency_weight * self._arrays.copy_ps
        within_one = np.zeros((len(self._tensors), 1, 1))
        for tensor, copies in zip(self._tensors, of_all if len(of_all) else within_one, strict=True):
            makes, memory = self._modes[tensor.producer], self._memories[tensor.producer]
            at_home = np.array([mode.output for mode in makes])
            makers = np.array([mode.accelerator for mode in makes])
            if len(tensor.readers) == 1:
                (reader,) = tensor.readers
                reads = self._modes[reader]
                same = makers[:, None] == np.array([mode.accelerator for mode in reads])
                wants = np.array([tensor.producer in mode.inputs for mode in reads])
                through = np.where(wants, np.inf, copies[np.ix_(memory, self._memories[reader])])
                yield np.where(at_home[:, None], np.where(same & wants, 0.0, np.inf), through)
                continue
            homes = np.arange(len(self.problem.accelerators))
            in_memory = np.where(at_home[:, None], np.inf, copies[memory] @ self._holders.T)
            yield np.hstack([in_memory, np.where(at_home[:, None] & (makers[:, None] == homes), 0.0, np.inf)])
            for reader in tensor.readers:
                reads = self._modes[reader]
                wants = np.array([tensor.producer in mode.inputs for mode in reads])
                at_hand = self._holders.T[self._memories[reader]] > 0
                here = np.array([mode.accelerator for mode in reads])[:, None] == homes
                allowed = np.hstack([at_hand & ~wants[:, None], here & wants[:, None]])
                yield np.where(allowed, 0.0, np.inf)


def modes_of(problem: Problem, costs: CostTable) -> Iterator[list[Mode]]:
    """The modes of each unit: with its inputs at home, all of them or any where they are few, and its output."""
    home_costs = HomeCosts(replace(costs, in_room=None), LAYER_BY_LAYER)
    unit_of = {unit.layers[0]: index for index, unit in enumerate(problem.units) if len(unit.layers) == 1}
    capacities_bytes = [_capacity_bytes(costs.system, name) for name in problem.accelerators]
    known: dict[Hashable, list[AtHome]] = {}

    def fitting(step: Step, capacity_bytes: int) -> list[AtHome]:
        """The costs of the first step that is alike, as far as they fit."""
        alike = home_costs.alike(step)
        if alike not in known:
            options = home_costs.options(step, parameters=False)
            known[alike] = [held for held in options if step.live_bytes + held.beside_bytes <= capacity_bytes]
        return known[alike]

    for unit in problem.units:
        modes = []
        for place in unit.allowed:
            option = unit.option(place)
            modes.append(Mode(accelerator=place, latency_ps=option.latency_ps, energy_pj=option.energy_pj))
            if len(unit.layers) > 1 or not capacities_bytes[place]:
                continue
            bandwidth = costs.system.memory_of(problem.accelerators[place]).effective_bytes_per_s
            for step, sources in _steps(costs.graph, unit.layers[0], problem.accelerators[place], unit_of):
                modes += [
                    Mode(
                        accelerator=place,
                        inputs=sources,
                        output=step.output,
                        latency_ps=held.cost.latency_ps(bandwidth),
                        energy_pj=held.cost.energy_pj,
                        cost=held.cost,
                    )
                    for held in fitting(step, capacities_bytes[place])
                ]
        yield modes


def _capacity_bytes(system: System, accelerator: str) -> int:
    """What its activation level may hold of tensors at home; nothing where those do not stay."""
    spec = system.accelerator(accelerator).spec
    able = spec.power_gating is None and system.feeder_of(accelerator) is None
    return spec.buffer_bytes.get("activation", 0) if able else 0


def _steps(
    graph: LayerGraph, layer: str, accelerator: str, unit_of: Mapping[str, int]
) -> Iterator[tuple[Step, frozenset[int]]]:
    """A layer beside its own tensors at home, and the units that make those that it reads."""
    shape = graph[layer]
    read_bytes = {name: graph.edge_bytes(name, layer) for name in graph.predecessors(layer)}
    read_bytes = {name: size for name, size in read_bytes.items() if size}
    able = [name for name in read_bytes if name in unit_of]
    counts = range(len(able) + 1) if len(able) <= MOST_APART else (0, len(able))
    readers = [name for name in graph.successors(layer) if graph.edge_bytes(layer, name)]
    kept = bool(readers) and not shape.model_output_bytes and all(name in unit_of for name in readers)
    for count, output in product(counts, (False, True) if kept else (False,)):
        for sources in combinations(able, count):
            if not sources and not output:
                continue
            whole = len(sources) == len(read_bytes) and not shape.model_input_bytes and not shape.state_bytes
            step = Step(
                layer=layer,
                accelerator=accelerator,
                live_bytes=sum(graph[name].output_bytes for name in sources) + shape.output_bytes * output,
                reads_bytes=sum(read_bytes[name] for name in sources),
                whole=bool(sources) and whole,
                output=output,
            )
            yield step, frozenset(unit_of[name] for name in sources)
