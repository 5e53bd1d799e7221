"""How layers are placed on a system: as the call says, else as the system's own file says, else by the defaults."""

from collections.abc import Mapping

from mensa_sim.errors import UsageError
from mensa_sim.hardware.scheduling import Scheduling
from mensa_sim.hardware.system import System
from mensa_sim.lookup import unknown_name
from mensa_sim.schedule.policies.own import OwnScheduler
from mensa_sim.schedule.policies.registry import SCHEDULERS, SINGLE, options_of
from mensa_sim.study.run.placement import OBJECTIVES, Goal, objective_named

DEFAULT = Scheduling()


def goal_on(
    system: System,
    *,
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    options: Mapping[str, float] | None = None,
) -> Goal:
    """The goal on a system; its own options hold for its own scheduler, those given on top of them."""
    own = system.scheduling or DEFAULT
    chosen = own.scheduler if scheduler is None else scheduler
    kept = own.options if chosen == own.scheduler else {}
    return Goal(
        scheduler=chosen,
        objective=objective_named(own.objective if objective is None else objective),
        options={**kept, **(options or {})},
    )


def check_scheduling(system: System) -> System:
    """The system, if its file names a scheduler, an objective and options that there are; else `UsageError`."""
    own = system.scheduling
    if own is None:
        return system
    names = [f"{SINGLE}{placed.name}" for placed in system.accelerators]
    if own.scheduler not in (*SCHEDULERS, *names):
        raise UsageError(f"scheduling.scheduler: {unknown_name(own.scheduler, (*SCHEDULERS, *names), 'scheduler')}")
    if own.objective not in OBJECTIVES:
        raise UsageError(f"scheduling.objective: {unknown_name(own.objective, OBJECTIVES, 'objective')}")
    known = options_of(own.scheduler)
    for option in own.options:
        if option not in known:
            raise UsageError(f"scheduling.options: {unknown_name(option, known, f'option of {own.scheduler}')}")
    return system
