"""Predictions against measured Edge TPUs, and of their compiler; bounds are those reached, with some room."""

import csv
import re
from pathlib import Path
from statistics import linear_regression

import pytest

from mensa_sim.hardware.files import load_system
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_files
from mensa_sim.study.validate.fitted_constants import FittedConstant, fitted_constants
from mensa_sim.study.validate.predict import Predictor
from mensa_sim.study.validate.reference_rows import HOST_PARTS, mobilenet_grid, reference_measurements
from mensa_sim.study.validate.validate import ValidateResult, ValidationRow, shipped_measurements, validate

Rows = list[ValidationRow]
CONSTANTS = fitted_constants(load_system)


@pytest.fixture(scope="module")
def result(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> ValidateResult:
    """Of all that is measured but GPUs, whose rows the page's own `mensa-sim validate` predicts."""
    measured = reference_measurements(reference, tmp_path_factory.mktemp("workloads"))
    shipped = (each for each in shipped_measurements() if not each.system.startswith("gpu_"))
    found = validate([*shipped, *measured])
    assert not found.failures
    return found


def mean(rows: Rows) -> float:
    assert rows
    return sum(abs(row.error_percent) for row in rows) / len(rows)


def chosen(result: ValidateResult, system: str, metric: str = "latency_ms", source: str = "") -> Rows:
    """The rows of a system but for those of models with a part on its host's CPU."""
    return [
        row
        for row in result.rows
        if (row.measurement.system, row.measurement.metric) == (system, metric)
        and source in row.measurement.source
        and row.measurement.group != HOST_PARTS
    ]


@pytest.mark.parametrize("fit", {(each.system, each.rows, each.others): each for each in CONSTANTS}.values())
def test_a_fit_states_its_rows_and_its_error_on_the_others_as_they_are(
    result: ValidateResult, fit: FittedConstant
) -> None:
    metric = "energy_mj" if "energies" in fit.rows else "latency_ms"
    rows = chosen(result, fit.system, metric)
    others = unseen(rows)
    assert fit.rows.split()[0] == str(len(rows) - len(others))
    text = shipped_files("systems")[fit.system].read_text()
    if others:
        error = f"{mean(others):.1f} %"
        assert fit.others == f"{len(others)} rows, {error}"
        assert error in text
    else:  # so few rows that each was left out in turn: who has seen a row is never further off than who has not
        stated = re.findall(r"[0-9.]+ %", fit.others)
        assert mean(rows) <= float(stated[0].split()[0])
        assert stated[0] in text


def test_the_readme_states_errors_of_what_was_not_fitted_as_they_are(result: ValidateResult) -> None:
    """Of what no constant saw; where they saw all, what the fits without each model and each half give."""
    left_out = {each.system: re.findall(r"[0-9.]+ %", each.others) for each in CONSTANTS}
    readme = " ".join((Path(__file__).parents[2] / "mensa_sim" / "study" / "README.md").read_text().split())
    for system, metric in dict.fromkeys((system, metric) for system, metric, _ in result.groups):
        others = unseen(chosen(result, system, metric))
        if metric != "cached_parameter_bytes":
            for stated in [f"{mean(others):.1f} %"] if others else left_out[system]:
                assert stated in readme, (system, metric, len(others))


def test_detectors_whose_last_part_runs_on_the_host_are_near_though_nothing_was_fitted_on_them(
    result: ValidateResult,
) -> None:
    timed = [row for row in result.rows if row.measurement.metric == "latency_ms"]
    rows = [row for row in timed if row.measurement.group == HOST_PARTS]
    assert len(rows) == 5
    assert not any(row.may_be_fitted for row in rows)
    assert mean(rows) < 17
    readme = " ".join((Path(__file__).parents[2] / "mensa_sim" / "study" / "README.md").read_text().split())
    assert f"{mean(rows):.1f} % over {len(rows)} detectors" in readme


def unseen(rows: Rows) -> Rows:
    return [row for row in rows if not row.may_be_fitted]


@pytest.mark.parametrize(("system", "bound"), [("coral_usb3_jetson", 5.0), ("coral_usb2", 3.0)])
def test_the_operator_sweep_is_within_12_percent_on_rows_that_no_constant_saw_and_on_all(
    result: ValidateResult, system: str, bound: float
) -> None:
    rows = chosen(result, system, source="EdgeTPU_Analysis")
    assert mean(rows) < bound < 12
    assert mean(unseen(rows)) < bound


@pytest.mark.parametrize(
    ("group", "bound"),
    [
        ("convolution stacks", 6.0),
        ("spilled convolution stacks", 8.0),
        ("dense stacks", 22.0),
        ("spilled dense stacks", 4.0),
    ],
)
def test_stacks_over_pcie_are_near_on_rows_that_no_constant_saw_and_on_all(
    result: ValidateResult, group: str, bound: float
) -> None:
    """Of dense stacks on chip ten runs of 0.1 ms differ by a third without any order in their sizes."""
    rows = [row for row in chosen(result, "coral_pcie") if row.measurement.group == group]
    assert mean(rows) < bound
    assert mean(unseen(rows)) < bound


def test_what_stays_on_chip_of_stacks_is_what_the_compiler_reports(result: ValidateResult) -> None:
    """To the three digits that most reports have, and to the byte where they have more."""
    rows = chosen(result, "coral_pcie", "cached_parameter_bytes")
    for row in rows:
        mib = row.measurement.measured / 2**20
        digits = 6 if mib < 1 else 2
        assert round(row.predicted / 2**20, digits) == pytest.approx(round(mib, digits), abs=1.01 * 10**-digits)
    assert len(rows) == 68


@pytest.mark.parametrize("group", ["convolution stacks", "spilled convolution stacks", "dense stacks"])
def test_the_plain_roofline_is_further_off(result: ValidateResult, group: str) -> None:
    scores = result.groups["coral_pcie", "latency_ms", group]
    assert scores.others is not None
    assert scores.roofline_percent is not None
    assert scores.roofline_percent > 2 * scores.others.mean_percent


@pytest.mark.parametrize(
    ("system", "bound"), [("coral_usb3", 6.0), ("coral_dev_board", 6.0), ("coral_usb3_500mhz", 11.0)]
)
def test_models_on_hosts_with_few_rows_are_near(result: ValidateResult, system: str, bound: float) -> None:
    assert mean(chosen(result, system)) < bound


def test_the_500_mhz_hosts_link_is_as_fast_as_first_inferences_bring_parameters(
    reference: Path, tmp_path: Path
) -> None:
    """What a first inference takes longer than later ones is what its parameters take to cross, and hardly more."""
    predictor, system = Predictor(), load_system("coral_usb3_500mhz")
    with (reference / "coral" / "desktop_500mhz.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    kept, longer_ms = [], []
    for row in rows:
        alpha, pixels = row["model"].removeprefix("mobilenet_v1_").split("_")
        path = tmp_path / f"{row['model']}.yaml"
        path.write_text(write_yaml(mobilenet_grid(row["model"], float(alpha), classes=1001, pixels=int(pixels))))
        kept.append(predictor.predict(str(path), "coral_usb3_500mhz", "cached_parameter_bytes"))
        longer_ms.append(float(row["first_inference_ms"]) - float(row["latency_ms"]))
    slope, intercept = linear_regression(kept, longer_ms)
    rate = system.memory_of("coral").effective_bytes_per_s
    assert rate == pytest.approx(1e3 / slope, rel=0.005)
    assert abs(intercept) < 0.1
    assert all(
        each == pytest.approx(size * slope + intercept, rel=0.02) for size, each in zip(kept, longer_ms, strict=True)
    )


def test_the_compilers_cycles_are_within_12_percent(result: ValidateResult) -> None:
    assert mean(chosen(result, "coral_usb3", "compiler_cycles")) < 5 < 12


def test_what_stays_on_chip_of_the_sweep_is_what_its_compiler_reports(result: ValidateResult) -> None:
    """Copies counted; less beside large maps that are pooled; of its detector as of one of a width of 0.75."""
    rows = chosen(result, "coral_usb3_jetson", "cached_parameter_bytes")
    detectors = [row for row in result.rows if row.measurement.workload.startswith("ssd_mobilenet_v1_0.75")]
    rows += [row for row in detectors if row.measurement.metric == "cached_parameter_bytes"]
    assert len(rows) == 27
    assert max(abs(row.error_percent) for row in rows) < 0.75


def test_the_compilers_cached_bytes_are_exact_for_the_compiler_whose_layout_was_read(result: ValidateResult) -> None:
    models = [
        row for row in chosen(result, "coral_usb3", "cached_parameter_bytes") if "mobilenet" in row.measurement.workload
    ]
    assert [row.predicted for row in models] == [row.measurement.measured for row in models]
    assert len(models) == 4


def test_the_micro_grids_cached_bytes_are_what_its_compiler_reports(result: ValidateResult) -> None:
    rows = chosen(result, "coral_dev_board_micro", "cached_parameter_bytes")
    assert [row.predicted for row in rows] == [row.measurement.measured for row in rows]
    assert len(rows) == 11


def test_another_compilers_cached_bytes_are_exact_with_the_softmax_that_it_maps(result: ValidateResult) -> None:
    rows = chosen(result, "coral_dev_board", "cached_parameter_bytes")
    assert [row.predicted for row in rows] == [row.measurement.measured for row in rows]
    assert len(rows) == 3


def rank_correlation(result: ValidateResult, metric: str) -> float | None:
    others = result.groups["coral_dev_board_micro", metric, "starbelt/RADMA"].others
    return others and others.spearman


def test_the_micro_grids_latencies_are_near_and_in_order(result: ValidateResult) -> None:
    rows = chosen(result, "coral_dev_board_micro")
    assert mean(rows) < 2.5
    assert mean(unseen(rows)) < 2
    assert rank_correlation(result, "latency_ms") == pytest.approx(1, abs=0.02)


def test_the_micro_grids_energies_differ_as_measured(result: ValidateResult) -> None:
    """Gross energies of a board: what counts is how much more a longer or a wider model takes.

    The measured grid has steps of a few per cent of noise, so differences are taken over whole columns of it.
    """
    energy = {row.measurement.workload: row for row in chosen(result, "coral_dev_board_micro", "energy_mj")}
    assert rank_correlation(result, "energy_mj") == pytest.approx(1, abs=0.03)
    for few, many, off in (
        ("0.25_2", "0.25_12", 0.3),
        ("0.75_2", "0.75_12", 0.2),
        ("1.25_2", "1.25_8", 0.15),
        ("0.25_6", "1.25_6", 0.15),
    ):
        first, last = energy[f"mobilenet_grid_{few}"], energy[f"mobilenet_grid_{many}"]
        measured = last.measurement.measured - first.measurement.measured
        assert last.predicted - first.predicted == pytest.approx(measured, rel=off), many
    assert mean(list(energy.values())) < 3
    assert mean(unseen(list(energy.values()))) < 3


def test_running_a_large_model_from_the_link_costs_what_it_costs(result: ValidateResult) -> None:
    """Two blocks more and the parameters no longer fit: the grid's latency trebles, then rises fivefold."""
    rows = {row.measurement.workload: row for row in chosen(result, "coral_dev_board_micro")}
    fits, over, far = (rows[f"mobilenet_grid_1.25_{depth}"].predicted for depth in (8, 10, 12))
    assert 2 < over / fits < 3.5
    assert 4 < far / fits < 6
