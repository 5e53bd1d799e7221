"""The constants of shipped specs that measured rows decided, on which rows, and how far the other rows are off.

The rows of each fit are those that `may_be_fitted` admits. Where it leaves others, the error is the mean over them;
where a system has too few, it is the mean of each model's under the constants that all other models give. The structure
was found with all rows in view; the fits saw only theirs. `tests/benchmarks/fit_hosts.py` makes them anew.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mensa_sim.hardware.system import System
from mensa_sim.units import PS_PER_MS


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

_LINK = ("host.overhead_ms", "host.in_bytes_per_s", "host.out_bytes_per_s", "memory efficiency")
_FITS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "coral_usb3",
        _LINK,
        "16 latencies of Coral's benchmark table and model pages",
        "each model left out, 6.9 %; each half, 11.2 %",
    ),
    ("coral_usb3_jetson", _LINK, "19 latencies of iwatake2222/EdgeTPU_Analysis, 10 W", "22 rows, 4.3 %"),
    (
        "coral_usb3_500mhz",
        ("host.overhead_ms", "host.in_bytes_per_s"),
        "8 latencies of salimmj/coral-benchmarks",
        "each model left out, 13.0 %; each half, 10.4 %",
    ),
    ("coral_usb2", _LINK, "19 latencies of iwatake2222/EdgeTPU_Analysis, 10 W", "19 rows, 4.3 %"),
    (
        "coral_pcie",
        ("host.overhead_ms", "host.out_bytes_per_s", "memory efficiency"),
        "33 latencies of Jorgitou98/EdgeTPU-QuantRL-Evaluation",
        "35 rows, 8.3 %",
    ),
    (
        "coral_dev_board",
        ("host.out_bytes_per_s", "host.instruction_bytes_per_layer", "memory efficiency"),
        "8 latencies of Coral's benchmark table",
        "each model left out, 10.7 %; each half, 11.2 %",
    ),
    (
        "coral_dev_board_micro",
        ("host.overhead_ms", "host.in_bytes_per_s", "memory efficiency"),
        "11 latencies of starbelt/RADMA's grid",
        "7 rows, 1.2 %",
    ),
    ("coral_dev_board_micro", ("host.board_mw",), "7 energies of starbelt/RADMA's grid", "11 rows, 7.8 %"),
)


_METRICS = {"latencies": "latency_ms", "energies": "energy_mj"}
FITTED = frozenset((system, _METRICS[rows.split()[1]]) for system, _, rows, _ in _FITS)
"""The systems and metrics whose rows decided a constant; all other rows only test."""


def fitted_constants(load: Callable[[str], System]) -> tuple[FittedConstant, ...]:
    """Every fitted constant with the value that its spec has now."""
    loaded = {system: load(system) for system in dict.fromkeys(system for system, *_ in _FITS)}
    return tuple(
        FittedConstant(system=system, name=name, value=CONSTANT_READERS[name](loaded[system]), rows=rows, others=others)
        for system, names, rows, others in _FITS
        for name in names
    )
