"""Placements whose layers run in stacks, tile by tile."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import InfeasibleError
from mensa_sim.flow import STACKS
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.stacks.plan import PricedStack, StackPlanner, with_stacks
from mensa_sim.study.run.placement import Goal, Placement, placed_in, problem_at


def in_stacks_given(placement: Placement, data: DataPlan, memo: PriceMemo | None) -> Placement:
    """The placement with the stacks of a data plan, at what they cost."""
    planner = StackPlanner(placement.costs, placement.problem, memo)
    return _with_stacks(placement, data, [planner.priced(stack) for stack in data.stacks])


def in_stacks(placement: Placement, goal: Goal | None, memo: PriceMemo | None) -> Iterator[Placement]:
    """The placement with stacks of what lies side by side on one accelerator, then others that place stacks as such.

    For each accelerator in turn the layers are cut as if all were there, and the goal's scheduler places what comes out
    of it; a stack that it puts elsewhere is one there too, where it gains.
    """
    planner = StackPlanner(placement.costs, placement.problem, memo)
    found = planner.plan(placement.schedule)
    if found:
        yield _with_stacks(placement, _plan_of(found), found)
    if goal is None or goal.schedule_file is not None:
        return
    for accelerator in placement.problem.accelerators:
        stacks = planner.on(accelerator, placement.schedule)
        if not stacks:
            continue
        anywhere = [*stacks, *planner.elsewhere(stacks, placement.schedule)]
        costs = with_stacks(placement.costs, anywhere)
        # A deadline that layers meet one by one may be missed by stacks.
        with suppress(InfeasibleError):
            again = placed_in(problem_at(costs, goal, [each.stack.layers for each in stacks]), costs, goal)
            where = again.schedule.assignment
            kept = [each for each in anywhere if where[each.stack.layers[0]] == each.stack.accelerator]
            yield replace(again, schedule=replace(again.schedule, data=_plan_of(kept)))


def _plan_of(stacks: Sequence[PricedStack]) -> DataPlan:
    return DataPlan(flow=STACKS, stacks=tuple(each.stack for each in stacks))


def _with_stacks(placement: Placement, data: DataPlan, stacks: Sequence[PricedStack]) -> Placement:
    """The placement with the costs of layers that run in stacks."""
    if not stacks:
        return placement
    found = replace(placement.schedule, data=data)
    return replace(placement, costs=with_stacks(placement.costs, stacks), alone=placement.costs, schedule=found)
