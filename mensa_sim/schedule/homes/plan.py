"""A plan of homes for a placed graph, one accelerator after another."""

import logging
from collections.abc import Mapping, Sequence

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import DataPlan, Home
from mensa_sim.schedule.homes.choose import Chooser
from mensa_sim.schedule.homes.shared import choose_shared
from mensa_sim.schedule.homes.step import HomeCosts, live_at, step_of
from mensa_sim.schedule.homes.tensors import HomeTensor, tensors_of
from mensa_sim.workload.graph import LayerGraph, units_in_order

LOGGER = logging.getLogger(__name__)
ALL_LIVES_LAYERS = 2000
"""Up to so many layers every tensor may have a home, however long it lives: a choice."""
LONGEST_LIFE = 64
"""Beyond, those that live beside so many layers at most: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHomes:
    """Homes, and how far they may be from the best."""

    homes: tuple[Home, ...]
    gap: float
    """The largest of any accelerator or memory on the chip, by the programs' prices."""


def plan_homes(
    costs: CostTable, assignment: Mapping[str, str], beside: DataPlan, rates: tuple[float, float]
) -> PlannedHomes:
    """The homes that save the most beside the parameters that stay by a plan.

    `rates` are what a pJ and a ps add to the objective.
    """
    graph = costs.graph
    stacks = [stack.layers for stack in beside.stacks]
    tensors = _in_short(graph, tensors_of(graph, costs.system, assignment, stacks)[0])
    home_costs = HomeCosts(costs, beside)
    stay = frozenset(layer for kept in beside.parameters for layer in kept.layers)
    homes: dict[str, Home] = {}
    gap = 0.0
    for accelerator, order in order_of(graph, assignment, stacks).items():
        own = [tensor for tensor in tensors.values() if tensor.home == accelerator]
        if not own:
            continue
        found = Chooser(costs, accelerator, assignment, own, order, stay, home_costs, rates).choose()
        gap = max(gap, found.gap)
        fitting = _fitting(home_costs, graph, accelerator, order, found.tensors)
        homes |= {each.layer: Home(tensor=each.layer, home=accelerator, size_bytes=each.size_bytes) for each in fitting}
    in_levels = tuple(homes[layer] for layer in tensors if layer in homes)
    shared, shared_gap = choose_shared(costs, assignment, stacks, frozenset(homes), rates)
    return PlannedHomes(homes=(*in_levels, *shared), gap=max(gap, shared_gap))


def _in_short(graph: LayerGraph, tensors: dict[str, HomeTensor]) -> dict[str, HomeTensor]:
    """The tensors; of a graph of many layers those that live shortly, else the program grew as the layers' square."""
    if len(graph.layers) <= ALL_LIVES_LAYERS:
        return tensors
    found = {name: tensor for name, tensor in tensors.items() if tensor.last - tensor.first <= LONGEST_LIFE}
    if len(found) < len(tensors):
        LOGGER.warning(
            "%s has %d layers: of %d tensors that live beside more than %d of them, none has a home",
            graph.name,
            len(graph.layers),
            len(tensors) - len(found),
            LONGEST_LIFE,
        )
    return found


def _fitting(
    home_costs: HomeCosts, graph: LayerGraph, accelerator: str, order: Sequence[str], tensors: Sequence[HomeTensor]
) -> list[HomeTensor]:
    """The tensors beside which every layer has a mapping in exactly the room that they leave.

    The program takes the mappings of some rooms; where none is found in the room that comes out, the largest goes.
    """
    left = list(tensors)
    while True:
        live = live_at(left, {accelerator: order})
        tight = (
            found
            for layer, found in live.items()
            if home_costs.best(step_of(graph, layer, accelerator, found), parameters=False) is None
        )
        crowd = next(tight, None)
        if crowd is None:
            return left
        left.remove(max(crowd, key=lambda tensor: (tensor.size_bytes, tensor.layer)))


def order_of(
    graph: LayerGraph, assignment: Mapping[str, str], stacks: Sequence[Sequence[str]] = ()
) -> dict[str, Sequence[str]]:
    """The units of each accelerator in order, each by its first layer."""
    found: dict[str, list[str]] = {}
    for layers in units_in_order(graph, stacks):
        found.setdefault(assignment[layers[0].name], []).append(layers[0].name)
    return {accelerator: tuple(layers) for accelerator, layers in found.items()}


def tensors_at_home(
    graph: LayerGraph, system: System, assignment: Mapping[str, str], data: DataPlan
) -> list[HomeTensor]:
    """The tensors that live in accelerators' levels by a plan; `UsageError` for a home that a tensor cannot have."""
    able, refused = tensors_of(graph, system, assignment, [stack.layers for stack in data.stacks])
    own = [home for home in data.homes if home.home not in system.memories]
    for home in own:
        found = able.get(home.tensor)
        if found is None:
            reason = refused.get(home.tensor, "no layer reads it")
            raise UsageError(f"homes: {home.tensor} has no home on {home.home}: {reason}")
        if (found.home, found.size_bytes) != (home.home, home.size_bytes):
            raise UsageError(
                f"homes: {home.tensor} has {found.size_bytes} bytes and is read on {found.home}, "
                f"not {home.size_bytes} on {home.home}"
            )
    return [able[home.tensor] for home in own]
