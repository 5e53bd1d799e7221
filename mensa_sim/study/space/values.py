"""Whether every value of every parameter makes a design, somewhere in the space."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from mensa_sim.errors import UsageError
from mensa_sim.hardware.fields import parts_of
from mensa_sim.study.space.build import Builder
from mensa_sim.study.space.design import Base, Design
from mensa_sim.study.space.space import Assignment, Point, Space, SpaceParameter, point_at, scattered

CONTEXTS = 8
"""Surroundings in one of which each value must make a design."""
VALUES = 24
"""Values of one parameter that are tried; of more, these many spread over them, both ends included."""


def value_faults(space: Space, base: Base, builder: Builder) -> list[str]:
    """Of each parameter the first value that makes no design, and why; what one does wrong is told of no other."""
    found: dict[int, str] = {}
    waiting = list(range(len(space.parameters)))
    while waiting:
        told, errors = len(found), dict[int, str]()
        for place in waiting:
            fault, error = _value_fault(space, base, builder, place, found)
            if fault is not None:
                found[place] = fault
            elif error is not None:
                errors[place] = error
        if len(found) == told:
            return [*_named(space, found), *dict.fromkeys(errors.values())]
        waiting = list(errors)
    return _named(space, found)


def _named(space: Space, faults: Mapping[int, str]) -> list[str]:
    """The faults of parameters, in the order of the space."""
    return [f"parameters.{space.parameters[place].name}: {faults[place]}" for place in sorted(faults)]


def _value_fault(
    space: Space, base: Base, builder: Builder, place: int, without: Collection[int]
) -> tuple[str | None, str | None]:
    """The first value of a parameter that makes no design in any of the surroundings tried, and why.

    Or the error in all of them that is there without the parameter too. Parameters `without` are left out.
    """
    parameter = space.parameters[place]
    count = len(parameter.shown)
    step = max(1, (count - 1) // (VALUES - 1)) if count > VALUES else 1
    elsewhere: str | None = None
    for index in dict.fromkeys((*range(0, count, step), count - 1)):
        own, others = list[str](), list[str]()
        for context in _contexts(space):
            point = (*context[:place], index, *context[place + 1 :])
            try:
                design = base.design(space.assignments(point, without))
                if not _acts(parameter, index, design):
                    continue
                builder.system(base, design)
                break
            except UsageError as error:
                rest = _faults_of(base, builder, space.assignments(point, (*without, place)))
                mine = [line for line in str(error).splitlines() if line not in rest]
                (own if mine else others).append("\n".join(mine) or str(error))
        else:
            if own or not (others or without):
                why = own[0] if own else "no design has the accelerator that it names"
                return f"the value {parameter.shown[index]}: {why}", None
            elsewhere = elsewhere or next(iter(others), None)
    return None, elsewhere


def _faults_of(base: Base, builder: Builder, assignments: Sequence[Assignment]) -> list[str]:
    """What is wrong with the design that these make, line by line."""
    try:
        builder.system(base, base.design(assignments))
    except UsageError as error:
        return str(error).splitlines()
    return []


def _acts(parameter: SpaceParameter, index: int, design: Design) -> bool:
    """Whether a value sets something in a design: fields of an accelerator that it has not do not count."""
    fields = [parts_of(name, name) for name, _ in parameter.assignments[index]]
    return not fields or any(
        parts[0] != "accelerators" or len(parts) < 3 or parts[1] in design.entries for parts in fields
    )


def _contexts(space: Space) -> Iterator[Point]:
    """Surroundings of a value: the first of all others, the last, and some between."""
    yield tuple(0 for _ in space.parameters)
    yield tuple(len(parameter.shown) - 1 for parameter in space.parameters)
    for number in range(1, CONTEXTS):
        yield point_at(space, scattered(number, space.size))
