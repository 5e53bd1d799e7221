"""The systems of a comparison: what each is called, how it is scheduled, and which setting holds on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic

from mensa_sim.errors import UsageError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.overrides import HeldSetting, changes_of, held_overrides
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.request.command import override_texts
from mensa_sim.study.run.given import system_given
from mensa_sim.study.run.placement import Goal, baseline_goal, goal_asked
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.run.result import Simulated, Took, objective_of
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide(Provenance, Generic[Simulated]):
    """The same on several systems, in the order asked for."""

    workload: str
    """Its name, or the scenario's."""
    scheduler: str
    """Of the systems with a choice; several where they differ."""
    objective: str
    systems: Mapping[str, Simulated]
    """By the system's name, or as it was asked for where two share a name; of a workload that generates, the first
    step of its answer."""
    changes: tuple[HeldSetting, ...] = ()
    """Which setting holds on which systems."""

    @property
    def baseline(self) -> str:
        """The first system, that the others are held against."""
        return next(iter(self.systems))


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


FLAGS = ("batch_steps", "overlap")
"""Fields of a dataflow that are true or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagDifference:
    """An ability that accelerators of some systems have, and those of others have not."""

    name: str
    """The field, dotted below an accelerator."""
    having: Mapping[str, tuple[str, ...]]
    """By system, its accelerators that have it."""
    given: Mapping[str, float]
    """By system without it, how many times less of the objective it needs once all its arrays have it."""


def flag_differences(
    systems: Mapping[str, System],
    found: Mapping[str, Took],
    run: Callable[[str, System], Took],
    objective: Mapping[str, str],
    graph: LayerGraph | None,
) -> tuple[FlagDifference, ...]:
    """Every ability in which systems differ; `run` evaluates a changed system by the name of its own, `objective` is
    what each is judged by. Where `graph` is all of the workload, what no layer of it asks for is not run.
    """

    def idle(name: str, _: System) -> Took:
        return found[name]

    stepped = graph is None or any(layer.steps > 1 and not layer.recurrent for layer in graph.layers)
    runs = {"batch_steps": run if stepped else idle, "overlap": run}
    tried = (_difference(flag, systems, found, runs[flag], objective) for flag in FLAGS)
    return tuple(each for each in tried if each is not None)


def _difference(
    flag: str,
    systems: Mapping[str, System],
    found: Mapping[str, Took],
    run: Callable[[str, System], Took],
    objective: Mapping[str, str],
) -> FlagDifference | None:
    arrays = {name: _arrays(system.accelerators) for name, system in systems.items()}
    able = {name: [each.name for each in own if getattr(each.array.dataflow, flag)] for name, own in arrays.items()}
    having = {name: tuple(names) for name, names in able.items() if names}
    without = [name for name, own in arrays.items() if own and name not in having]
    if not having or not without:
        return None
    given = {}
    for name in without:
        again = run(name, _with_flag(flag, systems[name]))
        given[name] = objective_of(found[name], objective[name]) / objective_of(again, objective[name])
    return FlagDifference(name=f"dataflow.{flag}", having=having, given=given)


def _arrays(accelerators: Sequence[PlacedAccelerator]) -> list[PlacedAccelerator]:
    return [placed for placed in accelerators if isinstance(placed.spec, PeArray)]


def _with_flag(flag: str, system: System) -> System:
    """The system, all of whose arrays have the ability."""

    def able(placed: PlacedAccelerator) -> PlacedAccelerator:
        if not isinstance(placed.spec, PeArray):
            return placed
        changed: Any = {flag: True}
        dataflow = replace(placed.spec.dataflow, **changed)
        return replace(placed, spec=replace(placed.spec, dataflow=dataflow))

    return replace(system, accelerators=tuple(map(able, system.accelerators)))
