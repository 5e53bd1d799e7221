"""The cost of every layer of a graph on every accelerator of a system, in every residency."""

from collections.abc import Container, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from mensa_sim.cost.datasheet import datasheet_cost
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.fed import as_fed
from mensa_sim.cost.layer_cost import RESIDENCIES, LayerCost, Priced, Residency
from mensa_sim.cost.measured.cost import TimingsMode, measured_costs
from mensa_sim.cost.prices.memo import Job, Known, PairKey, PriceMemo, known_or_priced, limited, shape_of
from mensa_sim.cost.prices.rooms import RoomPrices
from mensa_sim.cost.recurrent import Steps, footprints, steps_of
from mensa_sim.cost.refusals import refusals
from mensa_sim.cost.table import AcceleratorCosts, CostTable, Key, SystemCosts
from mensa_sim.errors import InfeasibleError, MensaError, UsageError
from mensa_sim.hardware.accelerator import Accelerator, DatasheetDevice, Device, MeasuredDevice
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import PlacedAccelerator, System
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
    shared = {placed.name: _shared_by(graph, placed, system, objective, memo) for placed in system.accelerators}
    key = None if None in shared.values() else tuple(shared.values())
    whole = memo.systems.get(key)
    if whole is not None:
        return _table(whole, system, objective, memo)
    known = {name: memo.columns.get(key) for name, key in shared.items()}
    columns = _new_columns(graph, system, objective, memo, [name for name, column in known.items() if column is None])
    for name, column in columns.items():
        if (own_key := shared[name]) is not None:
            memo.columns.put(own_key, column)
    columns = {name: column or columns[name] for name, column in known.items()}
    costs = {key: cost for column in columns.values() for key, cost in column.costs.items()}
    refused = {pair: reason for column in columns.values() for pair, reason in column.refusals.items()}
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
    own = {name: column for name, column in columns.items() if not isinstance(system.accelerator(name).spec, Device)}
    whole = SystemCosts(graph=graph, columns=own, costs=costs, refusals=refused)
    if key is None:
        return replace(_table(whole, system, objective, memo), shared=None)
    memo.systems.put(key, whole)
    return _table(whole, system, objective, memo)


def price_ahead(graphs: Sequence[LayerGraph], system: System, objective: str, memo: PriceMemo) -> None:
    """Have the pairs of several graphs that a memo does not know priced together, which takes less time than in turn.

    What is wrong with a graph is told by who prices it.
    """
    jobs: dict[str, dict[PairKey, Job]] = {}
    for graph in graphs:
        shared = {placed.name: _shared_by(graph, placed, system, objective, memo) for placed in system.accelerators}
        new = [name for name, key in shared.items() if key is not None and memo.columns.get(key) is None]
        refused = {name: _refused(graph, system.accelerator(name).spec) for name in new}
        for (layer, name), (key, steps) in _pairs(graph, system, objective, memo, refused).items():
            jobs.setdefault(name, {}).setdefault(key, (graph[layer], steps, system.accelerator(name).array))
    for name, own in jobs.items():
        placed, memory = system.accelerator(name), system.memory_of(name)
        mine = {key: own[key] for key in memo.in_own_order(list(own))}
        with suppress(MensaError):
            known_or_priced(memo, mine, memory, energy_model(placed, memory), objective)


def _table(whole: SystemCosts, system: System, objective: str, memo: PriceMemo) -> CostTable:
    return CostTable(
        graph=whole.graph,
        system=system,
        costs=whole.costs,
        refusals=whole.refusals,
        objective=objective,
        in_room=RoomPrices(whole.graph, system, objective, memo),
        columns=whole.columns,
        shared=whole,
    )


def _shared_by(
    graph: LayerGraph, placed: PlacedAccelerator, system: System, objective: str, memo: PriceMemo
) -> Hashable | None:
    """What systems have in common that share an accelerator's costs; none for a device and behind a host."""
    if system.array_of(placed.name) is None:
        return None
    memory = system.memory_of(placed.name)
    return id(graph), placed.name, memo.accelerator_key(placed, memory, objective), memory


