"""What a study takes in every case, on top of which a case changes something: settings, and a scheduler."""

from collections.abc import Mapping
from dataclasses import field, replace

from mensa_sim.errors import UsageError
from mensa_sim.hardware.overrides import held_overrides
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.schedule.policies.registry import SCHEDULERS, options_of
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.study.request.command import override_texts
from mensa_sim.study.run.placement import Goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Nothing but what the shipped files say, unless a request says otherwise."""

    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By system, the settings of all its cases."""
    goal: Goal = field(default_factory=Goal)
    """Scheduler and options where a case has none of its own, on systems with a choice."""

    def on(self, system: str) -> tuple[str, ...]:
        """What is set on a system in every case."""
        return self.overrides.get(system, ())

    def scheduled(self, system: str, own: Goal) -> Goal:
        """A case's goal; where that does not choose a scheduler, with the one that was asked for."""
        if own.scheduler != Goal().scheduler or own.options or len(system_of(system, ()).accelerators) == 1:
            return own
        return replace(own, scheduler=self.goal.scheduler, options=self.goal.options)

    def case(self, case: Case) -> Case:
        """A case on top of what is taken."""
        return replace(
            case, overrides=(*self.on(case.system), *case.overrides), goal=self.scheduled(case.system, case.goal)
        )


SHIPPED = Taken()
"""What the shipped files say, and nothing else."""


def taken_of(request: ReproduceRequest, systems: tuple[str, ...]) -> Taken:
    """What a request takes on the systems of its study; `UsageError`, before any run, for what none of them has."""
    held = held_overrides(override_texts(request.overrides), systems)
    for system, texts in zip(systems, held, strict=True):
        system_of(system, texts)
    scheduler = request.scheduler or name_of(Goal().scheduler)
    if scheduler not in SCHEDULERS:
        raise UsageError(f"--scheduler: {unknown_name(scheduler, SCHEDULERS, 'scheduler')}")
    for option in request.options:
        if option not in options_of(scheduler):
            raise UsageError(f"--option: {unknown_name(option, options_of(scheduler), f'option of {scheduler}')}")
    return Taken(
        overrides=dict(zip(systems, held, strict=True)), goal=Goal(scheduler=scheduler, options=dict(request.options))
    )
