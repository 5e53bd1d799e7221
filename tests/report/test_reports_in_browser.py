"""Every kind of report opened in headless Chromium: quiet console, no request, figures that say what they show."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chromium import Opened, chromium
from killed import HANGS_S
from playwright.sync_api import Browser
from small_reports import HOSTILE, PAGES

from mensa_sim.report.page.figure import figure, scatter
from mensa_sim.report.page.page import figure_block, page
from mensa_sim.report.slides.export import BROWSER_FLAGS, find_browser

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no chromium on this machine")

FIGURES = """
[...document.querySelectorAll(".figure")].map((div) => ({
  name: div.id,
  caption: div.parentElement.querySelector("figcaption")?.textContent ?? "",
  points: div.data.reduce((sum, trace) => sum + (trace.x?.length ?? 0), 0),
  axes: Object.entries(div._fullLayout)
    .filter(([key, axis]) => /^[xy]axis\\d*$/.test(key) && axis.visible)
    .map(([key, axis]) => ({ type: axis.type, title: axis.title.text ?? "" })),
  legend: div.querySelectorAll(".legend .traces, .colorbar").length,
  labels: div.querySelectorAll(".textpoint, .bartext").length,
  wider: div.querySelector(".main-svg").getBoundingClientRect().right - document.documentElement.clientWidth,
  buttons: [...div.querySelectorAll(".modebar-btn")].map((button) => button.dataset.title),
}))
"""

UNIT = re.compile(r"\(.+\)|ratio|over|per byte|GB/s")
"""In the title of an axis of numbers: a unit in brackets, or words for a quotient without one."""

MIDDLE = """
(() => {
  const found = document.querySelector(%r);
  found.scrollIntoView({ block: "center" });
  const { left, top, width, height } = found.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


Pages = dict[str, Opened]


@pytest.fixture(scope="module")
def pages() -> Pages:
    """Those of the kinds that are open."""
    return {}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, browser: Browser, pages: Pages) -> Callable[[str], Opened]:
    """The page of a kind of report, made and opened once, for most of the time goes to reading plotly."""

    def page(kind: str) -> Opened:
        if kind not in pages:
            folder = tmp_path_factory.mktemp(kind)
            (folder / "report.html").write_text(PAGES[kind](folder))
            pages[kind] = Opened(browser, folder / "report.html")
        return pages[kind]

    return page


def test_figures_follow_the_theme_at_any_width(opened: Callable[[str], Opened]) -> None:
    page = opened("scenario")
    page.size(1920, 1000)
    page.theme("dark")
    paper = "[...document.querySelectorAll('.figure')].map((div) => div._fullLayout.paper_bgcolor)"
    page.until(f"{paper}.every((colour) => colour === THEMES.dark.paper)")
    page.theme("light")
    page.until(f"{paper}.every((colour) => colour === '#ffffff')")
    assert max(each["wider"] for each in page.value(FIGURES)) <= 0
    page.click(*page.value(MIDDLE % "#theme"))
    page.until(f"{paper}.every((colour) => colour === THEMES.dark.paper)")
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(23, 25, 28)"
    assert page.complaints == []
    page.value("setTheme('light')")
    page.size(1280, 900)


def test_a_reproduction_is_read_without_scrolling_through_more_than_seven_screens(
    opened: Callable[[str], Opened],
) -> None:
    assert opened("reproduce").value("document.documentElement.scrollHeight") < 6000


def test_hovering_shows_a_layer_by_its_name_as_text(opened: Callable[[str], Opened]) -> None:
    page = opened("run")
    place = page.value(MIDDLE % "#timeline .bars .point path")
    text = page.hovered(*place, "document.querySelector('#timeline .hovertext')?.textContent")
    assert HOSTILE in text
    assert page.value("window.hacked ?? 0") == 0


def test_a_bar_of_the_timeline_shows_its_layers_name_once_it_is_zoomed_to_where_it_has_room(
    opened: Callable[[str], Opened],
) -> None:
    page = opened("run")
    written = (
        "[...document.querySelectorAll('#timeline .bars text')]"
        ".filter((each) => getComputedStyle(each).display !== 'none').map((each) => each.textContent)"
    )
    page.value("void Plotly.relayout('timeline', {'xaxis.range': [-1e6, 1e6]})")
    assert page.until(f"{written}.length === 0")
    bar = (
        "document.getElementById('timeline').data.flatMap((trace) => trace.text.map((name, at) => "
        "[name, trace.base[at], trace.base[at] + trace.x[at]])).find(([name]) => name === 'head').slice(1)"
    )
    page.value(f"void Plotly.relayout('timeline', {{'xaxis.range': {bar}}})")
    assert "head" in page.until(f"{written}.includes('head') && {written}")
    page.value("void Plotly.relayout('timeline', {'xaxis.autorange': true})")


def test_hovering_the_roofline_names_layer_accelerator_and_bound(opened: Callable[[str], Opened]) -> None:
    page = opened("run")
    place = page.value(MIDDLE % "#roofline .scatterlayer .points path")
    text = page.hovered(*place, "document.querySelector('#roofline .hovertext')?.textContent")
    assert re.search(r"on (pascal|pavlov), bound by (compute|memory|a buffer|buffer)", text)


def test_a_click_on_the_legend_hides_and_shows_a_component(opened: Callable[[str], Opened]) -> None:
    page = opened("run")
    place = page.value(MIDDLE % "#energy .legendtoggle")
    page.value("document.querySelector('#energy')._context.doubleClickDelay = 0")  # two clicks are no double click
    page.click(*place)
    page.until("document.querySelector('#energy')._fullData[0].visible === 'legendonly'")
    page.click(*place)
    page.until("document.querySelector('#energy')._fullData[0].visible === true")


def test_a_click_on_a_design_shows_its_parameters(opened: Callable[[str], Opened]) -> None:
    page = opened("explore")
    page.click(*page.value(MIDDLE % "#front0 .scatterlayer .trace:nth-child(2) .points path"))
    page.until("document.querySelector('#design').rows.length > 3")
    pairs = page.value(
        "[...document.querySelector('#design').rows].map((row) => [...row.cells].map((c) => c.textContent))"
    )
    assert pairs[0][0] == "design"
    assert dict(pairs)["scheduler"] in {"mensa", "greedy"}
    assert HOSTILE in dict(pairs)


def test_a_table_is_sorted_by_its_quantities_and_searched(opened: Callable[[str], Opened]) -> None:
    page = opened("run")
    times = "[...document.querySelectorAll('#layers tbody tr')].map((row) => sortKey(row.cells[5].textContent))"
    for ordered in (sorted, lambda values: sorted(values, reverse=True)):
        page.click(*page.value(MIDDLE % "#layers th:nth-child(6)"))
        found = page.value(times)
        assert found == ordered(found)
    page.value(
        "(() => { const box = document.querySelector('input[data-table]'); box.value = 'HEAD';"
        " box.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )
    visible = "[...document.querySelectorAll('#layers tbody tr')].filter((row) => !row.hidden).length"
    assert page.value(visible) == 1


def test_a_page_counts_as_loaded_only_once_its_figures_are_drawn(tmp_path: Path) -> None:
    """So that a browser that prints it without waiting for anything else prints them."""
    drawn = figure("a finding", "time (ms)", "energy (mJ)", [scatter(x=[1, 2], y=[2, 1])])
    file = tmp_path / "report.html"
    file.write_text(page("drawn", [figure_block("first", drawn), figure_block("second", drawn)]))
    command = [str(find_browser()), "--headless", *BROWSER_FLAGS, "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=HANGS_S).stdout.decode()
    body = shown[shown.index("<body>") :]
    assert body.count('class="main-svg"') >= 2
    assert "<iframe" not in shown


def test_a_long_table_has_a_beginning_on_paper_and_says_so(opened: Callable[[str], Opened]) -> None:
    rows = "[...document.querySelectorAll('#layers tbody tr')]"
    told = "getComputedStyle(document.querySelector('#layers').parentElement, '::after').content"
    page = opened("run")
    page.value(f"{rows}[0].after(...Array.from({{length: 70}}, () => {rows}[0].cloneNode(true)))")
    seen = f"{rows}.filter((row) => getComputedStyle(row).display !== 'none').length"
    whole = page.value(seen)
    assert whole > 70
    page.media("print")
    assert (page.value(seen), "60 rows" in page.value(told)) == (60, True)
    page.media("screen")
    assert (page.value(seen), page.value(told)) == (whole, "none")
    page.value(f"{rows}.slice(1, 71).forEach((row) => row.remove())")


def test_on_paper_figures_are_light_and_fit_the_sheet(opened: Callable[[str], Opened], tmp_path: Path) -> None:
    page = opened("run")
    page.value("setPrinting(true)")
    assert set(page.value("[...document.querySelectorAll('.figure')].map((div) => div._fullLayout.width)")) == {690}
    assert page.value("document.querySelector('.figure')._fullLayout.paper_bgcolor") == "#ffffff"
    page.value("setPrinting(false)")
    page.until("document.querySelector('.figure')._fullLayout.width > 690")
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert os.path.getsize(tmp_path / "report.pdf") > 20_000


LEGIBLE = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const contrast = (one, other) => {
    const both = [luminance(one), luminance(other)];
    return Math.max(...both) / Math.min(...both);
  };
  const boxes = (text) => {
    const lines = [...text.querySelectorAll("tspan.line")];
    return (lines.length ? lines : [text]).map((each) => each.getBoundingClientRect());
  };
  const upright = (text) => text.getScreenCTM().b === 0;
  const faults = [];
  for (const div of document.querySelectorAll(".figure")) {
    const texts = [...div.querySelectorAll(".main-svg text")].filter((each) => each.textContent.trim() &&
      getComputedStyle(each).display !== "none" && !each.closest(".hoverlayer, .modebar") && upright(each));
    const rects = texts.map(boxes);
    texts.forEach((one, place) => texts.slice(place + 1).forEach((other, later) => {
      for (const a of rects[place]) for (const b of rects[place + 1 + later]) {
        const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        const figures = [one, other].every((each) => each.closest(".ytick") && isFinite(each.textContent));
        if (width > 2 && height > 4 && !figures) faults.push(`${div.id}: ${one.textContent} over ${other.textContent}`);
      }
    }));
    for (const text of texts) {
      const bar = text.matches(".bartext-inside") ? text.closest(".point").querySelector("path") : null;
      const behind = bar ? getComputedStyle(bar).fill : div._fullLayout.paper_bgcolor;
      if (behind.startsWith("url")) continue; // a pattern of two colours
      const found = contrast(getComputedStyle(text).fill, behind);
      if (found < 4.5) faults.push(`${div.id}: ${text.textContent} at ${found.toFixed(2)}`);
    }
  }
  return faults;
})()
"""
"""Texts of figures that lie over one another, or have less contrast than WCAG 2.2, 1.4.3, asks for."""


def test_many_long_names_are_small_on_paper_rather_than_on_one_another(opened: Callable[[str], Opened]) -> None:
    names = [
        f"a board with a long name, its unit and runtime, and what else tells it from others {n}" for n in range(44)
    ]
    y = {"title": "device", "type": "category", "tickfont": {"size": 10}}
    drawn = figure("many", "error (%)", y, [scatter(x=list(range(44)), y=names, mode="markers", name="error")])
    block = json.dumps(figure_block("many", drawn, height_rem=70))
    page = opened("explore")
    page.value(f"void document.body.append(document.createRange().createContextualFragment({block}))")
    page.until("document.querySelector('#many .main-svg')")
    page.value("setPrinting(true)")
    page.media("print")
    assert page.value(LEGIBLE) == []
    assert page.value("document.querySelector('#many').closest('figure').clientHeight") < 900
    page.value("figures.delete('many') && document.querySelector('#many').closest('figure').remove()")
    page.media("screen")
    page.value("setPrinting(false)")


CELLS = """
[...document.querySelectorAll("td, th")]
  .filter((each) => each.getClientRects().length && each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.textContent)
"""


NARROW = """
[...document.querySelectorAll(".figure")].map((div) => ({
  name: div.id,
  cut: [...div.querySelectorAll(".ytick text")].filter((each) => each.textContent.includes("…")).length,
  high: div._fullLayout._size.h,
}))
"""


FOREIGN = "img, iframe, object, script[src], link[href^=http]"
FITTING = "[...document.querySelectorAll('.figure')].every((div) => div._fullLayout.width === div.clientWidth)"
HIDDEN = "[...document.querySelectorAll('.low > .scroll')].filter((each) => each.scrollWidth > each.clientWidth).length"


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What a page shows as it is opened, in the dark, on paper and on a telephone, its figures drawn once for each."""

    figures: list[dict[str, Any]]
    illegible: Mapping[str, list[str]]
    highest_on_paper: int
    cut_on_paper: list[str]
    narrow: list[dict[str, Any]]
    hidden_on_a_telephone: int
    foreign: int
    hacked: int
    complaints: list[str]

    @classmethod
    def of(cls, page: Opened) -> "Looks":
        figures, light = page.value(FIGURES), page.value(LEGIBLE)
        page.value("setTheme('dark')")
        dark = page.value(LEGIBLE)
        complaints = [*page.complaints]  # plotly warns of narrow figures, as on paper
        page.value("setPrinting(true)")
        page.media("print")
        paper = page.value(LEGIBLE)
        highest = page.value("Math.max(...[...document.querySelectorAll('figure')].map((each) => each.clientHeight))")
        page.size(690, 1000)
        cut = page.value(CELLS)
        page.media("screen")
        page.value("printing = false")  # what is next drawn anew is on the screen
        page.size(390, 844)
        page.until(f"document.documentElement.scrollWidth === 390 && {FITTING}")
        return cls(
            figures=figures,
            illegible={"light": light, "dark": dark, "paper": paper},
            highest_on_paper=highest,
            cut_on_paper=cut,
            narrow=page.value(NARROW),
            hidden_on_a_telephone=page.value(HIDDEN),
            foreign=page.value(
                "document.querySelectorAll('img, iframe, object, script[src], link[href^=http]').length"
            ),
            hacked=page.value("window.hacked ?? 0"),
            complaints=complaints,
        )


@pytest.fixture(scope="module", params=PAGES)
def looks(request: pytest.FixtureRequest, opened: Callable[[str], Opened], pages: Pages) -> Looks:
    """Of each kind of page, which nobody sees after that."""
    found = Looks.of(opened(request.param))
    pages.pop(request.param).close()
    return found


def test_every_figure_says_what_it_shows_and_nothing_leaves_the_page(looks: Looks) -> None:
    assert looks.figures
    for each in looks.figures:
        name = each["name"]
        assert each["caption"], f"{name} has no finding as its title"
        assert each["points"], f"{name} has no data"
        assert each["legend"] or each["labels"], f"{name} has neither legend nor labels"
        assert each["wider"] <= 0, f"{name} is wider than the page"
        assert "Share chart..." not in each["buttons"]
        for axis in each["axes"]:
            assert axis["title"], f"{name}: an axis without title"
            if axis["type"] in {"linear", "log"}:
                assert UNIT.search(axis["title"]), f"{name}: {axis['title']} has no unit"
    assert (looks.foreign, looks.hacked, looks.complaints) == (0, 0, [])


@pytest.mark.parametrize("where", ["light", "dark", "paper"])
def test_texts_of_figures_are_read_on_what_they_stand_on_and_none_stands_on_another(looks: Looks, where: str) -> None:
    assert looks.illegible[where] == []


def test_on_paper_cells_hold_what_they_say_and_no_figure_is_higher_than_a_sheet(looks: Looks) -> None:
    assert looks.cut_on_paper == []
    assert looks.highest_on_paper < 1024


def test_on_a_telephone_names_stand_whole_and_figures_keep_room_above_their_legends(looks: Looks) -> None:
    for each in looks.narrow:
        assert each["cut"] == 0, f"{each['name']} cuts its names"
        assert each["high"] > 60, f"{each['name']} is {each['high']} pixels high"
    assert looks.hidden_on_a_telephone == 0, "hashes are cut"
