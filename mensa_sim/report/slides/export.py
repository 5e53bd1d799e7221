"""Figures and tables as files for slides: one light style whatever the theme, drawn by a browser without a screen."""

import base64
import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import canonicalize

from plotly.offline import get_plotlyjs

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import json_line
from mensa_sim.lookup import unknown_name
from mensa_sim.report.page.colours import GREY
from mensa_sim.report.page.figure import Drawn, Figure, Trace, read_inside, title_lines
from mensa_sim.report.page.page import script_json

EXPORT_FORMATS = ("svg", "png", "csv")
DRAWN_FORMATS = ("svg", "png")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")
PATIENCE_S = 300
"""A browser that has drawn nothing by then never will: a choice."""

WIDTH_PX, HEIGHT_PX, SCALE = 1000, 560, 2
"""Of a figure, and dots of a png for each of its pixels: choices, a slide of 16 to 9."""
LABELLED = 24
"""Bars that have room for their values."""

AROUND_ROWS_PX = 190
"""Above and below what names its rows: a choice."""

TOP_OF_PAGE_PX = 26
"""Above a figure on a page, where its title stands above it: `template` in page.js."""

TITLE_PX = 100
"""Of two lines of a title, and what a figure writes above itself: a choice."""

_AT_TOP = {"x": 0.02, "xanchor": "left", "y": 0.96, "yanchor": "top"}
_TEXT: dict[str, Any] = {"title": {"standoff": 12}, "tickfont": {"size": 12}}
_AXIS = {
    "automargin": True,
    "gridcolor": "#e3e5e8",
    "zerolinecolor": GREY,
    "ticks": "outside",
    "tickcolor": "#ffffff",
    **_TEXT,
}
SLIDE = {
    "template": {"layout": {"xaxis": _AXIS, "yaxis": _AXIS}},
    "font": {"family": "Helvetica, Arial, sans-serif", "size": 15, "color": "#1b1b1b"},
    "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.01, "x": 0, "traceorder": "normal"},
    "margin": {"l": 90, "r": 30, "t": TITLE_PX, "b": AROUND_ROWS_PX - TITLE_PX},
    "paper_bgcolor": "#ffffff",
    "plot_bgcolor": "#ffffff",
    "barmode": "stack",
    "uniformtext": {"mode": "hide", "minsize": 9},
}

_DRAW = """
(async () => {
  let state; // ids within a figure are drawn at random: the same ones each time (Lehmer's generator)
  Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const made = {};
  for (const [name, figure] of Object.entries(figures)) {
    made[name] = {};
    for (const format of formats) {
      state = 1;
      const { data, layout } = figure;
      const size = { width, height, scale: format === "svg" ? 1 : scale };
      made[name][format] = await Plotly.toImage({ data, layout }, { format, ...size });
    }
  }
  document.querySelectorAll("script").forEach((each) => each.remove());
  const text = document.createElement("pre");
  text.id = "made";
  text.textContent = JSON.stringify(made);
  document.body.append(text);
})();
"""


def find_browser() -> str | None:
    """The command of a browser that draws without a screen, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def formats_named(texts: Collection[str]) -> tuple[str, ...]:
    """The formats of that name, each once; `UsageError`, before any work, for one that is none or cannot be drawn."""
    for text in texts:
        if text not in EXPORT_FORMATS:
            raise UsageError(f"--export: {unknown_name(text, EXPORT_FORMATS, 'format')}")
    found = tuple(each for each in EXPORT_FORMATS if each in texts)
    if find_browser() is None and set(found) & set(DRAWN_FORMATS):
        raise UsageError(f"--export: needs one of {', '.join(BROWSERS)} to draw with; csv needs none")
    return found


def exported(figures: Mapping[str, Drawn], page: str, formats: Collection[str]) -> dict[str, str | bytes]:
    """Name to content: every figure in each format, and every table of the report's page where csv is asked for."""
    slides = {name: on_slide(each.figure) for name, each in figures.items()}
    drawn = [each for each in formats if each in DRAWN_FORMATS]
    files: dict[str, str | bytes] = dict(_drawn(slides, drawn)) if drawn and slides else {}
    if "csv" in formats:
        files |= {f"figures/{name}.csv": figure_csv(each.figure) for name, each in figures.items()}
        files |= tables_of(page)
    return files


def on_slide(figure: Figure) -> dict[str, Any]:
    """A figure in the light style, its title within its width, bars with their values where there is room."""
    layout = {**SLIDE, **{key: value for key, value in figure["layout"].items() if key != "legend"}}
    if above := figure["layout"].get("margin", {}).get("t"):
        layout["margin"] = {**layout["margin"], "t": above + TITLE_PX - TOP_OF_PAGE_PX}
    title = title_lines(figure)
    layout["title"] = {"text": title, **_AT_TOP, "font": {"size": 18}}
    names = "<br>".join(
        dict.fromkeys(y for trace in figure["data"] for y in trace.get("y") or () if isinstance(y, str))
    )
    if names:
        row_px = (HEIGHT_PX - AROUND_ROWS_PX) / len(names.split("<br>"))
        size = min(layout["yaxis"].get("tickfont", _TEXT["tickfont"])["size"], 0.85 * row_px)
        layout["yaxis"] = {**layout["yaxis"], "tickfont": {"size": size}}
    bars = [trace for trace in figure["data"] if trace.get("type") == "bar"]
    room = sum(len(trace.get("x") or ()) for trace in bars) <= LABELLED and layout["barmode"] != "stack"
    return {"data": [_labelled(trace) if room else trace for trace in figure["data"]], "layout": layout}


