"""A file of another tool as records of ours, what of it has no equivalent here, and the files that it becomes."""

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from mensa_sim.errors import FileError
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.technology.technology import Constant, MemoryEnergy, Technology
from mensa_sim.io.faults import Location, field_path
from mensa_sim.io.files import Raw, validate, write_yaml
from mensa_sim.io.shipped import find
from mensa_sim.io.yaml_text import TAG
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.build.operation import numbered
from mensa_sim.workload.dims import DIMS, OPERANDS, Operand
from mensa_sim.workload.files import WorkloadFile
from mensa_sim.workload.layer import OPERAND_WIDTHS
from mensa_sim.workload.load import graph_of_layers as graph_of

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class ConversionNotes:
    """What a conversion tells its reader, each line once and in order."""

    left_out: dict[str, None] = field(default_factory=dict)
    """Fields that have no equivalent; `*` stands for each entry of a list or mapping."""
    chosen: dict[str, None] = field(default_factory=dict)
    """Figures that the file does not state, and what we took."""

    def leave(self, location: Location) -> None:
        """One field that has no equivalent."""
        self.left_out[field_path(location)] = None

    def choose(self, text: str) -> None:
        """One figure that is a choice."""
        self.chosen[text] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFile:
    """Another tool's file as plain data; what is wrong in it is told with its path and the field."""

    path: Path
    data: Any
    notes: ConversionNotes

    def fault(self, location: Location, message: str) -> FileError:
        """The error for one field."""
        place = field_path(location)
        return FileError(str(self.path), [f"{place}: {message}" if place else message])

    def record(self, data: Any, kind: type[T], location: Location = ()) -> T:
        """The record that a part of it describes; keys that the record has not are noted as left out."""
        known = self._known(data, kind, tuple("*" if isinstance(part, int) else part for part in location))
        return validate(known, kind, self.path, within=location)

    def _known(self, data: Any, kind: Any, location: Location) -> Any:
        if dataclasses.is_dataclass(kind) and isinstance(data, dict):
            hints = typing.get_type_hints(kind)
            for key in data:
                if key not in hints and key != TAG:
                    self.notes.leave((*location, key))
            return {key: self._known(data[key], hint, (*location, key)) for key, hint in hints.items() if key in data}
        inner = [part for part in typing.get_args(kind) if part not in (type(None), Ellipsis)]
        if isinstance(data, list) and inner:
            return [self._known(each, inner[0], (*location[:-1], f"{location[-1]}[*]")) for each in data]
        if isinstance(data, dict) and len(inner) == 2:
            return {key: self._known(each, inner[1], (*location, "*")) for key, each in data.items()}
        return data


def text_number(value: Any) -> float | None:
    """A number that stands in a file as such or as text; none for anything else.

    >>> text_number("0.5"), text_number(3), text_number("1024 * 8")
    (0.5, 3.0, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def in_newer_words(data: Mapping[str, Any], newer: Mapping[str, str]) -> dict[str, Any]:
    """The same with newer names for older keys; one whose newer name is there too stays, to be told as left out.

    >>> in_newer_words({"high": 2, "wide": 3, "width": 4}, {"high": "height", "wide": "width"})
    {'height': 2, 'wide': 3, 'width': 4}
    """
    return {key if newer.get(key, key) in data else newer[key]: value for key, value in data.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """Files of ours made of another tool's."""

    folder: Path
    """Where the files belong."""
    files: Mapping[str, str]
    """Text by file name."""
    left_out: tuple[str, ...]
    """Fields without an equivalent here."""
    chosen: tuple[str, ...]
    """What the other tool's files do not state, and what stands in ours."""


def distinct(names: Iterable[str]) -> list[str]:
    """Names of layers, numbered where one is taken.

    >>> distinct(["conv", "fc", "conv"])
    ['conv', 'fc', 'conv_1']
    """
    found: list[str] = []
    for name in names:
        found.append(numbered(name, found))
    return found


