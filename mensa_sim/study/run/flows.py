"""Where the tensors and parameters of a placed graph live: of several plans, the one that is best when simulated."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import FileError, MensaError
from mensa_sim.flow import FLOWS, HOMES, IN_TILES, LAYERS, STACKS, FlowName
from mensa_sim.hardware.accelerator import Device
from mensa_sim.io.pack import Pack
from mensa_sim.io.store import digest_of
from mensa_sim.objective import objective_named
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, Home, KeptParameters
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.simulate.plan.floor import floor_of
from mensa_sim.simulate.plan.kept import kept_choices, with_room
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.plan.residency import pin
from mensa_sim.simulate.scenario.run import Scheduled
from mensa_sim.study.run.placement import Goal, Placement, Stacked
from mensa_sim.study.run.rivals import RivalSearch, again_at_home, has_rivals, kept_rival, moved_by, rival_kept
from mensa_sim.study.run.tried import TriedPlan, best_of, unbeaten, values_of
from mensa_sim.workload.graph_json import graph_to_data

_MADE_BY = "mensa_sim.study.run.flows"
"""The module that, with all that it imports, makes a plan of a placement."""


class KeptPlan:
    """The place on disk of the plan of one placement, by all that it depends on, with the schedule that it is for.

    Whole layers alone: stacks and pieces have prices of their own. Where a device is measured there is none, as its
    prices depend on more than the system.
    """

    def __init__(self, placement: Placement, flow: FlowName, on_chip: Options, pack: Pack | None) -> None:
        system = placement.costs.system
        whole = flow in {LAYERS, HOMES} and not any(isinstance(each.spec, Device) for each in system.accelerators)
        self._pack = pack if whole else None
        self._name = _name(placement, flow, on_chip) if self._pack else b""
        self._placement, self._rivals = placement, moved_by(placement, flow) is not None

    def get(self) -> Placement | None:
        """The placement with its plan, by the schedule that it is for, if it is there."""
        kept = self._pack.get_data(self._name) if self._pack else None
        if kept is None:
            return None
        data = kept["data"]
        homes = tuple(Home(**home) for home in data.pop("homes"))
        parameters = tuple(KeptParameters(**{**each, "layers": tuple(each["layers"])}) for each in data["parameters"])
        plan = DataPlan(**{**data, "homes": homes, "parameters": parameters})
        placement = self._placement if kept["rival"] is None else rival_kept(self._placement, **kept["rival"])
        return _with_data(placement, plan, plan.flow)

    def put(self, found: Placement) -> None:
        """Keep the plan of a placement, and its schedule if that is another one."""
        if self._pack:
            data = {name: value for name, value in asdict(data_of(found)).items() if name not in {"stacks", "splits"}}
            rival = kept_rival(found) if self._rivals else None
            self._pack.put_data(self._name, {"data": data, "rival": rival})


def _name(placement: Placement, flow: FlowName, on_chip: Options) -> bytes:
    costs, problem = placement.costs, placement.problem
    judged = objective_named(problem.objective), problem.static_pj_per_ps, problem.deadline_ps
    goal = (costs.objective, *judged, flow, on_chip, placement.goal.steady)
    placed = placement.schedule.assignment, moved_by(placement, flow)
    return bytes.fromhex(digest_of(graph_to_data(costs.graph), costs.system.everything, placed, goal, _made_by()))


@cache
def _made_by() -> str:
    return digest_of(module=_MADE_BY, libraries=("numpy", "scipy"))


LOGGER = logging.getLogger(__name__)
MOST_ROUNDS = 8
"""Times that all of an optimum's tensors without room are sought a place elsewhere: a choice."""
MOST_MOVES = 16
"""Neighbours of the best schedule that are simulated beside it: a choice."""
MOST_UNITS = 2000
"""Beyond so many units no rooms are tried for parameters, as each try is a simulation: a choice."""


