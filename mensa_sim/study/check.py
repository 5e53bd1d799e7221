"""Checking YAML files of any kind: what a file holds says which record it must be."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mensa_sim.errors import FileError, MensaError
from mensa_sim.files import read_mapping
from mensa_sim.hardware.files import load_accelerator, load_system, load_technology
from mensa_sim.workload.files import read_workload

TELLING_KEYS: Mapping[str, tuple[str, ...]] = {
    "system": ("memories", "accelerators"),
    "accelerator": ("dataflow", "clock_hz", "timings", "technology"),
    "technology": ("sram", "node_nm", "mac_pj_8_bit"),
    "workload": ("model", "layers", "inputs"),
}
"""Keys by which a kind of file is known; the first kind with one of its keys present wins."""

READERS: Mapping[str, Callable[[Path], object]] = {
    "system": load_system,
    "accelerator": load_accelerator,
    "technology": load_technology,
    "workload": read_workload,
}


def kind_of(path: Path) -> str:
    """Which kind of file a YAML file is; `FileError` where no key tells."""
    keys = read_mapping(path).keys()
    for kind, telling in TELLING_KEYS.items():
        if any(key in keys for key in telling):
            return kind
    told = "; ".join(f"{kind}: {', '.join(telling)}" for kind, telling in TELLING_KEYS.items())
    raise FileError(str(path), [f"is of no known kind, since no key of any stands in it ({told})"])


def check_files(paths: Iterable[Path]) -> list[str]:
    """Every fault of every file, in the order of the files; empty where all are good."""
    faults: list[str] = []
    for path in paths:
        try:
            READERS[kind_of(path)](path)
        except FileError as error:
            faults += [f"{error.path}: {fault}" for fault in error.faults]
        except MensaError as error:
            faults.append(f"{path}: {error}")
    return faults
