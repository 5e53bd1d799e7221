"""How layers are placed on a system: as the call says, else as the system's own file says, else by the defaults."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.flow import DEFAULT_FLOW
from mensa_sim.hardware.system import Scheduling, System
from mensa_sim.lookup import unknown_name
from mensa_sim.schedule.policies.own import OwnScheduler
from mensa_sim.schedule.policies.registry import SCHEDULERS, SINGLE, options_of
from mensa_sim.study.request.common import ScheduledRequest
from mensa_sim.study.run.placement import Goal, baseline_goal, timings_named
from mensa_sim.study.run.request import PlaceRequest, RunRequest
from mensa_sim.units import ms_to_ps

DEFAULT = Scheduling()


def goal_on(
    system: System,
    *,
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    options: Mapping[str, float] | None = None,
    flow: str | None = None,
    unsaid_flow: str = DEFAULT_FLOW,
) -> Goal:
    """The goal on a system; its own options hold for its own scheduler, those given on top of them.

    `unsaid_flow` is that of a study where neither the call nor the system's file says one.
    """
    own = system.scheduling or DEFAULT
    chosen = own.scheduler if scheduler is None else scheduler
    kept = own.options if chosen == own.scheduler else {}
    return Goal(
        scheduler=chosen,
        objective=own.objective if objective is None else objective,
        options={**kept, **(options or {})},
        flow=flow or own.flow or unsaid_flow,
    )


def goal_asked(request: ScheduledRequest, system: System) -> Goal:
    """The goal that a request states on a system; an unknown objective is an error."""
    goal = goal_on(
        system, scheduler=request.scheduler, objective=request.objective, options=request.options, flow=request.flow
    )
    goal = replace(goal, timings=timings_named(request.timings))
    if isinstance(request, PlaceRequest):
        goal = replace(goal, pins=request.pins)
    if isinstance(request, RunRequest):
        goal = replace(
            goal,
            deadline_ps=None if request.deadline_ms is None else _deadline_ps(request.deadline_ms),
            schedule_file=None if request.schedule is None else Path(request.schedule),
            families_file=None if request.families is None else Path(request.families),
            execution="parallel" if request.parallel else "serial",
        )
    return goal


def goals_of(request: RunRequest, system: System, baseline: System) -> tuple[Goal, Goal]:
    """The goals that a request states on the system and on the baseline, each scheduled as its file says if need be.

    Options of the scheduler hold on the baseline where that has the same scheduler.
    """
    goal, beside = goal_asked(request, system), goal_asked(request, baseline)
    if beside.scheduler != goal.scheduler:
        beside = goal_asked(replace(request, options={}), baseline)
    return goal, baseline_goal(baseline, beside)


def _deadline_ps(deadline_ms: float) -> int:
    """The deadline in ps; `UsageError` for one that is below one or not finite."""
    try:
        deadline_ps = ms_to_ps(deadline_ms)
    except ValueError as error:
        raise UsageError(f"the deadline: {error}") from error
    if deadline_ps < 1:
        raise UsageError(f"the deadline is {deadline_ms} ms, must be positive and at least a picosecond")
    return deadline_ps


def check_scheduling(system: System) -> System:
    """The system, if its file names a scheduler and options that there are; else `UsageError`."""
    own = system.scheduling
    if own is None:
        return system
    names = [f"{SINGLE}{placed.name}" for placed in system.accelerators]
    if own.scheduler not in (*SCHEDULERS, *names):
        raise UsageError(f"scheduling.scheduler: {unknown_name(own.scheduler, (*SCHEDULERS, *names), 'scheduler')}")
    known = options_of(own.scheduler)
    for option in own.options:
        if option not in known:
            raise UsageError(f"scheduling.options: {unknown_name(option, known, f'option of {own.scheduler}')}")
    return system