def with_data_plan(
    placement: Placement,
    flow: FlowName,
    on_chip: Options,
    goal: Goal | None = None,
    memo: PriceMemo | None = None,
    stacked: Stacked | None = None,
) -> Placement:
    """The placement with the data plan that is best in the inference that its goal asks for, the first or a steady one.

    Of what the flow and the poorer ones before it plan, the richer is taken only where it is better. One that its
    schedule's file has stands as it is. With a goal, its scheduler may place stacks anew, as it places layers. What a
    memo keeps on disk is not planned again, and what is `stacked` for another inference of a problem not sought again.
    """
    given = placement.schedule.data
    if given is not None:
        with faults_of_file(placement.goal.schedule_file):
            return _as_given(placement, given, on_chip, memo)
    kept = KeptPlan(placement, flow, on_chip, None if memo is None else memo.pack)
    known = kept.get()
    if known is not None:
        return known
    found = _with_new_plan(placement, flow, on_chip, goal, memo, {} if stacked is None else stacked)
    kept.put(found)
    return found


def _as_given(placement: Placement, given: DataPlan, on_chip: Options, memo: PriceMemo | None) -> Placement:
    """The placement with a plan that stands as it is; an error where it cannot."""
    if given.stacks:
        from mensa_sim.study.run.tiles import in_stacks_given

        placement = in_stacks_given(placement, given, memo)
    _plan(placement, on_chip)
    return placement


@contextmanager
def faults_of_file(path: Path | None) -> Iterator[None]:
    """Says of what goes wrong within that the schedule's file is the cause, where there is one."""
    try:
        yield
    except MensaError as error:
        if path is None:
            raise
        raise FileError(str(path), [str(error)]) from error


def _with_new_plan(
    placement: Placement, flow: FlowName, on_chip: Options, goal: Goal | None, memo: PriceMemo | None, stacked: Stacked
) -> Placement:
    """The best plan of the schedule when simulated; of one that claims to be the best, of its rivals too.

    One flow after another: a richer one's plans are taken where they are better than the best of the poorer ones and no
    worse in any inference that is shown.
    """
    by_flow: dict[FlowName, list[TriedPlan]] = {}

    def ask(each: Placement, richest: FlowName) -> list[TriedPlan]:
        """Those of its plans that know no stacks or pieces."""
        found = list(_plans(each, richest, on_chip, goal, memo, stacked))
        for name, plan in found:
            by_flow.setdefault(HOMES if name == LAYERS and by_flow else name, []).append(plan)
        return [plan for name, plan in found if name in {LAYERS, HOMES}]

    tried, of_all = _ask_rivals(placement, flow, ask) if has_rivals(placement, flow) else (0, 0)
    if not tried and not ask(placement, flow):
        return _with_data(placement, LAYER_BY_LAYER, flow)
    for again in again_at_home(placement, flow):
        ask(again, flow)
    (best,) = by_flow[LAYERS]
    for name in FLOWS:
        best = best.or_better(by_flow.get(name, ()))
    if any(each.beats(best) for plans in by_flow.values() for each in plans):
        of_all = 0
    found = replace(best.placement, tried=tried, of_all=of_all, recorded=lambda: best.recorded)
    return _with_data(found, best.plan.data, flow)


Ask = Callable[[Placement, FlowName], list[TriedPlan]]


def _ask_rivals(placement: Placement, flow: FlowName, ask: Ask) -> tuple[int, int]:
    """Ask an optimum and its rivals for their plans; how many were asked, and of how many assignments if that is all.

    All that may be the best are asked where those are few, else those that predictions choose. All are sought in whole
    layers, whatever the flow, so that no richer one is worse.
    """
    rivals = RivalSearch(placement)
    near = rivals.near()
    found = [ask(rival, flow) for rival in near]
    poorest, *others = (plan for plans in found for plan in plans)
    best = poorest.or_better(others)
    left, asked = rivals.left(best, near), len(near)
    if left is None:
        best, around = _ask_around(rivals, poorest, best, found[rivals.foreseen], ask)
        asked += around
    for floor, rival in left or ():
        if best.is_below(floor):
            break
        best, asked = poorest.or_better([best, *ask(rival, HOMES)]), asked + 1
    if flow != HOMES and all(best.placement is not rival for rival in near):
        ask(best.placement, flow)
    return asked, rivals.assignments if left is not None and flow == HOMES else 0


