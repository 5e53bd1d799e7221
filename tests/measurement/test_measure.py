"""Measuring for real on this machine's CPU, with small kernels."""

import math
import signal
from pathlib import Path

import pytest
import torch
from killed import ended

from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.kernels import kernels_of
from mensa_sim.cost.measured.table import Kernel, Timing
from mensa_sim.errors import FileError, MensaError, UsageError
from mensa_sim.measurement import conditions
from mensa_sim.measurement import measure as measuring
from mensa_sim.measurement.measure import KernelMeasurement, KernelStep, measure
from mensa_sim.measurement.request import MeasureRequest
from mensa_sim.measurement.stopwatch import Limits
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.torch.trace import trace
from mensa_sim.workload.layer import Layer, LoopNest

QUICK = Limits(relative_error=0.5, budget_s=0.01, warm_up_s=0.0, min_repetitions=2, max_repetitions=5)


@pytest.fixture(autouse=True)
def _small_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_COPY_BYTES", 2**20)
    monkeypatch.setattr(conditions, "_PRODUCT_SIZE", {"cpu": 64, "cuda": 64})
    monkeypatch.setattr(conditions, "_PROBE", QUICK)
    monkeypatch.setattr(measuring, "_MAX_ROTATE_BYTES", 2**16)


def linears(*rows: int) -> LayerGraph:
    layers = tuple(
        Layer(name=f"l{count}", operator="linear", nest=LoopNest(K=8, C=8, OX=count, input_width=count))
        for count in rows
    )
    return LayerGraph(name="linears", layers=layers, edges=())


def run(graph: LayerGraph, output: Path, **options: object) -> KernelMeasurement:
    request = MeasureRequest(("",), output=output, **options)  # type: ignore[arg-type]
    return measure(request, [graph], limits=QUICK, command="a test", date="2026-01-01")


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.lstm = torch.nn.LSTM(8, 4, batch_first=True)
        self.norm = torch.nn.LayerNorm(4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps = torch.nn.functional.max_pool2d(self.depthwise(self.conv(image)), 2)
        sequence, _ = self.lstm(maps.flatten(2).transpose(1, 2))
        return torch.softmax(self.norm(sequence) @ sequence.transpose(1, 2), dim=-1)


def test_every_kernel_of_a_model_is_measured_and_read_back(tmp_path: Path) -> None:
    graph = trace(Small().to("meta"), (torch.empty(1, 3, 16, 16, device="meta"),), name="small")
    result = run(graph, tmp_path / "t.csv", threads=1)  # timed in what it has of the processor, not in what it waits
    assert result.skipped == {}
    assert read_timing_table(tmp_path / "t.csv") == result.table
    assert {timing.kernel for timing in result.table.timings} == set(kernels_of([graph], ["float32"]))
    assert {"conv2d", "max_pool", "linear", "cell_update", "lstm", "layer_norm", "matmul", "softmax"} <= {
        timing.kernel.operator for timing in result.table.timings
    }
    assert all(2 <= timing.repetitions <= 5 and timing.median_us > 0 for timing in result.table.timings)
    header = result.table.conditions
    assert header.command == "a test"
    assert "not finished" not in header.clocks_after
    assert header.torch == str(torch.__version__)
    assert header.peak_macs_per_s["float32"] > 1e6


def test_a_second_run_measures_only_what_is_missing(tmp_path: Path) -> None:
    first = run(linears(1, 2), tmp_path / "t.csv")
    second = run(linears(1, 2, 3), tmp_path / "t.csv")
    assert (first.measured, second.measured) == (2, 1)
    assert second.table.timings[:2] == first.table.timings


def test_a_table_continued_at_another_element_type_has_the_peaks_of_both(tmp_path: Path) -> None:
    first = run(linears(1), tmp_path / "t.csv")
    second = run(linears(1), tmp_path / "t.csv", dtypes=("bfloat16",)).table.conditions
    assert list(second.peak_macs_per_s) == ["bfloat16", "float32"]
    assert second.peak_macs_per_s["float32"] == first.table.conditions.peak_macs_per_s["float32"]


def test_a_run_killed_in_the_middle_loses_at_most_one_kernel(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
import sys
sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]}
import test_measure as t
from mensa_sim.measurement import conditions
t.measuring._MAX_ROTATE_BYTES = 2**16
conditions._COPY_BYTES, conditions._PRODUCT_SIZE, conditions._PROBE = 2**20, {{"cpu": 64}}, t.QUICK
def kill(step):
    if step.done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