def _labelled(trace: Trace) -> Trace:
    if trace.get("type") != "bar" or "text" in trace or "base" in trace:
        return trace
    letter = "x" if trace.get("orientation") == "h" else "y"
    text = {"texttemplate": f"%{{{letter}:.3s}}", "textposition": "auto"}
    colour = trace.get("marker", {}).get("color")
    return {**trace, **text, **(read_inside(colour) if colour else {})}


def _drawn(slides: Mapping[str, dict[str, Any]], formats: Collection[str]) -> dict[str, str | bytes]:
    settings = f"const formats = {json_line(list(formats))}, width = {WIDTH_PX}, height = {HEIGHT_PX}, scale = {SCALE};"
    script = f"const figures = {script_json(slides)};\n{settings}\n{_DRAW}"
    head = f'<!DOCTYPE html><html><head><meta charset="utf-8"><script>{get_plotlyjs()}</script></head>'
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figures.html"
        page.write_text(f"{head}<body><script>{script}</script></body></html>", encoding="utf-8")
        made = _made(str(find_browser()), page)
    names = [(name, kind) for name in made for kind in formats]
    return {f"figures/{name}.{kind}": _content(kind, made[name][kind]) for name, kind in names}


def _made(browser: str, page: Path) -> dict[str, dict[str, str]]:
    """What the page's script wrote: by figure and format, a data URL."""
    command = [browser, "--headless", *BROWSER_FLAGS, f"--virtual-time-budget={PATIENCE_S * 1000}", "--dump-dom"]
    try:
        done = subprocess.run([*command, page.as_uri()], capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MensaError(f"--export: {browser} draws nothing: {error}") from error
    found = re.search(r'<pre id="made">(.*?)</pre>', done.stdout.decode(errors="replace"), re.DOTALL)
    if found is None:
        raise MensaError(f"--export: {browser} draws nothing (exit code {done.returncode})")
    made: dict[str, dict[str, str]] = json.loads(html.unescape(found[1]))
    return made


def _content(kind: str, url: str) -> str | bytes:
    """In which order a browser writes an element's attributes depends on what it has drawn before: sorted here."""
    text = url.partition(",")[2]
    return base64.b64decode(text) if kind == "png" else canonicalize(unquote(text))


def figure_csv(figure: Figure) -> str:
    """The marks of a figure: a line with its title, then one row a mark, axes named with their units.

    Bars that lie along x from elsewhere than 0 have their beginning beside their end.
    """
    axes = [html.unescape(figure["layout"][f"{letter}axis"]["title"]["text"]) or letter for letter in "xy"]
    based = any("base" in trace for trace in figure["data"])
    rows = [
        (html.unescape(str(trace.get("name", ""))), *ends, y)
        for trace in figure["data"]
        for ends, y in zip(_ends(trace, based), trace.get("y") or (), strict=False)
        if ends[-1] is not None
    ]
    title = html.unescape(figure["layout"]["title"]["text"])
    return f"# {title}\n{csv_text(('series', *(['from'] if based else []), *axes), rows)}"


def _ends(trace: Trace, based: bool) -> list[tuple[Any, ...]]:
    """Where each mark lies along x: where its bar ends, with where that begins if the figure has such bars."""
    ends = trace.get("x") or ()
    if not based:
        return [(end,) for end in ends]
    base = trace.get("base", 0)
    begins = base if isinstance(base, list) else [base] * len(ends)
    return [(begin, begin + length) for begin, length in zip(begins, ends, strict=True)]


class _Tables(HTMLParser):
    """The tables of a page, each below the last heading before it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[list[str]]]] = []
        self._heading = ""
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begins a heading, a table, a row or a cell."""
        if tag in ("h1", "h2", "h3"):
            self._into = []
        elif tag == "table":
            self.found.append((self._heading, []))
        elif tag == "tr" and self.found:
            self.found[-1][1].append([])
        elif tag in ("td", "th"):
            self._into = []

    def handle_data(self, data: str) -> None:
        """Text of what is open."""
        if self._into is not None:
            self._into.append(data)

    def handle_endtag(self, tag: str) -> None:
        """Ends a heading or a cell."""
        if self._into is None or tag not in ("h1", "h2", "h3", "td", "th"):
            return
        text, self._into = "".join(self._into), None
        if tag.startswith("h"):
            self._heading = text
        elif self.found and self.found[-1][1]:
            self.found[-1][1][-1].append(text)


def tables_of(page: str) -> dict[str, str]:
    """The tables of a report as CSV, named by the headings above them; a line with the heading comes first.

    >>> tables_of("<h2>As taken</h2><table><tr><th>a</th></tr><tr><td>1 ms</td></tr></table>")
    {'tables/as_taken.csv': '# As taken\\na\\n1 ms\\n'}
    """
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    parser = _Tables()
    parser.feed(body)
    files: dict[str, str] = {}
    for heading, (header, *rows) in ((heading, rows) for heading, rows in parser.found if rows):
        name = re.sub(r"\W+", "_", heading.lower(), flags=re.ASCII).strip("_")[:60] or "table"
        names = (name, *(f"{name}_{number}" for number in range(2, 1000)))
        free = next(each for each in names if f"tables/{each}.csv" not in files)
        files[f"tables/{free}.csv"] = f"# {heading}\n{csv_text(header, rows)}"
    return files
