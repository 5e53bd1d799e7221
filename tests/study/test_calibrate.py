"""Calibration finds constants that made the times, judges on rows it did not see, and says what it did."""

from pathlib import Path

import pytest

from mensa_sim.cost.measured.file import table_text
from mensa_sim.cost.measured.table import Conditions, Kernel, Timing, TimingTable
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_root
from mensa_sim.report.calibrate.calibrate import _finding
from mensa_sim.study.calibrate.calibrate import Calibration, JudgedKernels, _layer, calibrate
from mensa_sim.study.calibrate.request import CalibrateRequest
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import LoopNest

TEXTS = dict.fromkeys(
    ("device", "driver", "torch", "date", "method", "clocks_before", "clocks_after", "command"), "not stated"
)
CONDITIONS = Conditions(
    **TEXTS,  # type: ignore[arg-type]
    processors=1,
    cache_bytes=1000,
    copy_bytes_per_s=1e10,
    peak_macs_per_s={"int8": 1e11},
)
KERNELS = [
    Kernel(operator="linear", dtype="int8", nest=LoopNest(K=64 * (i + 1), C=96, OX=32 * (i % 5 + 1), input_width=160))
    for i in range(14)
]
CLOCK = "accelerators.pascal.clock_hz"


def table(folder: Path, clock_hz: int) -> Path:
    """What Pascal would take at another clock."""
    system = load_system("pascal", [f"{CLOCK}={clock_hz}"])
    layers = tuple(_layer(f"k{index}", kernel) for index, kernel in enumerate(KERNELS))
    costs = price(LayerGraph(name="g", layers=layers, edges=()), system, "latency")
    timings = tuple(
        Timing(
            kernel=kernel,
            median_us=costs.latency_ps(layer.name, "pascal") / 1e6,
            iqr_us=0.0,
            repetitions=1,
            relative_error=0.0,
        )
        for layer, kernel in zip(layers, KERNELS, strict=True)
    )
    path = folder / "t.csv"
    path.write_text(table_text(TimingTable(label="t.csv", conditions=CONDITIONS, timings=timings)))
    return path


def test_a_clock_that_made_the_times_is_found_from_half_of_them(tmp_path: Path) -> None:
    result = calibrate(CalibrateRequest("pascal", table(tmp_path, 700_000_000), fields=[CLOCK]))
    before, after = result.fitted[CLOCK]
    assert before == load_system("pascal").accelerators[0].spec.clock_hz
    assert after == pytest.approx(700_000_000, rel=0.02)
    assert result.rows == 7
    assert result.choices == {"field": [CLOCK]}
    assert result.command == f"mensa-sim calibrate pascal t.csv --field {CLOCK}"
    assert result.error_percent < 2 < result.error_before_percent


def test_the_calibrated_system_loads_and_says_what_was_fitted_from_what_with_which_error(tmp_path: Path) -> None:
    path = tmp_path / "calibrated.yaml"
    result = calibrate(CalibrateRequest("pascal", table(tmp_path, 700_000_000), fields=[CLOCK], output=path))
    system = load_system(path)
    assert system.accelerators[0].spec.clock_hz == result.fitted[CLOCK][1]
    for said in (CLOCK, "7 kernels of t.csv", "mean error on 7 other kernels"):
        assert said in system.source


def test_a_fit_of_a_device_is_judged_on_kernels_left_out() -> None:
    judged = (JudgedKernels(operator="linear", rows=9, error_percent=3.0, error_before_percent=40.0),)
    found = Calibration(spec="card", text="", fitted={}, rows=9, judged=judged)
    assert _finding(found) == "card: fitted to 9 kernels; mean error on kernels left out 3.0 %, plain roofline 40.0 %"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (["a", "b", "c", "d"], "1 to 3 fields"),
        (["accelerators.pavlov.clock_hz"], "use accelerators.pascal.FIELD"),
        (["accelerators.pascal.name"], "no positive number"),
        (["accelerators.pascal.clokc_hz"], "unknown field 'clokc_hz'; did you mean 'clock_hz'"),
        (["accelerators.pascal.clock_hz.more"], "no positive number"),
        ([CLOCK, CLOCK], "given twice"),
        (["memories.nowhere.efficiency"], "use accelerators.pascal.FIELD"),
    ],
)
def test_fields_that_cannot_be_fitted_are_refused(tmp_path: Path, fields: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        calibrate(CalibrateRequest("pascal", table(tmp_path, 700_000_000), fields=fields))


def test_a_measured_or_composed_system_is_not_calibrated(tmp_path: Path) -> None:
    path = table(tmp_path, 700_000_000)
    for spec in ("mensa_g", "gpu_t4"):
        with pytest.raises(UsageError, match="needs one analytical accelerator"):
            calibrate(CalibrateRequest(spec, path, fields=[CLOCK]))


def test_a_device_needs_a_table_with_enough_rows(tmp_path: Path) -> None:
    path = table(tmp_path, 700_000_000)
    assert [each.operator for each in calibrate(CalibrateRequest("pascal", path)).judged] == ["linear"]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-8]))
    with pytest.raises(UsageError, match="no family of kernels has enough rows at int8"):
        calibrate(CalibrateRequest("pascal", path))


def test_a_table_whose_kernels_the_accelerator_cannot_run_is_refused_and_says_why(tmp_path: Path) -> None:
    text = table(tmp_path, 700_000_000).read_text().replace(",int8,", ",float32,").replace(".int8", ".float32")
    (tmp_path / "wide.csv").write_text(text)
    request = CalibrateRequest("edge_tpu", tmp_path / "wide.csv", fields=["accelerators.edge_tpu.clock_hz"])
    with pytest.raises(
        UsageError, match=r"0 of 14 kernels at float32 run on edge_tpu, too few \(linear .*cannot run .*weight"
    ):
        calibrate(request)


def test_kernels_that_are_left_out_are_counted(tmp_path: Path) -> None:
    path = table(tmp_path, 700_000_000)
    refused = Kernel(operator="softmax", dtype="int8", vector_ops=40, input_elements=8, output_elements=8)
    row = Timing(kernel=refused, median_us=1.0, iqr_us=0.0, repetitions=1, relative_error=0.0)
    path.write_text(
        path.read_text()
        + table_text(TimingTable(label="", conditions=CONDITIONS, timings=(row,))).splitlines(keepends=True)[-1]
    )
    technology = shipped_root() / "accelerator_specs" / "technology" / "cmos_22nm.yaml"
    spec = (shipped_root() / "accelerator_specs" / "accelerators" / "pascal.yaml").read_text()
    (tmp_path / "pascal.yaml").write_text(
        spec.replace("../technology/cmos_22nm.yaml", str(technology)) + "refuses: [softmax]\n"
    )
    result = calibrate(CalibrateRequest(str(tmp_path / "pascal.yaml"), path, fields=[CLOCK]))
    assert result.left_out == 1
    assert "kernels left out, as it cannot run them: 1" in result.text
    assert result.rows == 7
