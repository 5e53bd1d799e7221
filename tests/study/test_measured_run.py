"""Runs on systems with measured accelerators: which costs are measured, and with what error, is in the result."""

import html
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import mensa_sim as ms
from mensa_sim.api import explanation as explaining
from mensa_sim.api import session as api
from mensa_sim.cost.measured import timings
from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.kernels import fused_kernels, kernels_of
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_root
from mensa_sim.report.compare.compare import COMPARISON, compare_tables
from mensa_sim.report.explain.page import EXPLANATION, explanation_tables
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.run.tables import run_tables
from mensa_sim.report.scenario.page import SCENARIO_RUN, scenario_tables
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS


def test_mensa_beside_a_measured_cpu_schedules_a_cnn() -> None:
    pins = {"head.linear": "cpu_xeon_1_thread"}
    result = api.run("mobilenet_v2", system="cpu_plus_mensa", baseline="cpu_plus_mensa", pins=pins)
    by_source = {layer.name: layer.source for layer in result.main.layers}
    assert by_source.pop("head.linear") == "measured"
    assert "analytical" in by_source.values()
    assert result.main.caveats == (
        "cpu_xeon_1_thread: kernels at float32 stand for 8-bit parameters and 8-bit activations (1 layer)",
        "cpu_xeon_1_thread: energy estimated as 6250 mW times the time (taken as one core of an Intel Xeon Platinum "
        "8480+, whose specification says 350 W for 56 cores) (1 layer)",
        "cpu_xeon_1_thread: its idle power is not stated, so it draws nothing while it waits",
    )


NARROWER = (
    "conv2d (G384 OY23 OX31 FY3 FX3)",
    "conv2d (K17 C384 OY23 OX31)",
    "conv2d (K34 C384 OY23 OX31)",
    "conv2d (K32 C384 OY23 OX31)",
)
"""Kernels of PoseNet's last blocks, which had 512 channels when the CPU was at hand and have 384 now: fits stand
in for their times, and say so."""

NOT_MEASURED = [
    *(f"{kernel} at float32" for kernel in NARROWER),
    "avg_pool (72900 in, 69984 out, 419904 operations) at float32",
    "avg_pool (43940 in, 43264 out, 259584 operations) at float32",
    "avg_pool (1166400 in, 1119744 out, 6718464 operations) at float32",
    "avg_pool (703040 in, 692224 out, 4153344 operations) at float32",
]
"""Pools of a local response normalisation, whose scale, shift and power are one function now and were three when the
device was at hand: a fit stands in for their times, and says so."""


def test_the_shipped_cpu_table_holds_every_other_kernel_of_the_24_models() -> None:
    table = read_timing_table(shipped_root() / "accelerator_specs" / "measured" / "cpu_xeon_1_thread.csv")
    graphs = [load_workload(name) for name in MODELS]
    fused = {kernel for graph in graphs for layer in graph.layers for kernel in fused_kernels(layer, "float32")}
    missing = [kernel for kernel in kernels_of(graphs, table.dtypes) if table.find(kernel) is None]
    assert [str(kernel) for kernel in missing if kernel not in fused] == NOT_MEASURED


def test_the_shipped_gpu_table_holds_every_kernel_of_the_24_models_and_its_energy() -> None:
    table = read_timing_table(shipped_root() / "accelerator_specs" / "measured" / "gpu_h100.csv")
    kernels = kernels_of([load_workload(name) for name in MODELS], ["float16", "bfloat16"])
    assert [str(kernel) for kernel in kernels if table.find(kernel) is None] == []
    assert all(timing.energy_uj for timing in table.timings)


@pytest.mark.parametrize("system", ["gpu_h100", "gpu_h100_plus_pavlov"])
def test_a_model_on_the_gpu_is_priced_by_exact_kernels_without_a_fit(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timings, "kept_fit", lambda *_: pytest.fail("nothing asks for a fit"))
    timings._loaded.cache_clear()
    result = api.run("mobilenet_v2", system=system, baseline=system, scheduler="greedy")
    on_gpu = [layer for layer in result.main.layers if layer.accelerator == "gpu_h100"]
    assert on_gpu
    assert all(layer.source == "measured" and layer.error_percent is None for layer in on_gpu)
    fusing = [layer for layer in on_gpu if result.main.graph[layer.name].fused]
    assert f"gpu_h100: what layers fused runs as kernels of its own ({len(fusing)} layers)" in result.main.caveats