def _ask_around(
    rivals: RivalSearch, poorest: TriedPlan, best: TriedPlan, last: list[TriedPlan], ask: Ask
) -> tuple[TriedPlan, int]:
    """The best after more rivals, and how many those are: not more than so many, as no clock decides.

    Predictions have room for each tensor, and run layers one after another. So those are asked whose tensors do not lie
    where there was no room, the last asked first, and then neighbours of the best.
    """
    asked = 0
    for _ in range(MOST_ROUNDS):
        homes = (home for each in last for home in each.plan.data.homes)
        found = [ask(rival, HOMES) for rival in rivals.elsewhere(homes)]
        if not found:
            break
        (last,), asked = found, asked + 1
        best = poorest.or_better([best, *last])
    now, most = None, asked + MOST_MOVES
    while best is not now and asked < most:
        now = best
        for rival in rivals.neighbours(now.placement, now.plan.data.homes):
            best, asked = poorest.or_better([best, *ask(rival, HOMES)]), asked + 1
            if best is not now or asked == most:
                break
    return best, asked


def _plans(
    placement: Placement, flow: FlowName, on_chip: Options, goal: Goal | None, memo: PriceMemo | None, stacked: Stacked
) -> Iterator[tuple[FlowName, TriedPlan]]:
    """What the flow and the poorer ones before it plan for a schedule; nothing where there is no choice."""
    plan = _plan(placement, on_chip)
    choices = _choices(placement, plan, on_chip)
    if flow == LAYERS and not choices:
        return
    allowed = list(FLOWS)[: list(FLOWS).index(flow) + 1]
    tried = [(LAYERS, _with_parameters(placement, plan, on_chip, choices))]
    if STACKS in allowed:
        from mensa_sim.study.run.tiles import in_distinct_stacks

        found = in_distinct_stacks(placement, goal, memo, stacked)
        tried += [(STACKS, plan) for plan in unbeaten([_planned(each, on_chip) for each in found])]
    if IN_TILES in allowed and goal is not None:
        from mensa_sim.study.run.tiles import in_tiles

        split = in_tiles(placement, goal, PriceMemo() if memo is None else memo)
        tried += [(IN_TILES, _settled(each, on_chip)) for each in split]
    yield from tried
    if HOMES in allowed and on_chip.activations:
        yield from ((HOMES if name == LAYERS else name, _with_homes(each, on_chip)) for name, each in tried)


def _with_data(placement: Placement, data: DataPlan, flow: FlowName) -> Placement:
    return replace(placement, schedule=replace(placement.schedule, data=replace(data, flow=flow)))


def _plan(placement: Placement, on_chip: Options) -> Plan:
    costs = placement.costs
    return make_plan(costs.graph, costs, placement.schedule.assignment, on_chip, data=data_of(placement))


def _planned(placement: Placement, on_chip: Options) -> TriedPlan:
    """The placement's plan with the best choice of parameters that stay."""
    plan = _plan(placement, on_chip)
    return _with_parameters(placement, plan, on_chip, _choices(placement, plan, on_chip))


