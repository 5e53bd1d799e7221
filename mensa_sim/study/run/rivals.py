"""The schedules that are simulated beside an optimum of predictions, with tensors in memory or at home.

The best of them has the least objective in the inference that is asked for (`tried.py`): of all assignments of layers
in their order, each with the data plan found for it, where those that a floor does not rule out are few.
A deadline is kept or missed when simulated: none is left out for a prediction.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np

from mensa_sim.flow import LAYERS, FlowName
from mensa_sim.schedule.branches import with_branches_moved
from mensa_sim.schedule.data_plan import Home
from mensa_sim.schedule.exact.front import ROUNDING
from mensa_sim.schedule.homes.placed import Lies
from mensa_sim.schedule.policies.at_home import OptimumAtHome, optimum_at_home
from mensa_sim.schedule.policies.optimal import known_schedules
from mensa_sim.schedule.policies.registry import AT_HOME
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_assignment, unit_order, with_bound
from mensa_sim.schedule.tiles.floor import least_values
from mensa_sim.schedule.unit import UnitTensor
from mensa_sim.study.run.placement import Placement, in_order_of
from mensa_sim.study.run.tried import TriedPlan

RIVAL_WITHIN = 0.05
"""A rival is simulated where a prediction puts it no further above the best one: a choice."""

MOST_MOVED = 16
"""Of the tensors without a home, the largest that one is sought for elsewhere: a choice."""

MOST_OVERLAPPED = 1024
"""Units of schedules with a branch moved, predicted before none is taken to gain: a choice."""

MOST_ASSIGNMENTS = 10_000
"""As many are bounded from below, so that those which may be the best are simulated: a choice."""

MOST_SIMULATED = 1280
"""Units of those that may be the best, above which not all of them are simulated: a choice."""


def has_rivals(placement: Placement, flow: FlowName) -> bool:
    """Whether the best of several schedules was asked for, where tensors may be at home."""
    return placement.goal.scheduler == "optimal" and _is_free(placement, flow)


def moved_by(placement: Placement, flow: FlowName) -> tuple[Any, ...] | None:
    """What decides of another schedule that a plan may come with: a rival's, or its scheduler's second one; or none."""
    problem, scheduler = placement.problem, placement.goal.scheduler
    units = [(unit.name, unit.pin, unit.family) for unit in problem.units]
    if has_rivals(placement, flow):
        return problem.execution, problem.families, units
    again = isinstance(scheduler, str) and scheduler in AT_HOME and _is_free(placement, flow)
    return (scheduler, [unit[:2] for unit in units]) if again else None


def _is_free(placement: Placement, flow: FlowName) -> bool:
    return placement.goal.schedule_file is None and len(placement.problem.accelerators) > 1 and flow != LAYERS


def again_at_home(placement: Placement, flow: FlowName) -> Iterator[Placement]:
    """The placement by what its scheduler answers where tensors may be at home, if that is another one."""
    if moved_by(placement, flow) and not has_rivals(placement, flow):
        found = AT_HOME[str(placement.goal.scheduler)](placement.problem, placement.costs)
        if list(found.assignment.items()) != list(placement.schedule.assignment.items()):
            yield _taken(placement, found)


class RivalSearch:
    """What is simulated beside an optimum of predictions: all have its bound."""

    def __init__(self, placement: Placement) -> None:
        self._problem = placement.problem
        self._units = {unit.layers[0]: index for index, unit in enumerate(placement.problem.units)}
        self._least = optimum_at_home(placement.problem, placement.costs)
        self._placement = replace(placement, at_home=self._least)
        self._last = None if self._least is None else self._least.without(())
        self.foreseen = 0
        """The place of the one that is predicted least among those near, if it is there."""
        self._without: set[Lies] = set()
        """Where tensors are not sought at home, as some had no room."""
        self._crowded: set[Lies] = set()
        """Where those that alone were moved have been."""

    def near(self) -> list[Placement]:
        """The optimum, the one of predictions with homes, and other schedulers' answers that come near one of them.

        Near by its layers one after another with tensors at home, or by branches that overlap without.
        """
        problem, optimum, least = self._problem, self._placement.schedule, self._least
        others = known_schedules(problem)
        if least is None:
            return [_taken(self._placement, each) for each in _distinct([optimum, *others])]
        known = [self._schedule(each.assignment) for each in (least.best, *least.late)]
        least_value, at_once = least.best.prediction.value, self._value_at_once(optimum)
        found: list[Placement] = []
        for each in _distinct([optimum, *known, *others]):
            value = least.of(each).prediction.value
            near = min(value / least_value, self._value_at_once(each) / at_once) <= 1 + RIVAL_WITHIN
            if near or each is optimum or each in known:
                if unit_assignment(problem, each) == list(least.best.assignment):
                    self.foreseen = len(found)
                found.append(_taken(self._placement, each))
        return found

    def elsewhere(self, homes: Iterable[Home]) -> Iterator[Placement]:
        """The least predicted one whose tensors do not lie where the last one's had no room; none where all had.

        `homes` are the last one's: the first time those of the one that is predicted least.
        """
        if self._least is None or self._last is None:
            return
        crowd = self._last.homes - self._lies(homes) - self._without
        if crowd:
            self._without |= crowd
            self._last = self._least.without(self._without)
            if self._last.prediction.value <= (1 + RIVAL_WITHIN) * self._least.best.prediction.value:
                yield from self._rivals([self._last.assignment])

    def neighbours(self, best: Placement, homes: Iterable[Home]) -> Iterator[Placement]:
        """A schedule with its branches moved, then with single tensors moved."""
        yield from self._overlapped(best)
        yield from self._moved(best, homes)

    def _moved(self, best: Placement, homes: Iterable[Home]) -> Iterator[Placement]:
        """What becomes of a schedule where one tensor without room finds some, the most promising first.

        It lives elsewhere, or one of those beside it does: who makes and who reads what moves may move for that. All
        others stay, and so do their tensors, in memory or at home.
        """
        least = self._least
        if least is None or best.whole is not None:
            return
        where, lies = unit_assignment(self._problem, best.schedule), self._lies(homes)
        places, tensors = range(len(least.solver.places)), {each.producer: each for each in self._problem.tensors}
        away = {(unit, place) for unit in range(len(where)) if unit not in dict(lies) for place in places}
        now = least.weighted(least.without(away, where))
        found: dict[tuple[int, ...], float] = {}
        for tensor, moving in self._crowds(where, lies, tensors):
            own = {(moving, place) for place in places}
            room = own - self._crowded - {(moving, where[moving])} | ({(tensor, where[tensor])} - own)
            free = {moving, *tensors[moving].readers}
            others = [None if each in free else place for each, place in enumerate(where)]
            moved = least.without((away | own) - room, others)
            value = least.weighted(moved)
            if value < now * (1 - ROUNDING):
                self._crowded.add((moving, moved.modes[moving].output))
                found[moved.assignment] = min(value, found.get(moved.assignment, value))
        yield from self._rivals(sorted(found, key=lambda each: found[tuple(each)]))

    def _overlapped(self, best: Placement) -> Iterator[Placement]:
        """What becomes of a schedule whose branches are moved as long as it is predicted to gain where they overlap."""
        if self._least is None or best.whole is not None:
            return
        now = start = tuple(unit_assignment(self._problem, best.schedule))
        before: set[tuple[int, ...]] = set()
        while now not in before:
            before.add(now)
            now = self._gaining(self._least, now, before)
        if now != start:
            yield from self._rivals([now])

    def _gaining(self, least: OptimumAtHome, now: tuple[int, ...], before: set[tuple[int, ...]]) -> tuple[int, ...]:
        """The first with a branch moved that is predicted to gain, of the most promising new ones; else the same."""
        moved = (each for each in with_branches_moved(self._problem, now, least.weights) if each not in before)
        value: float | None = None
        for each in islice(moved, MOST_OVERLAPPED // len(now) + 1):
            before.add(each)
            value = least.value_at_once(now) if value is None else value
            if least.value_at_once(each) < value * (1 - ROUNDING):
                before.remove(each)
                return each
        return now

    @property
    def assignments(self) -> int:
        """How many there are, the layers in their order."""
        return math.prod(len(unit.allowed) for unit in self._problem.units)

    def left(self, best: TriedPlan, asked: Sequence[Placement]) -> list[tuple[float, Placement]] | None:
        """All assignments that may be better than a plan and have not been asked, with what each is not below.

        By that, the least first. None where they are too many to simulate.
        """
        if self.assignments > MOST_ASSIGNMENTS:
            return None
        problem, goal = self._problem, self._placement.goal
        schedules = [each.schedule for each in asked]
        known = {
            tuple(unit_assignment(problem, each))
            for each in schedules
            if unit_order(problem, each) == list(range(len(problem.units)))
        }
        every = list(product(*(unit.allowed for unit in problem.units)))
        least = least_values(self._placement.costs, problem, np.array(every), steady=goal.steady)
        found = [
            (value, each)
            for value, each in sorted(zip(least, every, strict=True))
            if each not in known and not best.is_below(value)
        ]
        if len(found) * len(problem.units) > MOST_SIMULATED:
            return None
        return list(zip([value for value, _ in found], self._rivals(each for _, each in found), strict=True))

    def _crowds(
        self, where: Sequence[int], lies: Iterable[Lies], tensors: Mapping[int, UnitTensor]
    ) -> Iterator[tuple[int, int]]:
        """The largest tensors without a home, by their producers, each with itself and with those at home beside it."""
        at_home = dict(lies)
        able = (unit for unit in tensors if unit not in at_home and self._least and self._least.solver.may_live(unit))
        for unit in sorted(able, key=lambda each: -tensors[each].size_bytes * (1 + len(tensors[each].readers)))[
            :MOST_MOVED
        ]:
            yield unit, unit
            for other, place in sorted(at_home.items()):
                beside = other <= tensors[unit].readers[-1] and unit <= tensors[other].readers[-1]
                if place == where[unit] and beside:
                    yield unit, other

    def _value_at_once(self, schedule: Schedule) -> float:
        """The objective where branches overlap, all tensors in memory."""
        return self._problem.value(schedule.prediction.dynamic_pj, schedule.prediction.parallel_ps)

    def _lies(self, homes: Iterable[Home]) -> set[Lies]:
        places = () if self._least is None else self._least.solver.places
        return {(self._units[home.tensor], places.index(home.home)) for home in homes if home.tensor in self._units}

    def _schedule(self, assignment: Sequence[int]) -> Schedule:
        reasons = ["in the best schedule found with tensors at home"] * len(self._problem.units)
        return schedule_of(self._problem, self._placement.schedule.scheduler, assignment, reasons=reasons)

    def _rivals(self, assignments: Iterable[Sequence[int]]) -> Iterator[Placement]:
        return (_taken(self._placement, self._schedule(assignment)) for assignment in assignments)


def _distinct(found: Sequence[Schedule]) -> list[Schedule]:
    """The first of equal ones."""
    kept: dict[tuple[tuple[str, str], ...], Schedule] = {}
    for each in found:
        kept.setdefault(tuple(each.assignment.items()), each)
    return list(kept.values())


def _taken(placement: Placement, rival: Schedule) -> Placement:
    """The placement by a rival's schedule, beside the optimum's bound."""
    optimum = placement.schedule
    if rival is optimum:
        return placement
    rival = replace(rival, scheduler=optimum.scheduler)
    rival = rival if optimum.bound is None else with_bound(rival, optimum.bound, optimum.proof)
    return replace(placement, schedule=rival, costs=in_order_of(placement.costs, rival))


def kept_rival(found: Placement) -> dict[str, Any]:
    """What `rival_kept` makes the placement of a rival of again."""
    schedule = found.schedule
    return {
        "assignment": list(schedule.assignment.items()),
        "reasons": dict(schedule.reasons),
        "tried": found.tried,
        "of_all": found.of_all,
    }


def rival_kept(
    placement: Placement, assignment: list[tuple[str, str]], reasons: dict[str, str], tried: int, of_all: int
) -> Placement:
    """The placement of that rival of an optimum's."""
    problem = placement.problem
    said = replace(placement.schedule, assignment=dict(assignment))
    units, order = unit_assignment(problem, said), unit_order(problem, said)
    found = _taken(placement, replace(schedule_of(problem, said.scheduler, units, order=order), reasons=reasons))
    return replace(found, tried=tried, of_all=of_all)
