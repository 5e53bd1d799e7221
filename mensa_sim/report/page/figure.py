"""Figures as plain dictionaries of plotly's schema, and what stands below them: a page gives them its colours."""

import html
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mensa_sim.records import dataclass
from mensa_sim.report.page.colours import DEEPER, GREY, INK, text_on

Figure = dict[str, Any]
"""`data`, a list of traces, and `layout`."""
Trace = dict[str, Any]
Axis = str | Mapping[str, Any]
"""The title of an axis, or all of its settings."""

MAX_POINTS = 600
"""Of a scatter whose points have hover texts of their own."""

_DOTTED = {"color": INK, "dash": "dot"}
PARITY = {"type": "line", "yref": "y domain", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "line": _DOTTED}
"""A shape: the line where a ratio is 1, both systems as good."""

T = TypeVar("T")


def most_of(items: Sequence[T], size: Callable[[T], float], maximum: int = MAX_POINTS) -> list[T]:
    """The largest items, in their own order; all of them where there are not more than `maximum`.

    >>> most_of(["aaa", "a", "aa"], len, 2)
    ['aaa', 'aa']
    """
    chosen = sorted(range(len(items)), key=lambda place: -size(items[place]))[:maximum]
    return [items[place] for place in sorted(chosen)]


def figure(title: str, x: Axis, y: Axis, traces: Sequence[Trace], **more: Any) -> Figure:
    """A figure whose title is a finding; an axis is its title with the unit, or plotly's settings with a `title`.

    Titles and axis titles are escaped here; names, labels and hover texts in `traces` by `shown`.
    """
    layout = {"title": {"text": shown(title)}, "xaxis": _axis(x), "yaxis": _axis(y), **more}
    return {"data": [_legible(each) for each in traces], "layout": layout}


def _legible(trace: Trace) -> Trace:
    """A trace that stands out from the page: pale marks and all bars have an edge, what has none is not pale."""
    found = dict(trace)
    if line := trace.get("line"):
        found["line"] = {**line, "color": _deeper(line.get("color"))}
    if fill := trace.get("fillcolor"):
        found["fillcolor"] = _deeper(fill)
    if (marker := trace.get("marker")) and trace["type"] in ("bar", "scatter"):
        if trace["type"] == "bar" and "text" in trace:
            found |= read_inside(marker["color"])
        colour, deeper = marker.get("color"), _deeper(marker.get("color"))
        if "open" in str(marker.get("symbol")):
            found["marker"] = {"line": {"width": 1.5}, **marker, "color": deeper}
        elif trace["type"] == "bar" or colour != deeper:
            found["marker"] = {"line": {"color": GREY if trace["type"] == "bar" else deeper, "width": 1}, **marker}
    return found


def read_inside(colours: str | Sequence[str]) -> Trace:
    """The setting of bars of that colour, or of one each, by which their texts are read on them."""
    font = text_on(colours) if isinstance(colours, str) else [text_on(each) for each in colours]
    return {"insidetextfont": {"color": font}}


def _deeper(colour: object) -> object:
    return DEEPER.get(colour, colour) if isinstance(colour, str) else colour


_BEFORE_UNITS = re.compile(r"(?<=\d) (?=(?:%|[PTGMkmµnpf]?(?:s|J|Js|W|B|B/s|MAC/s|inf/s))(?![\w/]))")


def unbroken(text: str) -> str:
    """A title whose figures stay with their units.

    >>> unbroken("0.45 % of 12 kB").split()
    ['0.45', '%', 'of', '12', 'kB']
    >>> unbroken("0.45 % of 12 kB").split(" ")
    ['0.45\xa0%', 'of', '12\xa0kB']
    """
    return _BEFORE_UNITS.sub("\N{NO-BREAK SPACE}", text)


TITLE_CHARACTERS = 84
"""Of a line of a title, as many as a notebook's column and a slide have room for: a choice."""