def _with_parameters(
    placement: Placement, plan: Plan, on_chip: Options, choices: Sequence[Sequence[KeptParameters]]
) -> TriedPlan:
    """The plan with the best choice of parameters that stay on each accelerator.

    Those of least floor are asked first, and then none that its floor rules out; they are simulated where the floor is
    not known to be what they take.
    """
    floor = floor_of(plan, placement.costs, on_chip) if choices else None
    best: TriedPlan | None = None
    for on_accelerator in choices:
        before, name = plan if best is None else best.plan, on_accelerator[0].accelerator
        ways = [before.data.parameters_on(name), *on_accelerator]
        floors = [(0.0, 0.0) if floor is None else values_of(placement, floor.beside(name, kept)) for kept in ways]
        found = {} if best is None else {0: best}
        for place in sorted(range(len(ways)), key=floors.__getitem__):
            kept, least = ways[place], floors[place]
            if place in found or any(each.rules_out(least, before=other < place) for other, each in found.items()):
                continue
            own = before
            if place and kept is not None:
                fitted = with_room(before, placement.costs, on_chip, name, kept.room_bytes)
                own = replace(fitted, data=before.data.with_parameters(kept))
            foreseen = None if floor is None else floor.exact(name, kept)
            found[place] = TriedPlan(placement=placement, on_chip=on_chip, plan=own, foreseen=foreseen)
        best = best_of([found[place] for place in sorted(found)])
        chosen = next(ways[place] for place, each in found.items() if each is best)
        if floor and chosen:
            floor.choose(name, chosen)
    return best or TriedPlan(placement=placement, on_chip=on_chip, plan=plan)


def _settled(placement: Placement, on_chip: Options) -> TriedPlan:
    """The plan with the parameters that the simulation's policy keeps, chosen once for all that is tried on it."""
    costs, said = placement.costs, _said(placement, _plan(placement, on_chip), on_chip)
    said_plan = make_plan(costs.graph, costs, placement.schedule.assignment, on_chip, data=said)
    return TriedPlan(placement=placement, on_chip=on_chip, plan=said_plan)


def _choices(placement: Placement, plan: Plan, on_chip: Options) -> list[list[KeptParameters]]:
    """What may stay on each accelerator where that is a choice; of a graph of many units the first answer stands."""
    if len(plan.units) > MOST_UNITS:
        LOGGER.warning(
            "%s has %d units: parameters that stay are chosen without trying rooms for those that stream",
            plan.name,
            len(plan.units),
        )
        return []
    accelerators = dict.fromkeys(placement.schedule.assignment.values())
    found = (kept_choices(plan, placement.costs, on_chip, accelerator) for accelerator in accelerators)
    return [choices for choices in found if choices]


def _with_homes(beside: TriedPlan, on_chip: Options) -> TriedPlan:
    """The plan with homes for tensors, beside the parameters that stay by it."""
    placement = beside.placement
    costs, assignment = placement.costs, placement.schedule.assignment
    said = _said(placement, beside.plan, on_chip)
    found = plan_homes(costs, assignment, said, beside.rates)
    data = replace(said, flow=HOMES if said.flow == LAYERS else said.flow, homes=found.homes, homes_gap=found.gap)
    plan = make_plan(costs.graph, costs, assignment, on_chip, data=data)
    return TriedPlan(placement=placement, on_chip=on_chip, plan=plan)


def _said(placement: Placement, plan: Plan, on_chip: Options) -> DataPlan:
    """The plan's data with the parameters said that stay on each accelerator, and the room that they leave."""
    data, system = plan.data, placement.costs.system
    for placed in system.accelerators:
        pinned = pin([plan], system, placed.name, on_chip.parameters)
        if pinned.room_bytes is not None and placed.spec.buffer_bytes.get("parameter"):
            said = data.parameters_on(placed.name)
            left_bytes = pinned.room_bytes if said is None else min(said.room_bytes, pinned.room_bytes)
            layers = tuple(plan.units[index].layers[0] for _, index in sorted(pinned.units))
            kept = KeptParameters(accelerator=placed.name, layers=layers, room_bytes=max(1, left_bytes))
            data = data.with_parameters(kept)
    return data


def data_of(placement: Placement) -> DataPlan:
    """The data plan of a placement that has been given one."""
    return placement.schedule.data or LAYER_BY_LAYER


def scheduled(placement: Placement) -> Scheduled:
    """The placement as a scenario runs it."""
    costs, found = placement.costs, placement.schedule
    return Scheduled(graph=costs.graph, costs=costs, assignment=found.assignment, data=data_of(placement))
