"""The CUDA path with a fake device: what it times, what it falls back to, and what a lost device leaves behind."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from fake_cuda import LAUNCH_S, FakeCuda

from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.table import Conditions
from mensa_sim.errors import MensaError
from mensa_sim.measurement import energy
from mensa_sim.measurement import measure as measuring
from mensa_sim.measurement.energy import CounterError, NvmlMeter, nvml_meter
from mensa_sim.measurement.kernels.kernels import PreparedKernel
from mensa_sim.measurement.measure import KernelMeasurement, KernelStep, measure
from mensa_sim.measurement.request import MeasureRequest
from mensa_sim.measurement.stopwatch import Limits, time_kernel
from mensa_sim.measurement.timers import CudaTimer
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest

LIMITS = Limits(min_repetitions=3, max_repetitions=20, budget_s=0.1, warm_up_s=0.001)
WATTS = 50


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


@pytest.mark.parametrize("duration_s", [2e-6, 4e-5, 3e-3])
def test_a_replayed_graph_is_timed_without_the_hosts_launches(cuda: FakeCuda, duration_s: float) -> None:
    reading = time_kernel(cuda.kernel(duration_s), CudaTimer(), LIMITS, lambda: cuda.now_s)
    assert reading.median_s == pytest.approx(duration_s)
    assert reading.iqr_s == pytest.approx(0, abs=1e-12)


def test_every_set_of_inputs_is_in_each_sample_equally_often(cuda: FakeCuda) -> None:
    run = cuda.kernel(1e-6, 2e-6, 9e-6)
    assert time_kernel(run, CudaTimer(), LIMITS, lambda: cuda.now_s, rotation=3).median_s == pytest.approx(4e-6)


def test_what_cannot_be_captured_is_launched_and_leaves_the_stream_as_it_was(cuda: FakeCuda) -> None:
    cuda.captures = False
    reading = time_kernel(cuda.kernel(4e-5), CudaTimer(), LIMITS, lambda: cuda.now_s)
    assert reading.median_s == pytest.approx(4e-5 + LAUNCH_S)
    assert cuda.stream == "default"


@pytest.mark.parametrize("captures", [True, False])
def test_a_lost_device_is_not_taken_for_a_kernel_that_cannot_be_captured(cuda: FakeCuda, captures: bool) -> None:
    cuda.captures, cuda.lost = captures, True
    with pytest.raises(torch.AcceleratorError):
        time_kernel(cuda.kernel(4e-5), CudaTimer(), LIMITS, lambda: cuda.now_s)


class Gpu:
    """A whole measurement on the fake device, whose counter ticks every 20 ms at so many watts."""

    def __init__(self, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cuda, self.counter_gone = cuda, False
        conditions = Conditions(
            device="fake",
            driver="fake",
            torch="fake",
            date="today",
            method="fake",
            clocks_before="1",
            clocks_after="not finished",
            command="none",
            processors=1,
            cache_bytes=1000,
            copy_bytes_per_s=1e9,
            peak_macs_per_s={"float32": 1e9},
        )
        for name, value in {
            "device_of": lambda name: torch.device("cuda", 0),
            "meter_of": lambda device: NvmlMeter(self._millijoules),
            "conditions_of": lambda *rest, **options: conditions,
            "cache_bytes": lambda device: 1000,
            "clocks": lambda device: "SM 1000 MHz",
            "prepare": lambda kernel, *rest: PreparedKernel(run=cuda.kernel(1e-4 * kernel.nest.OX), sets=1),
        }.items():
            monkeypatch.setattr(measuring, name, value)
        monkeypatch.setattr(measuring.time, "perf_counter", lambda: cuda.now_s)
        monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())

    def _millijoules(self) -> int:
        if self.counter_gone:
            raise CounterError("GPU is lost")
        return round(self.cuda.now_s // 0.02 * 20) * WATTS

    def measure(self, folder: Path, *rows: int, **options: object) -> KernelMeasurement:
        layers = tuple(
            Layer(name=f"l{count}", operator="linear", nest=LoopNest(OX=count, input_width=count)) for count in rows
        )
        graph = LayerGraph(name="linears", layers=layers, edges=())
        request = MeasureRequest(("",), device="cuda", output=folder / "t.csv", **options)  # type: ignore[arg-type]
        return measure(request, [graph], limits=LIMITS, command="a test", date="today")


@pytest.fixture
def gpu(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return Gpu(cuda, monkeypatch)


def test_times_and_energies_of_known_kernels_are_found(gpu: Gpu, tmp_path: Path) -> None:
    for timing in gpu.measure(tmp_path, 1, 7, 30).table.timings:
        assert timing.kernel.nest is not None
        assert timing.median_us == pytest.approx(100 * timing.kernel.nest.OX)
        assert timing.energy_uj == pytest.approx(WATTS * timing.median_us, rel=0.05)


def test_a_counter_that_goes_away_leaves_energies_empty_and_not_zero(gpu: Gpu, tmp_path: Path) -> None:
    def stop(step: KernelStep) -> None:
        gpu.counter_gone = True

    timings = gpu.measure(tmp_path, 1, 2, progress=stop).table.timings
    assert [timing.energy_uj is None for timing in timings] == [False, True]


def test_a_device_that_disappears_keeps_what_was_measured_and_the_run_goes_on_later(gpu: Gpu, tmp_path: Path) -> None:
    def lose(step: KernelStep) -> None:
        gpu.cuda.lost = step.done == 2

    with pytest.raises(MensaError, match=r"cuda was lost: CUDA error: GPU is lost; .*run the same command again"):
        gpu.measure(tmp_path, 1, 2, 3, 4, progress=lose)
    assert len(read_timing_table(tmp_path / "t.csv").timings) == 2
    gpu.cuda.lost = False
    again = gpu.measure(tmp_path, 1, 2, 3, 4)
    assert (again.measured, len(again.table.timings)) == (2, 4)


def test_a_kernel_without_memory_for_one_more_run_is_skipped(
    gpu: Gpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    prepare = measuring.prepare

    def prepared(kernel: object, *rest: object) -> PreparedKernel:
        full = kernel.nest.OX == 2  # type: ignore[attr-defined]
        return PreparedKernel(run=run, sets=1) if full else prepare(kernel, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "prepare", prepared)
    result = gpu.measure(tmp_path, 1, 2, 3)
    assert list(result.skipped.values()) == ["CUDA out of memory. Tried to allocate 20 GiB"]
    assert len(result.table.timings) == 2


def test_float32_means_float32_while_a_gpu_is_measured(gpu: Gpu, tmp_path: Path) -> None:
    seen: list[bool] = []
    before = torch.backends.cudnn.allow_tf32
    gpu.measure(tmp_path, 1, progress=lambda step: seen.append(torch.backends.cudnn.allow_tf32))
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 is before


def test_nvml_is_asked_for_the_gpu_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nvml:
        class NVMLError(Exception):
            pass

        asked: str = ""
        gone = False

        @staticmethod
        def nvmlInit() -> None:  # noqa: N802
            pass

        @classmethod
        def nvmlDeviceGetHandleByUUID(cls, uuid: str) -> str:  # noqa: N802
            cls.asked = uuid
            return uuid

        @classmethod
        def nvmlDeviceGetTotalEnergyConsumption(cls, handle: str) -> int:  # noqa: N802
            if cls.gone:
                raise cls.NVMLError("GPU is lost")
            return 1500

    class Properties:
        uuid = "0123"

    monkeypatch.setitem(__import__("sys").modules, "pynvml", Nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: Properties)
    meter = nvml_meter(torch.device("cuda", 0))
    assert meter is not None
    assert (Nvml.asked, meter.joules()) == ("GPU-0123", 1.5)
    Nvml.gone = True
    with pytest.raises(CounterError, match="lost"):
        meter.joules()
    assert nvml_meter(torch.device("cuda", 0)) is None
    assert energy.nvidia_driver() == "driver not readable here (extra gpu)"
