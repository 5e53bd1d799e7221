"""A measurement file: CSV with the columns workload, system, metric, measured, source, and if it likes others.

These are `group`, and for workloads that generate `prompt_tokens`, `new_tokens` and `context`. A workload may be one
layer of a file's, from memory to memory: `alexnet_convolutions#conv3`.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.io.files import read_text
from mensa_sim.io.shipped import is_file, shipped_files
from mensa_sim.lookup import unknown_name
from mensa_sim.names import repeated
from mensa_sim.ranges import at_least
from mensa_sim.records import dataclass
from mensa_sim.workload.importers.reference import WORKLOAD_SUFFIXES

_COLUMNS = ("workload", "system", "metric", "measured", "source", "group")
_LENGTHS = ("prompt_tokens", "new_tokens", "context")
OF_LAYER = "#"
"""What stands between a workload and the one layer of it that was measured."""
METRICS = (
    *("latency_ms", "energy_mj", "compiler_cycles", "cached_parameter_bytes", "ttft_ms", "prefill_tokens_per_s"),
    *("decode_tokens_per_s", "energy_per_token_mj"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How much was generated where a figure was measured; what is not said is as the workload's file says."""

    prompt_tokens: int | None = None
    new_tokens: int | None = None
    context: int | None = None
    """Tokens in the cache at the decoding step that was measured; none: the mean over the answer."""

    def __post_init__(self) -> None:
        at_least(1, self, *self.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured figure of one workload on one system."""

    workload: str
    """As the file says it: for people and in results."""
    workload_path: str
    """A bare name of a shipped workload, or a path; with `OF_LAYER` and a name, that layer alone."""
    system: str
    system_path: str
    metric: str
    measured: float
    source: str = ""
    lengths: Lengths = Lengths()
    group: str = ""
    """What it is scored with, within its system and metric; empty: what its source says before the first comma."""
    known: bool = False
    """Whether shipped constants could see it: it ships, or lies in the reference folder. No row of one's own is."""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.source.partition(",")[0].strip())
        if self.metric not in METRICS:
            raise ValueError(str(unknown_name(self.metric, METRICS, "metric")))
        if not (self.measured > 0 and math.isfinite(self.measured)):
            raise ValueError(f"measured is {self.measured}, must be a positive number")


def read_measurements(path: Path) -> tuple[Measurement, ...]:
    """Every row of a measurement file; all faults, each with its line, in one `FileError`."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise FileError(str(path), [f"line {reader.line_num}: {error}"]) from error
    rows = [(line, row) for line, row in rows if any(row) and not row[0].startswith("#")]
    if not rows:
        raise FileError(str(path), [f"is empty; its first line is {','.join(_COLUMNS)}"])
    header = rows[0][1]
    missing = [name for name in _COLUMNS[:4] if name not in header]
    twice = sorted(name for name in repeated(header) if name in (*_COLUMNS, *_LENGTHS))
    if missing or twice:
        fault = f"no column {', '.join(missing)}" if missing else f"two columns {', '.join(twice)}"
        raise FileError(str(path), [f"line {rows[0][0]}: {fault}; the columns are {','.join(_COLUMNS)}"])
    found: list[Measurement] = []
    faults: list[str] = []
    for line, row in rows[1:]:
        if len(row) > len(header):
            faults.append(f"line {line}: {len(row)} values for {len(header)} columns; quote a value that holds a comma")
            continue
        try:
            found.append(_measurement(dict(zip(header, row, strict=False)), path.parent))
        except ValueError as error:
            faults.append(f"line {line}: {error}")
    if not found and not faults:
        faults.append("holds no measurement")
    if faults:
        raise FileError(str(path), faults)
    return tuple(found)


def _measurement(row: dict[str, str], folder: Path) -> Measurement:
    absent = [name for name in _COLUMNS[:4] if not row.get(name)]
    if absent:
        raise ValueError(f"{', '.join(absent)} is empty")
    try:
        measured = float(row["measured"])
    except ValueError:
        raise ValueError(f"measured is {row['measured']!r}, must be a number") from None
    workload, *layer = layer_apart(row["workload"], folder)
    return Measurement(
        workload=row["workload"],
        workload_path=OF_LAYER.join([_located(workload, folder, ("workloads",)), *layer]),
        system=row["system"],
        system_path=_located(row["system"], folder, ("systems", "accelerators")),
        metric=row["metric"],
        measured=measured,
        source=row.get("source", ""),
        lengths=Lengths(**{name: _count(name, row[name]) for name in _LENGTHS if row.get(name)}),
        group=row.get("group", ""),
    )


def _count(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}, must be a whole number") from None


def layer_apart(workload: str, folder: Path = Path()) -> list[str]:
    """A workload, and the one layer of it that is meant, if one is: a file's own path may hold the mark too."""
    return [workload] if is_file(folder / Path(workload).expanduser()) else workload.rsplit(OF_LAYER, 1)


def _located(name: str, folder: Path, kinds: Sequence[str]) -> str:
    """A bare name of what ships stays as it is; anything else lies beside the measurement file."""
    shipped = {known for kind in kinds for known in shipped_files(kind)}
    path = Path(name).expanduser()
    if path.name == name and path.suffix.lower() not in WORKLOAD_SUFFIXES:
        beside = next(_beside(folder, name), None)
        if name in shipped or beside is None:
            if name not in shipped:
                raise ValueError(str(unknown_name(name, sorted(shipped), kinds[0][:-1])))
            return name
        return str(beside)
    found = path if path.is_absolute() else folder / path
    if not is_file(found):
        raise ValueError(f"{name}: no such file beside the measurement file")
    return str(found)


def _beside(folder: Path, name: str) -> Iterator[Path]:
    return (folder / f"{name}{suffix}" for suffix in WORKLOAD_SUFFIXES if is_file(folder / f"{name}{suffix}"))
