"""Where the tensors and parameters of a placed graph live: of several plans, the one that is best when simulated."""

from dataclasses import dataclass, replace

from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.inference import run_in_turn
from mensa_sim.simulate.plan.kept import kept_choices, with_room
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.record.totals import TotalsRecorder
from mensa_sim.simulate.scenario.run import Scheduled
from mensa_sim.study.run.placement import Placement


def with_data_plan(placement: Placement, on_chip: Options) -> Placement:
    """The placement with the data plan that is best over a first and a steady inference.

    One that its schedule's file has stands as it is.
    """
    found = placement.schedule
    if found.data is not None:
        return placement
    costs = placement.costs
    plan = make_plan(costs.graph, costs, found.assignment, on_chip)
    for accelerator in dict.fromkeys(found.assignment.values()):
        plan = _with_best_parameters(placement, on_chip, plan, accelerator)
    return replace(placement, schedule=replace(found, data=plan.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A plan, and the objective of its steady inference, then of its first."""

    plan: Plan
    steady: float
    first: float

    def beats(self, other: "_Tried") -> bool:
        """Whether both inferences together are better by more than rounding."""
        return self.first + self.steady < (other.first + other.steady) * (1 - ROUNDING)


ROUNDING = 1e-9
"""Two sums of energies that differ by less are taken for equal."""


def _with_best_parameters(placement: Placement, on_chip: Options, plan: Plan, accelerator: str) -> Plan:
    """The plan with the choice of resident parameters under which a first and a steady inference are best."""
    choices = kept_choices(plan, placement.costs, on_chip, accelerator)
    if not choices:
        return plan
    best = _tried(placement, on_chip, plan)
    for kept in choices:
        fitted = with_room(plan, placement.costs, on_chip, accelerator, kept.room_bytes)
        tried = _tried(placement, on_chip, replace(fitted, data=plan.data.with_parameters(kept)))
        if tried.beats(best):
            best = tried
    return best.plan


def _tried(placement: Placement, on_chip: Options, plan: Plan) -> _Tried:
    """A plan simulated twice; a supply that is cut while an accelerator waits is taken to leak for this choice."""
    recorder = TotalsRecorder()
    run_in_turn(plan, placement.costs.system, on_chip, 2, recorder)
    (first_ps, first_pj), (later_ps, later_pj) = recorder.totals
    value = placement.problem.value
    return _Tried(plan=plan, steady=value(later_pj, later_ps), first=value(first_pj, first_ps))


def data_of(placement: Placement) -> DataPlan:
    """The data plan of a placement that has been given one."""
    return placement.schedule.data or LAYER_BY_LAYER


def scheduled(placement: Placement) -> Scheduled:
    """The placement as a scenario runs it."""
    costs, found = placement.costs, placement.schedule
    return Scheduled(graph=costs.graph, costs=costs, assignment=found.assignment, data=data_of(placement))
