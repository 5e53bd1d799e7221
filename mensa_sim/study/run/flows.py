"""Where the tensors and parameters of a placed graph live: of several plans, the one that is best when simulated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mensa_sim.flow import FLOWS, STACKS, FlowName
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.schedule.exact.front import ROUNDING
from mensa_sim.schedule.stacks.plan import PricedStack, StackPlanner, with_stacks
from mensa_sim.simulate.inference import run_in_turn
from mensa_sim.simulate.plan.kept import kept_choices, with_room
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.record.totals import TotalsRecorder
from mensa_sim.simulate.scenario.run import Scheduled
from mensa_sim.study.run.placement import Placement


def with_data_plan(placement: Placement, flow: FlowName, on_chip: Options) -> Placement:
    """The placement with the data plan that is best over a first and a steady inference.

    Of what the flow and the poorer ones before it plan, the richer is taken only where it is better. One that its
    schedule's file has stands as it is.
    """
    given = placement.schedule.data
    if given is not None:
        return _with_stacks(placement, given, StackPlanner(placement.costs, placement.problem).priced_all(given.stacks))
    best, plan = placement, _planned(placement, LAYER_BY_LAYER, on_chip)
    for data, stacks in _richer(placement, flow):
        richer = _with_stacks(placement, data, stacks)
        tried = _planned(richer, data, on_chip)
        if tried.beats(plan):
            best, plan = richer, tried
    return replace(best, schedule=replace(best.schedule, data=replace(plan.plan.data, flow=flow)))


def _richer(placement: Placement, flow: FlowName) -> Iterator[tuple[DataPlan, Sequence[PricedStack]]]:
    """What the flows beyond the first, up to the one asked for, plan."""
    if STACKS in list(FLOWS)[: list(FLOWS).index(flow) + 1]:
        found = StackPlanner(placement.costs, placement.problem).plan(placement.schedule)
        if found:
            yield DataPlan(flow=STACKS, stacks=tuple(each.stack for each in found)), found


def _with_stacks(placement: Placement, data: DataPlan, stacks: Sequence[PricedStack]) -> Placement:
    """The placement with the costs of layers that run in stacks."""
    if not stacks:
        return placement
    found = replace(placement.schedule, data=data)
    return replace(placement, costs=with_stacks(placement.costs, stacks), alone=placement.costs, schedule=found)


def _planned(placement: Placement, data: DataPlan, on_chip: Options) -> "_Tried":
    """A plan of the layers and stacks, with the best parameters on each accelerator."""
    costs, assignment = placement.costs, placement.schedule.assignment
    plan = make_plan(costs.graph, costs, assignment, on_chip, data=data)
    for accelerator in dict.fromkeys(assignment.values()):
        plan = _with_best_parameters(placement, on_chip, plan, accelerator)
    return _tried(placement, on_chip, plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """A plan, and the objective of its steady inference, then of its first."""

    plan: Plan
    steady: float
    first: float

    def beats(self, other: "_Tried") -> bool:
        """Whether both inferences together are better by more than rounding."""
        return self.first + self.steady < (other.first + other.steady) * (1 - ROUNDING)


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
