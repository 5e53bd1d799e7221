"""What a schedule is predicted to take under the flow it runs in: where tensors may be at home, with them there."""

from dataclasses import replace

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.table import CostTable
from mensa_sim.flow import LAYERS
from mensa_sim.objective import PERIOD
from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.front import ROUNDING
from mensa_sim.schedule.homes.placed import InModes
from mensa_sim.schedule.policies.at_home import optimum_at_home
from mensa_sim.schedule.schedule import Schedule, unit_order
from mensa_sim.schedule.tiles.floor import with_floor
from mensa_sim.simulate.plan.options import Options
from mensa_sim.study.run.placement import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A schedule judged by the predictions of its flow, and what these take its layers to cost."""

    schedule: Schedule
    """With their value, and their bound if one is known."""
    costs: CostTable | None = None
    """None where layers cost what they cost with all that they read and make in memory."""


def foreseen(placement: Placement, on_chip: Options) -> Foreseen:
    """A planned placement's schedule as its flow predicts it.

    With tensors at home where its layers run whole, as if none of those competed for room; the schedulers themselves
    see all tensors in memory. Else as they see it. Where branches overlap too, the bound is one of what is simulated.
    """
    problem, schedule, costs = placement.problem, placement.schedule, None
    data, parallel = schedule.data, problem.execution == "parallel"
    if schedule.objective == PERIOD or data is None or data.splits:
        return Foreseen(schedule=schedule)
    at_home = data.flow != LAYERS and on_chip.activations and not data.stacks
    optimum = (placement.at_home or optimum_at_home(problem, placement.costs)) if at_home else None
    if optimum is not None:
        found = optimum.of(schedule)
        prediction = optimum.at_once(found, unit_order(problem, schedule)) if parallel else found.prediction
        value, bound, proof = prediction.value, optimum.bound, optimum.best.proof
        bound = value if value <= bound * (1 + ROUNDING) else bound
        schedule = replace(schedule, prediction=prediction, value=value, bound=bound, proof=proof)
        costs = _costs_of(placement, found)
    if parallel and data.flow != LAYERS and on_chip.activations:
        schedule = with_floor(schedule, placement.alone or placement.costs, problem, whole=True)
    return Foreseen(schedule=schedule, costs=costs)


def _costs_of(placement: Placement, found: InModes) -> CostTable:
    """The costs of layers in their modes."""
    costs, problem = placement.costs, placement.problem
    in_modes = {}
    for unit, mode in zip(problem.units, found.modes, strict=True):
        if mode.cost is not None:
            layer, accelerator = unit.layers[0], problem.accelerators[mode.accelerator]
            in_modes[layer, accelerator, STREAMED] = mode.cost.of(layer, accelerator)
    return costs.with_costs({**costs.costs, **in_modes}, None)
