"""The constants of shipped specs that measured rows decided, on which rows, and how far the other rows are off.

The rows of each fit are those of a kind whose text `fit_rule` admits; the error is the mean over the rows of the same
kind that it does not admit. The structure was found with all rows in view; the fits saw only theirs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.hardware.system import System
from mensa_sim.units import PS_PER_MS

SWEEP = "iwatake2222/EdgeTPU_Analysis, 10 W"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedConstant:
    """One fitted constant of a system."""

    system: str
    name: str
    value: float
    rows: str
    """What it was fitted on: how many rows, of what."""
    others: str
    """How many rows of the same kind test it, and their mean absolute percentage error."""


Reader = Callable[[System], float]


def _store(system: System) -> ParameterStore:
    store = system.accelerators[0].array.parameter_store
    if store is None:
        raise ValueError(f"{system.name}: its accelerator has no parameter_store")
    return store


def _memory(system: System) -> float:
    return system.memory_of(system.accelerators[0].name).efficiency


def _host(field: str) -> Reader:
    return lambda system: float(getattr(system.host, field))


CONSTANT_READERS: dict[str, Reader] = {
    "parameter_store.bus_bytes_per_cycle": lambda system: _store(system).bus_bytes_per_cycle,
    "parameter_store.layer_cycles": lambda system: float(_store(system).layer_cycles),
    "memory efficiency": _memory,
    "host.overhead_ms": lambda system: _host("overhead_ps")(system) / PS_PER_MS,
    "host.in_bytes_per_s": _host("in_bytes_per_s"),
    "host.out_bytes_per_s": _host("out_bytes_per_s"),
    "host.instruction_bytes_per_layer": _host("instruction_bytes_per_layer"),
    "host.board_mw": _host("board_mw"),
}
"""Where each constant stands in a system."""

_IO = ("host.overhead_ms", "host.in_bytes_per_s", "host.out_bytes_per_s")
_FITS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "coral_usb3",
        ("parameter_store.bus_bytes_per_cycle", "parameter_store.layer_cycles"),
        "15 latencies of whole models, Coral and EdgeTPU_Analysis",
        "4 rows, 7.4 %",
    ),
    ("coral_usb3", _IO, f"5 latencies of input and output models, {SWEEP}", "10 rows, 2.5 %"),
    ("coral_usb3", ("memory efficiency",), f"14 latencies of stacks, {SWEEP}", "10 rows, 4.0 %"),
    ("coral_usb2", _IO, f"8 latencies of input and output models, {SWEEP}", "4 rows, 1.2 %"),
    ("coral_usb2", ("memory efficiency",), f"10 latencies of stacks, {SWEEP}", "14 rows, 4.4 %"),
    (
        "coral_dev_board",
        ("memory efficiency", "host.in_bytes_per_s", "host.out_bytes_per_s"),
        "3 latencies of Coral's benchmark table",
        "5 rows, 7.4 %",
    ),
    (
        "coral_dev_board_micro",
        ("memory efficiency", "host.in_bytes_per_s", "host.instruction_bytes_per_layer", "host.overhead_ms"),
        "11 latencies of RADMA's grid",
        "7 rows, 1.7 %",
    ),
    ("coral_dev_board_micro", ("host.board_mw",), "7 energies of RADMA's grid", "11 rows, 7.0 %"),
)


def fitted_constants(load: Callable[[str], System]) -> tuple[FittedConstant, ...]:
    """Every fitted constant with the value that its spec has now."""
    loaded = {system: load(system) for system in dict.fromkeys(system for system, *_ in _FITS)}
    return tuple(
        FittedConstant(system=system, name=name, value=CONSTANT_READERS[name](loaded[system]), rows=rows, others=others)
        for system, names, rows, others in _FITS
        for name in names
    )
