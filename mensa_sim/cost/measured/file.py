"""The file of a timing table: a commented header, then one line per kernel, each written as it is done.

    # format: mensa-sim timing table 1
    # device: ...            (one line per field of `Conditions`; a peak as `peak_macs_per_s.float32: 1e+12`)
    operator,dtype,form,steps,B,...,input_width,vector_ops,...,median_us,iqr_us,repetitions,relative_error,energy_uj
    conv2d,float32,single,1,1,...

A nest's columns are empty for a kernel without one; `energy_uj` is empty where it was not measured.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields, replace
from pathlib import Path

from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.errors import FileError, MensaError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.csv_text import csv_lines
from mensa_sim.io.files import read_text
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.workload.layer import LoopNest

FORMAT = "mensa-sim timing table 1"
NEST_COLUMNS = tuple(dim.name for dim in fields(LoopNest))
COUNT_COLUMNS = ("vector_ops", "input_elements", "output_elements", "parameter_elements")
COLUMNS = (
    *("operator", "dtype", "form", "steps"),
    *NEST_COLUMNS,
    *COUNT_COLUMNS,
    *("median_us", "iqr_us", "repetitions", "relative_error", "energy_uj"),
)
_INTEGERS = ("steps", *NEST_COLUMNS, *COUNT_COLUMNS, "repetitions")
_MAX_FAULTS = 20
_PEAK = "peak_macs_per_s."
_HEADER_TYPES: Mapping[str, Callable[[str], object]] = {
    "processors": int,
    "cache_bytes": int,
    "copy_bytes_per_s": float,
}


def read_timing_table(path: Path) -> TimingTable:
    """The table of a file; `FileError` with every fault, each with its line and column."""
    text = _text(path)
    parsed = _parse(text)
    if text and not text.endswith("\n"):
        parsed.faults.append("the last line is cut off; run the measurement again to finish the table")
    if not parsed.faults and not parsed.timings:
        parsed.faults.append("holds no timings")
    if parsed.faults or parsed.conditions is None:
        raise FileError(str(path), shortened(parsed.faults))
    return TimingTable(label=path.name, conditions=parsed.conditions, timings=tuple(parsed.timings))


class TimingTableWriter:
    """Appends timings to a file, one flushed line each, and takes up a table that was cut off."""

    def __init__(self, path: Path, conditions: Conditions) -> None:
        """Opens a new table, or resumes the one there: it must be of the same device, torch and method.

        A last line without its end is dropped. Raises `FileError` for any other fault, and for another device.
        """
        self._path = path
        self.done: dict[Kernel, Timing] = {}
        if not os.path.exists(path):
            self.conditions = conditions
            write_atomically(path, _header(conditions))
            return
        text = _text(path)
        whole = text[: text.rfind("\n") + 1]
        parsed = _parse(whole)
        faults = parsed.faults or _differences(parsed.conditions, conditions)
        if faults or parsed.conditions is None:
            raise FileError(str(path), shortened(faults))
        peaks = {**conditions.peak_macs_per_s, **parsed.conditions.peak_macs_per_s}
        self.conditions = replace(parsed.conditions, clocks_after=conditions.clocks_after, peak_macs_per_s=peaks)
        self.done = {timing.kernel: timing for timing in parsed.timings}
        self.finish(conditions.clocks_after)

    def append(self, timing: Timing) -> None:
        """Writes one timing; on return its line is in the file."""
        try:
            with self._path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(csv_lines([_row(timing)]))
                stream.flush()
        except OSError as error:
            raise MensaError(f"{self._path}: cannot be written: {error.strerror}") from error
        self.done[timing.kernel] = timing

    def finish(self, clocks_after: str) -> TimingTable:
        """Writes the whole table with the clocks after the last kernel, and returns it."""
        self.conditions = replace(self.conditions, clocks_after=clocks_after)
        table = TimingTable(label=self._path.name, conditions=self.conditions, timings=tuple(self.done.values()))
        write_atomically(self._path, table_text(table))
        return table


def table_text(table: TimingTable) -> str:
    """A table as its file holds it."""
    return _header(table.conditions) + csv_lines(_row(timing) for timing in table.timings)


def _header(conditions: Conditions) -> str:
    lines = [f"# format: {FORMAT}"]
    for entry in fields(Conditions):
        value = getattr(conditions, entry.name)
        if isinstance(value, Mapping):
            lines += [f"# {_PEAK}{dtype}: {rate!r}" for dtype, rate in value.items()]
        else:
            lines.append(f"# {entry.name}: {value}")
    return "\n".join(lines) + "\n" + csv_lines([COLUMNS])


def _row(timing: Timing) -> list[object]:
    kernel = timing.kernel
    nest = [None if kernel.nest is None else getattr(kernel.nest, name) for name in NEST_COLUMNS]
    row: list[object] = [kernel.operator, kernel.dtype, kernel.form, kernel.steps, *nest]
    row += [getattr(kernel, name) for name in COUNT_COLUMNS]
    return [*row, timing.median_us, timing.iqr_us, timing.repetitions, timing.relative_error, timing.energy_uj]


@dataclass(slots=True, kw_only=True)
class _Parsed:
    conditions: Conditions | None = None
    timings: list[Timing] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def _text(path: Path) -> str:
    if not os.path.exists(path):
        raise FileError(str(path), ["no such file; make it with `mensa-sim measure`"])
    return read_text(path)


def shortened(faults: list[str]) -> list[str]:
    """Faults of a table of which every row may have one: the first, and how many more there are."""
    more = len(faults) - _MAX_FAULTS
    return [*faults[:_MAX_FAULTS], f"and {more} more faults"] if more > 0 else faults


def _parse(text: str) -> _Parsed:
    lines = text.splitlines()
    body = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    parsed = _Parsed()
    parsed.conditions = _conditions(lines[:body], parsed.faults)
    if body == len(lines):
        parsed.faults.append(f"line {body + 1}: no column names; they are {','.join(COLUMNS)}")
        return parsed
    columns = [name.strip() for name in lines[body].split(",")]
    column_faults = _column_faults(columns, body + 1)
    parsed.faults += column_faults
    if not column_faults:
        _rows(lines[body + 1 :], columns, body + 2, parsed)
    return parsed


def _conditions(lines: Iterable[str], faults: list[str]) -> Conditions | None:
    """The header's record; its faults are added to the list."""
    found: dict[str, object] = {}
    peaks: dict[str, float] = {}
    version = ""
    before = len(faults)
    for number, line in enumerate(lines, start=1):
        key, colon, value = (part.strip() for part in line[1:].partition(":"))
        if not colon:
            faults.append(f"line {number}: a header line is `# key: value`")
        elif key in found or key.removeprefix(_PEAK) in peaks or (key == "format" and version):
            faults.append(f"line {number}: {key} stands twice")
        elif key == "format":
            version = value
        else:
            _read_field(key, value, f"line {number}: {key}", found, peaks, faults)
    if version != FORMAT:
        faults.append(f"format: is {version!r}, must be {FORMAT!r}")
    names = [entry.name for entry in fields(Conditions)][:-1]
    faults += [f"header: {name} is missing" for name in names if name not in found]
    faults += [f"header: unknown key {name}; the keys are {', '.join(names)}" for name in found if name not in names]
    if len(faults) > before:
        return None
    try:
        return Conditions(peak_macs_per_s=peaks, **found)  # type: ignore[arg-type]  # checked by name just above
    except ValueError as error:
        faults.append(f"header: {error}")
        return None


