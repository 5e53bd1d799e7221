"""What a notebook shows of a result: tables of its own, short lines for what is long, figures and rows of each."""

import importlib.metadata
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pandas
import plotly.graph_objects as go
import pytest
from rich.console import Group
from rich.text import Text
from small_reports import HOSTILE

import mensa_sim as ms
from mensa_sim.report.page.notebook import html_of, text_of
from mensa_sim.report.page.plotly_figures import PlotlyFigure
from mensa_sim.report.page.sheet import Sheet, numbers, texts

SYSTEMS = ["edge_tpu", "mensa_g"]
MADE: dict[str, Callable[[], Any]] = {
    "run": lambda: ms.run("small_cnn"),
    "comparison": lambda: ms.compare("small_cnn", SYSTEMS),
    "explanation": lambda: ms.explain(ms.place("small_cnn", system="mensa_g"), "head.linear"),
}
LONGEST = 2000
"""Characters of a line that a notebook shows where there is nothing better."""


@pytest.fixture(scope="module", params=MADE)
def result(request: pytest.FixtureRequest) -> Any:
    return MADE[request.param]()


def test_a_table_has_a_cell_for_each_value_and_figures_to_the_right() -> None:
    sheet = Sheet([*texts("name"), *numbers("size")], [("a", "1"), ("b", "2")], title="sizes")
    found = html_of(Group("above", sheet, Text("below")))
    assert re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", found) == ["name", "size", "a", "1", "b", "2"]
    assert re.findall(r"text-align: right\">([^<]*)<", found) == ["size", "1", "2"]
    assert [found.index(text) for text in ("above", "sizes", "name", "below")] == sorted(
        found.index(text) for text in ("above", "sizes", "name", "below")
    )


def test_names_from_files_stay_text() -> None:
    found = html_of(Group(HOSTILE, Sheet(texts(HOSTILE), [(HOSTILE,)], title=HOSTILE)))
    assert "<img" not in found
    assert found.count("&lt;img") == 4


def test_no_escape_code_reaches_a_notebook_whatever_the_environment_says(
    result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in result._repr_html_()
    assert "<table>" in result._repr_html_()
    assert "\x1b" not in str(result)
    assert text_of(result.table()) == str(result)


def test_a_result_is_one_short_line(result: Any) -> None:
    assert "\n" not in repr(result)
    assert len(repr(result)) < LONGEST


def test_what_a_result_holds_is_short_too() -> None:
    run, placement = ms.run("small_cnn"), ms.place("small_cnn")
    held = (run.main, run.main.hardware, run.main.graph, run.main.problem, run.main.schedule, run.main.timeline)
    for each in (*held, placement, placement.costs, placement.problem, ms.moves(placement)):
        assert len(repr(each)) < LONGEST, type(each).__name__


def test_figures_and_rows_are_there(result: Any) -> None:
    names = list(result.figures())
    assert [result.figure(name).to_dict()["layout"]["title"]["text"] for name in names]
    assert result.figure() == result.figure(names[0])
    assert len(result.to_pandas()) >= 2


RESULTS = [kind for name in ms.__all__ if inspect.isclass(kind := getattr(ms, name)) and hasattr(kind, "to_pandas")]


@pytest.mark.parametrize("kind", RESULTS)
def test_figures_and_rows_say_their_types(kind: Any) -> None:
    names = {"PlotlyFigure": PlotlyFigure, "DataFrame": pandas.DataFrame}
    assert get_type_hints(inspect.unwrap(kind.figure), localns=names)["return"] is go.Figure
    assert get_type_hints(kind.to_pandas, localns=names)["return"] is pandas.DataFrame


@pytest.mark.long
def test_mypy_knows_what_a_notebook_gets(tmp_path: Path) -> None:
    installed = {each.metadata["Name"] for each in importlib.metadata.distributions()}
    if not {"mypy", "pandas-stubs", "plotly-stubs"} <= installed:
        pytest.skip("mypy and the stubs are in the extra `test`")
    script = tmp_path / "script.py"
    script.write_text(
        "import mensa_sim as ms\nr = ms.run('lstm')\nreveal_type(r.figure())\nreveal_type(r.to_pandas())\n"
    )
    done = subprocess.run([sys.executable, "-m", "mypy", script], capture_output=True, text=True, check=False)
    assert re.findall(r'type is "(.*)"', done.stdout) == [
        "plotly.graph_objs._figure.Figure",
        "pandas.core.frame.DataFrame",
    ]
