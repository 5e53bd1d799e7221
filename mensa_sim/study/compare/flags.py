"""What only some of the compared systems can, and what it is worth: abilities of a dataflow that decide unseen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.system import PlacedAccelerator, System
from mensa_sim.study.run.result import Took, objective_of

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
) -> tuple[FlagDifference, ...]:
    """Every ability in which systems differ; `run` evaluates a changed system by the name of its own, `objective` is
    what each is judged by."""
    return tuple(each for flag in FLAGS if (each := _difference(flag, systems, found, run, objective)) is not None)


def _difference(
    flag: str,
    systems: Mapping[str, System],
    found: Mapping[str, Took],
    run: Callable[[str, System], Took],
    objective: Mapping[str, str],
) -> FlagDifference | None:
    having = {name: able for name, system in systems.items() if (able := _having(flag, system.accelerators))}
    without = [name for name, system in systems.items() if name not in having and _arrays(system.accelerators)]
    if not having or not without:
        return None
    given = {}
    for name in without:
        again = run(name, _with_flag(flag, systems[name]))
        given[name] = objective_of(found[name], objective[name]) / objective_of(again, objective[name])
    return FlagDifference(name=f"dataflow.{flag}", having=having, given=given)


def _arrays(accelerators: Sequence[PlacedAccelerator]) -> list[PlacedAccelerator]:
    return [placed for placed in accelerators if isinstance(placed.spec, PeArray)]


def _having(flag: str, accelerators: Sequence[PlacedAccelerator]) -> tuple[str, ...]:
    return tuple(placed.name for placed in _arrays(accelerators) if getattr(placed.array.dataflow, flag))


def _with_flag(flag: str, system: System) -> System:
    """The system, all of whose arrays have the ability."""

    def able(placed: PlacedAccelerator) -> PlacedAccelerator:
        if not isinstance(placed.spec, PeArray):
            return placed
        changed: Any = {flag: True}
        dataflow = replace(placed.spec.dataflow, **changed)
        return replace(placed, spec=replace(placed.spec, dataflow=dataflow))

    return replace(system, accelerators=tuple(map(able, system.accelerators)))
