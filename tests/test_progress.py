"""In a notebook work tells how far it is, in one line that the next replaces; elsewhere a function tells nothing."""

import sys
from types import ModuleType
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.api import progress as api_progress


class Cell:
    """What a notebook shows below a cell: the texts in the order in which they stood there, on one line each."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> "Line":
        assert raw
        assert display_id
        self.lines.append([data["text/plain"]])
        return Line(self.lines[-1])


class Line:
    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self._texts.append(data["text/plain"])


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """The cell of a kernel."""
    found = Cell()
    shell, display = ModuleType("IPython"), ModuleType("IPython.display")
    shell.get_ipython = lambda: type("Shell", (), {"kernel": object()})()  # type: ignore[attr-defined]
    display.display = found.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(api_progress, "EVERY_S", 0.0)
    return found


def test_a_study_tells_a_notebook_in_one_line_how_far_it_is(cell: Cell) -> None:
    ms.families(["small_cnn", "lstm"])
    assert cell.lines == [["workloads priced: 1 of 2 (small_cnn)", "workloads priced: 2 of 2"]]


def test_who_asks_to_be_told_is_told_in_place_of_the_notebook(cell: Cell) -> None:
    told: list[Any] = []
    ms.families(["small_cnn", "lstm"], progress=lambda *step: told.append(step))
    assert told == [(1, 2, "small_cnn"), (2, 2, "lstm")]
    assert not cell.lines


def test_lines_that_follow_at_once_are_left_out_but_not_the_last(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_progress, "EVERY_S", 1e9)
    line = api_progress.line_below_the_cell("models run")
    for done in range(1, 5):
        line(done, 4, "lstm")
    assert cell.lines == [["models run: 1 of 4 (lstm)", "models run: 4 of 4"]]


def test_outside_a_notebook_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    ms.families(["small_cnn", "lstm"])
    assert capsys.readouterr() == ("", "")