t.run(t.linears(1, 2, 3, 4, 5), Path({str(tmp_path / "t.csv")!r}), progress=kill)
"""
    assert ended("-c", script) == (-signal.SIGKILL, "", "")
    cut = read_timing_table(tmp_path / "t.csv")
    assert len(cut.timings) == 3
    assert cut.conditions.clocks_after == "not finished"
    finished = run(linears(1, 2, 3, 4, 5), tmp_path / "t.csv")
    assert (finished.measured, finished.table.timings[:3]) == (2, cut.timings)


def test_progress_is_told_after_each_kernel(tmp_path: Path) -> None:
    steps: list[KernelStep] = []
    run(linears(1, 2), tmp_path / "t.csv", progress=steps.append)
    assert [(step.done, step.total, step.timing is not None) for step in steps] == [(1, 2, True), (2, 2, True)]


def test_what_the_device_cannot_run_is_skipped_with_its_reason(tmp_path: Path) -> None:
    odd = Layer(name="o", operator="odd_operator", input_bytes=4, output_bytes=4)
    graph = LayerGraph(name="g", layers=(*linears(1).layers, odd), edges=())
    result = run(graph, tmp_path / "t.csv")
    assert [(kernel.operator, why) for kernel, why in result.skipped.items()] == [
        ("odd_operator", "no kernel is known for the operator odd_operator")
    ]
    assert len(result.table.timings) == 1


def test_half_and_integer_types_have_kernels_of_their_own(tmp_path: Path) -> None:
    result = run(linears(32), tmp_path / "t.csv", dtypes=("float32", "bfloat16", "int8"))
    assert [timing.kernel.dtype for timing in result.table.timings] == ["float32", "bfloat16", "int8"]


@pytest.mark.parametrize("device", ["cuda:77", "tpu", "meta"])
def test_a_device_that_is_not_there_is_a_clear_error(tmp_path: Path, device: str) -> None:
    with pytest.raises(UsageError, match="use "):
        run(linears(1), tmp_path / "t.csv", device=device)
    assert not (tmp_path / "t.csv").exists()


def test_a_device_that_disappears_is_a_clear_error_and_the_table_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = measuring._time_one

    def lost_at_three(kernel: Kernel, *rest: object) -> Timing:
        if kernel.nest is not None and kernel.nest.OX == 3:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return real(kernel, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "_time_one", lost_at_three)
    with pytest.raises(MensaError, match=r"was lost.*run the same command again"):
        run(linears(1, 2, 3, 4), tmp_path / "t.csv")
    assert len(read_timing_table(tmp_path / "t.csv").timings) == 2


def test_a_table_measured_with_other_threads_is_not_continued(tmp_path: Path) -> None:
    run(linears(1), tmp_path / "t.csv", threads=1)
    before = torch.get_num_threads()
    with pytest.raises(FileError, match="processors"):
        run(linears(1, 2), tmp_path / "t.csv", threads=2)
    assert torch.get_num_threads() == before


def test_a_workload_without_kernels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layer"):
        run(LayerGraph(name="empty", layers=(), edges=()), tmp_path / "t.csv")


@pytest.mark.gpu
def test_a_gpu_measures_the_same_kernels(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    result = run(linears(64, 1024), tmp_path / "t.csv", device="cuda")
    assert len(result.table.timings) == 2
    assert all(math.isfinite(timing.median_us) for timing in result.table.timings)
