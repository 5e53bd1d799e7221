"""Bandwidth, power and what buffers hold over time: means and maxima over equal steps of time."""

from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.routes import bandwidths_of
from mensa_sim.hardware.system import System
from mensa_sim.report.page.colours import GREY, Look, looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, figure, shown
from mensa_sim.report.page.quantities import bytes_text, percent_text, power_text, time_axis, time_text
from mensa_sim.simulate.record.moved import moved
from mensa_sim.simulate.record.timeline import BufferLevel, Span, Timeline
from mensa_sim.units import PS_PER_S

STEPS = 400
"""Of an axis of time: about what a screen resolves."""

MAX_BUFFERS = 16
"""Drawn at once: a choice, more than colours are told apart; lines of 64 accelerators would take megabytes."""

FEW_ROWS = 3
"""Of memories and links, which the usual height holds."""
ROW_REM = 6
"""Of each row where they are more: its name, its ticks and its curve."""

BUFFER_DASHES: Mapping[BufferName, str] = {"parameter": "solid", "activation": "dot"}

Owners = Mapping[tuple[str, str], str]
"""The accelerator that runs a layer of a request."""


def steps_note(end_ps: int, every: int = 1) -> str:
    """How the curves were thinned out."""
    text = f"Mean over each of {STEPS} steps of {time_text(max(1, end_ps // STEPS))}."
    return text if every == 1 else f"{text} Of each stream, every {every}th request is in the sample that was kept."


def sums(amounts: Iterable[tuple[int, int, float]], end_ps: int) -> list[float]:
    """Amounts, each from a start to an end over which it is spread evenly, by step."""
    width_ps = end_ps / STEPS
    found = [0.0] * STEPS
    for start_ps, stop_ps, total in amounts:
        if not total:
            continue
        first = min(STEPS - 1, int(start_ps / width_ps))
        last = min(STEPS - 1, int(stop_ps / width_ps))
        length_ps = stop_ps - start_ps
        if first == last or not length_ps:
            found[first] += total
            continue
        found[first] += total * ((first + 1) * width_ps - start_ps) / length_ps
        for step in range(first + 1, last):
            found[step] += total * width_ps / length_ps
        found[last] += total * (stop_ps - last * width_ps) / length_ps
    return found


def _times(end_ps: int) -> tuple[list[float], str]:
    scale, unit = time_axis(end_ps)
    return [step * end_ps / STEPS / scale for step in range(STEPS)], unit


def _area(name: str, look: Look, x: Sequence[float], y: Sequence[float], unit: str, **more: object) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": shown(name),
        "x": list(x),
        "y": list(y),
        "line": {"shape": "hv", "width": 0, "color": look.colour},
        "fillcolor": look.colour,
        "fillpattern": {"shape": look.pattern},
        "hovertemplate": f"%{{x:.4g}}: %{{y:.3g}} {unit}<extra>%{{fullData.name}}</extra>",
        **more,
    }


def bandwidth_drawn(system: System, timeline: Timeline, owners: Owners, *, wide: bool = False) -> Drawn:
    """A row for each memory and link: its bandwidth in use, stacked by the accelerator that it serves."""
    end_ps = max(1, timeline.end_ps)
    limits = bandwidths_of(system)
    spans = [span for span in timeline.spans if span.resource in limits]
    own: dict[str, dict[str, list[tuple[int, int, float]]]] = {}
    for each in moved(system, spans, lambda span: owners.get((span.request, span.layer), "others")):
        own.setdefault(each.resource, {}).setdefault(each.owner, []).append(
            (each.start_ps, each.end_ps, each.size_bytes)
        )
    rows = [name for name in limits if name in own]
    x, unit = _times(end_ps)
    names = [placed.name for placed in system.accelerators]
    giga_per_step = PS_PER_S / (end_ps / STEPS) / 1e9
    traces: list[Trace] = []
    seen: set[str] = set()
    for place, row in enumerate(rows, start=1):
        for name, look in {**looks(names), "others": Look(colour=GREY)}.items():
            if name not in own[row]:
                continue
            y = [value * giga_per_step for value in sums(own[row][name], end_ps)]
            more = {"stackgroup": row, "legendgroup": name, "showlegend": name not in seen, "yaxis": f"y{place}"}
            more["legendrank"] = 1000 + names.index(name) if name in names else 1999
            traces.append(_area(f"for {name}", look, x, y, "GB/s", **more))
            seen.add(name)
        limit = limits[row] / 1e9
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "reachable bandwidth",
                "legendrank": 2000,
                "legendgroup": "reachable",
                "showlegend": place == 1,
                "x": [x[0], x[-1]],
                "y": [limit, limit],
                "yaxis": f"y{place}",
                "line": {"color": "#000000", "dash": "dot", "width": 1.5},
                "hovertemplate": f"{shown(row)} reaches {limit:.4g} GB/s<extra></extra>",
            }
        )
    x_axis = {"title": f"time ({unit})", "anchor": f"y{len(rows)}" if len(rows) > 1 else "y"}
    drawn = figure(_bandwidth_finding(spans, limits, end_ps), x_axis, "GB/s", traces, **_rows(rows))
    height_rem = 7 + ROW_REM * len(rows) if len(rows) > FEW_ROWS else None
    return Drawn(figure=drawn, note=steps_note(timeline.end_ps, timeline.every), wide=wide, height_rem=height_rem)


