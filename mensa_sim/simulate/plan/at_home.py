"""Units beside tensors that live in their accelerator's activation level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mensa_sim.cost.layer_cost import STREAMED, Residency
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.homes.plan import order_of, tensors_at_home
from mensa_sim.schedule.homes.step import AtHome, HomeCosts, Step, live_at, step_of
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.variants import Variant, Variants, variant_of
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAtHome:
    """A unit beside tensors at home, its own or those of others."""

    variants: Variants
    """By whether its parameters lie on chip."""
    away: Variants
    """With its inputs in memory, which have left their room."""
    reads: tuple[int, ...]
    """The units whose output it reads at home."""
    leaves: Mapping[int, int]
    """Bytes that live on when it has ended, by the unit that made them."""


def units_at_home(
    costs: CostTable, assignment: Mapping[str, str], data: DataPlan, options: Options, units: Sequence[Sequence[str]]
) -> dict[int, UnitAtHome]:
    """By place among the units, those beside which a tensor lives.

    Raises `UsageError` for a home that a tensor cannot have, or beside which a layer does not fit.
    """
    graph = costs.graph
    if not data.homes or not options.activations:
        return {}
    order = order_of(graph, assignment, [stack.layers for stack in data.stacks])
    live = live_at(tensors_at_home(graph, costs.system, assignment, data), order)
    index_of = {layers[0]: index for index, layers in enumerate(units)}
    home_costs = HomeCosts(costs, data)
    found: dict[int, UnitAtHome] = {}
    for accelerator, layers in order.items():
        for place, name in enumerate(layers):
            if name not in live:
                continue
            step = step_of(graph, name, accelerator, live[name])
            others = [tensor for tensor in live[name] if name not in tensor.readers]
            away = step_of(graph, name, accelerator, others)
            found[index_of[name]] = UnitAtHome(
                variants=_variants(home_costs, costs, graph[name], step, options),
                away=_variants(home_costs, costs, graph[name], away, options),
                reads=tuple(index_of[tensor.layer] for tensor in live[name] if name in tensor.readers),
                leaves={index_of[tensor.layer]: tensor.size_bytes for tensor in live[name] if tensor.last > place},
            )
    return found


def _variants(home_costs: HomeCosts, costs: CostTable, layer: Layer, step: Step, options: Options) -> Variants:
    streamed = home_costs.best(step, parameters=False)
    if streamed is None:
        raise UsageError(
            f"{layer.name} does not fit {step.accelerator} beside the {step.live_bytes} bytes of tensors at home"
        )
    found = {STREAMED: _variant(costs, layer, step, streamed)}
    resident = home_costs.best(step, parameters=True) if options.parameters != "none" and layer.parameters else None
    if resident is not None:
        found[Residency(parameters=True)] = _variant(costs, layer, step, resident)
    return Variants(by_residency=found)


def _variant(costs: CostTable, layer: Layer, step: Step, held: AtHome) -> Variant:
    variant = variant_of(costs, [layer], [held.cost])
    return replace(variant, activation_bytes=step.live_bytes + held.beside_bytes)