def _read_field(
    key: str, value: str, place: str, found: dict[str, object], peaks: dict[str, float], faults: list[str]
) -> None:
    try:
        if key.startswith(_PEAK):
            peaks[key.removeprefix(_PEAK)] = float(value)
        else:
            found[key] = _HEADER_TYPES.get(key, str)(value)
    except ValueError:
        found[key] = 0
        faults.append(f"{place}: must be a number, not {value!r}")


def _column_faults(columns: list[str], line: int) -> list[str]:
    faults = [f"line {line}: column {name} is missing" for name in COLUMNS if name not in columns]
    faults += [f"line {line}: unknown column {name!r}" for name in dict.fromkeys(columns) if name not in COLUMNS]
    return faults + [f"line {line}: column {name} stands twice" for name in repeated(columns)]


def _rows(lines: Iterable[str], columns: list[str], first_line: int, parsed: _Parsed) -> None:
    seen: dict[Kernel, int] = {}
    for number, line in enumerate(lines, start=first_line):
        cells = line.split(",")
        if len(cells) != len(columns):
            parsed.faults.append(f"line {number}: {len(cells)} values for {len(columns)} columns")
            continue
        faults: list[str] = []
        timing = _timing(dict(zip(columns, cells, strict=True)), faults)
        parsed.faults += [f"line {number}: {fault}" for fault in faults]
        if timing is None:
            continue
        if timing.kernel in seen:
            parsed.faults.append(f"line {number}: the kernel of line {seen[timing.kernel]} again ({timing.kernel})")
        seen.setdefault(timing.kernel, number)
        parsed.timings.append(timing)


def _timing(row: Mapping[str, str], faults: list[str]) -> Timing | None:
    """The timing of one line; what is wrong with it is added to the faults, column by column."""
    has_nest = any(row[name] for name in NEST_COLUMNS)
    integers = {name: _number(row, name, int, faults) for name in _INTEGERS if has_nest or name not in NEST_COLUMNS}
    floats = {name: _number(row, name, float, faults) for name in ("median_us", "iqr_us", "relative_error")}
    energy = _number(row, "energy_uj", float, faults) if row["energy_uj"] else None
    if faults:
        return None
    try:
        nest = LoopNest(**{name: int(integers.pop(name)) for name in NEST_COLUMNS}) if has_nest else None
        repetitions = int(integers.pop("repetitions"))
        kernel = Kernel(
            operator=row["operator"],
            dtype=row["dtype"],
            form=row["form"],  # type: ignore[arg-type]  # the record refuses any other text
            nest=nest,
            **{name: int(value) for name, value in integers.items()},
        )
        return Timing(kernel=kernel, repetitions=repetitions, energy_uj=energy, **floats)
    except ValueError as error:
        faults.append(str(error))
        return None


def _number(row: Mapping[str, str], name: str, kind: Callable[[str], float], faults: list[str]) -> float:
    try:
        return kind(row[name])
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        faults.append(f"{name}: must be {what}, not {row[name]!r}")
        return 0


def _differences(there: Conditions | None, now: Conditions) -> list[str]:
    """Why a table cannot be continued under other conditions."""
    if there is None:
        return ["has no header"]
    names = ("device", "driver", "torch", "method", "processors")
    return [
        f"{name}: the table was begun with {getattr(there, name)!r}, now it is {getattr(now, name)!r}; "
        "give another output file"
        for name in names
        if getattr(there, name) != getattr(now, name)
    ]
