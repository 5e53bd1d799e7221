"""Figures and tables for slides: every figure in every format, tables with their headings, one light style."""

import csv
import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import UsageError
from mensa_sim.report.page.figure import Drawn, bar, figure, scatter, title_lines
from mensa_sim.report.slides import export
from mensa_sim.report.slides.export import (
    HEIGHT_PX,
    SCALE,
    WIDTH_PX,
    exported,
    figure_csv,
    find_browser,
    on_slide,
    tables_of,
)

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def compared() -> ms.Comparison:
    return ms.compare("small_cnn", ["edge_tpu", "mensa_g"])


def rows(text: str) -> tuple[str, list[list[str]]]:
    title, _, rest = text.partition("\n")
    return title, list(csv.reader(io.StringIO(rest)))


def test_csv_has_titles_units_and_every_figure_and_table(compared: ms.Comparison, tmp_path: Path) -> None:
    files = compared.export(["csv"], tmp_path)
    assert {name for name in files if name.startswith("figures/")} == {f"figures/{n}.csv" for n in compared.figures()}
    title, (header, *marks) = rows((tmp_path / "figures/trade.csv").read_text())
    assert title.startswith("# mensa_g is the fastest")
    assert header == ["series", "latency (µs)", "energy of one inference (nJ)"]
    assert {row[0]: float(row[1]) for row in marks} == {
        name: system.latency_ps / 1e6 for name, system in compared.systems.items()
    }
    title, (header, *table) = rows((tmp_path / "tables/where_the_layers_run.csv").read_text())
    assert title == "# Where the layers run"
    assert [row[1] for row in table] == ["edge_tpu", "pascal", "pavlov", "jacquard"]


@pytest.mark.skipif(find_browser() is None, reason="no browser on this machine")
def test_a_figure_is_drawn_with_its_title_at_the_size_of_a_slide_and_has_the_same_bytes_each_time(
    compared: ms.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_twice(figures: Mapping[str, Drawn], *rest: Any) -> Mapping[str, str | bytes]:
        return exported({**figures, "again": figures["trade"]}, *rest)

    monkeypatch.setattr(export, "exported", with_one_twice)
    compared.export(["svg", "png"], tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".svg", ".png"}
    for kind in ("svg", "png"):
        assert (tmp_path / f"figures/again.{kind}").read_bytes() == (tmp_path / f"figures/trade.{kind}").read_bytes()
    for name in compared.figures():
        tree = ET.parse(tmp_path / f"figures/{name}.svg").getroot()
        assert (tree.get("width"), tree.get("height")) == (str(WIDTH_PX), str(HEIGHT_PX))
        texts = " ".join(
            text for each in tree.iter() if each.tag.endswith(("}text", "}tspan")) for text in each.itertext()
        )
        assert "mensa_g" in texts
        content = (tmp_path / f"figures/{name}.png").read_bytes()
        assert content.startswith(PNG)
        width, height = (int.from_bytes(content[place : place + 4]) for place in (16, 20))
        assert (width, height) == (SCALE * WIDTH_PX, SCALE * HEIGHT_PX)


def test_few_bars_have_their_values_and_many_have_not() -> None:
    few = on_slide(figure("few", "x", "y", [bar(x=["a"], y=[1.0])], barmode="group"))
    many = on_slide(figure("many", "x", "y", [bar(x=list(range(99)), y=[1.0] * 99)], barmode="group"))
    assert few["data"][0]["texttemplate"] == "%{y:.3s}"
    assert "texttemplate" not in many["data"][0]
    assert few["layout"]["paper_bgcolor"] == "#ffffff"


def test_a_bar_that_begins_elsewhere_than_at_0_is_told_by_both_its_ends() -> None:
    moved = figure("moved", "lead", "what", [bar(x=[-1.5, 2], y=["a", "b"], base=2)], barmode="overlay")
    header, *bars = rows(figure_csv(moved))[1]
    assert header == ["series", "from", "lead", "what"]
    assert [(float(begin), float(end), name) for _, begin, end, name in bars] == [(2, 0.5, "a"), (2, 4, "b")]
    assert "texttemplate" not in on_slide(moved)["data"][0]


def test_tables_of_one_heading_are_told_apart_and_scripts_are_no_tables() -> None:
    table = "<table><tr><th>a</th></tr><tr><td>1 &lt; 2</td></tr></table>"
    found = tables_of(f"<script>'<table><tr><td>x</td></tr></table>'</script><h2>As taken</h2>{table}{table}")
    assert list(found) == ["tables/as_taken.csv", "tables/as_taken_2.csv"]
    assert found["tables/as_taken_2.csv"] == "# As taken\na\n1 < 2\n"


@pytest.mark.parametrize(
    ("browser", "formats", "says"),
    [(None, "svg", "needs one of chromium"), ("chromium", "svg,pgn", "did you mean 'png'")],
)
def test_what_cannot_be_made_is_one_line_before_any_work(
    browser: str | None, formats: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_browser", lambda: browser)

    def never(*args: Any) -> None:
        raise AssertionError("worked")

    monkeypatch.setattr("mensa_sim.api.comparison.compare", never)
    command = ["compare", "small_cnn", "--systems", "edge_tpu,mensa_g", "--export", formats, "--output", str(tmp_path)]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, UsageError)
    assert says in str(found.exception)
    assert "\n" not in str(found.exception)


def test_what_is_not_drawn_needs_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_browser", lambda: None)
    assert export.formats_named(["csv"]) == ("csv",)


def test_the_axes_of_a_slide_make_room_for_long_names() -> None:
    layout = on_slide(figure("a finding", "time (ms)", "layer", [bar(x=[1.0], y=["a" * 60], orientation="h")]))[
        "layout"
    ]
    template = layout["template"]["layout"]  # as data: the browser's plotly knows none by name
    assert (template["xaxis"]["automargin"], template["yaxis"]["automargin"]) == (True, True)


def test_many_names_on_a_slide_are_small_rather_than_on_one_another() -> None:
    names = [f"device {number}" for number in range(44)]
    made = on_slide(figure("many", "error (%)", "device", [scatter(x=list(range(44)), y=names, mode="markers")]))
    assert 44 * made["layout"]["yaxis"]["tickfont"]["size"] < HEIGHT_PX - 190
    few = on_slide(figure("few", "error (%)", "device", [scatter(x=[1, 2], y=names[:2], mode="markers")]))
    assert few["layout"]["yaxis"]["tickfont"]["size"] == 12


def test_no_line_of_a_title_begins_with_the_unit_of_a_figure() -> None:
    title = "What binds the layers' time: compute 99.5 %, buffers 0.45 %; npu_lpddr5_pim reaches 97 GMAC/s"
    for words in range(20):
        assert "<br>%" not in title_lines(figure("a " * words + title, "x", "y", []))


def test_a_title_of_two_lines_leaves_no_figure_alone_on_its_last_one() -> None:
    title = "38% of 1083 layers lie inside the paper's family ranges (filled); the paper counts 97 %"
    first, second = title_lines(figure(title, "x", "y", [])).split("<br>")
    assert len(second) > 0.7 * len(first)
