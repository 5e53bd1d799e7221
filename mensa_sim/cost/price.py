"""The cost of every layer of a graph on every accelerator of a system, in every residency."""

import dataclasses
from collections.abc import Hashable
from itertools import product

from mensa_sim.cost.assemble import assemble, repeats_of
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.nest_counts import Precision
from mensa_sim.cost.recurrent import Steps, footprints, steps_of
from mensa_sim.cost.search import Choice, Objective, candidates, resident_operands
from mensa_sim.cost.table import CostTable, Key
from mensa_sim.cost.unrolling import unroll
from mensa_sim.cost.vector import vector_work
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.accelerator import Accelerator
from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import System
from mensa_sim.units import leakage_pj
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

RESIDENCIES = tuple(
    Residency(parameters=parameters, input=inputs, output=outputs)
    for parameters, inputs, outputs in product((False, True), repeat=3)
)


def price(graph: LayerGraph, system: System, objective: Objective = "edp") -> CostTable:
    """Price every layer on every accelerator, in all eight residencies; equal layers are priced once.

    A residency that the accelerator's buffers cannot hold costs what the nearest one that they can hold does, and
    the cost's own `residency` says which. An accelerator that cannot run a layer refuses it with the reason.
    """
    footprint = footprints(graph)
    costs: dict[Key, LayerCost] = {}
    refusals: dict[tuple[str, str], str] = {}
    known: dict[Hashable, dict[Residency, LayerCost] | str] = {}
    for placed in system.accelerators:
        spec, memory = placed.spec, system.memory_of(placed.name)
        energy = energy_model(placed, memory)
        for layer in graph.layers:
            steps = steps_of(layer, spec, footprint[layer.name])
            key = (placed.name, _shape(layer), steps)
            if key not in known:
                try:
                    known[key] = price_layer(layer, spec, memory, energy, steps, objective)
                except InfeasibleError as refusal:
                    known[key] = str(refusal)
            found = known[key]
            if isinstance(found, str):
                refusals[layer.name, placed.name] = found
                continue
            for residency, cost in found.items():
                costs[layer.name, placed.name, residency] = dataclasses.replace(cost, layer=layer.name)
    return CostTable(graph=graph, system=system, costs=costs, refusals=refusals)


def _shape(layer: Layer) -> Hashable:
    """All that a layer's cost depends on, whatever it is called."""
    return (
        layer.operator,
        layer.nest,
        layer.steps,
        layer.recurrent,
        layer.vector_ops,
        layer.parameter_bytes,
        bool(layer.parameters),
        layer.gathered_bytes,
        layer.input_bytes,
        layer.output_bytes,
        layer.parameter_bits,
        layer.activation_bits,
        layer.supported,
    )


def price_layer(
    layer: Layer, accelerator: Accelerator, memory: Memory, energy: EnergyModel, steps: Steps, objective: Objective
) -> dict[Residency, LayerCost]:
    """A layer's cost in each residency; `InfeasibleError` with the reason where the accelerator cannot run it."""
    if layer.operator in accelerator.refuses:
        raise InfeasibleError(f"it does not run {layer.operator}")
    costs: dict[Residency, LayerCost] = {}
    for residency in RESIDENCIES:
        cost = _price_one(layer, accelerator, memory, energy, steps, objective, residency)
        if cost is None and residency == Residency():
            raise InfeasibleError("no tile of it fits the buffers and registers")
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


def _price_one(
    layer: Layer,
    accelerator: Accelerator,
    memory: Memory,
    energy: EnergyModel,
    steps: Steps,
    objective: Objective,
    residency: Residency,
) -> LayerCost | None:
    work = vector_work(layer, accelerator)
    repeats = repeats_of(layer, steps.steps, residency, steps_resident=steps.resident)
    kept = resident_operands(residency, weights_are_activations=layer.weights_are_activations)
    if steps.resident:
        kept |= {"weight"}
    precision = Precision(
        weight_bits=layer.parameter_bits if layer.parameters else layer.activation_bits,
        activation_bits=layer.activation_bits,
    )
    nest = steps.nest
    if not _room(layer, accelerator, residency):
        return None
    choices: list[Choice | None] = [None]
    utilization = 0.0
    if nest is not None:
        unrolling = unroll(nest, accelerator)
        choices = list(candidates(nest, accelerator, precision, unrolling, kept))
        lanes = accelerator.pes * accelerator.macs_per_pe
        utilization = nest.macs / (lanes * unrolling.passes)
    priced = [
        assemble(
            layer,
            accelerator,
            energy,
            residency,
            repeats,
            choice.counts if choice else None,
            work,
            spatial_utilization=utilization,
            mapping=choice.mapping.describe() if choice else "",
        )
        for choice in choices
    ]
    bandwidth = memory.effective_bytes_per_s

    def figure(cost: LayerCost) -> tuple[float, float]:
        latency_ps = cost.latency_ps(bandwidth)
        energy_pj = cost.energy_pj + leakage_pj(energy.leakage_mw, latency_ps)
        values = {"latency": float(latency_ps), "energy": energy_pj, "edp": latency_ps * energy_pj}
        return values[objective], latency_ps

    return min(priced, key=figure, default=None)


def _room(layer: Layer, accelerator: Accelerator, residency: Residency) -> bool:
    """Whether the tensors that a residency keeps fit the buffers at all."""
    parameters = accelerator.buffers.get("parameter")
    activations = accelerator.buffers.get("activation")
    resident_bytes = layer.input_bytes * residency.input + layer.output_bytes * residency.output
    if resident_bytes and (activations is None or resident_bytes > activations.capacity_bytes):
        return False
    stay = layer.parameter_bytes if residency.parameters else 0
    return not stay or (parameters is not None and stay <= parameters.capacity_bytes)
