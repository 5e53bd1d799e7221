"""What a notebook types to measure kernels, to read tables of others, and to calibrate to them."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.api.asks import asks
from mensa_sim.api.shown import Plain, with_methods
from mensa_sim.cost.measured.file import read_timing_table, table_text
from mensa_sim.cost.measured.table import Conditions, TimingTable
from mensa_sim.errors import UsageError
from mensa_sim.io.alone import alone_on
from mensa_sim.io.at_hand import Given
from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
from mensa_sim.measurement.import_table import ImportRequest, import_table, joined
from mensa_sim.measurement.request import ImportTimingsRequest, MeasureModelsRequest, MeasureRequest
from mensa_sim.study.calibrate.calibrate import Calibration
from mensa_sim.study.calibrate.calibrate import calibrate as calibrate_request
from mensa_sim.study.calibrate.request import CalibrateRequest
from mensa_sim.study.datasheet.request import DeviceRequest
from mensa_sim.study.datasheet.study import DeviceForecast, forecast_device
from mensa_sim.study.devices.request import FitDevicesRequest
from mensa_sim.study.devices.study import DeviceStudy
from mensa_sim.study.devices.study import fit_devices as fit_devices_request
from mensa_sim.study.generation.stretches import looked_at_first
from mensa_sim.study.request.command import command_of
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_generation, load_workload

if TYPE_CHECKING:  # they import torch, which only what times kernels needs
    from mensa_sim.measurement.measure import KernelMeasurement
    from mensa_sim.measurement.whole_models import ModelTiming


@asks(MeasureRequest)
def measure(request: MeasureRequest) -> "KernelMeasurement":
    """Time the kernels of workloads' layers on a device; a table that is there is continued."""
    from mensa_sim.measurement.measure import measure as measure_graphs

    refuse_unwritable_file(request.output)
    graphs = [graph for name in request.workloads for graph in _graphs(name, allow_code=request.allow_code)]
    with alone_on(Path(request.output)):
        return measure_graphs(request, graphs, command=command_of("measure", request), date=_today())


def _graphs(name: Given, *, allow_code: bool) -> tuple[LayerGraph, ...]:
    """A workload's graph; of one that generates those of its phases."""
    generation = load_generation(name, allow_code=allow_code)
    return (load_workload(name, allow_code=allow_code),) if generation is None else _phases(generation)


def _phases(generation: Generation) -> tuple[LayerGraph, ...]:
    """What `run` simulates of an answer: its prompt and three of its steps, and those of the model that proposes."""
    steps = generation.generate.steps
    contexts = [*steps] if len(steps) < 3 else [steps[0], looked_at_first(steps[0], steps[-1]), steps[-1]]
    own = (generation.prompt, *map(generation.step, contexts))
    if generation.draft is None:
        return own
    asked = replace(generation.generate, speculation=None)
    return (*own, *_phases(replace(generation.draft, generate=asked)))


@asks(MeasureModelsRequest)
def measure_models(request: MeasureModelsRequest) -> "tuple[ModelTiming, ...]":
    """Time workloads' whole models on a device, into measurements that `validate` reads."""
    from mensa_sim.measurement.whole_models import measure_models as time_models

    refuse_unwritable_file(request.output)
    with alone_on(Path(request.output)):
        return time_models(request, command=command_of("measure-models", request), date=_today())


def _today() -> str:
    return datetime.now(tz=UTC).date().isoformat()


@asks(ImportTimingsRequest)
def import_timings(request: ImportTimingsRequest) -> TimingTable:
    """Turn a table that others measured into a timing table, and write it; `append` adds it to the one there."""
    table, output = Path(request.table), Path(request.output)
    refuse_unwritable_file(output)
    try:
        conditions = Conditions(
            device=request.device_name,
            driver="not stated",
            torch="not stated",
            date="not stated",
            method=f"imported from {table.name}: {request.source}",
            clocks_before="not stated",
            clocks_after="not stated",
            command="mensa-sim import-timings",
            processors=request.processors,
            cache_bytes=request.cache_bytes,
            copy_bytes_per_s=request.bytes_per_s,
            peak_macs_per_s={request.dtype: request.peak_macs_per_s},
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    kernels = ImportRequest(
        operator=request.operator, dtype=request.dtype, columns=request.columns, where=request.where
    )
    imported = import_table(table, kernels, conditions)
    with alone_on(output):
        if request.append:
            imported = joined(read_timing_table(output), imported)
        elif os.path.exists(output):
            raise UsageError(f"{output} is there already; add to it with --append, or name another --output")
        write_atomically(output, table_text(imported))
    return imported


class DeviceFits(Plain, DeviceStudy):
    """Devices fitted to published runs: `devices` with constants and errors on runs that were kept apart."""

    __slots__ = ()
    shown_by = "devices.judged:JUDGED_DEVICES"
    command_name = "fit-devices"

    @property
    def _title(self) -> str:
        return f"{len(self.devices)} devices"


@asks(FitDevicesRequest)
def fit_devices(request: FitDevicesRequest) -> DeviceFits:
    """What devices reach of their datasheets by published runs of language models, judged on runs that were kept apart.

    Raises `FileError` for tables that say something else; `output` gets every run beside its prediction.
    """
    return with_methods(fit_devices_request(request), DeviceFits)


@asks(DeviceRequest)
def device(request: DeviceRequest) -> DeviceForecast:
    """A GPU that nobody measured, by its data sheet: an accelerator file, and the times of some kernels.

    `output` gets the file, which is also the answer's `accelerator`. Raises `FileError` with every fault of the sheet.
    """
    return forecast_device(request)


class Calibrated(Plain, Calibration):
    """Constants fitted to a table: `fitted` before and after, `text` of the file, errors on kernels kept apart."""

    __slots__ = ()
    shown_by = "calibrate.calibrate:CALIBRATED"
    command_name = "calibrate"

    @property
    def _title(self) -> str:
        return f"{self.spec}, {self.error_percent:.1f} % off"


@asks(CalibrateRequest)
def calibrate(request: CalibrateRequest) -> Calibrated:
    """Fit a few constants of a spec to half of a table, and judge them on the other half.

    Without `fields`, `spec` is a device's name, and what is fitted is the efficiency of its kernels: a file that a
    measured accelerator can name under `timings`.
    """
    refuse_unwritable_file(request.output)
    return with_methods(calibrate_request(request), Calibrated)
