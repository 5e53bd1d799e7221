"""Explorations that are broken off: no finished design is lost, none is run twice, the front is that of a calm run."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from explorations import front, outcomes, searched
from space_files import GRID, write_space

from mensa_sim.api.explore import explore
from mensa_sim.errors import UsageError
from mensa_sim.study.explore import explore as explore_module
from mensa_sim.study.explore.evaluate import Task
from mensa_sim.study.explore.result import ExploreResult
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.explore.workers import Local

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ExploreResult:
    """The grid explored without a break in one process."""
    folder = tmp_path_factory.mktemp("whole")
    return searched(write_space(folder), folder / "out")


class Killed(BaseException):
    """Stands for a signal that nothing catches."""


def killing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From now on, explorations die when they have been given so many designs."""
    given = 0

    class Dying(Local):
        def wait(self) -> DesignOutcome:
            nonlocal given
            if given == after:
                raise Killed
            given += 1
            return super().wait()

    monkeypatch.setattr(explore_module, "Local", Dying)


@pytest.mark.parametrize("after", [0, 1, 5, 12])
def test_a_broken_exploration_goes_on_without_losing_or_repeating_a_design(
    after: int, whole: ExploreResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, folder = write_space(tmp_path), tmp_path / "out"
    killing(monkeypatch, after)
    with pytest.raises(Killed):
        searched(space, folder)
    begun: list[int] = []

    class Counting(Local):
        def submit(self, task: Task) -> None:
            begun.append(task.number)
            super().submit(task)

    monkeypatch.setattr(explore_module, "Local", Counting)
    kept = finished(folder / "study.db")
    assert len(kept) == after
    result = searched(space, folder, resume=True)
    assert not set(begun) & kept
    assert len(begun) == len(set(begun)) == 13 - after
    assert outcomes(result) == outcomes(whole)
    assert front(result) == front(whole)


def finished(study: Path) -> set[int]:
    """Numbers of the designs that a study holds; of a copy with its log, so that nobody is disturbed."""
    with TemporaryDirectory() as folder:
        try:
            for each in study.parent.glob(f"{study.name}*"):
                shutil.copy(each, folder)
            connection = sqlite3.connect(Path(folder) / study.name)
            found = {number for (number,) in connection.execute("SELECT number FROM designs")}
            connection.close()
            return found
        except (OSError, sqlite3.Error):
            return set()


COLUMNS = ("number", "point", "parameters", "state", "workloads", "scenarios", "hardware", "detail", "digest")


def test_a_design_whose_row_was_damaged_is_run_again_and_no_other(
    whole: ExploreResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for each column, in which that one is damaged: another digit, an empty text, bytes of no encoding."""
    space, folder = write_space(tmp_path), tmp_path / "out"
    searched(space, folder)
    before = rows(folder / "study.db")
    with sqlite3.connect(folder / "study.db") as connection:
        for number, column in enumerate(COLUMNS):
            damage: object = 1000 if column == "number" else ("", b"\xff\xfe", "[]", "{}")[number % 4]
            connection.execute(f"UPDATE designs SET {column} = ? WHERE number = ?", (damage, number))
    connection.close()
    begun: list[int] = []

    class Counting(Local):
        def submit(self, task: Task) -> None:
            begun.append(task.number)
            super().submit(task)

    monkeypatch.setattr(explore_module, "Local", Counting)
    assert outcomes(searched(space, folder, resume=True)) == outcomes(whole)
    assert sorted(begun) == list(range(len(COLUMNS)))
    assert rows(folder / "study.db") == before


LARGE = {
    "parameters": {
        **GRID["parameters"],
        "memories.stacked.bandwidth_bytes_per_s": {
            "linear": {"low": 64_000_000_000, "high": 512_000_000_000, "step": 64_000_000_000}
        },
    }
}
"""Enough designs to be killed among."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExploreResult]:
    """The large grid explored without a break."""
    folder = tmp_path_factory.mktemp("calm")
    return folder, explore(write_space(folder, **LARGE), folder=folder / "out")


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_with_sigkill_it_resumes_to_the_front_of_a_calm_run(
    jobs: int, calm: tuple[Path, ExploreResult], tmp_path: Path
) -> None:
    space = write_space(tmp_path, **LARGE)
    command = [sys.executable, "-m", "mensa_sim", "explore", "small_grid.yaml", f"--jobs={jobs}", "--output=out", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    end = time.monotonic() + 600  # by then it hangs, however busy the machine is
    while len(finished(tmp_path / "out" / "study.db")) < 5 and process.poll() is None:
        assert time.monotonic() < end
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = rows(tmp_path / "out" / "study.db")
    assert 4 <= len(before) < len(calm[1].outcomes)  # the copy may show a design whose transaction the kill undid
    with pytest.raises(UsageError, match="--resume"):
        explore(space, folder=tmp_path / "out")
    explore(space, folder=tmp_path / "out", resume=True, jobs=jobs)
    after = rows(tmp_path / "out" / "study.db")
    assert {number: after[number] for number in before} == before
    for name in ("summary.json", "designs.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (calm[0] / "out" / name).read_bytes()


def rows(study: Path) -> dict[int, tuple[object, ...]]:
    with sqlite3.connect(study) as connection:
        found = {row[0]: row for row in connection.execute("SELECT * FROM designs")}
    connection.close()
    return found
