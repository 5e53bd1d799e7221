"""Timing tables that others measured: a CSV of theirs, and which of its columns mean what."""

import csv
import gzip
import io
import math
import statistics
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from mensa_sim.cost.measured.file import COUNT_COLUMNS, NEST_COLUMNS, shortened
from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.errors import FileError, UsageError
from mensa_sim.io.files import bounded
from mensa_sim.records import dataclass
from mensa_sim.units import MIB, MS_PER_S, US_PER_S
from mensa_sim.workload.layer import LoopNest

_TIMES: Mapping[str, float] = {"median_us": 1.0, "median_ms": US_PER_S / MS_PER_S, "median_s": US_PER_S}
_MAX_BYTES = 256 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """How to read a table of others.

    `columns` maps our names to theirs, to whole numbers, or to products of both (`2*batch*width`). Ours are the
    dims and strides of a loop nest with `padding`, or the counts of a kernel without one, and one of `median_us`,
    `median_ms`, `median_s`. Of output and input size one may be left out: it follows from the other.
    """

    operator: str
    dtype: str
    columns: Mapping[str, str]
    where: Mapping[str, str] = field(default_factory=dict)
    """Only rows that hold these values."""

    def __post_init__(self) -> None:
        known = {*NEST_COLUMNS, *COUNT_COLUMNS, *_TIMES, "padding", "steps"}
        unknown = [name for name in self.columns if name not in known]
        if unknown:
            raise UsageError(f"--columns: unknown {', '.join(unknown)}; choose from {', '.join(sorted(known))}")
        if len([name for name in self.columns if name in _TIMES]) != 1:
            raise UsageError(f"--columns: needs exactly one of {', '.join(_TIMES)}")


def import_table(path: Path, request: ImportRequest, conditions: Conditions) -> TimingTable:
    """The table that a CSV file (or `.csv.gz`) of others holds; a kernel that stands there more than once gets its
    median. `FileError` with every fault."""
    rows = _rows(path, request)
    times: dict[Kernel, list[float]] = {}
    faults: list[str] = []
    for line, row in rows:
        try:
            kernel, median_us = _read(row, request)
        except ValueError as error:
            faults.append(f"line {line}: {error}")
        else:
            times.setdefault(kernel, []).append(median_us)
    faults = shortened(faults)
    if not times and not faults:
        faults.append("no row is left" if request.where else "holds no rows")
    if faults:
        raise FileError(str(path), faults)
    timings = tuple(
        Timing(
            kernel=kernel, median_us=statistics.median(found), iqr_us=0.0, repetitions=len(found), relative_error=0.0
        )
        for kernel, found in times.items()
    )
    return TimingTable(label=path.name, conditions=conditions, timings=timings)


def joined(first: TimingTable, more: TimingTable) -> TimingTable:
    """Two tables of one device as one; `UsageError` where they are not of one, or share a kernel."""
    one, other = first.conditions, more.conditions
    for name in ("device", "processors", "cache_bytes", "copy_bytes_per_s"):
        if getattr(one, name) != getattr(other, name):
            raise UsageError(f"{first.label} has {name} {getattr(one, name)!r}, {more.label} {getattr(other, name)!r}")
    for dtype, peak in one.peak_macs_per_s.items():
        if other.peak_macs_per_s.get(dtype, peak) != peak:
            raise UsageError(f"{first.label} and {more.label} differ in peak_macs_per_s.{dtype}")
    twice = next((timing.kernel for timing in more.timings if first.find(timing.kernel)), None)
    if twice is not None:
        raise UsageError(f"{first.label} has {twice} already; import into another table")
    peaks = {**one.peak_macs_per_s, **other.peak_macs_per_s}
    conditions = replace(one, method=f"{one.method}; {other.method}", peak_macs_per_s=peaks)
    return TimingTable(label=first.label, conditions=conditions, timings=(*first.timings, *more.timings))


def _rows(path: Path, request: ImportRequest) -> Iterable[tuple[int, Mapping[str, str]]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = bounded(stream, path, _MAX_BYTES)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        return _wanted_rows(path, reader, request)
    except csv.Error as error:
        raise FileError(str(path), [f"line {reader.line_num}: {error}"]) from error


def _wanted_rows(path: Path, reader: "csv.DictReader[str]", request: ImportRequest) -> list[tuple[int, dict[str, str]]]:
    there = reader.fieldnames or []
    wanted = [part for expression in request.columns.values() for part in expression.split("*") if not part.isdigit()]
    missing = [name for name in dict.fromkeys([*wanted, *request.where]) if name not in there]
    if missing:
        raise FileError(str(path), [f"column {name} is missing; there are {', '.join(there)}" for name in missing])
    chosen = request.where.items()
    return [(reader.line_num, row) for row in reader if all(row[name] == value for name, value in chosen)]


def _read(row: Mapping[str, str], request: ImportRequest) -> tuple[Kernel, float]:
    (time_name,) = (name for name in request.columns if name in _TIMES)
    median_us = _float(row[request.columns[time_name]], request.columns[time_name]) * _TIMES[time_name]
    counts = {name: _whole(row, text) for name, text in request.columns.items() if name not in _TIMES}
    padding, steps = counts.pop("padding", 0), counts.pop("steps", 1)
    if not (math.isfinite(median_us) and median_us > 0):
        raise ValueError(f"{request.columns[time_name]} is not positive and finite")
    if any(name in COUNT_COLUMNS for name in counts):
        if set(counts) - set(COUNT_COLUMNS):
            raise ValueError("a kernel has either a loop nest or counts, not both")
        sizes: dict[str, Any] = {name: counts.get(name, 0) for name in COUNT_COLUMNS}
        return Kernel(operator=request.operator, dtype=request.dtype, **sizes), median_us
    for output, size, taps, stride, dilation in (
        ("OY", "input_height", "FY", "stride_y", "dilation_y"),
        ("OX", "input_width", "FX", "stride_x", "dilation_x"),
    ):
        span = counts.get(dilation, 1) * (counts.get(taps, 1) - 1) + 1
        step = counts.get(stride, 1)
        if step < 1:
            raise ValueError(f"{stride} is {step}, must be at least 1")
        if size in counts and output not in counts:
            counts[output] = (counts[size] + 2 * padding - span) // step + 1
        elif size not in counts:
            counts[size] = max(1, (counts.get(output, 1) - 1) * step + span - 2 * padding)
    kernel = Kernel(operator=request.operator, dtype=request.dtype, steps=steps, nest=LoopNest(**counts))
    return kernel, median_us


def _whole(row: Mapping[str, str], expression: str) -> int:
    """A product of columns and whole numbers."""
    product = 1
    for part in expression.split("*"):
        value = float(part) if part.isdigit() else _float(row[part], part)
        if not value.is_integer():
            raise ValueError(f"{part} is {value:g}, must be a whole number")
        product *= int(value)
    return product


def _float(text: str, name: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {text!r}") from None
