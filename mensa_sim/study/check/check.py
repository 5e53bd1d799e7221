"""Checking YAML files of any kind: what a file holds says which record it must be."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mensa_sim.cost.measured.fits.fit import DeviceFit
from mensa_sim.errors import FileError, MensaError
from mensa_sim.hardware.files import FILE_KINDS, load_accelerator, load_system, load_technology
from mensa_sim.io.files import keys_of, read_record
from mensa_sim.simulate.scenario.files import ScenarioFile, read_scenario
from mensa_sim.study.check.limits import alone, tell_limits
from mensa_sim.study.datasheet.datasheet import GpuDatasheet
from mensa_sim.study.run.placement import check_scheduling
from mensa_sim.study.space.check import check_space
from mensa_sim.study.space.files import SpaceFile
from mensa_sim.study.space.space import load_space
from mensa_sim.workload.files import WorkloadFile, read_workload
from mensa_sim.workload.load import load_generation, load_workload

LOGGER = logging.getLogger(__name__)

RECORDS: Mapping[str, type[Any]] = {
    **FILE_KINDS,
    "workload": WorkloadFile,
    "scenario": ScenarioFile,
    "space": SpaceFile,
    "fit": DeviceFit,
    "datasheet": GpuDatasheet,
}
"""The record that is the schema of each kind of file."""


def _check_workload(path: Path) -> None:
    """Refuses a faulty workload; one that generates with its model, unless that runs code."""
    workload = read_workload(path)
    if workload.generate is not None and not workload.reference.runs_code:
        load_generation(path)


CHECKS: Mapping[str, Callable[[Path], object]] = {
    "system": lambda path: check_scheduling(load_system(path)),
    "accelerator": load_accelerator,
    "measured_device": load_accelerator,
    "datasheet_device": load_accelerator,
    "technology": load_technology,
    "workload": _check_workload,
    "scenario": read_scenario,
    "space": lambda path: check_space(load_space(path)),
    "fit": lambda path: read_record(path, DeviceFit),
    "datasheet": lambda path: read_record(path, GpuDatasheet),
}


def _tell_of_code(path: Path) -> None:
    """Notes that a workload names code, which was not run."""
    workload = read_workload(path)
    if workload.model is not None and workload.reference.runs_code:
        LOGGER.warning("%s: model: %s was not run; --allow-code checks its layers too", path, workload.model)


TOLD: Mapping[str, Callable[[Path], None]] = {
    "system": lambda path: tell_limits(path, load_system(path)),
    "accelerator": lambda path: tell_limits(path, alone(path)),
    "workload": _tell_of_code,
}
"""What is told of a file without fault."""


def kind_of(path: Path) -> str:
    """Which kind of file a YAML file is: the one whose record knows most of its keys; `FileError` where none does."""
    keys = keys_of(path)
    known = {kind: len(keys & {field.name for field in fields(record)}) for kind, record in RECORDS.items()}
    best = max(known, key=known.__getitem__)
    if not known[best]:
        raise FileError(str(path), [f"is of no known kind ({', '.join(RECORDS)}): no key of any stands in it"])
    return best


def check_files(paths: Iterable[Path], *, allow_code: bool = False) -> list[str]:
    """Every fault of every file, in the order of the files; empty where all are good.

    With `allow_code` the layers of workloads are checked too, for which the code that they name is run; without, it is
    logged that it was not. What a chip without fault cannot run is logged likewise, as it may be meant.
    """
    faults: list[str] = []
    for path in paths:
        try:
            kind = kind_of(path)
            CHECKS[kind](path)
            if kind == "workload" and allow_code:
                load_workload(path, allow_code=True)
            elif kind in TOLD:
                TOLD[kind](path)
        except FileError as error:
            faults += [f"{error.path}: {fault}" for fault in error.faults]
        except MensaError as error:
            faults.append(f"{path}: {error}")
    return faults
