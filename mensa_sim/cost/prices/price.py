"""The cost of every layer of a graph on every accelerator of a system, in every residency."""

import dataclasses
from collections.abc import Hashable
from itertools import product

from mensa_sim.cost.assemble import assemble
from mensa_sim.cost.counts.crossing import evenly, whole_words
from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.counts.tally import new_tally, repeats_of, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.fed import as_fed
from mensa_sim.cost.layer_cost import STREAMED, LayerCost, Residency
from mensa_sim.cost.mapping.capacity import buffered_bytes, held_bytes
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.search import Search, limits_of
from mensa_sim.cost.mapping.sides import BufferCase, Target
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.measured.cost import TimingsMode, measured_costs
from mensa_sim.cost.prices.memo import Priced, PriceMemo, shape_of
from mensa_sim.cost.recurrent import Steps, footprints, steps_of
from mensa_sim.cost.table import CostTable, Key
from mensa_sim.cost.vector import vector_cycles, vector_work
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.accelerator import MeasuredDevice
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import System
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

RESIDENCIES = tuple(
    Residency(parameters=parameters, input=inputs, output=outputs)
    for parameters, inputs, outputs in product((False, True), repeat=3)
)


def price(
    graph: LayerGraph,
    system: System,
    objective: str = DEFAULT_OBJECTIVE,
    memo: PriceMemo | None = None,
    timings: TimingsMode = "fit",
) -> CostTable:
    """Price every layer on every accelerator, in all eight residencies; equal layers are priced once.

    A residency that the accelerator's buffers cannot hold costs what the nearest one that they can hold does, and
    the cost's own `residency` says which. An accelerator that cannot run a layer refuses it with the reason.
    `memo` carries prices from one system to the next; `timings` says whether a measured accelerator may use fits
    where its table has no such kernel.
    """
    if not graph.layers:
        raise UsageError(
            f"{graph.name} has no layers: all that it does folds or re-indexes, so there is nothing to run"
        )
    memo = memo or PriceMemo()
    keys = _pairs(graph, system, objective, memo)
    costs: dict[Key, LayerCost] = {}
    refusals: dict[tuple[str, str], str] = {}
    known = _priced(graph, system, objective, keys, memo)
    for (layer, accelerator), (key, _) in keys.items():
        found = known[key]
        if isinstance(found, str):
            refusals[layer, accelerator] = found
            continue
        renamed: dict[int, LayerCost] = {}  # by identity: residencies that cost the same share one record
        for residency, cost in as_fed(found, graph[layer], accelerator, system).items():
            if id(cost) not in renamed:
                renamed[id(cost)] = cost if cost.layer == layer else dataclasses.replace(cost, layer=layer)
            costs[layer, accelerator, residency] = renamed[id(cost)]
    for placed in system.accelerators:
        if isinstance(placed.spec, MeasuredDevice):
            device = measured_costs(graph, placed.spec, system.memory_of(placed.name), timings)
            refusals |= {(layer, placed.name): reason for layer, reason in device.refusals.items()}
            costs |= {(layer, placed.name, kept): cost for layer, cost in device.costs.items() for kept in RESIDENCIES}
    return CostTable(graph=graph, system=system, costs=costs, refusals=refusals)


def _pairs(
    graph: LayerGraph, system: System, objective: str, memo: PriceMemo
) -> dict[tuple[str, str], tuple[Hashable, Steps]]:
    """For each layer and accelerator with a PE array, the key that equal pairs share and the layer's steps there."""
    footprint = footprints(graph)
    shapes = {layer.name: shape_of(layer) for layer in graph.layers}
    keys: dict[tuple[str, str], tuple[Hashable, Steps]] = {}
    for placed in system.accelerators:
        if isinstance(placed.spec, MeasuredDevice):
            continue
        on = memo.accelerator_key(placed, system.memory_of(placed.name), objective)
        for layer in graph.layers:
            steps = steps_of(layer, placed.array, footprint[layer.name])
            keys[layer.name, placed.name] = ((on, shapes[layer.name], steps), steps)
    return keys


def _priced(
    graph: LayerGraph,
    system: System,
    objective: str,
    keys: dict[tuple[str, str], tuple[Hashable, Steps]],
    memo: PriceMemo,
) -> dict[Hashable, Priced]:
    """The price of every distinct pair, from the memo where it holds it."""
    distinct = {key: (layer, accelerator, steps) for (layer, accelerator), (key, steps) in keys.items()}
    arrays = [placed for placed in system.accelerators if isinstance(placed.spec, PeArray)]
    energies = {placed.name: energy_model(placed, system.memory_of(placed.name)) for placed in arrays}
    known: dict[Hashable, Priced] = {}
    for key in memo.in_own_order(list(distinct)):
        found = memo.get(key)
        if found is None:
            layer, accelerator, steps = distinct[key]
            spec, memory = system.accelerator(accelerator).array, system.memory_of(accelerator)
            try:
                found = price_layer(graph[layer], spec, memory, energies[accelerator], steps, objective)
            except InfeasibleError as refusal:
                found = str(refusal)
            memo.put(key, found)
        known[key] = found
    return known


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
        counts, described, best = None, "", None
        buffered: dict[str, int] = {}
        if self.search is not None and self.steps.nest is not None:
            vector = new_tally(self.accelerator)
            vector_traffic(vector, self.work, self.accelerator, repeats)
            kept = resident_operands(residency, weights_are_activations=self.layer.weights_are_activations)
            if self.steps.resident:
                kept |= {"weight"}
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
