"""Energy counters of a device: what it has drawn since some moment, idle power included."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch

from mensa_sim.measurement.stopwatch import Clock, Sampling
from mensa_sim.units import MJ_PER_J, UJ_PER_J

RAPL_PACKAGES = Path("/sys/class/powercap")
WINDOW_S = 0.25
"""How long a kernel repeats for its energy: several updates of NVML's counter."""
_READ_EVERY_S = 0.01
"""Reading NVML's counter takes up to a millisecond, in which the device is idle."""


class CounterError(Exception):
    """A counter that could be read before cannot be read any more."""


class EnergyMeter(Protocol):
    """A counter of joules."""

    method: str
    """What counts, for the table's header."""

    def joules(self) -> float:
        """Joules since some moment; only differences mean something."""
        ...


class RaplMeter:
    """The package counters of a CPU (Linux powercap, intel-rapl), all packages together."""

    method = "RAPL package counters"

    def __init__(self, packages: tuple[Path, ...]) -> None:
        self._packages = packages
        self._wraps = tuple(int((package / "max_energy_range_uj").read_text()) for package in packages)
        self._last = self._read()
        self._total_uj = 0

    def _read(self) -> tuple[int, ...]:
        return tuple(int((package / "energy_uj").read_text()) for package in self._packages)

    def joules(self) -> float:
        """Joules since the meter was made; a counter that wrapped once since the last call is put right."""
        try:
            now = self._read()
        except OSError as error:
            raise CounterError(str(error)) from error
        for before, after, wrap in zip(self._last, now, self._wraps, strict=True):
            self._total_uj += after - before if after >= before else after + wrap - before
        self._last = now
        return self._total_uj / UJ_PER_J


class NvmlMeter:
    """NVML's total energy counter of one GPU (Volta and later)."""

    method = "NVML total energy counter"

    def __init__(self, millijoules: Callable[[], int]) -> None:
        self._millijoules = millijoules

    def joules(self) -> float:
        """Joules since the driver was loaded."""
        return self._millijoules() / MJ_PER_J


def meter_of(device: torch.device) -> EnergyMeter | None:
    """The device's counter, or none."""
    return nvml_meter(device) if device.type == "cuda" else rapl_meter()


def rapl_meter(folder: Path = RAPL_PACKAGES) -> RaplMeter | None:
    """The CPU's meter, or none where the counters are absent or not ours to read."""
    packages = tuple(sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1))
    try:
        return RaplMeter(packages) if packages else None
    except OSError:
        return None


def nvml_meter(device: torch.device) -> NvmlMeter | None:
    """A GPU's meter, or none without the extra `gpu` or on a GPU without the counter.

    Found by its UUID: NVML knows nothing of `CUDA_VISIBLE_DEVICES` and of CUDA's own order.
    """
    try:
        import pynvml
    except ImportError:
        return None

    def millijoules() -> int:
        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except pynvml.NVMLError as error:
            raise CounterError(str(error)) from error

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        millijoules()
    except (pynvml.NVMLError, CounterError):
        return None
    return NvmlMeter(millijoules)


def nvidia_driver() -> str:
    """The version of NVIDIA's driver, as far as NVML is there to say it."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return f"driver {pynvml.nvmlSystemGetDriverVersion()}"
    except Exception:  # without the extra `gpu`, or NVML's own errors
        return "driver not readable here (extra gpu)"


def energy_of(sampling: Sampling, meter: EnergyMeter, clock: Clock) -> float | None:
    """Joules of one run, from samples back to back between two ticks of the counter.

    A counter moves in steps, some 1 ms (RAPL) to 100 ms (NVML) apart, so it is read where it has just moved. None where
    it stands still or cannot be read any more.
    """
    try:
        first = _next_tick(sampling, meter, clock)
        if first is None:
            return None
        start_s, end_j, runs = clock(), first[0], 0
        while clock() - start_s < WINDOW_S:
            tick = _next_tick(sampling, meter, clock)
            if tick is None:
                return None
            end_j, runs = tick[0], runs + tick[1]
    except CounterError:
        return None
    return (end_j - first[0]) / runs


def _next_tick(sampling: Sampling, meter: EnergyMeter, clock: Clock) -> tuple[float, int] | None:
    """Runs the kernel until the counter moves: what it shows then, and the runs; none where it does not in time."""
    before, start_s, runs = meter.joules(), clock(), 0
    while clock() - start_s < WINDOW_S:
        until_s = clock() + _READ_EVERY_S
        while True:
            sampling.sample()
            runs += sampling.loops
            if clock() >= until_s:
                break
        now = meter.joules()
        if now > before:
            return now, runs
    return None
