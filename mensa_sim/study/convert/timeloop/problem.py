"""A problem of Timeloop, a loop nest by its data spaces and their projections, as a layer list of one layer."""

from collections.abc import Mapping
from typing import Any

from mensa_sim.io.faults import Location
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import ForeignFile, workload_files
from mensa_sim.study.convert.nest import ForeignNest, Sliding
from mensa_sim.study.convert.timeloop.older import problem_of
from mensa_sim.workload.dims import Operand

_COLUMNS = ("P", "R", "OX", "FX")
"""Dims that run along columns, in the letters of the tool's own problems; other pairs are rows first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeloopSpace:
    """A tensor: for each of its ranks a sum of products, of a dim and perhaps a coefficient."""

    name: str
    projection: tuple[Any, ...]
    read_write: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeloopCoefficient:
    """A stride or a dilation, and what it is where the instance does not say."""

    name: str
    default: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeloopShape:
    """The dims and tensors of a problem."""

    dimensions: tuple[str, ...]
    data_spaces: tuple[TimeloopSpace, ...]
    coefficients: tuple[TimeloopCoefficient, ...] = ()
    name: str = ""


def convert_problem(file: ForeignFile) -> dict[str, str]:
    """The layer list of a problem, by file name."""
    problem = file.data["problem"]
    problem = problem_of(problem) if isinstance(problem, dict) else problem
    if not isinstance(problem, dict) or not isinstance(problem.get("instance"), dict) or "shape" not in problem:
        raise file.fault(("problem",), "needs a shape and an instance, each a mapping")
    for key in problem:
        if key not in ("shape", "instance", "version"):
            file.notes.leave(("problem", key))
    shape = file.record(problem.get("shape"), TimeloopShape, ("problem", "shape"))
    values = _values(file, shape, problem["instance"])
    nest = _nest(file, shape, values)
    name = f"{file.path.stem}_problem"
    try:
        entry = nest.entry(shape.name or "layer", constant_weights=True)
    except ValueError as error:
        raise file.fault(("problem", "shape", "data_spaces"), str(error)) from error
    if entry["operator"] == "conv2d":
        entry["padding"] = "valid"
        file.notes.choose("the input is as large as what its windows reach: padding is data")
    file.notes.choose("the weights are parameters")
    return workload_files(file, name, [entry], f"Converted from {file.path.name}, a problem of Timeloop.")


def _values(file: ForeignFile, shape: TimeloopShape, instance: Mapping[str, Any]) -> dict[str, int]:
    """Size of each dim and value of each coefficient."""
    defaults = {coefficient.name: coefficient.default for coefficient in shape.coefficients}
    values: dict[str, int] = {}
    for name in (*shape.dimensions, *defaults):
        value = instance.get(name, defaults.get(name))
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise file.fault(("problem", "instance", name), f"must be a whole number from 1, not {str(value)[:40]}")
        values[name] = value
    for name in instance:
        if name not in values:
            file.notes.leave(("problem", "instance", name))
    return values


_Rank = tuple[tuple[str, int], ...]
"""The terms of a rank: a dim and its coefficient each."""


def _nest(file: ForeignFile, shape: TimeloopShape, values: Mapping[str, int]) -> ForeignNest:
    place: Location = ("problem", "shape", "data_spaces")
    ranks = {
        space.name: tuple(
            _rank(file, data, shape, values, (*place, index, "projection", rank))
            for rank, data in enumerate(space.projection)
        )
        for index, space in enumerate(shape.data_spaces)
    }
    operands = _operands(file, shape, ranks, place)
    indexes = {operand: frozenset(dim for rank in ranks[name] for dim, _ in rank) for operand, name in operands.items()}
    for name, own in ranks.items():
        repeated_dims = repeated(dim for rank in own for dim, _ in rank)
        if repeated_dims:
            raise file.fault(place, f"{name} is indexed twice by {', '.join(sorted(repeated_dims))}")
        if name != operands["input"] and any(len(rank) > 1 for rank in own):
            raise file.fault(place, f"{name} slides, which has no equivalent: of a nest of ours only the input does")
        for (dim, step), *others in own:
            if step > 1 and not others:
                file.notes.choose(f"{name} holds those elements along {dim} alone that are used, one of {step}")
    windows: dict[bool, Sliding] = {}
    for rank in ranks[operands["input"]]:
        if len(rank) > 1:
            along_columns = any(dim in _COLUMNS for dim, _ in rank) and True not in windows
            if len(rank) > 2 or along_columns in windows:
                raise file.fault(place, "the input slides along rows and columns, each of an output and a tap, alone")
            try:
                windows[along_columns] = Sliding.of(rank, indexes["output"])
            except ValueError as error:
                raise file.fault(place, str(error)) from error
    sizes = {dim: values[dim] for dim in shape.dimensions}
    return ForeignNest(sizes=sizes, indexes=indexes, rows=windows.get(False), columns=windows.get(True))


def _rank(file: ForeignFile, data: Any, shape: TimeloopShape, values: Mapping[str, int], place: Location) -> _Rank:
    """`[[R, Wdilation], [P, Wstride]]`, or one term `[[C]]`; of texts, the one that is no dim is a coefficient."""
    terms: list[tuple[str, int]] = []
    for term in data if isinstance(data, list) else [data]:
        names = term if isinstance(term, list) else [term]
        dims = [name for name in names if name in shape.dimensions]
        others = [name for name in names if name not in shape.dimensions]
        if len(dims) != 1 or len(others) > 1 or any(not isinstance(o, str) or o not in values for o in others):
            raise file.fault(place, f"{str(names)[:60]} is no dim, or a dim and a coefficient")
        terms.append((dims[0], values[others[0]] if others else 1))
    return tuple(terms)


def _operands(
    file: ForeignFile, shape: TimeloopShape, ranks: Mapping[str, tuple[_Rank, ...]], place: Location
) -> dict[Operand, str]:
    """The tensor that is written is the output; of the others the one that slides, or is called so, is the input."""
    written = [space.name for space in shape.data_spaces if space.read_write]
    read = [space.name for space in shape.data_spaces if not space.read_write]
    if len(written) != 1 or len(read) != 2 or len(ranks) != 3:
        raise file.fault(place, "a nest of ours has one tensor that is written (read_write) and two that are read")
    read.sort(key=lambda name: (not any(len(rank) > 1 for rank in ranks[name]), "input" not in name.lower()))
    return {"input": read[0], "weight": read[1], "output": written[0]}
