"""The cost of one layer on one accelerator, in every residency."""

import dataclasses
from collections.abc import Hashable, Mapping
from itertools import product

from mensa_sim.cost.assemble import assemble
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.tally import Repeats, new_tally, repeats_of, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.capacity import buffered_bytes, held_bytes
from mensa_sim.cost.mapping.search import LIMITS, Mapped, Search, limits_of
from mensa_sim.cost.mapping.sides import BufferCase
from mensa_sim.cost.mapping.task import NestTask, Target
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.vector import vector_cycles, vector_work
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer

RESIDENCIES = tuple(
    Residency(parameters=parameters, input=inputs, output=outputs)
    for parameters, inputs, outputs in product((False, True), repeat=3)
)


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
        self.spatial_utilization = 0.0
        if steps.nest is not None:
            unrolling = unroll(steps.nest, accelerator)
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
            self.task = NestTask(steps.nest, unrolling, target, limits_of(unrolling, limits))
            if not self.task.parts:
                self.shortage = self.task.shortage

    @property
    def likeness(self) -> Hashable:
        """What layers have in common that are searched together: they keep the same operands in each residency."""
        precision = None if self.task is None else self.task.target.precision
        return precision, self.layer.weights_are_activations, self.steps.resident

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
        return self._assembled(self.found[residency], *self._use(residency), residency)

    def cost_of(self, repeats: Repeats, kept: frozenset[Operand], residency: Residency = STREAMED) -> LayerCost | None:
        """The same where the operands that stay on chip, and how often each crosses, are given."""
        return self._assembled(self._best(self._case(repeats, kept)), repeats, kept, residency)

    def case(self, residency: Residency) -> BufferCase:
        """What a residency asks of a mapping."""
        return self._case(*self._use(residency))

    def _use(self, residency: Residency) -> tuple[Repeats, frozenset[Operand]]:
        """How often each operand crosses in a residency, and which ones stay."""
        repeats = repeats_of(self.layer, self.steps.steps, residency, steps_resident=self.steps.resident)
        kept = resident_operands(residency, weights_are_activations=self.layer.weights_are_activations)
        return repeats, kept | {"weight"} if self.steps.resident else kept

    def _case(self, repeats: Repeats, kept: frozenset[Operand]) -> BufferCase:
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
        if self.task is None or not self.task.parts:
            return None
        self._search = self._search or Search([self.task])
        return self._search.best([[case]])[0][0]

    def _assembled(
        self, best: Mapped | None, repeats: Repeats, kept: frozenset[Operand], residency: Residency
    ) -> LayerCost | None:
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
