"""Explorations that are broken off: no finished design is lost, none is run twice, the front is that of a calm run."""

import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from explorations import front, outcomes, searched
from killed import broken_off
from space_files import write_space

from mensa_sim.api.explore import explore
from mensa_sim.errors import UsageError
from mensa_sim.study.explore import explore as explore_module
from mensa_sim.study.explore.evaluate import Task
from mensa_sim.study.explore.result import ExploreResult
from mensa_sim.study.explore.study_file import DesignOutcome, open_study
from mensa_sim.study.explore.workers import Local


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
    kept = set(rows(folder / "study.db"))
    assert len(kept) == after
    result = searched(space, folder, resume=True)
    assert not set(begun) & kept
    assert len(begun) == len(set(begun)) == 13 - after
    assert outcomes(result) == outcomes(whole)
    assert front(result) == front(whole)


COLUMNS = (
    "number",
    "point",
    "parameters",
    "state",
    "workloads",
    "scenarios",
    "hardware",
    "detail",
    "mistaken",
    "digest",
)


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


DYING = """
from mensa_sim.study.explore.study_file import StudyFile
add = StudyFile.add
def adding(study, outcome, parameters):
    if len(study.known) == 5:
        study._connection.set_trace_callback(lambda statement: statement == "COMMIT" and kill())
    add(study, outcome, parameters)
StudyFile.add = adding
"""
"""Dies when the sixth design lies in a transaction that is not yet closed."""


def test_killed_with_sigkill_it_resumes_to_the_front_of_a_calm_run(tmp_path: Path) -> None:
    space, folder = write_space(tmp_path), tmp_path / "out"
    words = ("explore", str(space), "--jobs=2", f"--output={folder}", "-q")
    assert broken_off(DYING, *words) == (-signal.SIGKILL, "")
    shutil.copytree(folder, tmp_path / "copy")  # reading would write what the kill left beside the file into it
    before = rows(tmp_path / "copy" / "study.db")
    assert len(before) == 5
    with pytest.raises(UsageError, match="--resume"):
        explore(space, folder=folder)
    explore(space, folder=folder, resume=True, jobs=2)
    after = rows(folder / "study.db")
    assert {number: after[number] for number in before} == before
    explore(space, folder=tmp_path / "calm")
    for name in ("summary.json", "designs.csv"):
        assert (folder / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "calm").iterdir()}


def test_a_design_is_finished_when_the_disk_has_it(tmp_path: Path) -> None:
    """Sqlite says so of its log; that a supply of power may fail cannot be tried here."""
    study = open_study(tmp_path / "study.db", {}, resume=False, fresh=False)
    assert study._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    study.close()


def rows(study: Path) -> dict[int, tuple[object, ...]]:
    with sqlite3.connect(study) as connection:
        found = {row[0]: row for row in connection.execute("SELECT * FROM designs")}
    connection.close()
    return found
