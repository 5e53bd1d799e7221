"""The timeline as bars: a row for each accelerator, memory and link, coloured by the accelerator that is served."""

from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.records import dataclass
from mensa_sim.report.page.colours import GREY, Look, looks, pattern
from mensa_sim.report.page.figure import Figure, Trace, categories, figure, lines, shown
from mensa_sim.report.page.quantities import bytes_text, percent_text, time_axis, time_text
from mensa_sim.report.viewer.lanes import lanes_of
from mensa_sim.simulate.metrics.inference import union_ps
from mensa_sim.simulate.record.timeline import RequestRecord, Span

MAX_BARS = 2000
"""A browser draws and moves so many without delay."""

KIND_PATTERNS: Mapping[str, str] = {
    "prefetch": "/",
    "discard": "/",
    "spill": "-",
    "transfer": "x",
    "host": "x",
    "wake": ".",
}
"""Of the kinds of spans that are not a layer's own work and traffic."""

KIND_NAMES: Mapping[str, str] = {
    "layer": "works on the layer",
    "head": "traffic before the layer starts",
    "body": "the layer's traffic beside its work",
    "tail": "traffic after the layer",
    "feed": "the layer's traffic with a shared on-chip memory or another accelerator",
    "transfer": "copy to another memory, or to or from a host",
    "prefetch": "parameters fetched early",
    "discard": "fetched early and thrown away",
    "spill": "a tensor leaves the chip, for another inference needs its room",
    "host": "the host prepares the inference",
    "wake": "wakes up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The spans that a figure shows, and what a reader must know about the others."""

    spans: tuple[Span, ...]
    note: str = ""


def merged(spans: Sequence[Span], maximum: int = MAX_BARS) -> Excerpt:
    """All spans, short neighbours on one resource drawn as one where there are more than `maximum`."""
    if len(spans) <= maximum:
        return Excerpt(spans=tuple(spans))
    length_ps = max(span.end_ps for span in spans) - min(span.start_ps for span in spans)
    resolution_ps = max(1, length_ps // 4000)
    found = _joined(spans, resolution_ps)
    while len(found) > maximum:
        resolution_ps *= 2
        found = _joined(spans, resolution_ps)
    note = (
        f"Thinned out: {len(spans)} intervals are drawn as {len(found)} bars; neighbours that together take less than "
        f"{time_text(resolution_ps)} are joined. timeline.json holds them all."
    )
    return Excerpt(spans=tuple(found), note=note)


def around(spans: Sequence[Span], start_ps: int, end_ps: int, maximum: int = MAX_BARS) -> Excerpt:
    """The spans of a time and of half as much before and after; short ones joined beyond `maximum`."""
    margin_ps = max(1, (end_ps - start_ps) // 2)
    near = [span for span in spans if span.end_ps >= start_ps - margin_ps and span.start_ps <= end_ps + margin_ps]
    found = merged(near, maximum)
    note = f"Shown: the time around it, {len(near)} of {len(spans)} intervals; timeline.json holds them all."
    return Excerpt(spans=found.spans, note=f"{note} {found.note}".strip() if len(near) < len(spans) else found.note)


def _joined(spans: Sequence[Span], resolution_ps: int) -> list[Span]:
    """Short spans of one resource that together are short, gaps included, as one span named by how many it joins."""
    found: list[Span] = []
    for resource in sorted({span.resource for span in spans}):
        run: list[Span] = []
        for span in sorted((s for s in spans if s.resource == resource), key=lambda s: (s.start_ps, s.end_ps)):
            short = span.end_ps - span.start_ps < resolution_ps
            if run and (not short or span.end_ps - run[0].start_ps > resolution_ps):
                found.append(_as_one(run))
                run = []
            if short:
                run.append(span)
            else:
                found.append(span)
        if run:
            found.append(_as_one(run))
    return found


def _as_one(run: Sequence[Span]) -> Span:
    if len(run) == 1:
        return run[0]
    return run[0]._replace(
        layer=f"{run[0].layer} ... {run[-1].layer} ({len(run)} intervals)",
        end_ps=max(span.end_ps for span in run),
        size_bytes=sum(span.size_bytes for span in run),
    )


def gantt_figure(
    title: str,
    spans: Sequence[Span],
    accelerators: Sequence[str],
    owners: Mapping[tuple[str, str], str],
    *,
    marked: RequestRecord | None = None,
) -> Figure:
    """The bars; `owners` says which accelerator runs a layer of a request, `marked` is a request to be framed."""
    start_ps = min((span.start_ps for span in spans), default=0)
    end_ps = max((span.end_ps for span in spans), default=0)
    scale, unit = time_axis(end_ps - start_ps)
    lanes, rows = lanes_of(spans, accelerators)
    used = set(lanes.values())
    names = {row: name for row, name in rows.items() if row in used}
    by_owner: dict[str, list[Span]] = {name: [] for name in accelerators}
    others: list[Span] = []
    for span in spans:
        served = span.request, span.layer.partition(" ... ")[0]
        owner = span.resource if span.resource in by_owner else owners.get(served)
        (by_owner[owner] if owner is not None else others).append(span)
    drawn = [(name, look, by_owner[name]) for name, look in looks(accelerators).items()]
    drawn.append(("others", Look(colour=GREY), others))
    several = len({span.request for span in spans}) > 1
    traces = [
        _bars(name, look, own, [names[lanes[id(span)]] for span in own], (scale, unit), several)
        for name, look, own in drawn
        if own
    ]
    frame = [] if marked is None else [_frame(marked, scale)]
    x = {"title": f"time ({unit})", "range": [start_ps / scale, end_ps / scale]}
    y = {
        **categories("accelerator, memory or link"),
        "categoryorder": "array",
        "categoryarray": [shown(name) for name in reversed(names.values())],
        "fixedrange": True,
    }
    names_that_fit = {"mode": "hide", "minsize": 9}
    more = {"barmode": "overlay", "bargap": 0.2, "dragmode": "zoom", "shapes": frame, "uniformtext": names_that_fit}
    return figure(title, x, y, traces, **more)


def _frame(request: RequestRecord, scale: float) -> dict[str, object]:
    return {
        "type": "rect",
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "x0": request.arrival_ps / scale,
        "x1": (request.end_ps or 0) / scale,
        "line": {"width": 1.5, "color": "#000000", "dash": "dot"},
        "label": {
            "text": shown(request.name),
            "textposition": "top left",
            "yanchor": "bottom",
            "font": {"size": 11, "color": "#000000"},
        },
    }


def _bars(
    name: str, look: Look, spans: Sequence[Span], rows: Sequence[str], axis: tuple[float, str], several: bool
) -> Trace:
    scale, unit = axis
    return {
        "type": "bar",
        "orientation": "h",
        "name": shown(f"for {name}" if name != "others" else name),
        "y": [shown(row) for row in rows],
        "base": [span.start_ps / scale for span in spans],
        "x": [(span.end_ps - span.start_ps) / scale for span in spans],
        "text": [shown(span.layer) for span in spans],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "customdata": [
            lines(
                f"{span.request}: {span.layer}" if several else span.layer,
                KIND_NAMES[span.kind],
                bytes_text(span.size_bytes) if span.size_bytes else "",
            )
            for span in spans
        ],
        "hovertemplate": f"%{{y}}<br>%{{customdata}}<br>%{{x:.4g}} {unit} from %{{base:.6g}} {unit}<extra></extra>",
        "marker": {
            "color": look.colour,
            "line": {"width": 0},
            "pattern": pattern([KIND_PATTERNS.get(span.kind, look.pattern) for span in spans]),
        },
    }


GANTT_NOTE = (
    "Drag to zoom, until bars have room for their layers' names; double-click to see all. Striped: parameters fetched "
    "early; crossed: copies to another memory. Transfers that share a channel stand in rows of their own."
)


def gantt_finding(spans: Iterable[Span], accelerators: Sequence[str]) -> str:
    """Which resource is busy most of the time, and how long no accelerator works."""
    spans = tuple(spans)
    length_ps = max((span.end_ps for span in spans), default=0) - min((span.start_ps for span in spans), default=0)
    if not length_ps:
        return "no time passes"
    by_resource: dict[str, list[Span]] = {}
    for span in spans:
        by_resource.setdefault(span.resource, []).append(span)
    busy = {name: union_ps(own) / length_ps for name, own in sorted(by_resource.items())}
    busiest = max(busy, key=busy.__getitem__)
    names = set(accelerators)
    working = union_ps(span for span in spans if span.resource in names) / length_ps
    text = f"{busiest} is in use {percent_text(busy[busiest])} of the time"
    return f"{text}; in {percent_text(1 - working)} no accelerator works" if working < 0.9995 else text
