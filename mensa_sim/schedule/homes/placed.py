"""Where units stand best if tensors may live on chip, layer by layer, while none competes for room with another.

Each unit runs in a mode: on an accelerator, with each tensor that it reads in memory or at home, there, where links
lead from, or in a memory on the chip, and what it makes likewise. Of all that lives beside a layer its own tensors
alone take room, and a layer has the mapping that is best in the whole level: nothing is predicted better so.
"""

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import product

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.moved import Fed, moved_cost
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.routes import Route, from_level, from_shared, to_shared
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.elimination import sets_of
from mensa_sim.schedule.exact.weighted import Candidate, elimination_of
from mensa_sim.schedule.from_graph import option_at
from mensa_sim.schedule.homes.step import HomeCosts, Step, step_beside
from mensa_sim.schedule.homes.tensors import level_refusal, readers_of, tensor_refusal
from mensa_sim.schedule.problem import Problem
from mensa_sim.workload.graph import LayerGraph

MOST_WAYS = 25
"""Where a layer could read its tensors at home in more ways than these, all lie in one place: a choice."""
IN_MEMORY = -1
"""The place of a tensor that has no home. The others are the accelerators, whose levels hold what they make, and after
them the memories on the chip, by index."""

Lies = tuple[int, int]
"""A unit whose tensor is at home, and its place."""
_Cost = tuple[int, float, LayerCost]
"""Latency in ps and dynamic energy in pJ of a cost, and that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A unit on an accelerator, beside those of its own tensors that live on chip."""

    accelerator: int
    inputs: Mapping[int, int] = field(default_factory=dict)
    """By the units whose tensors it reads at home, their places."""
    output: int = IN_MEMORY
    """The place of its own."""
    latency_ps: int
    energy_pj: float
    """Dynamic."""
    cost: LayerCost | None = None
    """Of its one layer, or of one that is alike, where any of its tensors is at home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InModes(Candidate):
    """An assignment, and the mode of each unit."""

    modes: Sequence[Mode]

    @property
    def homes(self) -> frozenset[Lies]:
        """The tensors that are at home."""
        return frozenset((unit, mode.output) for unit, mode in enumerate(self.modes) if mode.output != IN_MEMORY)


class AtHomeSolver:
    """Exact for layer-by-layer latency with homes, by dynamic programming; raises `TooWideError` when made."""

    def __init__(self, problem: Problem, costs: CostTable) -> None:
        self.problem = replace(problem, execution="serial")
        self._arrays = Arrays(problem)
        self._modes = list(modes_of(problem, costs))
        self._energies_pj = [np.array([mode.energy_pj for mode in modes]) for modes in self._modes]
        self._latencies_ps = [np.array([float(mode.latency_ps) for mode in modes]) for modes in self._modes]
        self._places = [np.array([mode.accelerator for mode in modes]) for modes in self._modes]
        self._outputs = [np.array([mode.output for mode in modes]) for modes in self._modes]
        self._memories = [self._arrays.memory[places] for places in self._places]
        self._tensors = [tensor for tensor in problem.tensors if tensor.size_bytes]
        self._holders = sets_of(len(self._arrays.memories))
        """The sets of memories that may hold a tensor which several read; else one place on the chip does."""
        self.places = (*problem.accelerators, *costs.system.on_chip_memories())
        """Where tensors may be at home."""
        self._homes = np.arange(len(self.places))
        self._bandwidths = [costs.system.memory_of(name).effective_bytes_per_s for name in problem.accelerators]
        holders = len(self._holders) + len(self._homes)
        self._elimination = elimination_of([len(modes) for modes in self._modes], self._tensors, holders)

    def may_live(self, unit: int) -> bool:
        """Whether what a unit makes could be at home anywhere."""
        return bool(np.any(self._outputs[unit] != IN_MEMORY))

    def minimise(
        self,
        energy_weight: float,
        latency_weight: float,
        assignment: Sequence[int | None] = (),
        without: Collection[Lies] = (),
    ) -> InModes:
        """The optimum, of one assignment or of some units', or without tensors in some places: its bound is its own."""
        each = zip(self._energies_pj, self._latencies_ps, strict=True)
        own = [energy_weight * energies_pj + latency_weight * latencies_ps for energies_pj, latencies_ps in each]
        for costs, places, place in zip(own, self._places, assignment, strict=False):
            if place is not None:
                costs[places != place] = np.inf
        for unit, place in without:
            own[unit][self._outputs[unit] == place] = np.inf
        values, _ = self._elimination.minimise([*own, *self._copies(energy_weight, latency_weight)])
        found = self._predicted([modes[value] for modes, value in zip(self._modes, values[: len(own)], strict=True)])
        return replace(found, bound=found.weighted(energy_weight, latency_weight))

    def _predicted(self, modes: Sequence[Mode]) -> InModes:
        """What units in those modes take, of which nothing is proved."""
        assignment = tuple(mode.accelerator for mode in modes)
        prediction = evaluate(self._in(modes), assignment)
        proof = "exact: dynamic programming over the graph, tensors at home"
        return InModes(assignment=assignment, prediction=prediction, bound=-math.inf, proof=proof, modes=modes)

    def _in(self, modes: Sequence[Mode]) -> Problem:
        """The problem of units in those modes, between which what is at home is an order of execution alone."""
        units = []
        for unit, mode in zip(self.problem.units, modes, strict=True):
            if mode.cost is not None:
                options = list(unit.options)
                options[mode.accelerator] = option_at([mode.cost], self._bandwidths[mode.accelerator])
                unit = replace(unit, options=tuple(options))
            units.append(unit)
        tensors = (
            each if modes[each.producer].output == IN_MEMORY else replace(each, size_bytes=0)
            for each in self.problem.tensors
        )
        return replace(self.problem, units=tuple(units), tensors=tuple(tensors))

    def _copies(self, energy_weight: float, latency_weight: float) -> Iterator[Floats]:
        """What each tensor costs: by modes of producer and reader, or of each and what holds it."""
        of_all = energy_weight * self._arrays.copy_pj + latency_weight * self._arrays.copy_ps
        within_one = np.zeros((len(self._tensors), 1, 1))
        for tensor, copies in zip(self._tensors, of_all if len(of_all) else within_one, strict=True):
            memory = self._memories[tensor.producer]
            made = self._outputs[tensor.producer][:, None]
            read = [
                np.array([mode.inputs.get(tensor.producer, IN_MEMORY) for mode in self._modes[reader]])
                for reader in tensor.readers
            ]
            if len(read) == 1:
                through = np.where(made == IN_MEMORY, copies[np.ix_(memory, self._memories[tensor.readers[0]])], 0.0)
                yield np.where(made == read[0], through, np.inf)
                continue
            in_memory = np.where(made == IN_MEMORY, copies[memory] @ self._holders.T, np.inf)
            yield np.hstack([in_memory, np.where(made == self._homes, 0.0, np.inf)])
            for reader, where in zip(tensor.readers, read, strict=True):
                at_hand = self._holders.T[self._memories[reader]] > 0
                allowed = [at_hand & (where == IN_MEMORY)[:, None], where[:, None] == self._homes]
                yield np.where(np.hstack(allowed), 0.0, np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """From and to which places on chip an accelerator's tensors go: over no way from and to its own level."""

    reads: Mapping[int, Route | None]
    writes: Mapping[int, tuple[Route, Route] | None]
    """And the way back, for partial sums."""


def modes_of(problem: Problem, costs: CostTable) -> Iterator[list[Mode]]:
    """The modes of each unit; of those that differ in nothing but a layer's mapping the ones that none beats."""
    home_costs = HomeCosts(replace(costs, in_room=None), LAYER_BY_LAYER)
    graph, system, names = costs.graph, costs.system, problem.accelerators
    unit_of = {unit.layers[0]: index for index, unit in enumerate(problem.units) if len(unit.layers) == 1}
    rooms_bytes = rooms_of(system, names)
    ways = [_ways(system, names, place, rooms_bytes) for place in range(len(names))]
    known: dict[Hashable, list[_Cost]] = {}

    def fitting(step: Step, fed: Fed, lies: Hashable, room_bytes: int) -> list[_Cost]:
        """The costs of the first step that is alike, as far as they fit."""
        alike = home_costs.alike(step), lies
        if alike not in known:
            bandwidth = system.memory_of(step.accelerator).effective_bytes_per_s
            held = home_costs.options(step, parameters=False)
            found = [
                each.cost for each in held if not step.live_bytes or step.live_bytes + each.beside_bytes <= room_bytes
            ]
            if fed.moves:
                found = [moved_cost(each, graph[step.layer], system, fed, step.reads_bytes) for each in found]
            known[alike] = _unbeaten((each.latency_ps(bandwidth), each.energy_pj, each) for each in found)
        return known[alike]

    for unit in problem.units:
        modes = []
        for place in unit.allowed:
            option, own = unit.option(place), ways[place]
            modes.append(Mode(accelerator=place, latency_ps=option.latency_ps, energy_pj=option.energy_pj))
            layer = unit.layers[0]
            for inputs, output in _places(graph, layer, own, rooms_bytes, unit_of) if len(unit.layers) == 1 else ():
                reads, made = [name for name in inputs if inputs[name] == place], output == place
                live_bytes = sum(graph[name].output_bytes for name in (*reads, *[layer] * made))
                step = step_beside(graph, layer, names[place], reads, live_bytes, output=made)
                elsewhere = tuple((at, graph.edge_bytes(name, layer)) for name, at in inputs.items() if at != place)
                fed = Fed(
                    inputs=tuple((way, size) for at, size in elsewhere if (way := own.reads[at]) is not None),
                    output=own.writes.get(output),
                )
                modes += [
                    Mode(
                        accelerator=place,
                        inputs={unit_of[name]: at for name, at in inputs.items()},
                        output=output,
                        latency_ps=latency_ps,
                        energy_pj=energy_pj,
                        cost=cost,
                    )
                    for latency_ps, energy_pj, cost in fitting(step, fed, (elsewhere, output), rooms_bytes[place])
                ]
        yield modes


def rooms_of(system: System, accelerators: Sequence[str]) -> list[int]:
    """Bytes of tensors at home for which each place has room."""
    levels = [0 if level_refusal(system, name) else system.room_for_tensors(name) for name in accelerators]
    return [*levels, *(system.room_for_tensors(name) for name in system.on_chip_memories())]


def _unbeaten(costs: Iterable[_Cost]) -> list[_Cost]:
    """Those that no other one beats in both, the fastest first."""
    found: list[_Cost] = []
    for each in sorted(costs, key=lambda cost: cost[:2]):
        if not found or each[1] < found[-1][1]:
            found.append(each)
    return found


def _ways(system: System, accelerators: Sequence[str], own: int, rooms_bytes: Sequence[int]) -> _Ways:
    """Those of one accelerator; `rooms_bytes` is what the levels of all hold of tensors at home."""
    name = accelerators[own]
    reads: dict[int, Route | None] = {own: None} if rooms_bytes[own] else {}
    writes: dict[int, tuple[Route, Route] | None] = {own: None} if rooms_bytes[own] else {}
    if system.array_of(name) is None:
        return _Ways(reads=reads, writes=writes)
    for place, holder in enumerate(accelerators):
        way = from_level(system, holder, name) if place != own and rooms_bytes[place] else None
        reads |= {} if way is None else {place: way}
    for place, memory in enumerate(system.on_chip_memories(), len(accelerators)):
        if name in system.memories[memory].reached_by:
            reads[place] = from_shared(system, memory)
            writes[place] = to_shared(system, memory), from_shared(system, memory)
    return _Ways(reads=reads, writes=writes)


def _places(
    graph: LayerGraph, layer: str, ways: _Ways, rooms_bytes: Sequence[int], unit_of: Mapping[str, int]
) -> Iterator[tuple[dict[str, int], int]]:
    """Where a layer's tensors may lie, some of them at home: the places of those it reads there, and of its own."""
    able = [name for name in graph.predecessors(layer) if name in unit_of and graph.edge_bytes(name, layer)]
    each_in = [
        [IN_MEMORY, *(place for place in ways.reads if graph[name].output_bytes <= rooms_bytes[place])] for name in able
    ]
    if math.prod(map(len, each_in)) > MOST_WAYS:
        all_in: Iterable[tuple[int, ...]] = ((place,) * len(able) for place in (IN_MEMORY, *ways.reads))
    else:
        all_in = product(*each_in)
    readers = readers_of(graph, layer)
    kept = readers and not tensor_refusal(graph, layer, readers, unit_of)
    made_in = [place for place in ways.writes if graph[layer].output_bytes <= rooms_bytes[place]]
    outputs = [IN_MEMORY, *(made_in if kept else [])]
    for places, output in product(all_in, outputs):
        inputs = {name: place for name, place in zip(able, places, strict=True) if place != IN_MEMORY}
        if inputs or output != IN_MEMORY:
            yield inputs, output