def _new_columns(
    graph: LayerGraph, system: System, objective: str, memo: PriceMemo, new: Sequence[str]
) -> dict[str, AcceleratorCosts]:
    """By accelerator, the costs that no other system had; of devices why they cannot run a layer, and no more."""
    refused = {name: _refused(graph, system.accelerator(name).spec) for name in new}
    keys = _pairs(graph, system, objective, memo, refused)
    costs: dict[str, dict[Key, LayerCost]] = {name: {} for name in new}
    known = _priced(graph, system, objective, keys, memo)
    fed: dict[Hashable, Mapping[Residency, LayerCost]] = {}
    firsts: dict[str, dict[Hashable, str]] = {name: {} for name in new}
    alike: dict[str, dict[str, str]] = {name: {} for name in new}
    for (layer, accelerator), (key, _) in keys.items():
        found = known[key]
        if isinstance(found, str):
            refused[accelerator][layer, accelerator] = found
            continue
        own = (key, accelerator if system.feeder_of(accelerator) else "")
        if own not in fed:
            fed[own] = as_fed(found, graph[layer], accelerator, system)
        alike[accelerator][layer] = firsts[accelerator].setdefault(key, layer)
        renamed: dict[int, LayerCost] = {}  # by identity: residencies that cost the same share one record
        for residency, cost in fed[own].items():
            if id(cost) not in renamed:
                renamed[id(cost)] = cost.of(layer, accelerator)
            costs[accelerator][layer, accelerator, residency] = renamed[id(cost)]
    return {
        name: AcceleratorCosts(graph=graph, costs=costs[name], refusals=refused[name], first_alike=alike[name])
        for name in new
    }


def _refused(graph: LayerGraph, spec: Accelerator) -> dict[tuple[str, str], str]:
    """By layer and accelerator, why its file says that it cannot run the layer."""
    return {(layer, spec.name): reason for layer, reason in refusals(graph, spec).items()}


def _pairs(
    graph: LayerGraph,
    system: System,
    objective: str,
    memo: PriceMemo,
    refused: Mapping[str, Container[tuple[str, str]]],
) -> dict[tuple[str, str], tuple[PairKey, Steps]]:
    """For each layer and those accelerators with a PE array, the key that equal pairs share and the steps there."""
    footprint = footprints(graph)
    shapes = {layer.name: shape_of(layer) for layer in graph.layers}
    keys: dict[tuple[str, str], tuple[PairKey, Steps]] = {}
    for name in refused:
        placed = system.accelerator(name)
        if isinstance(placed.spec, Device):
            continue
        on = memo.accelerator_key(placed, system.memory_of(placed.name), objective)
        for layer in graph.layers:
            if (layer.name, name) in refused[name]:
                continue
            steps = steps_of(layer, placed.array, footprint[layer.name])
            own = (layer.name if placed.array.mappings else "", placed.name if layer.mappings else "")
            keys[layer.name, placed.name] = (Known((on, shapes[layer.name], own, steps)), steps)
    return keys


def _priced(
    graph: LayerGraph,
    system: System,
    objective: str,
    keys: dict[tuple[str, str], tuple[PairKey, Steps]],
    memo: PriceMemo,
) -> dict[PairKey, Priced]:
    """The price of every distinct pair, from the memo where it holds it."""
    distinct = {key: (layer, accelerator, steps) for (layer, accelerator), (key, steps) in keys.items()}
    known: dict[PairKey, Priced] = {}
    for placed in system.accelerators:
        if not isinstance(placed.spec, PeArray):
            continue
        mine = memo.in_own_order([key for key, (_, accelerator, _) in distinct.items() if accelerator == placed.name])
        if not mine:
            continue
        memory = system.memory_of(placed.name)
        energy = energy_model(placed, memory)
        jobs = {key: (graph[distinct[key][0]], distinct[key][2], placed.spec) for key in mine}
        try:
            known |= known_or_priced(memo, jobs, memory, energy, objective)
        except MensaError:
            # Each process takes the layers in an order of its own; what is told is the graph's first fault.
            for key in (key for key in distinct if key in jobs):
                known_or_priced(memo, {key: jobs[key]}, memory, energy, objective)
            raise
    return known
