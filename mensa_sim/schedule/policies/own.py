"""A scheduler of the user's own: a Python function that gets what a registered one gets, its answer checked."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.lookup import unknown_name
from mensa_sim.schedule.problem import Problem, fault_at, require_runnable
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_order, with_bound

OwnScheduler = Callable[..., Schedule | Sequence[str] | Sequence[int]]
"""A function of a problem, and of its own keyword options: a schedule, or the accelerator of each unit in order."""


def own_schedule(problem: Problem, scheduler: OwnScheduler, options: Mapping[str, float]) -> Schedule:
    """What a user's function answers, held against the problem and predicted by the same function as all others.

    Raises `UsageError` for an answer that the problem does not allow: units left out, accelerators that are not there
    or cannot run a unit, pins not kept, a consumer before its producer. What the function itself raises passes through.
    """
    require_runnable(problem)
    name = name_of(scheduler)
    answer = scheduler(problem, **options)
    if not isinstance(answer, Schedule):
        assignment = _assignment(problem, answer, name)
        _check(problem, assignment, name)
        return schedule_of(problem, name, assignment, reasons=[f"as {name} says"] * len(assignment))
    if set(answer.assignment) != {layer for unit in problem.units for layer in unit.layers}:
        raise UsageError(f"scheduler {name}: its schedule holds other layers than {problem.name}")
    assignment = _assignment(problem, [answer.assignment[unit.layers[0]] for unit in problem.units], name)
    _check(problem, assignment, name)
    for unit in problem.units:
        if len({answer.assignment[layer] for layer in unit.layers}) > 1:
            raise UsageError(f"scheduler {name}: the group {unit.name} runs on one accelerator, not on several")
    reasons = [answer.reasons.get(unit.layers[0], "") or f"as {name} says" for unit in problem.units]
    order = unit_order(problem, answer)
    try:
        found = schedule_of(problem, answer.scheduler, assignment, order=order, reasons=reasons)
    except ValueError as error:
        raise UsageError(f"scheduler {name}: {error}") from error
    return found if answer.bound is None else with_bound(found, answer.bound, answer.proof)


def name_of(scheduler: str | OwnScheduler) -> str:
    """What results call a scheduler: its name, or that of the function.

    >>> name_of("mensa"), name_of(lambda problem: [])
    ('mensa', '<lambda>')
    """
    return scheduler if isinstance(scheduler, str) else str(getattr(scheduler, "__name__", type(scheduler).__name__))


def _assignment(problem: Problem, answer: Any, name: str) -> list[int]:
    """The accelerator of each unit by index, from names or indexes."""
    wants = f"one accelerator for each of the {len(problem.units)} units of problem.units, by name or index"
    if isinstance(answer, str) or not isinstance(answer, Sequence):
        raise UsageError(f"scheduler {name}: gave a {type(answer).__name__}; return a Schedule, or {wants}")
    if len(answer) != len(problem.units):
        raise UsageError(f"scheduler {name}: gave {len(answer)} entries; return {wants}")
    return [_index(problem, entry, name) for entry in answer]


def _index(problem: Problem, entry: Any, name: str) -> int:
    if isinstance(entry, str):
        if entry not in problem.accelerators:
            raise UsageError(f"scheduler {name}: {unknown_name(entry, problem.accelerators, 'accelerator')}")
        return problem.accelerators.index(entry)
    count = len(problem.accelerators)
    if isinstance(entry, bool) or not isinstance(entry, Integral) or not 0 <= int(entry) < count:
        raise UsageError(
            f"scheduler {name}: {entry!r} is no accelerator; give a name, or an index from 0 to {count - 1}"
        )
    return int(entry)


def _check(problem: Problem, assignment: Sequence[int], name: str) -> None:
    """Every unit that stands where it cannot run or where its pin does not let it."""
    each = (fault_at(problem, unit, place) for unit, place in zip(problem.units, assignment, strict=True))
    faults = [fault for fault in each if fault is not None]
    if faults:
        raise UsageError(f"scheduler {name}: " + "; ".join(faults))
