"""The cost of one layer on one accelerator, in every residency."""

import dataclasses
from collections.abc import Hashable
from itertools import product

from mensa_sim.cost.assemble import assemble
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.counts.tally import Repeats, new_tally, repeats_of, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.capacity import buffered_bytes, held_bytes
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import Search, limits_of
from mensa_sim.cost.mapping.sides import BufferCase, Target
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


def price_layer(
    layer: Layer, accelerator: PeArray, memory: Memory, energy: EnergyModel, steps: Steps, objective: str
) -> dict[Residency, LayerCost]:
    """A layer's cost in each residency; `InfeasibleError` with the reason where the accelerator cannot run it."""
    if layer.operator in accelerator.refuses:
        raise InfeasibleError(f"it does not run {layer.operator}")
    pricer = Pricer(layer, accelerator, memory, energy, steps, objective)
    costs: dict[Residency, LayerCost] = {}
    for residency in RESIDENCIES:
        cost = pricer.cost(residency) if _room(layer, accelerator, residency) else None
        if cost is None and residency == STREAMED and pricer.search is not None:
            raise InfeasibleError(pricer.search.shortage)
        costs[residency] = cost or costs[_lesser(residency, costs)]
    return costs


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
    ) -> None:
        self.layer, self.accelerator, self.energy, self.steps = layer, accelerator, energy, steps
        self.work = vector_work(layer, accelerator)
        self.precision = precision_of(layer)
        self.word_bits = memory.word_bits
        self.search: Search | None = None
        self.counted: dict[Hashable, tuple[NestCounts, str]] = {}
        self.spatial_utilization = 0.0
        if steps.nest is not None:
            unrolling = unroll(steps.nest, accelerator)
            lanes = accelerator.pes * accelerator.macs_per_pe
            self.spatial_utilization = steps.nest.macs / (lanes * unrolling.passes)
            target = Target(
                accelerator=accelerator,
                energy=energy,
                bandwidth_bytes_per_s=memory.effective_bytes_per_s,
                precision=self.precision,
                objective=objective,
                word_bits=memory.word_bits,
            )
            self.search = Search(steps.nest, unrolling, target, limits_of(unrolling))

    def cost(self, residency: Residency) -> LayerCost | None:
        """The cost of the best mapping in a residency, or none where no candidate fits."""
        repeats = repeats_of(self.layer, self.steps.steps, residency, steps_resident=self.steps.resident)
        kept = resident_operands(residency, weights_are_activations=self.layer.weights_are_activations)
        return self.cost_of(repeats, kept | {"weight"} if self.steps.resident else kept, residency)

    def cost_of(self, repeats: Repeats, kept: frozenset[Operand], residency: Residency = STREAMED) -> LayerCost | None:
        """The same where the operands that stay on chip, and how often each crosses, are given."""
        counts, described, best = None, "", None
        buffered: dict[str, int] = {}
        if self.search is not None and self.steps.nest is not None:
            vector = new_tally(self.accelerator)
            vector_traffic(vector, self.work, self.accelerator, repeats)
            cycles = vector_cycles(self.work, self.accelerator)
            vector_pj = self.work.ops * self.energy.vector_pj
            case = BufferCase(kept=kept, repeats=repeats, vector=vector, vector_cycles=cycles, vector_pj=vector_pj)
            best = self.search.best(case)
            if best is None:
                return None
            counts, described = self._counts(self.search, best.mapping, kept)
            held = held_bytes(self.steps.nest, self.accelerator, self.precision, counts, kept)
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
            mapping=described,
            found=best,
        )

    def _counts(self, search: Search, mapping: NestMapping, kept: frozenset[Operand]) -> tuple[NestCounts, str]:
        """Exact counts, weights that stay filled once and whole whatever is fetched again, and the mapping in words."""
        key = (mapping.loops, mapping.cuts, tuple(mapping.holds.items()))
        if key not in self.counted:
            counts = count_nest(search.nest, self.accelerator, mapping, search.ways)
            self.counted[key] = counts, mapping.describe()
        counts, described = self.counted[key]
        if "weight" not in kept or self.accelerator.store_of("weight") is None:
            return counts, described
        bits = search.nest.weight_elements * self.precision.weight_bits
        weight = counts.operands["weight"]
        store = weight.levels[-1]
        fills = store.stop.copied * evenly(bits, store.stop.spread, store.level.access_bits)
        stored = dataclasses.replace(store, fill_bits=bits, fill_accesses=fills)
        moved = whole_words(bits, self.word_bits)
        filled = dataclasses.replace(weight, memory_read_bits=moved, levels=(*weight.levels[:-1], stored))
        return dataclasses.replace(counts, operands={**counts.operands, "weight": filled}), described


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


def _room(layer: Layer, accelerator: PeArray, residency: Residency) -> bool:
    """Whether the tensors that a residency keeps fit the buffers at all; a state lies in memory."""
    if residency.input and layer.state_bytes:
        return False
    parameters, activations = accelerator.buffer("parameter"), accelerator.buffer("activation")
    resident_bytes = layer.input_bytes * residency.input + layer.output_bytes * residency.output
    if resident_bytes and (activations is None or resident_bytes > activations.capacity_bytes):
        return False
    stay = layer.parameter_bytes if residency.parameters else 0
    return not stay or (parameters is not None and stay <= parameters.capacity_bytes)
