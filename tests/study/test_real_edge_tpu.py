"""Predictions against measured Edge TPUs, and of their compiler; bounds are those reached, with some room."""

from pathlib import Path

import pytest

from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_files
from mensa_sim.study.validate.fitted_constants import FittedConstant, fitted_constants
from mensa_sim.study.validate.reference_rows import reference_measurements
from mensa_sim.study.validate.validate import Validation, ValidationRow, shipped_measurements, validate

Rows = list[ValidationRow]
CONSTANTS = fitted_constants(load_system)


@pytest.fixture(scope="module")
def result(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Validation:
    measured = reference_measurements(reference, tmp_path_factory.mktemp("workloads"))
    found = validate([*shipped_measurements(), *measured])
    assert not found.failures
    return found


def mean(rows: Rows) -> float:
    assert rows
    return sum(abs(row.error_percent) for row in rows) / len(rows)


def chosen(result: Validation, system: str, metric: str = "latency_ms", source: str = "") -> Rows:
    return [
        row
        for row in result.rows
        if (row.measurement.system, row.measurement.metric) == (system, metric) and source in row.measurement.source
    ]


KINDS = {"stacks": ("conv_", "dense_"), "input and output models": ("in_",), "grid": ("mobilenet_grid",)}


def kind(row: ValidationRow) -> str:
    """What was measured: one of the synthetic kinds by its name, else a model."""
    return next((kind for kind, names in KINDS.items() if row.measurement.workload.startswith(names)), "")


@pytest.mark.parametrize("fit", {(each.system, each.rows, each.others): each for each in CONSTANTS}.values())
def test_a_fit_states_its_rows_and_its_error_on_the_others_as_they_are(result: Validation, fit: FittedConstant) -> None:
    metric = "energy_mj" if "energies" in fit.rows else "latency_ms"
    wanted = next((kind for kind in KINDS if kind in fit.rows), "")
    rows = [row for row in chosen(result, fit.system, metric) if kind(row) == wanted]
    others = unseen(rows)
    error = f"{mean(others):.1f} %"
    assert fit.rows.split()[0] == str(len(rows) - len(others))
    assert fit.others == f"{len(others)} rows, {error}"
    spec = "accelerators" if fit.name.startswith("parameter_store") else "systems"
    assert error in shipped_files(spec)["coral" if spec == "accelerators" else fit.system].read_text()


def test_the_readme_states_the_errors_as_they_are(result: Validation) -> None:
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    for system, metric in result.groups:
        rows = chosen(result, system, metric)
        if metric != "cached_parameter_bytes":
            assert f"{mean(rows):.1f} %" in readme, (system, metric, len(rows))


def unseen(rows: Rows) -> Rows:
    return [row for row in rows if not row.may_be_fitted]


@pytest.mark.parametrize(("system", "bound"), [("coral_usb3", 6.0), ("coral_usb2", 7.0)])
def test_the_operator_sweep_is_within_12_percent_on_rows_that_no_constant_saw_and_on_all(
    result: Validation, system: str, bound: float
) -> None:
    rows = chosen(result, system, source="EdgeTPU_Analysis")
    assert mean(rows) < bound < 12
    assert mean(unseen(rows)) < bound


@pytest.mark.parametrize(("source", "bound"), [("Coral benchmarks", 12.0), ("Coral model page", 10.0)])
def test_the_vendors_models_on_usb_are_within_20_percent(result: Validation, source: str, bound: float) -> None:
    assert mean(chosen(result, "coral_usb3", source=source)) < bound < 20


def test_the_vendors_models_on_the_dev_board_are_within_20_percent_on_rows_that_no_constant_saw(
    result: Validation,
) -> None:
    rows = chosen(result, "coral_dev_board")
    assert mean(rows) < 10
    assert mean(unseen(rows)) < 10


def test_the_compilers_cycles_are_within_12_percent(result: Validation) -> None:
    assert mean(chosen(result, "coral_usb3", "compiler_cycles")) < 5 < 12


def test_the_compilers_cached_bytes_are_exact_for_the_compiler_whose_layout_was_read(result: Validation) -> None:
    models = [
        row for row in chosen(result, "coral_usb3", "cached_parameter_bytes") if "mobilenet" in row.measurement.workload
    ]
    assert [row.predicted for row in models] == [row.measurement.measured for row in models]
    assert len(models) == 4


@pytest.mark.parametrize("system", ["coral_dev_board", "coral_dev_board_micro"])
def test_other_compilers_cached_bytes_are_within_9_percent(result: Validation, system: str) -> None:
    """Their depthwise filters take 16 bytes a channel more, their classifiers 47 kB: layouts that we do not know."""
    rows = chosen(result, system, "cached_parameter_bytes")
    assert max(abs(row.error_percent) for row in rows) < 9


def test_the_micro_grids_latencies_are_near_and_in_order(result: Validation) -> None:
    rows = chosen(result, "coral_dev_board_micro")
    assert mean(rows) < 4
    assert mean(unseen(rows)) < 4
    assert result.groups["coral_dev_board_micro", "latency_ms"].spearman == pytest.approx(1, abs=0.02)


def test_the_micro_grids_energies_differ_as_measured(result: Validation) -> None:
    """Gross energies of a board: what counts is how much more a larger model takes.

    The measured grid has steps of a few per cent of noise, so differences are taken over whole columns of it.
    """
    energy = {row.measurement.workload: row for row in chosen(result, "coral_dev_board_micro", "energy_mj")}
    assert result.groups["coral_dev_board_micro", "energy_mj"].spearman == pytest.approx(1, abs=0.03)
    for alpha, low, high in (("0.25", 0.7, 1.3), ("0.75", 0.6, 1.3)):
        first, last = energy[f"mobilenet_grid_{alpha}_2"], energy[f"mobilenet_grid_{alpha}_12"]
        measured = last.measurement.measured - first.measurement.measured
        assert low < (last.predicted - first.predicted) / measured < high
    assert mean(list(energy.values())) < 10


def test_running_a_large_model_from_the_link_costs_what_it_costs(result: Validation) -> None:
    """Two blocks more and the parameters no longer fit: the grid's latency trebles, then rises fivefold."""
    rows = {row.measurement.workload: row for row in chosen(result, "coral_dev_board_micro")}
    fits, over, far = (rows[f"mobilenet_grid_1.25_{depth}"].predicted for depth in (8, 10, 12))
    assert 2 < over / fits < 3.5
    assert 4 < far / fits < 6
