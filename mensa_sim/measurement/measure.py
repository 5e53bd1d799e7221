"""Measuring every distinct kernel of some workloads on a device: resumable, one line of the table per kernel."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from mensa_sim.cost.measured.file import TimingTableWriter
from mensa_sim.cost.measured.kernels import kernels_of
from mensa_sim.cost.measured.table import DTYPE_BYTES, Kernel, Timing, TimingTable
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.lookup import lookup
from mensa_sim.measurement.conditions import cache_bytes, clocks, conditions_of
from mensa_sim.measurement.energy import EnergyMeter, energy_of, meter_of
from mensa_sim.measurement.kernels.kernels import NoKernelError, first_line, prepare, raise_if_lost
from mensa_sim.measurement.random_tensors import device_of
from mensa_sim.measurement.request import MeasureModelsRequest, MeasureRequest
from mensa_sim.measurement.stopwatch import Limits, Timer, read, warmed
from mensa_sim.measurement.timers import timer_of
from mensa_sim.records import dataclass
from mensa_sim.units import UJ_PER_J, US_PER_S
from mensa_sim.workload.graph import LayerGraph

_MAX_ROTATE_BYTES = 2**28


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelStep:
    """One kernel done: told after each."""

    done: int
    total: int
    kernel: Kernel
    timing: Timing | None
    """None for a kernel that the device cannot run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMeasurement:
    """What a measurement gave."""

    table: TimingTable
    measured: int
    """Kernels timed now; the others were in the table already."""
    skipped: Mapping[Kernel, str]
    """Kernels that the device cannot run, with the reason."""


def measure(
    request: MeasureRequest, graphs: Sequence[LayerGraph], *, command: str, date: str, limits: Limits | None = None
) -> KernelMeasurement:
    """Times the kernels of the graphs' layers on the request's device into its table; one that is there is continued.

    `limits` are the request's unless others are given. Raises `UsageError` for a device or element type that is not
    there, `FileError` for a table of other conditions, `MensaError` where the device is lost.
    """
    for dtype in request.dtypes:
        lookup(DTYPE_BYTES, dtype, "dtype")
    kernels = kernels_of(graphs, request.dtypes)
    if not kernels:
        raise UsageError("the workloads have no layer that a kernel could be measured for")
    place, limits = device_of(request.device), limits or limits_of(request)
    with on_threads(request.threads), on_device(place), torch.inference_mode():
        timer = timer_of(place)
        meter = meter_of(place)
        method = _method(timer, meter, limits, place)
        try:
            conditions = conditions_of(place, timer, dtypes=request.dtypes, method=method, command=command, date=date)
            writer = TimingTableWriter(Path(request.output), conditions)
            before = len(writer.done)
            skipped = _time_all(kernels, place, timer, meter, limits, writer, request.progress)
            table = writer.finish(clocks(place))
        except torch.AcceleratorError as error:
            raise MensaError(
                f"{request.device} was lost: {first_line(error)}; what was measured is in {request.output}, "
                "run the same command again to go on"
            ) from error
    return KernelMeasurement(table=table, measured=len(table.timings) - before, skipped=skipped)


def limits_of(request: MeasureRequest | MeasureModelsRequest) -> Limits:
    """When something has been timed enough; `UsageError` where that is never."""
    try:
        return Limits(budget_s=request.budget_s, relative_error=request.relative_error)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _time_all(
    kernels: Sequence[Kernel],
    device: torch.device,
    timer: Timer,
    meter: EnergyMeter | None,
    limits: Limits,
    writer: TimingTableWriter,
    progress: Callable[[KernelStep], None],
) -> Mapping[Kernel, str]:
    """Times what the table does not hold yet; answers with what cannot be run and why."""
    skipped: dict[Kernel, str] = {}
    for index, kernel in enumerate(kernels, start=1):
        timing = writer.done.get(kernel)
        if timing is None:
            try:
                timing = _time_one(kernel, device, timer, meter, limits)
                writer.append(timing)
            except NoKernelError as error:
                skipped[kernel] = str(error)
        progress(KernelStep(done=index, total=len(kernels), kernel=kernel, timing=timing))
    return skipped


def _time_one(kernel: Kernel, device: torch.device, timer: Timer, meter: EnergyMeter | None, limits: Limits) -> Timing:
    prepared = prepare(kernel, device, rotate_bytes(device))
    try:
        sampling = warmed(prepared.run, timer, limits, time.perf_counter, rotation=prepared.sets)
        reading = read(sampling, limits, time.perf_counter)
        energy_j = energy_of(sampling, meter, time.perf_counter) if meter else None
    except RuntimeError as error:  # no memory left for one more run, say
        raise_if_lost(error)
        raise NoKernelError(first_line(error)) from error
    return Timing(
        kernel=kernel,
        median_us=_rounded(reading.median_s * US_PER_S),
        iqr_us=_rounded(reading.iqr_s * US_PER_S),
        repetitions=reading.repetitions,
        relative_error=_rounded(reading.relative_error),
        energy_uj=None if energy_j is None else _rounded(energy_j * UJ_PER_J),
    )


def rotate_bytes(device: torch.device) -> int:
    """Bytes of inputs that a kernel goes through before it meets the same ones again: twice the cache."""
    return min(_MAX_ROTATE_BYTES, 2 * cache_bytes(device))


def _rounded(value: float) -> float:
    """Six digits: more than any timing is worth, few enough to read."""
    return float(f"{value:.6g}")


def _method(timer: Timer, meter: EnergyMeter | None, limits: Limits, device: torch.device) -> str:
    precision = "; TF32 off" if device.type == "cuda" else ""
    energy = f"; energy by {meter.method}, idle power included" if meter else "; no energy counter"
    return (
        f"{timer.method}; median of {limits.min_repetitions} to {limits.max_repetitions} repetitions until its "
        f"standard error is below {limits.relative_error:g} or {limits.budget_s:g} s are spent; random inputs that "
        f"rotate through at least {rotate_bytes(device)} bytes or 64 sets{precision}{energy}"
    )


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Makes a GPU the current one, whose streams and events everything uses, and float32 there mean float32.

    cuDNN's convolutions at float32 would otherwise use TF32, torch's default.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.cuda.device(device):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Runs torch on that many CPU threads, and puts its own number back."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
