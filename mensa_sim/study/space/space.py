"""A design space: named parameters, each with a finite list of values, and the points they span."""

import math
from collections.abc import Container, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError
from mensa_sim.io.json_text import json_line
from mensa_sim.records import dataclass
from mensa_sim.study.space.files import LinearRange, ParameterEntry, PowerRange, SpaceFile, read_space

MAX_VALUES = 10_000
"""More values of one parameter than anybody means."""

Point = tuple[int, ...]
"""For each parameter, the place of its value in the parameter's list."""
Assignment = tuple[str, Any]
"""A dotted field and the plain value that it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceParameter:
    """One dimension of a space."""

    name: str
    shown: tuple[int | float | bool | str, ...]
    """The values as tables and axes show them, all different."""
    assignments: tuple[tuple[Assignment, ...], ...]
    """For each value, what it sets."""
    ordered: bool
    """Whether neighbouring values are alike: numbers in order are, names are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A space as read: its file's record, where that lies, and its parameters."""

    path: Path
    file: SpaceFile
    parameters: tuple[SpaceParameter, ...]

    @property
    def size(self) -> int:
        """How many points there are, conditions left aside."""
        return math.prod(len(parameter.shown) for parameter in self.parameters)

    def assignments(self, point: Point, without: Container[int] = ()) -> list[Assignment]:
        """What a point sets, in the order of the parameters, but for those at some places."""
        chosen = [
            parameter.assignments[index]
            for place, (parameter, index) in enumerate(zip(self.parameters, point, strict=True))
            if place not in without
        ]
        return list(chain.from_iterable(chosen))

    def shown(self, point: Sequence[int]) -> dict[str, int | float | bool | str]:
        """A point as people and scripts see it: value by parameter."""
        pairs = zip(self.parameters, point, strict=True)
        return {parameter.name: parameter.shown[place] for parameter, place in pairs}

    def nearest(self, name: str) -> str:
        """A file that the space names: a bare name as it is, a path relative to the space's own file."""
        bare = Path(name).name == name and not Path(name).suffix
        return name if bare else str(self.path.parent / Path(name).expanduser())


def load_space(path: Path) -> Space:
    """The space of a file, its ranges unfolded; `FileError` for a parameter without distinct values."""
    file = read_space(path)
    faults: list[str] = []
    parameters: list[SpaceParameter] = []
    for name, entry in file.parameters.items():
        try:
            parameters.append(_parameter(name, entry))
        except ValueError as error:
            faults.append(f"parameters.{name}: {error}")
    if faults:
        raise FileError(str(path), faults)
    return Space(path=path, file=file, parameters=tuple(parameters))


def _parameter(name: str, entry: ParameterEntry) -> SpaceParameter:
    if entry.options is not None:
        assignments = tuple(tuple(fields.items()) for fields in entry.options.values())
        return SpaceParameter(name=name, shown=tuple(entry.options), assignments=assignments, ordered=False)
    values = _values(entry)
    shown = tuple(_shown(value) for value in values)
    if len(set(map(repr, shown))) != len(shown):
        raise ValueError("a value stands there twice")
    fields = entry.fields or (name,)
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return SpaceParameter(
        name=name,
        shown=shown,
        assignments=tuple(tuple((field, value) for field in fields) for value in values),
        ordered=len(numbers) == len(values) and numbers == sorted(numbers),
    )


def _values(entry: ParameterEntry) -> Sequence[Any]:
    if entry.linear is not None:
        return linear(entry.linear)
    if entry.powers_of_two is not None:
        return powers_of_two(entry.powers_of_two)
    return entry.values or ()


def linear(range_: LinearRange) -> list[int | float]:
    """The values of a linear range, ends included; whole numbers stay whole.

    >>> linear(LinearRange(low=0.1, high=0.4, step=0.1))
    [0.1, 0.2, 0.3, 0.4]
    """
    steps = (range_.high - range_.low) / range_.step * (1 + 1e-12)
    if steps >= MAX_VALUES:
        raise ValueError(f"the range has {steps + 1:.0f} values, more than {MAX_VALUES}: take a larger step")
    return [_tidy(range_.low + number * range_.step) for number in range(math.floor(steps) + 1)]


def _tidy(value: int | float) -> int | float:
    """Without the last digits that adding steps leaves."""
    return value if isinstance(value, int) else float(f"{value:.12g}")


def powers_of_two(range_: PowerRange) -> list[int]:
    """The powers of two from low to high.

    >>> powers_of_two(PowerRange(low=8, high=64))
    [8, 16, 32, 64]
    """
    return [1 << bit for bit in range(range_.low.bit_length() - 1, range_.high.bit_length())]


def _shown(value: object) -> int | float | bool | str:
    return value if isinstance(value, int | float | bool | str) else json_line(value, spaced=True)


def point_at(space: Space, number: int) -> Point:
    """The point of that number when the last parameter varies fastest."""
    places: list[int] = []
    for parameter in reversed(space.parameters):
        number, place = divmod(number, len(parameter.shown))
        places.append(place)
    return tuple(reversed(places))


def scattered(number: int, size: int) -> int:
    """The place of the n-th of `size` points in an order that visits each once and early ones far apart.

    Steps of the golden ratio, made coprime to the size.

    >>> [scattered(number, 10) for number in range(10)]
    [0, 7, 4, 1, 8, 5, 2, 9, 6, 3]
    """
    stride = max(1, size * 618_033_988_749_895 // 10**15)
    while math.gcd(stride, size) != 1:
        stride += 1
    return number * stride % size
