"""Placements whose layers run in pieces: what stands on one of several equal accelerators, over all of them."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.tiles.pieces import piece_name
from mensa_sim.errors import InfeasibleError
from mensa_sim.flow import IN_TILES, STACKS
from mensa_sim.lookup import named_or_matched
from mensa_sim.schedule.data_plan import DataPlan, Split
from mensa_sim.schedule.pools import pools_of
from mensa_sim.schedule.schedule import schedule_of
from mensa_sim.schedule.stacks.plan import PricedStack, StackPlanner, with_stacks
from mensa_sim.schedule.tiles.choose import SplitChooser
from mensa_sim.schedule.tiles.estimate import Surroundings
from mensa_sim.schedule.tiles.floor import with_floor
from mensa_sim.schedule.tiles.multicast import with_multicast
from mensa_sim.schedule.tiles.pipeline import TILE_COUNTS, pipelined
from mensa_sim.schedule.tiles.split import assignment_of, with_splits
from mensa_sim.study.run.placement import Goal, Placement, Stacked, families_under, placed_in, problem_at

CUTS = 2
"""Times that layers are cut into stacks, each around what was placed before: a choice."""
REASON = "a piece of {layer}, cut by {axis} in {count}"


def in_tiles(placement: Placement, goal: Goal, memo: PriceMemo) -> Iterator[Placement]:
    """The placement with layers split over each pool of equal accelerators, chosen by what each piece costs there.

    Then with those in tiles that hand what they make from accelerator to accelerator.
    """
    costs, found = placement.costs, placement.schedule
    for pool in pools_of(costs.system):
        if costs.system.feeder_of(pool[0]) is not None:
            continue
        pinned = named_or_matched(goal.pins, found.assignment)
        able = {name: on for name, on in found.assignment.items() if on in pool and name not in pinned}
        chooser = SplitChooser(costs, able, Surroundings(costs.system, pool), placement.problem, memo)
        splits = chooser.best(_beside(placement, able))
        if splits:
            yield split_placement(placement, splits, goal, memo)
    arrays = {name: on for name, on in found.assignment.items() if costs.system.array_of(on) is not None}
    for tiles in TILE_COUNTS:
        splits = pipelined(costs.graph, arrays, tiles)
        if splits:
            yield split_placement(placement, splits, goal, memo)


def _beside(placement: Placement, able: Mapping[str, str]) -> tuple[float, float]:
    """Dynamic energy and latency of all that is predicted beside those layers."""
    costs, prediction = placement.costs, placement.schedule.prediction
    pj, ps = prediction.dynamic_pj, prediction.latency_ps
    for name, on in able.items():
        cost = costs.cost(name, on)
        pj, ps = pj - cost.energy_pj, ps - cost.latency_ps(costs.system.memory_of(on).effective_bytes_per_s)
    return max(0.0, pj), float(max(0, ps))


def split_placement(placement: Placement, splits: Sequence[Split], goal: Goal, memo: PriceMemo) -> Placement:
    """The placement with layers in pieces, each where its split says; all others stay where they are.

    Predicted with pieces at the same time, which share the memory and what all of them read. The bound of the schedule
    that it comes from is one for whole layers: it has that of any cut.
    """
    base, system = placement.costs, placement.costs.system
    graph = with_splits(base.graph, splits)
    costs = price(graph, system, base.objective, memo, goal.timings)
    pins = named_or_matched(goal.pins, (layer.name for layer in graph.layers))
    where = assignment_of(placement.schedule.assignment, splits)
    predicted = with_multicast(costs, where, splits)
    problem = problem_at(predicted, replace(goal, execution="parallel", pins=pins))
    why = dict(placement.schedule.reasons) | _reasons(splits)
    names = [unit.layers[0] for unit in problem.units]
    found = schedule_of(
        problem,
        placement.schedule.scheduler,
        [problem.accelerators.index(where[name]) for name in names],
        reasons=[why.get(name, "") for name in names],
    )
    found = replace(with_floor(found, base, problem), data=DataPlan(flow=IN_TILES, splits=tuple(splits)))
    families = families_under(graph, goal)
    return Placement(
        costs=costs, problem=problem, families=families, schedule=found, goal=goal, predicted=predicted, whole=placement
    )


def _reasons(splits: Sequence[Split]) -> dict[str, str]:
    return {
        piece_name(each.layer, number): REASON.format(layer=each.layer, axis=each.axis, count=len(each.parts))
        for each in splits
        for number in range(1, len(each.parts) + 1)
    }


def in_stacks_given(placement: Placement, data: DataPlan, memo: PriceMemo | None) -> Placement:
    """The placement with the stacks of a data plan, at what they cost."""
    planner = StackPlanner(placement.costs, placement.problem, memo)
    return _with_stacks(placement, data, [planner.priced(stack) for stack in data.stacks])


def in_distinct_stacks(
    placement: Placement, goal: Goal | None, memo: PriceMemo | None, known: Stacked
) -> Iterator[Placement]:
    """The first of those `in_stacks` that run alike, for the placement's inference; sought once around a schedule."""

    def key(each: Placement) -> Hashable:
        return each.schedule.order, frozenset(each.schedule.assignment.items()), each.schedule.data

    if key(placement) not in known:
        distinct: dict[Hashable, Placement] = {}
        for each in in_stacks(placement, goal, memo):
            distinct.setdefault(key(each), each)
        known[key(placement)] = list(distinct.values())
    return (replace(each, goal=placement.goal) for each in known[key(placement)])


