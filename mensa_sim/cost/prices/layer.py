"""The cost of one layer on one accelerator, in every residency."""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager

from mensa_sim.cost.assemble import assemble
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.counts.tally import Repeats, new_tally, repeats_of, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import RESIDENCIES, STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.capacity import buffered_bytes, held_bytes
from mensa_sim.cost.mapping.least import Floor
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.own import (
    check_lanes,
    check_order,
    fixed_mapping,
    own_mapping,
    refuse_overfull,
    tile_within,
    told,
)
from mensa_sim.cost.mapping.search import LIMITS, Mapped, Search, limits_of
from mensa_sim.cost.mapping.task import NestTask, Target
from mensa_sim.cost.mapping.unrolling import Unrolling, unroll
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.vector import vector_cycles, vector_work
from mensa_sim.errors import FileError, InfeasibleError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.objective import objective_named
from mensa_sim.units import PJ_PER_J, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer, LoopNest


def _lesser(residency: Residency, costs: dict[Residency, LayerCost]) -> Residency:
    """The largest residency already priced in its own right that asks for no more than this one."""

    def within(other: Residency) -> bool:
        return all(getattr(residency, f.name) or not getattr(other, f.name) for f in dataclasses.fields(Residency))

    return max((r for r, cost in costs.items() if cost.residency == r and within(r)), key=_kept)


def _kept(residency: Residency) -> tuple[int, bool, bool, bool]:
    flags = (residency.parameters, residency.input, residency.output)
    return (sum(flags), *flags)