def commented(text: str, comment: str) -> str:
    """A file's text below a comment."""
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def workload_files(file: ForeignFile, name: str, entries: list[dict[str, Any]], source: str) -> dict[str, str]:
    """A workload file of these layers, checked; a width that all share, those with a nest at least, stands above them.

    Raises `FileError` where what was converted is no workload of ours.
    """
    shared: dict[str, Any] = {}
    for width in OPERAND_WIDTHS:
        stated = {entry.get(width) for entry in entries if "dims" in entry or width in entry}
        if len(stated) == 1 and None not in stated:
            shared |= {width: stated.pop()}
    layers = [{key: value for key, value in entry.items() if key not in shared} for entry in entries]
    data = {"name": name, **shared, "layers": layers}
    try:
        graph_of(validate(data, WorkloadFile, file.path), file.path)
    except FileError as error:
        raise FileError(error.path, [f"as a workload of ours: {fault}" for fault in error.faults]) from error
    return {f"{name}.yaml": commented(write_yaml(data), source)}


CLOCK_HZ = 10**9
"""A choice, for tools that count cycles."""
TECHNOLOGY = "cmos_22nm"
"""A choice, for tools whose files hold no energies: the shipped technology with the most memory kinds."""
MEMORY_KIND = "lpddr4"
"""A choice, for tools that name no kind that the technology has."""
AXIS_DIMS = ("K", "C", "OX", "OY", "FX", "FY", "G", "B")
"""A choice, where no file says what an axis unrolls: weights across, then pixels."""


def dims_of(index: int) -> list[str]:
    """What an axis unrolls where no file says it."""
    return [AXIS_DIMS[index % len(DIMS)]]


def stationary_of(
    file: ForeignFile, levels: Sequence[Raw], *, what: str = "", sum_bits: int = BITS_PER_BYTE
) -> Operand:
    """The operand whose registers hold the most, sums being so wide and all else 8 bits; outputs where several do."""
    held = dict.fromkeys(OPERANDS, 0.0)
    for level in levels:
        if "read_bits" not in level:
            for operand in level["serves"]:
                width = sum_bits if operand == "output" else BITS_PER_BYTE
                held[operand] = max(held[operand], level["capacity_bytes"] * BITS_PER_BYTE / width)
    best = max(reversed(OPERANDS), key=lambda operand: held[operand])
    file.notes.choose(f"stationary: {best}, whose registers hold the most{what}")
    return best


def accelerator_files(file: ForeignFile, data: Raw, technology: Raw | None, source: str) -> dict[str, str]:
    """An accelerator's file and its technology's, checked; without one of its own, a copy of a shipped one.

    Raises `FileError` where what was converted is no accelerator of ours.
    """
    shipped = find("technologies", TECHNOLOGY)
    beside = f"{technology['name']}_technology.yaml" if technology is not None else shipped.name
    data = {"name": data["name"], "placement": "converted", "technology": beside, **data}
    try:
        validate(data, PeArray, file.path)
        if technology is not None:
            validate(technology, Technology, file.path)
    except FileError as error:
        raise FileError(error.path, [f"as an accelerator of ours: {fault}" for fault in error.faults]) from error
    text = shipped.read_text(encoding="utf-8") if technology is None else commented(write_yaml(technology), source)
    return {f"{data['name']}.yaml": commented(write_yaml(data), source), beside: text}


def bare_technology(name: str, source: str, mac_pj: float, memories: Mapping[str, tuple[float, float]]) -> Raw:
    """A technology of a tool that prices MACs and accesses alone: energies per bit by memory kind, read and written.

    Levels state energies of their own; the one point of the sweep is there for what the form asks.
    """

    def constant(value: float) -> dict[str, Any]:
        return {"value": value, "source": source if value else f"{source}: prices none"}

    zeros = {field.name: constant(0.0) for field in dataclasses.fields(Technology) if field.type is Constant}
    kinds = {
        kind: {field.name: constant(figures.get(field.name, 0.0)) for field in dataclasses.fields(MemoryEnergy)}
        for kind, (read_pj, write_pj) in memories.items()
        for figures in [{"read_pj_per_bit": read_pj, "write_pj_per_bit": write_pj}]
    }
    point = {"capacity_bytes": 1, "access_bits": 1, "read_pj": 1.0, "write_pj": 1.0, "leakage_mw": 0.0, "area_mm2": 0.0}
    return {
        "name": name,
        "node_nm": 1.0,
        "vdd_v": 1.0,
        **zeros,
        "mac_pj_8_bit": constant(mac_pj),
        "memories": kinds,
        "sram_source": f"{source}: each level states its own",
        "sram_cell": "itrs-hp",
        "sram": {"itrs-hp": [point]},
    }