def in_stacks(placement: Placement, goal: Goal | None, memo: PriceMemo | None) -> Iterator[Placement]:
    """The placement with stacks of what lies side by side on one accelerator, then others that place stacks as such.

    The layers are cut as if all were on each accelerator in turn, and then on any, and the goal's scheduler places what
    comes out of it; a stack that it puts elsewhere is one there too, where it gains. What a pJ and a ps count depends
    on what else there is, so all is cut again around what was placed; then in smaller tiles too, where larger ones
    crowd their layers: on the accelerator that it was cut for a stack is better for it, elsewhere it may be worse.
    """
    planner = StackPlanner(placement.costs, placement.problem, memo)
    here = [planner.plan(placement.schedule, crowded=crowded) for crowded in (False, True)]
    here += [[each for each in found if each.stack.tiles > 1] for found in here]
    for plan, stacks in {_plan_of(stacks): stacks for stacks in here if stacks}.items():
        yield _with_stacks(placement, plan, stacks)
    if goal is None or goal.schedule_file is not None:
        return
    every = placement.problem.accelerators
    for accelerators in dict.fromkeys([*((name,) for name in every), every]):
        around, before = placement, list[PricedStack]()
        for _ in range(CUTS):
            stacks = planner.over(accelerators, around.schedule, crowded=bool(before))
            if not stacks or [each.stack for each in stacks] == [each.stack for each in before]:
                break
            # A stack may stand where the goal's scheduler puts nothing.
            with suppress(InfeasibleError):
                around, before = _placed(placement, planner, stacks, goal), stacks
                yield around


def _placed(placement: Placement, planner: StackPlanner, stacks: Sequence[PricedStack], goal: Goal) -> Placement:
    """Stacks, wherever the goal's scheduler places them."""
    anywhere = [*stacks, *planner.elsewhere(stacks, placement.schedule)]
    costs = with_stacks(placement.costs, anywhere)
    again = placed_in(problem_at(costs, goal, [each.stack.layers for each in stacks]), costs, goal)
    where = again.schedule.assignment
    kept = [each for each in anywhere if where[each.stack.layers[0]] == each.stack.accelerator]
    planned = replace(again.schedule, data=_plan_of(kept))
    return replace(again, alone=placement.costs, predicted=costs, schedule=planned)


def _plan_of(stacks: Sequence[PricedStack]) -> DataPlan:
    return DataPlan(flow=STACKS, stacks=tuple(each.stack for each in stacks))


def _with_stacks(placement: Placement, data: DataPlan, stacks: Sequence[PricedStack]) -> Placement:
    """The placement with the costs of layers that run in stacks."""
    if not stacks:
        return placement
    found = replace(placement.schedule, data=data)
    return replace(placement, costs=with_stacks(placement.costs, stacks), alone=placement.costs, schedule=found)