class Pricer:
    """One layer on one accelerator: the candidates are made once, each residency picks its own."""

    def __init__(
        self,
        layer: Layer,
        accelerator: PeArray,
        memory: Memory,
        energy: EnergyModel,
        steps: Steps,
        objective: str,
        limits: Mapping[str, int] = LIMITS,
    ) -> None:
        self.layer, self.accelerator, self.energy, self.steps = layer, accelerator, energy, steps
        self.work = vector_work(layer, accelerator)
        self.word_bits = memory.word_bits
        self.task: NestTask | None = None
        """What is mapped; none for a layer without a nest."""
        self.found: dict[Residency, Mapped | None] = {}
        """By residency: the best mapping, or none where none fits."""
        self.shortage = ""
        """Why no mapping fits, for people."""
        self._search: Search | None = None
        self.own = own_mapping(layer, accelerator)
        """What its user fixes of its mapping."""
        self.fixed: NestMapping | None = None
        """All of it."""
        self.spatial_utilization = 0.0
        if steps.nest is not None:
            unrolling = unroll(steps.nest, accelerator, self.own.unroll if self.own else None)
            lanes = accelerator.pes * accelerator.macs_per_pe
            self.spatial_utilization = steps.nest.macs / (lanes * unrolling.passes)
            target = Target(
                accelerator=accelerator,
                energy=energy,
                bandwidth_bytes_per_s=memory.effective_bytes_per_s,
                precision=precision_of(layer),
                objective=objective,
                word_bits=memory.word_bits,
            )
            with self._told():
                self.task = self._task(steps.nest, unrolling, target, limits_of(unrolling, limits))
            if not self.task.registers:
                self.shortage = self.task.shortage

    def _task(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: Mapping[str, int]) -> NestTask:
        own = self.own
        if own is None:
            return NestTask(nest, unrolling, target, limits)
        check_lanes(own, unrolling)
        check_order(own)
        task = NestTask(nest, unrolling, target, limits, tile=tile_within(own, unrolling), order=own.order)
        if own.loops:
            self.fixed = fixed_mapping(own, unrolling, task.ways)
            refuse_overfull(own, self.accelerator, count_nest(nest, self.accelerator, self.fixed, task.ways))
        return task

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What is wrong with a user's mapping is told with the layer that it is for."""
        try:
            yield
        except FileError as error:
            raise told(error, self.layer.name, self.accelerator.name) from error

    @property
    def likeness(self) -> Hashable:
        """What layers have in common that are searched together: they keep the same operands in each residency."""
        precision = None if self.task is None else self.task.target.precision
        return precision, self.layer.weights_are_activations, self.steps.resident, self.own

    def costs(self) -> dict[Residency, LayerCost]:
        """The cost in each residency; `InfeasibleError` with the reason where the accelerator cannot run the layer."""
        costs: dict[Residency, LayerCost] = {}
        for residency in RESIDENCIES:
            cost = self.cost(residency) if has_room(self.layer, self.accelerator, residency) else None
            if cost is None and residency == STREAMED:
                raise InfeasibleError(self.shortage)
            costs[residency] = cost or costs[_lesser(residency, costs)]
        return costs

    def cost(self, residency: Residency) -> LayerCost | None:
        """The cost of the best mapping in a residency, or none where no candidate fits."""
        if residency not in self.found:
            self.found[residency] = self._best(self.case(residency))
        return self.assembled(self.found[residency], *self._use(residency), residency)

    def case(self, residency: Residency) -> BufferCase:
        """What a residency asks of a mapping."""
        return self.case_of(*self._use(residency))

    def _use(self, residency: Residency) -> tuple[Repeats, frozenset[Operand]]:
        """How often each operand crosses in a residency, and which ones stay."""
        repeats = repeats_of(self.layer, self.steps.steps, residency, steps_resident=self.steps.resident)
        kept = resident_operands(residency, weights_are_activations=self.layer.weights_are_activations)
        return repeats, kept | {"weight"} if self.steps.resident else kept

    def case_of(self, repeats: Repeats, kept: frozenset[Operand]) -> BufferCase:
        """What is asked of a mapping where the operands that stay, and how often the others cross, are given."""
        vector = new_tally(self.accelerator)
        vector_traffic(vector, self.work, self.accelerator, repeats)
        return BufferCase(
            kept=kept,
            repeats=repeats,
            vector=vector,
            vector_cycles=vector_cycles(self.work, self.accelerator),
            vector_pj=self.work.ops * self.energy.vector_pj,
        )

    def _best(self, case: BufferCase) -> Mapped | None:
        """The best mapping of a case, searched alone."""
        if self.task is not None and self.fixed is not None:
            return self._given(self.task, self.fixed, case)
        if self.task is None or not self.task.registers:
            return None
        self._search = self._search or Search([self.task])
        return self._search.best([[case]])[0][0]

    def _given(self, task: NestTask, mapping: NestMapping, case: BufferCase) -> Mapped | None:
        """A user's own mapping with what it reaches; none where what stays on chip leaves no room for its tiles."""
        counts = count_nest(task.nest, self.accelerator, mapping, task.ways)
        held = held_bytes(task.nest, self.accelerator, task.target.precision, counts, case.kept)
        if any(size > self.accelerator.level(name).capacity_bytes for name, size in held.items()):
            return None
        least_s, least_pj = Floor(task).reach(case)
        objective = objective_named(task.target.objective)
        bare = Mapped(mapping=mapping, counts=counts, latency_ps=0, energy_pj=0, objective=0, floor=0)
        cost = self.assembled(bare, case.repeats, case.kept, STREAMED)
        latency_ps = cost.latency_ps(task.target.bandwidth_bytes_per_s) if cost else 0
        energy_pj = (cost.energy_pj if cost else 0.0) + leakage_pj(task.target.energy.leakage_mw, latency_ps)
        return dataclasses.replace(
            bare,
            latency_ps=latency_ps,
            energy_pj=energy_pj,
            objective=float(objective.value(energy_pj / PJ_PER_J, latency_ps / PS_PER_S)),
            floor=float(objective.value(least_pj / PJ_PER_J, least_s)),
        )

    def assembled(
        self, best: Mapped | None, repeats: Repeats, kept: frozenset[Operand], residency: Residency
    ) -> LayerCost | None:
        """The cost under a mapping that was found for such a case; none where a nest has none."""
        counts, buffered = None, dict[str, int]()
        if self.task is not None:
            if best is None:
                return None
            counts = self._counts(self.task, best, kept)
            held = held_bytes(self.task.nest, self.accelerator, self.task.target.precision, counts, kept)
            buffered = buffered_bytes(self.accelerator, held)
        return assemble(
            self.layer,
            self.accelerator,
            self.energy,
            residency,
            repeats,
            counts,
            self.work,
            spatial_utilization=self.spatial_utilization,
            buffered=buffered,
            mapping=best.mapping.describe() if best is not None else "",
            found=best,
            mapping_from=self.own.place if self.own is not None and best is not None else "",
        )

    def _counts(self, task: NestTask, best: Mapped, kept: frozenset[Operand]) -> NestCounts:
        """Exact counts; weights that stay are filled once and whole, whatever is fetched again."""
        counts = best.counts
        if "weight" not in kept or self.accelerator.store_of("weight") is None:
            return counts
        bits = task.nest.weight_elements * task.target.precision.weight_bits
        weight = counts.operands["weight"]
        store = weight.levels[-1]
        fills = store.stop.copied * evenly(bits, store.stop.spread, store.level.access_bits)
        stored = dataclasses.replace(store, fill_bits=bits, fill_accesses=fills)
        moved = whole_words(bits, self.word_bits)
        filled = dataclasses.replace(weight, memory_read_bits=moved, levels=(*weight.levels[:-1], stored))
        return dataclasses.replace(counts, operands={**counts.operands, "weight": filled})


def resident_operands(residency: Residency, *, weights_are_activations: bool) -> frozenset[Operand]:
    """The operands that a residency keeps on chip from start to end."""
    kept: set[Operand] = set()
    if residency.input:
        kept.add("input")
    if residency.output:
        kept.add("output")
    if residency.input if weights_are_activations else residency.parameters:
        kept.add("weight")
    return frozenset(kept)


def has_room(layer: Layer, accelerator: PeArray, residency: Residency) -> bool:
    """Whether the tensors that a residency keeps fit the buffers at all; a state lies in memory."""
    if residency.input and layer.state_bytes:
        return False
    parameters, activations = accelerator.buffer("parameter"), accelerator.buffer("activation")
    resident_bytes = layer.input_bytes * residency.input + layer.output_bytes * residency.output
    if resident_bytes and (activations is None or resident_bytes > activations.capacity_bytes):
        return False
    stay = layer.parameter_bytes if residency.parameters else 0
    return not stay or (parameters is not None and stay <= parameters.capacity_bytes)