def test_a_cpu_alone_runs_a_model_by_its_measured_kernels() -> None:
    cpu = "cpu_xeon_1_thread"
    result = api.run("mobilenet_v2", system=cpu, baseline=cpu, scheduler="greedy", timings="exact")
    assert all(layer.source == "measured" and layer.error_percent is None for layer in result.main.layers)
    assert result.main.energy_by_component_pj["device"] > 0


def test_a_fits_error_stands_beside_each_of_its_numbers() -> None:
    result = api.run("lstm", system="gpu_t4", scheduler="greedy")
    layers = json.loads(INFERENCE.summary(result))["layers"]
    assert all(layer["source"] == "measured" and 0 < layer["error_percent"] < 20 for layer in layers)


def test_exact_timings_refuse_fits_and_an_unknown_mode_lists_the_choices() -> None:
    with pytest.raises(UsageError, match="holds fits alone"):
        api.run("lstm", system="gpu_t4", scheduler="greedy", timings="exact")
    with pytest.raises(UsageError, match="choose from exact, fit"):
        api.run("lstm", system="gpu_t4", timings="nearly")


def test_a_gpu_without_kernels_for_a_layer_says_which() -> None:
    said = r"trunk\.1\.depthwise\.conv, .* and 12 more \(gpu_t4: gpu_t4\.yaml has no fit for depthwise kernels.*measure"
    with pytest.raises(InfeasibleError, match=said):
        api.run("mobilenet_v2", system="gpu_t4", scheduler="greedy")


def test_every_output_says_which_figures_are_fits_extrapolated_or_estimated(tmp_path: Path) -> None:
    result = api.run("lstm", system="gpu_t4", scheduler="greedy")
    compared = ms.compare("lstm", ["edge_tpu", "gpu_t4"])
    stream = {"name": "s", "workload": "lstm", "arrivals": {"kind": "periodic", "fps": 5}}
    (tmp_path / "s.yaml").write_text(write_yaml({"name": "s", "duration_s": 1, "streams": [stream]}))
    scenario = api.run_scenario(tmp_path / "s.yaml", system="gpu_t4", scheduler="greedy")
    said = (
        "time from the fit to linear kernels, 10.62 % mean error out of sample (16 layers)",
        "steps priced one kernel after another",
        "extrapolated: rows outside the rows of the fit to linear kernels (8 layers)",
        "energy estimated as 70000 mW times the time (NVIDIA T4 datasheet (2019)",
    )
    assert len(result.main.caveats) == len(set(result.main.caveats)) == 6
    explained = explaining.explain(explaining.place("lstm", system="gpu_plus_pavlov"), "lstm.l0.i.hidden")
    for texts in (printed(explanation_tables(explained)), EXPLANATION.summary(explained)):
        assert "gpu_t4: time from the fit to linear kernels, 10.62 % mean error" in " ".join(texts.split())
    for texts in (
        printed(run_tables(result)),
        html.unescape(INFERENCE.page(result)),
        INFERENCE.summary(result),
        printed(compare_tables(compared)),
        html.unescape(COMPARISON.page(compared)),
        COMPARISON.summary(compared),
    ):
        assert all(text in " ".join(texts.split()) for text in said)
    for texts in (
        printed(scenario_tables(scenario)),
        html.unescape(SCENARIO_RUN.page(scenario)),
        SCENARIO_RUN.summary(scenario),
    ):
        assert "gpu_t4: time from the fit to linear kernels" in " ".join(texts.split())


def test_a_run_without_measured_accelerators_has_no_caveats() -> None:
    assert api.run("lstm").main.caveats == ()


def printed(tables: object) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(tables, markup=False)
    return console.export_text()


@pytest.mark.parametrize(("system", "file"), [("gpu_t4", "gpu_t4.yaml"), ("cpu_plus_mensa", "cpu_xeon_1_thread.csv")])
def test_the_file_of_timings_is_among_the_inputs(system: str, file: str) -> None:
    result = api.run("lstm", system=system, scheduler="greedy")
    assert any(name.endswith(f"measured/{file}") for name in result.inputs)
