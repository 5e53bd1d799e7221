"""What a table's header says of the device: its name, driver, clocks, and two probes of what it can do at most."""

import os
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mensa_sim.cost.measured.table import DTYPE_BYTES, Conditions
from mensa_sim.errors import UsageError
from mensa_sim.measurement.energy import nvidia_driver
from mensa_sim.measurement.kernels.kernels import first_line, raise_if_lost
from mensa_sim.measurement.random_tensors import TORCH_DTYPES, RandomTensors
from mensa_sim.measurement.stopwatch import Limits, Run, Timer, time_kernel

UNREAD = "not readable here"
_PROBE = Limits(relative_error=0.01, budget_s=1.0, warm_up_s=0.1)
_COPY_BYTES = 2**28
_PRODUCT_SIZE = {"cpu": 1536, "cuda": 8192}


def conditions_of(
    device: torch.device, timer: Timer, *, dtypes: Sequence[str], method: str, command: str, date: str
) -> Conditions:
    """The header for a table that begins now; `clocks_after` is still open."""
    peaks: dict[str, float] = {}
    for dtype in dtypes:
        peaks[dtype] = _peak_macs_per_s(device, dtype, timer)
    return Conditions(
        device=device_name(device),
        driver=driver(device),
        torch=str(torch.__version__),
        date=date,
        method=method,
        clocks_before=clocks(device),
        clocks_after="not finished",
        command=command,
        processors=processors(device),
        cache_bytes=cache_bytes(device),
        copy_bytes_per_s=_copy_bytes_per_s(device, timer),
        peak_macs_per_s=peaks,
    )


def device_name(device: torch.device) -> str:
    """The maker's name of a GPU, or of the CPU with the threads that torch uses."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    model = _cpu_field("model name") or platform.processor() or platform.machine()
    count = processors(device)
    return f"{model}, {count} thread{'' if count == 1 else 's'}"


def processors(device: torch.device) -> int:
    """SMs of a GPU, threads that torch uses on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).multi_processor_count)
    return torch.get_num_threads()


def cache_bytes(device: torch.device) -> int:
    """The last level of cache that is the device's own: L2 of a GPU; of a CPU the L2 caches of its threads.

    A server's L3 is shared with whatever else runs there, so it is no measure of what a kernel keeps.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    sizes = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        text = _read(index / "size")
        if text.endswith("K"):
            sizes[_read(index / "level")] = int(text[:-1]) * 1024
    return sizes.get("2", 2**20) * processors(device)


def clocks(device: torch.device) -> str:
    """The clock rates that the device reports now, as text."""
    if device.type == "cuda":
        try:
            return f"SM {torch.cuda.clock_rate(device)} MHz"
        except Exception as error:  # NVML's own errors share no base with torch's
            raise_if_lost(error)
            return UNREAD
    found = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", _read(Path("/proc/cpuinfo")), flags=re.MULTILINE)
    load = f", load average {os.getloadavg()[0]:.2f}"
    return f"{' and '.join(dict.fromkeys(found))} MHz{load}" if found else UNREAD + load


def driver(device: torch.device) -> str:
    """What runs the device: driver and libraries, or the CPU's system and vector instructions."""
    if device.type == "cuda":
        cudnn: Any = torch.backends.cudnn  # its functions carry no types
        return f"NVIDIA {nvidia_driver()}, CUDA {torch.version.cuda}, cuDNN {cudnn.version()}"
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{platform.system()} {kernel}, {torch.backends.cpu.get_cpu_capability()}"


def _copy_bytes_per_s(device: torch.device, timer: Timer) -> float:
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPY_BYTES / _seconds(lambda: target.copy_(source), timer)


def _peak_macs_per_s(device: torch.device, dtype: str, timer: Timer) -> float:
    size = _PRODUCT_SIZE[device.type] // (1 if DTYPE_BYTES[dtype] >= 2 or device.type == "cuda" else 2)
    tensors = RandomTensors(device, dtype)
    try:
        left, right = tensors.normal(size, size), tensors.normal(size, size)
        product = torch._int_mm if TORCH_DTYPES[dtype] == torch.int8 else torch.mm
        return size**3 / _seconds(lambda: product(left, right), timer)
    except (RuntimeError, NotImplementedError) as error:
        raise_if_lost(error)
        raise UsageError(f"{device} cannot multiply matrices at {dtype}: {first_line(error)}") from error


def _seconds(run: Run, timer: Timer) -> float:
    with torch.inference_mode():
        return time_kernel(run, timer, _PROBE, time.perf_counter).median_s


def _cpu_field(name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), flags=re.MULTILINE)
    return found.group(1).strip() if found else ""


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
