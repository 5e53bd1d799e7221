"""Parallel coordinates of an exploration: every design a line over its parameters and objectives.

Drawn as plain lines, not as plotly's own parallel coordinates: those need WebGL, which not every browser has.
"""

import re
import textwrap
from collections.abc import Sequence

from mensa_sim.records import dataclass
from mensa_sim.report.explore.tables import axis
from mensa_sim.report.page.colours import COLOURS
from mensa_sim.report.page.figure import Figure, Trace, figure, scatter, shown
from mensa_sim.report.page.quantities import setting_text
from mensa_sim.study.explore.result import DesignResult, ExploreResult

TICKS = 8
"""Labels on one axis."""
OTHERS = 2000
"""Lines of designs behind the front; of more, the first."""

FEW, FAINTEST = 20, 0.25
"""Of these others, so many are drawn in full, more the fainter: choices."""

_LETTERS = 12
"""Of a line of a name, between two axes: a choice."""

_NAMED = 12
"""Designs of the front that a legend names; of more, the pointer does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """One vertical axis: where each design crosses it, from 0 to 1, and its labels."""

    title: str
    heights: dict[int, float]
    labels: tuple[tuple[float, str], ...]


def parallel_figure(result: ExploreResult) -> Figure:
    """The front in colour before all other designs in grey."""
    axes = _axes(result)
    on_front = {design.number for design in result.front}
    others = [design for design in result.designs if design.number not in on_front][:OTHERS]
    traces: list[Trace] = []
    alpha = min(1.0, max(FAINTEST, FEW / max(1, len(others))))
    traces.append(_lines("other designs", others, axes, f"rgba(140, 140, 140, {alpha:.2f})", 1))
    for place, design in enumerate(result.front):
        colour = COLOURS[place % len(COLOURS)]
        traces.append(_lines(f"design {design.number}", [design], axes, colour, 2))
    plain: dict[str, object] = {"showarrow": False, "xanchor": "left", "font": {"size": 11}}
    beside = {**plain, "bgcolor": "#ffffff", "borderpad": 0, "xshift": 2, "font": {"size": 10}}
    notes: list[dict[str, object]] = []
    for place, each in enumerate(axes):
        notes.append({"x": place, "y": 1.05, "text": each.title, "align": "left", "yanchor": "bottom", **plain})
        for height, text in each.labels:
            in_lines_at_end = height == 0 and "<br>" in text
            rests = {"yanchor": "bottom"} if in_lines_at_end else {}  # lest they reach into the legend
            notes.append({"x": place, "y": height, "text": text, **beside, **rests})
    rules = [
        {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": {"color": "#000000", "width": 1}}
        for place in range(len(axes))
    ]
    return figure(
        _finding(result),
        {"title": "", "visible": False, "range": [-0.2, len(axes) - 0.4]},
        {"title": "", "visible": False, "range": [-0.05, 1.1]},
        traces,
        annotations=notes,
        shapes=rules,
        margin={"t": 70, "l": 20, "r": 60, "b": 20},
        legend={"title": {"text": "click hides, double click shows alone"}},
        showlegend=len(result.front) <= _NAMED,
    )


def _finding(result: ExploreResult) -> str:
    """What all designs of the front have in common, and the others not."""
    common: list[str] = []
    for parameter in result.space.parameters:
        chosen = {repr(design.parameters[parameter.name]) for design in result.front}
        if len(chosen) == 1 and len(parameter.shown) > 1:
            common.append(f"{parameter.name} {setting_text(result.front[0].parameters[parameter.name])}")
    verb = "is" if len(result.front) == 1 else "are"
    count = f"{len(result.front)} of {len(result.designs)} designs {verb} on the front"
    if not common:
        return f"{count}; no parameter has the same value in all of them"
    return f"{count}; {'it has' if len(result.front) == 1 else 'all have'} {', '.join(common)}"


def _axes(result: ExploreResult) -> list[_Axis]:
    found: list[_Axis] = []
    for parameter in result.space.parameters:
        places = {repr(value): place for place, value in enumerate(parameter.shown)}
        top = max(1, len(places) - 1)
        step = max(1, -(-len(places) // TICKS))
        heights = {d.number: places[repr(d.parameters[parameter.name])] / top for d in result.designs}
        labels = [(place / top, _value(setting_text(parameter.shown[place]))) for place in range(0, len(places), step)]
        found.append(_Axis(title=_folded(parameter.name), heights=heights, labels=tuple(labels)))
    for objective in result.objectives:
        scale, title = axis(objective.name, [design.objectives[objective.name] for design in result.designs])
        values = {design.number: design.objectives[objective.name] / scale for design in result.designs}
        low, high = min(values.values()), max(values.values())
        span = (high - low) or 1.0
        heights = {number: (value - low) / span for number, value in values.items()}
        labels = [(height, f"{low + height * span:.3g}") for height in (0.0, 0.25, 0.5, 0.75, 1.0)]
        found.append(_Axis(title=_folded(title), heights=heights, labels=tuple(labels)))
    return found


def _folded(name: str) -> str:
    """A name in lines between two axes."""
    parts = textwrap.wrap(re.sub(r"([._])", r"\1 ", name), _LETTERS)
    return "<br>".join(shown(re.sub(r"([._]) ", r"\1", part)) for part in parts)


def _value(text: str) -> str:
    """A value in at most three lines beside its axis; the table of the front has it whole."""
    return _folded(text if len(text) <= 3 * _LETTERS else f"{text[: 3 * _LETTERS - 1]}…")


def _lines(name: str, designs: Sequence[DesignResult], axes: Sequence[_Axis], colour: str, width: int) -> Trace:
    """The lines of some designs as one trace, with a gap after each."""
    x: list[int | None] = []
    y: list[float | None] = []
    for design in designs:
        x += [*range(len(axes)), None]
        y += [*(each.heights[design.number] for each in axes), None]
    return scatter(
        name=name,
        mode="lines",
        x=x,
        y=y,
        line={"color": colour, "width": width},
        hovertemplate=f"{name}<extra></extra>",
    )
