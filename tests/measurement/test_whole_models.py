"""Whole models on a device: what is run, which time stands for it, and a file that `validate` reads."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_cuda import LAUNCH_S, FakeCuda

from mensa_sim.errors import FileError, UsageError
from mensa_sim.measurement import whole_models
from mensa_sim.measurement.energy import NvmlMeter
from mensa_sim.measurement.request import MeasureModelsRequest
from mensa_sim.measurement.stopwatch import Limits
from mensa_sim.measurement.whole_models import ModelTiming, measure_models, time_run
from mensa_sim.study.validate.file import read_measurements
from mensa_sim.workload.files import WorkloadFile

LIMITS = Limits(min_repetitions=2, max_repetitions=3, budget_s=0.01, warm_up_s=0.0, relative_error=0.5)
MODEL_S = 3e-4
WATTS = 100


def timed(folder: Path, *workloads: str, dtype: str = "float32", device: str = "cpu") -> tuple[ModelTiming, ...]:
    request = MeasureModelsRequest(
        workloads, device=device, dtype=dtype, system="cpu_xeon_1_thread", output=folder / "m.csv"
    )
    return measure_models(request, limits=LIMITS, command="a test", date="today")


def test_a_model_is_built_folded_and_timed_into_measurements_that_validate_reads(tmp_path: Path) -> None:
    (model,) = timed(tmp_path, "blazeface")
    assert model.timing.replayed is None
    assert model.batch_norms == model.folded > 0
    rows = read_measurements(tmp_path / "m.csv")
    latency = next(row for row in rows if row.metric == "latency_ms")
    assert latency.measured == pytest.approx(1000 * model.timing.launched.median_s, rel=1e-5)
    assert (latency.workload, latency.system) == ("blazeface", "cpu_xeon_1_thread")


def test_a_list_of_layers_and_an_integer_type_are_no_whole_model(tmp_path: Path) -> None:
    listed = tmp_path / "listed.yaml"
    listed.write_text("name: listed\nlayers: [{name: a, operator: linear, dims: {K: 4, C: 4}}]\n")
    with pytest.raises(FileError, match="nothing whole to run"):
        timed(tmp_path, str(listed))
    with pytest.raises(UsageError, match="int8: torch runs no whole model"):
        timed(tmp_path, "mnist_cnn", dtype="int8")
    assert not (tmp_path / "m.csv").exists()


def test_a_model_that_does_not_run_is_named_and_those_before_it_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = whole_models.time_model

    def fails_second(workload: WorkloadFile, *rest: Any) -> ModelTiming:
        if workload.name == "blazeface":
            raise torch.OutOfMemoryError("no memory left\nand more")
        return real(workload, *rest)

    monkeypatch.setattr(whole_models, "time_model", fails_second)
    with pytest.raises(UsageError, match=r"blazeface\.yaml: does not run at float32 .*: no memory left; .* 1 before"):
        timed(tmp_path, "mnist_cnn", "blazeface")
    assert {row.workload for row in read_measurements(tmp_path / "m.csv")} == {"mnist_cnn"}


@pytest.mark.parametrize("captures", [True, False])
def test_on_a_gpu_the_replayed_graph_is_timed_beside_the_hosts_launches(
    captures: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = FakeCuda(monkeypatch)
    cuda.captures = captures
    meter = NvmlMeter(lambda: round(cuda.now_s // 0.02 * 20) * WATTS)
    timing = time_run(cuda.kernel(MODEL_S), LIMITS, lambda: cuda.now_s, gpu=True, meter=meter)
    assert timing.launched.median_s == pytest.approx(MODEL_S + LAUNCH_S)
    assert (timing.replayed is not None) == captures
    if timing.replayed is not None:
        assert timing.replayed.median_s == pytest.approx(MODEL_S)
        assert timing.energy_j == pytest.approx(WATTS * MODEL_S, rel=0.1)