def title_lines(figure: Figure) -> str:
    """The title of a figure in as few lines as are not cut, about equally long: none has a word or a figure alone.

    >>> title_lines({"layout": {"title": {"text": "words " * 14 + "and then 7.4"}}}).split("<br>")[1]
    'words words words words words words and then 7.4'
    """
    text = unbroken(figure["layout"]["title"]["text"])
    count = len(textwrap.wrap(text, TITLE_CHARACTERS))
    widths = range(len(text) // max(1, count), TITLE_CHARACTERS + 1)
    lines = next((each for each in (textwrap.wrap(text, width) for width in widths) if len(each) <= count), [])
    return "<br>".join(lines)


def scatter(**settings: Any) -> Trace:
    """Marks or lines, by plotly's own settings; x and y as lists."""
    return {"type": "scatter", **settings}


def bar(**settings: Any) -> Trace:
    """Bars, likewise."""
    return {"type": "bar", **settings}


def _axis(axis: Axis) -> dict[str, Any]:
    settings: dict[str, Any] = {"title": axis} if isinstance(axis, str) else dict(axis)
    return {**settings, "title": {"text": shown(str(settings["title"]))}}


def shown(text: str) -> str:
    """Text as plotly shows it unchanged: its labels and hover texts read a small HTML.

    >>> shown("a<b> & c")
    'a&lt;b&gt; &amp; c'
    """
    return html.escape(text, quote=False)


def lines(*texts: str) -> str:
    """Several lines of a hover text, escaped; empty ones are left out."""
    return "<br>".join(shown(text) for text in texts if text)


def logarithmic(title: str) -> dict[str, Any]:
    """An axis of decades."""
    return {"title": title, "type": "log", "dtick": 1, "minexponent": 3}


def slanted(title: str) -> dict[str, Any]:
    """An axis of names, slanted where they are longer than their bars are wide."""
    return {"title": title, "autotickangles": [0, -45]}


def categories(title: str) -> dict[str, Any]:
    """An axis of names, which are not read as numbers or dates."""
    return {"title": title, "type": "category"}


def padded(title: str, traces: Sequence[Trace], letter: str) -> dict[str, Any]:
    """A logarithmic axis with room around few points that stand far apart or on one place."""
    values = [value for trace in traces for value in trace[letter] if value > 0]
    low, high = min(values, default=1.0), max(values, default=1.0)
    room = max(0.15, 0.12 * math.log10(high / low))
    return log_axis(title, math.log10(low) - room, math.log10(high) + room)


THOUSANDS = 5
"""The power of ten of an axis whose figures are told with a prefix, 100k: a choice."""
WIDE = 3
"""Decades on an axis beyond which 2 and 5 have no room beside 1: a choice."""


def log_axis(title: str, low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis between two powers of ten, whose figures are whole: 0.1, 0.2, 0.5."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    told = [decade + math.log10(digit) for decade in decades for digit in (1, 2, 5)]
    enough = sum(low <= tick <= high for tick in told) > 1  # else all digits, of which 6 to 9 need room
    steps = 1 if high - low > WIDE else "D2" if enough else "D1"
    form = "~s" if low >= 0 and high > THOUSANDS else "~g"
    return {"title": title, "type": "log", "dtick": steps, "tickformat": form, "range": [low, high]}


def ranges(name: str, y: Sequence[str], lows: Sequence[float], highs: Sequence[float], **marks: Any) -> Trace:
    """Marks at `marks["x"]` of rows that are named on the y axis, each with a line from its low to its high."""
    return scatter(
        name=name,
        mode="markers",
        y=list(y),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - x for high, x in zip(highs, marks["x"], strict=True)],
            "arrayminus": [x - low for low, x in zip(lows, marks["x"], strict=True)],
        },
        **marks,
    )


def parity_figure(title: str, what: str, traces: Sequence[Trace]) -> Figure:
    """Predicted over measured on logarithmic axes, with lines where both are equal or 20 % apart."""
    values = [value for trace in traces for value in (*trace["x"], *trace["y"]) if value > 0]
    low, high = min(values, default=1.0) / 1.3, max(values, default=1.0) * 1.3
    guides = []
    for factor, dash, name in ((1.0, "solid", "equal"), (1.2, "dot", "20 % off"), (0.8, "dot", "20 % low")):
        line = {"color": GREY, "dash": dash, "width": 1}
        ends, scaled = [low, high], [low * factor, high * factor]
        legend = {"legendgroup": dash, "showlegend": name != "20 % low"}
        guides.append(scatter(x=ends, y=scaled, mode="lines", line=line, name=name, hoverinfo="skip", **legend))
    axes = [log_axis(f"{side} {what}", math.log10(low), math.log10(high)) for side in ("measured", "predicted")]
    return figure(title, axes[0], axes[1], [*guides, *traces])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A figure of a report, and what stands below it."""

    figure: Figure
    note: str = ""
    wide: bool = False
    height_rem: float | None = None
    """Where the usual height is too little."""


def drawn(figure: Figure | None, note: str = "", *, wide: bool = False) -> Drawn | None:
    """A figure, where there is one."""
    return None if figure is None else Drawn(figure=figure, note=note, wide=wide)


def others(figures: dict[str, Drawn], *placed: Sequence[str]) -> list[str]:
    """The names of the figures that no other section of a page has: its last section takes them, so that none is lost.

    >>> others({"energy": Drawn(figure={}), "new": Drawn(figure={})}, ("energy", "roofline"))
    ['new']
    """
    taken = {name for names in placed for name in names}
    return [name for name in figures if name not in taken]
