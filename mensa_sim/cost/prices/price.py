"""The cost of every layer of a graph on every accelerator of a system, in every residency."""

from collections.abc import Container, Hashable, Mapping

from mensa_sim.cost.datasheet import datasheet_cost
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.fed import as_fed
from mensa_sim.cost.layer_cost import RESIDENCIES, LayerCost, Priced, Residency
from mensa_sim.cost.measured.cost import TimingsMode, measured_costs
from mensa_sim.cost.prices.known import known_or_priced, limited
from mensa_sim.cost.prices.memo import PriceMemo, shape_of
from mensa_sim.cost.prices.rooms import RoomPrices
from mensa_sim.cost.recurrent import Steps, footprints, steps_of
from mensa_sim.cost.refusals import refusals
from mensa_sim.cost.table import CostTable, Key
from mensa_sim.errors import InfeasibleError, MensaError, UsageError
from mensa_sim.hardware.accelerator import DatasheetDevice, Device, MeasuredDevice
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import System
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.workload.graph import LayerGraph


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
    refused = _refused(graph, system)
    keys = _pairs(graph, system, objective, memo, refused)
    costs: dict[Key, LayerCost] = {}
    known = _priced(graph, system, objective, keys, memo)
    fed: dict[Hashable, Mapping[Residency, LayerCost]] = {}
    for (layer, accelerator), (key, _) in keys.items():
        found = known[key]
        if isinstance(found, str):
            refused[layer, accelerator] = found
            continue
        own = (key, accelerator if system.feeder_of(accelerator) else "")
        if own not in fed:
            fed[own] = as_fed(found, graph[layer], accelerator, system)
        renamed: dict[int, LayerCost] = {}  # by identity: residencies that cost the same share one record
        for residency, cost in fed[own].items():
            if id(cost) not in renamed:
                renamed[id(cost)] = _named(cost, layer, accelerator)
            costs[layer, accelerator, residency] = renamed[id(cost)]
    for placed in system.accelerators:
        memory = system.memory_of(placed.name)
        if isinstance(placed.spec, DatasheetDevice):
            for each in graph.layers:
                try:
                    cost = datasheet_cost(each, placed.spec, memory)
                except InfeasibleError as why:
                    refused.setdefault((each.name, placed.name), str(why))
                else:
                    costs |= limited({(each.name, placed.name, kept): cost for kept in RESIDENCIES}, memory)
        elif isinstance(placed.spec, MeasuredDevice):
            device = measured_costs(graph, placed.spec, memory, timings)
            refused = {(layer, placed.name): reason for layer, reason in device.refusals.items()} | refused
            measured = {
                (layer, placed.name, kept): cost for layer, cost in device.costs.items() for kept in RESIDENCIES
            }
            costs |= limited(measured, memory)
    in_room = RoomPrices(graph, system, objective, memo)
    return CostTable(graph=graph, system=system, costs=costs, refusals=refused, objective=objective, in_room=in_room)


def _named(cost: LayerCost, layer: str, accelerator: str) -> LayerCost:
    return cost if (cost.layer, cost.accelerator) == (layer, accelerator) else cost.of(layer, accelerator)


def _refused(graph: LayerGraph, system: System) -> dict[tuple[str, str], str]:
    """By layer and accelerator, why its file says that it cannot run the layer."""
    specs = [placed.spec for placed in system.accelerators]
    return {(layer, spec.name): reason for spec in specs for layer, reason in refusals(graph, spec).items()}


def _pairs(
    graph: LayerGraph, system: System, objective: str, memo: PriceMemo, refused: Container[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Hashable, Steps]]:
    """For each layer and accelerator with a PE array, the key that equal pairs share and the layer's steps there."""
    footprint = footprints(graph)
    shapes = {layer.name: shape_of(layer) for layer in graph.layers}
    keys: dict[tuple[str, str], tuple[Hashable, Steps]] = {}
    for placed in system.accelerators:
        if isinstance(placed.spec, Device):
            continue
        on = memo.accelerator_key(placed, system.memory_of(placed.name), objective)
        for layer in graph.layers:
            if (layer.name, placed.name) in refused:
                continue
            steps = steps_of(layer, placed.array, footprint[layer.name])
            own = (layer.name if placed.array.mappings else "", placed.name if layer.mappings else "")
            keys[layer.name, placed.name] = ((on, shapes[layer.name], own, steps), steps)
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
    known: dict[Hashable, Priced] = {}
    for placed in system.accelerators:
        if not isinstance(placed.spec, PeArray):
            continue
        memory = system.memory_of(placed.name)
        energy = energy_model(placed, memory)
        mine = memo.in_own_order([key for key, (_, accelerator, _) in distinct.items() if accelerator == placed.name])
        jobs = {key: (graph[distinct[key][0]], distinct[key][2], placed.spec) for key in mine}
        try:
            known |= known_or_priced(memo, jobs, memory, energy, objective)
        except MensaError:
            # Each process takes the layers in an order of its own; what is told is the graph's first fault.
            for key in (key for key in distinct if key in jobs):
                known_or_priced(memo, {key: jobs[key]}, memory, energy, objective)
            raise
    return known
