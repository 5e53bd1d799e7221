"""The schedules that are simulated beside an optimum of predictions, in which all goes through memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mensa_sim.flow import LAYERS, FlowName
from mensa_sim.schedule.policies.optimal import known_schedules
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_assignment, unit_order, with_bound
from mensa_sim.study.run.foreseen import optimum_at_home
from mensa_sim.study.run.placement import Placement, in_order_of

RIVAL_WITHIN = 0.05
"""A rival is simulated where a prediction puts it no further above the best one: a choice."""


def has_rivals(placement: Placement, flow: FlowName) -> bool:
    """Whether the best of several schedules was asked for, where tensors may be at home."""
    sought = placement.goal.scheduler == "optimal" and placement.goal.schedule_file is None
    return sought and len(placement.problem.accelerators) > 1 and flow != LAYERS


def rivals_of(placement: Placement) -> Iterator[Placement]:
    """The optimum, the one of predictions with homes, and other schedulers' answers that come near one of them.

    Near by its layers one after another with tensors at home, or by branches that overlap without. All keep the
    deadline as the optimum does, and have its bound.
    """
    problem, optimum = placement.problem, placement.schedule
    others = known_schedules(problem)
    least = optimum_at_home(problem, placement.costs)
    if least is None:
        yield from (_taken(placement, each) for each in _able(problem, [optimum, *others]))
        return
    at_once = _value_at_once(problem, optimum)
    reasons = ["in the best schedule with tensors at home"] * len(problem.units)
    foreseen = schedule_of(problem, optimum.scheduler, least.best.assignment, reasons=reasons)
    for each in _able(problem, [optimum, foreseen, *others]):
        near = least.of(each).prediction.value <= (1 + RIVAL_WITHIN) * least.bound
        near = near or _value_at_once(problem, each) <= (1 + RIVAL_WITHIN) * at_once
        if near or each is optimum:
            yield _taken(placement, each)


def _able(problem: Problem, found: Sequence[Schedule]) -> list[Schedule]:
    """Those that keep the deadline, the first of equal ones."""
    kept: dict[tuple[tuple[str, str], ...], Schedule] = {}
    for each in found:
        if problem.deadline_ps is None or each.prediction.latency_ps <= problem.deadline_ps:
            kept.setdefault(tuple(each.assignment.items()), each)
    return list(kept.values())


def _value_at_once(problem: Problem, schedule: Schedule) -> float:
    """The objective where branches overlap."""
    return problem.value(schedule.prediction.dynamic_pj, schedule.prediction.parallel_ps)


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
    return {"assignment": list(found.schedule.assignment.items()), "reasons": dict(found.schedule.reasons)}


def rival_kept(placement: Placement, assignment: list[tuple[str, str]], reasons: dict[str, str]) -> Placement:
    """The placement of that rival of an optimum's."""
    problem = placement.problem
    said = replace(placement.schedule, assignment=dict(assignment))
    units, order = unit_assignment(problem, said), unit_order(problem, said)
    return _taken(placement, replace(schedule_of(problem, said.scheduler, units, order=order), reasons=reasons))
