"""Timing whole models on a device: what a sum of their kernels, or a fit of them, is held against.

Two ways: the host launches operator after operator, and (on a GPU) one captured graph of all of them is replayed.
Batch normalisation is folded into the convolution before it where torch can, as a deployed model has it.
"""

import importlib
import logging
import math
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mensa_sim.cost.measured.table import DTYPE_BYTES
from mensa_sim.errors import FileError, UsageError
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.csv_text import csv_lines
from mensa_sim.io.shipped import find
from mensa_sim.lookup import lookup
from mensa_sim.measurement.conditions import clocks, device_name, driver
from mensa_sim.measurement.energy import EnergyMeter, energy_of, meter_of
from mensa_sim.measurement.kernels.kernels import first_line
from mensa_sim.measurement.measure import limits_of, on_device, on_threads
from mensa_sim.measurement.random_tensors import RandomTensors, device_of
from mensa_sim.measurement.request import MeasureModelsRequest
from mensa_sim.measurement.stopwatch import Clock, ClockReading, Limits, Run, Sampling, read, warmed
from mensa_sim.measurement.timers import HostTimer, between_events, captured
from mensa_sim.records import dataclass
from mensa_sim.units import MJ_PER_J, MS_PER_S
from mensa_sim.workload.files import WorkloadFile, read_workload
from mensa_sim.workload.importers.reference import require_permission
from mensa_sim.workload.importers.torch.model import build_module

LOGGER = logging.getLogger(__name__)

MODEL_COLUMNS = ("workload", "system", "metric", "measured", "source", "launched_ms", "batch_norms", "folded")
INDICES_BELOW = 8
"""A choice: token numbers that every vocabulary has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTiming:
    """One inference, launched and replayed."""

    launched: ClockReading
    """Operator after operator, from the host's first launch until the device is done."""
    replayed: ClockReading | None
    """One captured graph, by the device's own events; none on a CPU, or where the model cannot be captured."""
    energy_j: float | None
    """Of the replayed graph, else of the launched model; none without a counter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTiming:
    """One inference of one model."""

    workload: str
    timing: RunTiming
    batch_norms: int
    folded: int
    """How many of these were folded into a convolution."""


def measure_models(
    request: MeasureModelsRequest, *, command: str, date: str, limits: Limits | None = None
) -> tuple[ModelTiming, ...]:
    """Times whole models and writes them as measurements of a system, which `validate` reads; each as it is done.

    `limits` are the request's unless others are given. Raises `UsageError` for a workload without a torch module, a
    device or an element type that is not there, a model that does not run at it.
    """
    dtype, output, limits = request.dtype, Path(request.output), limits or limits_of(request)
    lookup(DTYPE_BYTES, dtype, "dtype")
    if dtype == "int8":
        raise UsageError("dtype int8: torch runs no whole model at it; use float16, bfloat16 or float32")
    place = device_of(request.device)
    found = [_found(name, allow_code=request.allow_code) for name in request.workloads]
    done: list[ModelTiming] = []
    with on_threads(request.threads), on_device(place), torch.inference_mode():
        meter = meter_of(place)
        header = f"# {device_name(place)}; {driver(place)}; torch {torch.__version__}; {date}; {command}"
        for workload, path in found:
            try:
                done.append(time_model(workload, path, place, dtype, meter, limits))
            except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:  # also a device that is lost
                kept = f"; {output} holds the {len(done)} before it" if done else ""
                raise UsageError(
                    f"{path}: does not run at {dtype} on {request.device}: {first_line(error)}{kept}"
                ) from error
            rows = [row for each in done for row in _rows(each, request.system, dtype)]
            write_atomically(output, f"{header}; {clocks(place)}\n" + csv_lines([MODEL_COLUMNS, *rows]))
            request.progress(len(done), len(found), workload.name)
    return tuple(done)


def _found(name: str | Path, *, allow_code: bool) -> tuple[WorkloadFile, Path]:
    path = find("workloads", str(name))
    workload = read_workload(path)
    if workload.model is None or not workload.inputs:
        raise FileError(str(path), ["names no torch module with its inputs: there is nothing whole to run"])
    require_permission(workload.reference, path, allow_code=allow_code)
    return workload, path


def time_model(
    workload: WorkloadFile, path: Path, device: torch.device, dtype: str, meter: EnergyMeter | None, limits: Limits
) -> ModelTiming:
    """Builds a model with random weights on a device and times it there."""
    torch.manual_seed(0)
    module = build_module(workload, path)
    batch_norms = _batch_norms(module)
    module = _folded(module).to(device=device, dtype=getattr(torch, dtype))
    by_position, by_name = _inputs(workload, RandomTensors(device, dtype))

    def run() -> object:
        return module(*by_position, **by_name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slower implementations: they are what is measured
        timing = time_run(run, limits, time.perf_counter, gpu=device.type == "cuda", meter=meter)
    return ModelTiming(
        workload=workload.name, timing=timing, batch_norms=batch_norms, folded=batch_norms - _batch_norms(module)
    )


def time_run(run: Run, limits: Limits, clock: Clock, *, gpu: bool, meter: EnergyMeter | None) -> RunTiming:
    """Times something that launches many kernels, both ways; `clock` is the host's, in seconds."""
    sampling = warmed(_until_done(run) if gpu else run, HostTimer(clock), limits, clock)
    launched, replayed = read(sampling, limits, clock), None
    replay = captured(run, 1) if gpu else None
    if replay is not None:
        sampling = Sampling(sample=between_events(replay), loops=1)
        replayed = read(sampling, limits, clock)
    energy_j = energy_of(sampling, meter, clock) if meter else None
    return RunTiming(launched=launched, replayed=replayed, energy_j=energy_j)


