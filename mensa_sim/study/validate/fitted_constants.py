"""The constants of shipped specs that measured rows decided, on which rows, and how far the other rows are off.

The rows of each fit are those that `may_be_fitted` admits, decided before any fit by the rows' own text. Where it
leaves others, the error is the mean over them; where a system has too few, it is the mean of each model's under the
constants that all other models give. The structure was found with all rows in view; the fits saw only theirs.
`tests/benchmarks/fit_hosts.py` makes them anew.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

from mensa_sim.hardware.system import System
from mensa_sim.io.files import read_record
from mensa_sim.records import dataclass
from mensa_sim.units import PS_PER_MS
from mensa_sim.workload.importers.reference import WORKLOAD_SUFFIXES

FITTED_ON_ALL = frozenset({"coral_usb3", "coral_usb3_500mhz", "coral_dev_board"})
"""Systems with so few measured latencies that their constants take all of them; judged by leaving one out."""
ENDS_ON_HOST = "_detections"
"""How the name of a model ends whose last part its host's CPU runs: nothing is fitted on such a row."""


def may_be_fitted(workload: str, system: str, metric: str) -> bool:
    """Whether a row belongs to those that constants are fitted on: the CRC-32 of its text is even, or rows are few.

    Every other row only tests what was fitted. `workload` is the bare name, or a file's without folder and suffix.

    >>> may_be_fitted("mobilenet_v1", "coral_usb3", "latency_ms")
    True
    """
    name = workload.rsplit("/", 1)[-1]
    for suffix in WORKLOAD_SUFFIXES:
        name = name.removesuffix(suffix)
    if name.endswith(ENDS_ON_HOST):
        return False
    if metric == "latency_ms" and system in FITTED_ON_ALL:
        return True
    return zlib.crc32(f"{name},{system},{metric}".encode()) % 2 == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedConstant:
    """One fitted constant of a system."""

    system: str
    name: str
    value: float
    rows: str
    """What it was fitted on: how many rows, of what."""
    others: str
    """Which rows test it, and their mean absolute percentage error."""


Reader = Callable[[System], float]


def _host(field: str) -> Reader:
    return lambda system: float(getattr(system.host, field))


CONSTANT_READERS: dict[str, Reader] = {
    "memory efficiency": lambda system: system.memory_of(system.accelerators[0].name).efficiency,
    "host.overhead_ms": lambda system: _host("overhead_ps")(system) / PS_PER_MS,
    "host.in_bytes_per_s": _host("in_bytes_per_s"),
    "host.out_bytes_per_s": _host("out_bytes_per_s"),
    "host.instruction_bytes_per_layer": _host("instruction_bytes_per_layer"),
    "host.board_mw": _host("board_mw"),
}
"""Where each constant stands in a system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantsFit:
    """What one fit decided of one system."""

    system: str
    constants: tuple[str, ...]
    rows: str
    others: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FitsFile:
    """What `fitted_constants.yaml` holds."""

    fits: tuple[ConstantsFit, ...]


_FITS = read_record(Path(__file__).with_name("fitted_constants.yaml"), FitsFile).fits
_METRICS = {"latencies": "latency_ms", "energies": "energy_mj"}
FITTED = frozenset((fit.system, _METRICS[fit.rows.split()[1]]) for fit in _FITS)
"""The systems and metrics whose rows decided a constant; all other rows only test."""


def fitted_constants(load: Callable[[str], System]) -> tuple[FittedConstant, ...]:
    """Every fitted constant with the value that its spec has now."""
    loaded = {system: load(system) for system in dict.fromkeys(fit.system for fit in _FITS)}
    return tuple(
        FittedConstant(
            system=fit.system,
            name=name,
            value=CONSTANT_READERS[name](loaded[fit.system]),
            rows=fit.rows,
            others=fit.others,
        )
        for fit in _FITS
        for name in fit.constants
    )
