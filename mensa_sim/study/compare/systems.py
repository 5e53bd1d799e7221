"""The systems of a comparison: what each is called, how it is scheduled, and which setting holds on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.errors import UsageError
from mensa_sim.hardware.overrides import HeldSetting, changes_of, held_overrides
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.names import repeated
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.request.command import override_texts
from mensa_sim.study.run.given import check_seed, system_given
from mensa_sim.study.run.placement import Goal, baseline_goal
from mensa_sim.study.run.scheduling import goal_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSystems:
    """Systems side by side, in the order asked for, by what each is called."""

    systems: Mapping[str, System]
    goals: Mapping[str, Goal]
    """One of a single accelerator runs everything there, whatever the scheduler."""
    scheduler: str
    """Of the systems with a choice; several where they differ."""
    objective: str
    changes: tuple[HeldSetting, ...]
    """Which setting holds on which systems."""


def systems_compared(request: CompareRequest) -> ComparedSystems:
    """The systems that a request names; `UsageError` where they cannot be compared."""
    if len(request.systems) < 2:
        raise UsageError("--systems: name at least two systems, as in edge_tpu,mensa_g")
    if any(system in request.systems[:index] for index, system in enumerate(request.systems)):
        raise UsageError("--systems: one stands there twice")
    if request.seed is not None:
        check_seed(request.seed)
    held = held_overrides(override_texts(request.overrides), request.systems)
    systems = [system_given(*each) for each in zip(request.systems, held, strict=True)]
    labels = _labels(request.systems, systems)
    asked = [goal_asked(request, each) for each in systems]
    own = [baseline_goal(*pair) for pair in zip(systems, asked, strict=True)]
    return ComparedSystems(
        systems=dict(zip(labels, systems, strict=True)),
        goals=dict(zip(labels, own, strict=True)),
        scheduler=", ".join(dict.fromkeys(name_of(goal.scheduler) for goal in asked)),
        objective=", ".join(dict.fromkeys(goal.objective for goal in asked)),
        changes=changes_of(list(zip(labels, held, strict=True))),
    )


def _labels(asked: Sequence[Given | System], systems: list[System]) -> list[str]:
    """What each system is called: its name, or as it was asked for where another has the same name."""
    names = [system.name for system in systems]
    labels = [
        name if isinstance(given, System) or names.count(name) == 1 else str(file_of(given))
        for given, name in zip(asked, names, strict=True)
    ]
    twice = next(iter(repeated(labels)), None)
    if twice is not None:
        raise UsageError(f"--systems: two are called {twice}; give one of them another name")
    return labels
