"""Published runs in, judged devices out."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.io.csv_text import csv_of
from mensa_sim.records import dataclass
from mensa_sim.study.devices.judge import JUDGED_FIELDS, Judged, JudgedDevice, judge_boards, judge_devices, judge_others
from mensa_sim.study.devices.request import FitDevicesRequest
from mensa_sim.study.devices.runs import read_runs
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStudy(Provenance):
    """Every device of a table, and the rows that say too little."""

    devices: tuple[JudgedDevice, ...]
    passed_over: Mapping[str, int]
    boards_left_out: tuple[JudgedDevice, ...] = ()
    """Devices by runs of other boards alone, where halves judge each other."""

    @property
    def runs(self) -> tuple[Judged, ...]:
        """Of all devices."""
        return runs_of(self.devices)


def runs_of(devices: Iterable[JudgedDevice]) -> tuple[Judged, ...]:
    """The judged runs of some devices."""
    return tuple(run for device in devices for run in device.runs)


def fit_devices(request: FitDevicesRequest) -> DeviceStudy:
    """Fit and judge; `UsageError` where no device has two models, or no other run says enough."""
    if request.output is not None:
        refuse_unwritable_file(Path(request.output))
    found = read_runs(Path(request.runs), Path(request.shapes))
    if request.others is None:
        devices = judge_devices(found.runs)
        wanted = f"{request.runs}: no device with runs of two models that say enough to be fitted and judged"
    else:
        learnt, found = found.runs, read_runs(Path(request.others), Path(request.shapes))
        devices = judge_others(learnt, found.runs)
        wanted = f"{request.others}: no run that says enough to be judged"
    if not devices:
        raise UsageError(wanted)
    if request.output is not None:
        write_atomically(Path(request.output), csv_of(JUDGED_FIELDS, runs_of(devices)))
    left_out = judge_boards(found.runs) if request.others is None else ()
    files = [Path(file) for file in (request.runs, request.shapes, request.others) if file is not None]
    return DeviceStudy(
        devices=devices,
        passed_over=found.passed_over,
        boards_left_out=left_out,
        **made_of("fit-devices", request, files),
    )