def _rows(names: Sequence[str]) -> dict[str, object]:
    """Axes of as many rows below one another, the first on top, each under its name."""
    height = 1 / max(1, len(names))
    layout: dict[str, object] = {}
    labels: list[dict[str, object]] = []
    for place, name in enumerate(names):
        top = 1 - place * height
        domain = [max(0.0, top - height), top - (0.22 * height if len(names) > 1 else 0)]
        axis = {"title": {"text": "GB/s"}, "domain": domain, "rangemode": "tozero", "nticks": 5}
        layout["yaxis" if place == 0 else f"yaxis{place + 1}"] = axis
        where = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": domain[1], "yanchor": "bottom"}
        labels.append({"text": f"<b>{shown(name)}</b>", "showarrow": False, **where})
    return {**layout, "annotations": labels}


def _bandwidth_finding(spans: Iterable[Span], limits: Mapping[str, float], end_ps: int) -> str:
    sizes = dict.fromkeys(limits, 0)
    for span in spans:
        sizes[span.resource] += span.size_bytes
    if not any(sizes.values()):
        return "nothing crosses a memory"
    most = max(sizes, key=sizes.__getitem__)
    share = sizes[most] * PS_PER_S / end_ps / limits[most]
    total = sum(sizes.values())
    return (
        f"{most} moves {bytes_text(sizes[most])}, {percent_text(sizes[most] / total)} of all traffic, and is used at "
        f"{percent_text(share)} of its reachable bandwidth on average"
    )


def buffers_figure(system: System, timeline: Timeline) -> Figure | None:
    """The most that each buffer holds in each step, as a share of its capacity; none where nothing is known of them."""
    capacities = {
        (placed.name, kind): size_bytes
        for placed in system.accelerators
        for kind, size_bytes in placed.spec.buffer_bytes.items()
    }
    levels: dict[tuple[str, BufferName], list[BufferLevel]] = {}
    for level in timeline.levels:
        if (level.accelerator, level.buffer) in capacities:
            levels.setdefault((level.accelerator, level.buffer), []).append(level)
    if not levels:
        return None
    end_ps = max(1, timeline.end_ps)
    x, unit = _times(end_ps)
    colours = looks(placed.name for placed in system.accelerators)
    traces: list[Trace] = []
    peaks = {key: max(level.size_bytes for level in levels[key]) for key in capacities if key in levels}
    by_share = sorted(peaks, key=lambda key: -peaks[key] / capacities[key])
    for key in (key for key in peaks if key in by_share[:MAX_BUFFERS]):
        accelerator, kind = key
        held = maxima(levels[key], end_ps)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": shown(f"{accelerator}, {kind}s"),
                "x": x,
                "y": [100 * size / capacities[key] for size in held],
                "customdata": [bytes_text(size) for size in held],
                "line": {"shape": "hv", "color": colours[accelerator].colour, "dash": BUFFER_DASHES[kind]},
                "hovertemplate": "%{x:.4g}: %{customdata}, %{y:.3g} %<extra>%{fullData.name}</extra>",
            }
        )
    fullest = by_share[0]
    title = (
        f"{fullest[0]}'s {fullest[1]} buffer is the fullest: at most {bytes_text(peaks[fullest])} of "
        f"{bytes_text(capacities[fullest])}"
    )
    if len(peaks) > MAX_BUFFERS:
        title += f" (drawn: the {MAX_BUFFERS} fullest of {len(peaks)})"
    y = {"title": "held, of the buffer's capacity (%)", "rangemode": "tozero"}
    return figure(title, f"time ({unit})", y, traces)


def maxima(levels: Sequence[BufferLevel], end_ps: int) -> list[int]:
    """The most that a buffer holds in each step; it keeps what it held until a level says otherwise."""
    found = [0] * STEPS
    held, reached = 0, 0
    for level in levels:
        step = min(STEPS - 1, level.time_ps * STEPS // end_ps)
        for between in range(reached, step + 1):
            found[between] = max(found[between], held)
        held, reached = level.size_bytes, step
        found[step] = max(found[step], held)
    for between in range(reached, STEPS):
        found[between] = max(found[between], held)
    return found


def power_figure(system: System, timeline: Timeline, owners: Owners, static_mw: float, mean_mw: float) -> Figure:
    """Power over time: what flows whether or not anything runs, and on it the dynamic power by accelerator."""
    end_ps = max(1, timeline.end_ps)
    x, unit = _times(end_ps)
    shares: dict[str, list[Span]] = {}
    names = [placed.name for placed in system.accelerators]
    for span in timeline.spans:
        if span.energy_pj:
            owner = span.resource if span.resource in names else owners.get((span.request, span.layer), "others")
            shares.setdefault(owner, []).append(span)
    traces = [_area("static power", Look(colour=GREY), x, [static_mw] * STEPS, "mW", stackgroup="power")]
    peaks = [static_mw] * STEPS
    for name, look in {**looks(names), "others": Look(colour=GREY, pattern="/")}.items():
        if name in shares:
            energies = sums(((s.start_ps, s.end_ps, sum(s.energy_pj.values())) for s in shares[name]), end_ps)
            powers = [1000 * energy / (end_ps / STEPS) for energy in energies]
            peaks = [peak + power for peak, power in zip(peaks, powers, strict=True)]
            traces.append(_area(f"for {name}", look, x, powers, "mW", stackgroup="power"))
    title = (
        f"Mean power {power_text(mean_mw)}, {percent_text(static_mw / mean_mw)} of it whether or not "
        f"anything runs; at most {power_text(max(peaks))} in a step"
    )
    return figure(title, f"time ({unit})", {"title": "power (mW)", "rangemode": "tozero"}, traces)
