"""Kept fits: the same fit without fitting again, and a new one for whatever a fit depends on."""

from pathlib import Path

import pytest

from mensa_sim.cost.measured.fits.fit import DeviceFit, fit_device, kept_fit
from mensa_sim.cost.measured.table import Kernel, Timing
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io import store

FIGURES = DeviceFigures(processors=4, cache_bytes=1000, bytes_per_s=1e9, peak_macs_per_s=1e9)


def fit_of_slope(us_per_element: float) -> DeviceFit:
    timings = []
    for count in range(1000, 15000, 1000):
        kernel = Kernel(operator="relu", dtype="int8", vector_ops=count, input_elements=count, output_elements=count)
        timings.append(
            Timing(kernel=kernel, median_us=us_per_element * count, iqr_us=0, repetitions=1, relative_error=0)
        )
    found = fit_device(timings, device="d", dtype="int8", figures=FIGURES, source="s")
    assert found is not None
    return found


class Fitting:
    """Counts how often it was asked."""

    def __init__(self, answer: DeviceFit | None) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> DeviceFit | None:
        self.asked += 1
        return self.answer


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "t.csv"
    path.write_text("the table\n")
    return path


@pytest.mark.parametrize("answer", [fit_of_slope(0.01), None])
def test_a_fit_is_made_once_and_comes_back_equal(table: Path, answer: DeviceFit | None) -> None:
    fitting = Fitting(answer)
    assert [kept_fit(table, "int8", fitting) for _ in range(3)] == [answer] * 3
    assert fitting.asked == 1


def test_the_same_table_under_another_name_is_fitted_anew_for_its_fit_says_the_name(table: Path) -> None:
    fitting = Fitting(fit_of_slope(0.01))
    for path in (table, table.with_name("u.csv")):
        path.write_text("the table\n")
        kept_fit(path, "int8", fitting)
    assert fitting.asked == 2


def test_another_table_type_or_version_is_fitted_anew(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = Fitting(fit_of_slope(0.01))
    kept_fit(table, "int8", fitting)
    kept_fit(table, "float32", fitting)
    assert fitting.asked == 2
    table.write_text("another table\n")
    kept_fit(table, "int8", fitting)
    assert fitting.asked == 3
    monkeypatch.setattr(store, "library_version", lambda name: "9.9")
    kept_fit(table, "int8", fitting)
    assert fitting.asked == 4


def test_a_damaged_entry_is_as_good_as_none(table: Path, tmp_path: Path) -> None:
    fitting = Fitting(fit_of_slope(0.01))
    kept_fit(table, "int8", fitting)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_text(entry.read_text().replace("launch_us", "launch_uz"))
    assert kept_fit(table, "int8", fitting) == fitting.answer
    assert fitting.asked == 2


def test_a_folder_that_cannot_be_written_costs_time_only(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "file" / "cache"))
    fitting = Fitting(fit_of_slope(0.01))
    assert [kept_fit(table, "int8", fitting) for _ in range(2)] == [fitting.answer] * 2
    assert fitting.asked == 2
