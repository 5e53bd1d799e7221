"""From files of other tools to files of ours: how each kind is recognised, and what reads it.

A new kind is a module with a function of a `ForeignFile` and a line of `FORMATS`.
"""

import configparser
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mensa_sim.errors import FileError, UsageError
from mensa_sim.io.files import read_foreign, read_text
from mensa_sim.records import dataclass
from mensa_sim.study.convert.foreign import Conversion, ConversionNotes, ForeignFile
from mensa_sim.study.convert.scale_sim.configuration import convert_configuration
from mensa_sim.study.convert.scale_sim.topology import convert_topology
from mensa_sim.study.convert.timeloop.architecture import convert_architecture
from mensa_sim.study.convert.timeloop.constraints import CONSTRAINTS
from mensa_sim.study.convert.timeloop.problem import convert_problem
from mensa_sim.study.convert.timeloop.storage import WORKED_OUT
from mensa_sim.study.convert.zigzag.accelerator import convert_accelerator
from mensa_sim.study.convert.zigzag.workload import convert_workload

Files = Mapping[str, str]
"""Text by file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFormat:
    """A kind of file of another tool."""

    title: str
    """What messages call it, with its article."""
    recognise: Callable[[Any], bool]
    """Whether plain data of such a suffix is of this kind."""
    convert: Callable[..., Files]
    """Files of ours, from one of its kind and, where any is given with it, its companions."""
    suffixes: tuple[str, ...] = (".yaml", ".yml")
    companion: str | None = None
    """The kind of the file that it may come with."""
    several: bool = False
    """Whether it may come with more than one of those."""


def _mapping_with(*keys: str, some_of: Sequence[str] = ()) -> Callable[[Any], bool]:
    """Of all these keys and, where some others are named, of one of those at least."""
    return lambda data: (
        isinstance(data, dict) and set(keys) <= set(data) and (not some_of or bool(set(some_of) & set(data)))
    )


def _list_of(*keys: str, some_of: Sequence[str] = ()) -> Callable[[Any], bool]:
    entry = _mapping_with(*keys, some_of=some_of)
    return lambda data: isinstance(data, list) and bool(data) and all(entry(each) for each in data)


_TEMPLATES = ("{{", "{%", "!include")
"""What Timeloop's front end works out before it reads YAML (jinja, and other files)."""
_CONSTRAINED = _mapping_with(some_of=CONSTRAINTS)
_MAPPED = ("spatial_mapping", "spatial_mapping_hint", "memory_operand_links")
"""What an entry of a mapping of ZigZag says, at least one of them."""

FORMATS: Mapping[str, ForeignFormat] = {
    "zigzag_accelerator": ForeignFormat(
        title="an accelerator of ZigZag",
        recognise=_mapping_with("memories", some_of=("operational_array", "multipliers")),
        convert=convert_accelerator,
        companion="zigzag_mapping",
    ),
    "zigzag_mapping": ForeignFormat(
        title="a mapping of ZigZag",
        recognise=_list_of("name", some_of=_MAPPED),
        convert=lambda file: {},  # it says nothing without an accelerator
    ),
    "zigzag_workload": ForeignFormat(
        title="a workload of ZigZag", recognise=_list_of("operator_type", "equation"), convert=convert_workload
    ),
    "timeloop_architecture": ForeignFormat(
        title="an architecture of Timeloop",
        recognise=_mapping_with(some_of=("architecture", "arch")),
        convert=convert_architecture,
        companion="timeloop_constraints",
        several=True,
    ),
    "timeloop_constraints": ForeignFormat(
        title="a file of constraints of Timeloop",
        recognise=lambda data: _CONSTRAINED(data) and not {"architecture", "arch"} & set(data),
        convert=lambda file: {},
    ),
    "timeloop_problem": ForeignFormat(
        title="a problem of Timeloop", recognise=_mapping_with("problem"), convert=convert_problem
    ),
    "scale_sim_configuration": ForeignFormat(
        title="a configuration of SCALE-Sim",
        suffixes=(".cfg",),
        recognise=_mapping_with("architecture_presets"),
        convert=convert_configuration,
    ),
    "scale_sim_topology": ForeignFormat(
        title="a topology of SCALE-Sim",
        suffixes=(".csv",),
        recognise=lambda data: isinstance(data, list) and bool(data),
        convert=convert_topology,
    ),
}
"""By name; a file may be of several kinds."""


def convert(paths: Sequence[Path]) -> Conversion:
    """The files of ours that files of another tool become; nothing is written.

    Raises `FileError` for a file of no known kind, and with file and field for what is wrong in one.
    """
    if not paths:
        raise UsageError("convert: no file is given")
    notes = ConversionNotes()
    files: dict[str, list[ForeignFile]] = {}
    for path in paths:
        data = _plain(path, notes)
        kinds = [name for name, each in FORMATS.items() if path.suffix in each.suffixes and each.recognise(data)]
        if not kinds:
            titles = ", ".join(each.title for each in FORMATS.values())
            raise FileError(str(path), [f"is none of what can be converted: {titles}"])
        for name in kinds:
            files.setdefault(name, []).append(ForeignFile(path=path, data=data, notes=notes))
    made: dict[str, str] = {}
    for name, given in files.items():
        companions = files.get(FORMATS[name].companion or "", [])
        if len(companions) > 1 and not FORMATS[name].several:
            raise FileError(str(companions[1].path), [f"is a second {FORMATS[name].companion}; convert one at a time"])
        for file in given:
            found = FORMATS[name].convert(file, *companions)
            twice = sorted(each for each in set(found) & set(made) if found[each] != made[each])
            if twice:
                raise FileError(str(file.path), [f"becomes {twice[0]}, which another file became; convert it apart"])
            made |= found
    if not made:
        told = f"{FORMATS[next(iter(files))].title} says nothing alone; give the accelerator's file with it"
        raise FileError(str(paths[0]), [told])
    folder = Path("results", f"convert-{paths[0].stem}")
    return Conversion(folder=folder, files=made, left_out=tuple(notes.left_out), chosen=tuple(notes.chosen))


def _plain(path: Path, notes: ConversionNotes) -> Any:
    """What a file says as plain data: YAML, the sections of a .cfg, the rows of a .csv."""
    if path.suffix == ".csv":
        return _rows(path)
    if path.suffix == ".cfg":
        return _sections(path)
    try:
        data, repeated = read_foreign(path)
    except FileError as error:
        if not any(mark in read_text(path) for mark in _TEMPLATES):
            raise
        told = f"holds templates; if it is Timeloop's, convert what that tool made of them, {WORKED_OUT}"
        raise FileError(str(path), [*error.faults, told]) from error
    for text in repeated:
        notes.choose(text)
    return data


def _rows(path: Path) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise FileError(str(path), [f"not CSV: {error}"]) from error
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]


def _sections(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        raise FileError(str(path), [f"not a configuration: {str(error).splitlines()[0]}"]) from error
    return {name: dict(parser[name]) for name in parser.sections()}
