"""From a layer graph, a system and a cost table to the scheduling problem."""

from collections.abc import Iterator, Mapping, Sequence

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError
from mensa_sim.hardware.host_traffic import host_traffic
from mensa_sim.hardware.routes import handovers, routes_of
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup, named_or_matched, unknown_name
from mensa_sim.objective import DEFAULT_OBJECTIVE
from mensa_sim.schedule.problem import Execution, Problem, require_runnable
from mensa_sim.schedule.unit import Option, Refusal, Unit, UnitTensor
from mensa_sim.units import transfer_ps
from mensa_sim.workload.families.paper import families_of, features_of
from mensa_sim.workload.graph import LayerGraph, unit_text, units_in_order
from mensa_sim.workload.layer import Layer


def problem_of(
    graph: LayerGraph,
    system: System,
    costs: CostTable,
    objective: str = DEFAULT_OBJECTIVE,
    *,
    static_mw: float,
    deadline_ps: int | None = None,
    pins: Mapping[str, str] | None = None,
    execution: Execution = "serial",
    families: Mapping[str, int] | None = None,
    stacks: Sequence[Sequence[str]] = (),
) -> Problem:
    """The problem of placing a graph on a system at the given costs.

    A recurrent group becomes one unit, and so does each of the `stacks` of layers: its latencies and energies are the
    sums over its members, its family that of the member with the most MACs. `static_mw` is the static power of the
    system, `pins` layer to accelerator, `families` layer to family (the paper's five where it is not given). Raises
    `InfeasibleError` for pins that contradict a group, a group that cannot run as one piece, and layers that nothing
    can run.
    """
    members = units_in_order(graph, stacks)
    pinned = _pins(graph, system, members, pins or {})
    known = families_of(graph) if families is None else families
    names = tuple(accelerator.name for accelerator in system.accelerators)
    what = "problem", tuple(map(tuple, stacks)), tuple(pinned), tuple(known.items())
    units, tensors = costs.made_of_all(what, lambda: _parts(members, costs, names, known, pinned))
    problem = Problem(
        name=f"{graph.name} on {system.name}",
        accelerators=names,
        memories=tuple(system.home_of(name) for name in names),
        channels=tuple(accelerator.memory for accelerator in system.accelerators),
        turns=system.turns,
        units=units,
        tensors=tensors,
        routes=routes_of(system),
        static_mw=static_mw,
        families={family: names.index(name) for family, name in system.families.items()},
        objective=objective,
        deadline_ps=deadline_ps,
        execution=execution,
        host_ps=0 if system.host is None else system.host.overhead_ps,
    )
    require_runnable(problem)
    return problem


def _parts(
    members: Sequence[tuple[Layer, ...]],
    costs: CostTable,
    accelerators: tuple[str, ...],
    families: Mapping[str, int],
    pins: Sequence[int | None],
) -> tuple[tuple[Unit, ...], tuple[UnitTensor, ...]]:
    """The units, and what flows between them."""
    units = (_unit(layers, costs, accelerators, families, pin) for layers, pin in zip(members, pins, strict=True))
    tensors = (
        UnitTensor(producer=each.producer, readers=each.readers, size_bytes=each.size_bytes)
        for each in handovers(costs.graph, members)
    )
    return tuple(units), tuple(tensors)


def _unit(
    layers: tuple[Layer, ...],
    costs: CostTable,
    accelerators: tuple[str, ...],
    families: Mapping[str, int],
    pin: int | None,
) -> Unit:
    features = features_of(layers)
    heaviest = max(layers, key=lambda layer: layer.macs)
    return Unit(
        name=layers[0].group or layers[0].name,
        layers=tuple(layer.name for layer in layers),
        options=tuple(_option(layers, costs, accelerator) for accelerator in accelerators),
        family=families.get(heaviest.name),
        parameter_bytes=features.parameter_bytes,
        macs_per_step=features.macs,
        pin=pin,
    )


def _option(layers: tuple[Layer, ...], costs: CostTable, accelerator: str) -> Option | Refusal:
    key = ("option", *(layer.name for layer in layers))
    return costs.made_once(accelerator, key, lambda: _new_option(layers, costs, accelerator))


def _new_option(layers: tuple[Layer, ...], costs: CostTable, accelerator: str) -> Option | Refusal:
    refused = [layer.name for layer in layers if not costs.runs(layer.name, accelerator)]
    if refused:
        reasons = {name: costs.refusals[name, accelerator] for name in refused}
        whole = len(layers) == 1
        return Refusal(reason="; ".join(reason if whole else f"{name}: {reason}" for name, reason in reasons.items()))
    found = [costs.cost(layer.name, accelerator) for layer in layers]
    traffic = host_traffic(layers, costs.graph, costs.system, accelerator)
    outside = (traffic.time_ps, traffic.energy_pj) if traffic else (0, 0.0)
    return option_at(found, costs.system.memory_of(accelerator).effective_bytes_per_s, outside)


def option_at(found: Sequence[LayerCost], bandwidth: float, outside: tuple[int, float] = (0, 0.0)) -> Option:
    """What layers come to one after another on an accelerator, beside time and energy of what a host moves."""
    outside_ps, outside_pj = outside
    return Option(
        latency_ps=sum(cost.latency_ps(bandwidth) for cost in found) + outside_ps,
        energy_pj=sum(cost.energy_pj for cost in found) + outside_pj,
        compute_ps=sum(cost.on_chip_ps for cost in found),
        memory_ps=sum(transfer_ps(cost.memory_bytes, bandwidth) for cost in found) + outside_ps,
        outside_ps=outside_ps,
        phases=tuple(phase for cost in found for phase in _phases(cost, bandwidth)),
    )


def _phases(cost: LayerCost, bandwidth_bytes_per_s: float) -> Iterator[tuple[int, int]]:
    """Head, then body beside computation or before it, then tail: the time of its own, and that of its transfers."""
    head, body, tail = (
        transfer_ps(size, bandwidth_bytes_per_s) for size in (cost.head_bytes, cost.body_bytes, cost.tail_bytes)
    )
    fed_ps = cost.middle_ps(0)
    middle = [(fed_ps, body)] if cost.overlap else [(fed_ps - cost.on_chip_ps, body), (cost.on_chip_ps, 0)]
    yield from (phase for phase in ((0, head), *middle, (0, tail)) if any(phase))


def _pins(
    graph: LayerGraph, system: System, members: tuple[tuple[Layer, ...], ...], pins: Mapping[str, str]
) -> list[int | None]:
    names = [accelerator.name for accelerator in system.accelerators]
    for layer, accelerator in pins.items():
        if not named_or_matched({layer: accelerator}, (each.name for each in graph.layers)):
            raise unknown_name(layer, (layer.name for layer in graph.layers), "layer in a pin")
        lookup({name: name for name in names}, accelerator, "accelerator in a pin")
    pins = named_or_matched(pins, (layer.name for layer in graph.layers))
    found: list[int | None] = []
    for layers in members:
        wanted = {layer.name: pins[layer.name] for layer in layers if layer.name in pins}
        if len(set(wanted.values())) > 1:
            pairs = ", ".join(f"{layer} to {accelerator}" for layer, accelerator in wanted.items())
            raise InfeasibleError(
                f"{graph.name}: the {unit_text(layers)} runs on one accelerator, but is pinned to "
                f"{len(set(wanted.values()))}: {pairs}"
            )
        found.append(names.index(next(iter(wanted.values()))) if wanted else None)
    return found