def _until_done(run: Run) -> Run:
    """A run that returns when the GPU has done it."""

    def whole() -> None:
        run()
        torch.cuda.synchronize()

    return whole


def _batch_norms(module: torch.nn.Module) -> int:
    return sum(isinstance(each, torch.nn.modules.batchnorm._BatchNorm) for each in module.modules())


def _folded(module: torch.nn.Module) -> torch.nn.Module:
    """The module with each batch normalisation after a convolution folded into it; as it was where torch cannot."""
    if not _batch_norms(module):
        return module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch's own modules import
            fuse: Any = importlib.import_module("torch.fx.experimental.optimization").fuse
        folded: torch.nn.Module = fuse(module)
    except Exception as error:  # a model's own code runs symbolically, and may raise anything
        LOGGER.info("batch normalisation stays as it is: %s", first_line(error))
        return module
    return folded


def _inputs(workload: WorkloadFile, tensors: RandomTensors) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The inputs by position, and those with a name: random, or the value that the workload states."""
    made: dict[str | int, torch.Tensor] = {}
    for index, entry in enumerate(workload.inputs):
        kind: torch.dtype = getattr(torch, entry.dtype)
        if entry.value is not None:
            value = torch.tensor(entry.value, device=tensors.device).expand(entry.shape).clone()
        elif kind.is_floating_point:
            value = tensors.normal(*entry.shape)
        else:
            value = tensors.indices(math.prod(entry.shape), INDICES_BELOW).reshape(entry.shape)
        made[entry.name or index] = value.to(tensors.dtype if kind.is_floating_point else kind)
    positions = [value for key, value in made.items() if isinstance(key, int)]
    return positions, {key: value for key, value in made.items() if isinstance(key, str)}


def _rows(model: ModelTiming, system: str, dtype: str) -> Iterator[tuple[object, ...]]:
    """A model's lines of the measurement file: its time, and its energy where that was counted."""
    timing = model.timing
    best = timing.replayed or timing.launched
    way = "launched operator by operator" if timing.replayed is None else "one captured graph, replayed"
    details = (f"{timing.launched.median_s * MS_PER_S:.6g}", model.batch_norms, model.folded)
    for metric, value in (
        ("latency_ms", best.median_s * MS_PER_S),
        ("energy_mj", None if timing.energy_j is None else timing.energy_j * MJ_PER_J),
    ):
        if value is not None:
            source = f"measured by us: {way}, {dtype}"
            yield (model.workload, system, metric, f"{value:.6g}", source, *details)
