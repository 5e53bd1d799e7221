"""Energy counters of a device: what it has drawn since some moment, idle power included."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mensa_sim.measure.stopwatch import Clock, Run

RAPL_PACKAGES = Path("/sys/class/powercap")
_MILLIJOULES_PER_J = 1000
_MICROJOULES_PER_J = 1_000_000
WINDOW_S = 0.25
"""How long a kernel repeats for its energy: several updates of NVML's counter (20 to 100 ms apart)."""


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
        now = self._read()
        for before, after, wrap in zip(self._last, now, self._wraps, strict=True):
            self._total_uj += after - before if after >= before else after + wrap - before
        self._last = now
        return self._total_uj / _MICROJOULES_PER_J


class NvmlMeter:
    """NVML's total energy counter of one GPU (Volta and later)."""

    method = "NVML total energy counter"

    def __init__(self, millijoules: Callable[[], int]) -> None:
        self._millijoules = millijoules

    def joules(self) -> float:
        """Joules since the driver was loaded."""
        return self._millijoules() / _MILLIJOULES_PER_J


def rapl_meter(folder: Path = RAPL_PACKAGES) -> RaplMeter | None:
    """The CPU's meter, or none where the counters are absent or not ours to read."""
    packages = tuple(sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1))
    try:
        return RaplMeter(packages) if packages else None
    except OSError:
        return None


def nvml_meter(index: int) -> NvmlMeter | None:
    """A GPU's meter, or none without the extra `gpu` or on a GPU without the counter."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return NvmlMeter(lambda: int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)))


def energy_of(run: Run, meter: EnergyMeter, clock: Clock, synchronise: Run) -> float | None:
    """Joules of one run, from many of them back to back; none where the counter did not move."""
    synchronise()
    start_s, start_j, runs = clock(), meter.joules(), 0
    while clock() - start_s < WINDOW_S:
        run()
        runs += 1
        if runs % 16 == 0:
            synchronise()
    synchronise()
    used = meter.joules() - start_j
    return used / runs if used > 0 else None
