"""How long requests take: the distribution of each stream beside its deadline, and what of it is waiting."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.report.page.colours import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION, YELLOW, Look
from mensa_sim.report.page.figure import Drawn, Figure, Trace, categories, figure, log_axis, shown
from mensa_sim.report.page.quantities import percent_text, time_axis, time_text
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.scenario.scenario import ScenarioSystemResult
from mensa_sim.units import PS_PER_MS

MAX_LATENCIES = 400
"""Of one curve of latencies."""

MAX_STREAMS = 24
"""Of cards and figures: a choice, as many as colours and strokes tell apart; the page's table has all."""

HUES = (PURPLE, SKY, VERMILION, INK, YELLOW, BLUE, ORANGE, GREEN)
"""Of streams; first those that no shipped accelerator of Mensa has."""

STROKES = ("solid", "dash", "dot", "dashdot")


def most_pressed(main: ScenarioSystemResult) -> list[str]:
    """The streams of cards and figures: all in their order, or those that miss most or come closest to a deadline."""
    streams, deadlines = main.metrics.streams, _deadlines(main.timeline)

    def pressed(name: str) -> tuple[float, ...]:
        p99_ps = streams[name].p99_ps or 0
        return streams[name].deadline_misses, p99_ps / deadlines.get(name, math.inf), p99_ps

    most = sorted(streams, key=pressed)[-MAX_STREAMS:]
    return [name for name in streams if name in most]


def streams_note(main: ScenarioSystemResult) -> str:
    """Which streams are drawn, where not all are."""
    count = len(main.metrics.streams)
    most = f"The {MAX_STREAMS} of {count} streams that miss most deadlines or come closest to them."
    return most if count > MAX_STREAMS else ""


def latency_drawn(main: ScenarioSystemResult) -> Drawn | None:
    """The share of requests that ended within a time, a curve for each stream; none where no request ended."""
    latencies: dict[str, list[int]] = {}
    shown_streams = set(most_pressed(main))
    for request in main.timeline.requests:
        if request.end_ps is not None and request.stream in shown_streams:
            latencies.setdefault(request.stream, []).append(request.end_ps - request.arrival_ps)
    if not latencies:
        return None
    deadlines = _deadlines(main.timeline)
    traces: list[Trace] = []
    thinned = False
    for place, (name, own) in enumerate(sorted(latencies.items())):
        line = {"color": HUES[place % len(HUES)], "dash": STROKES[place // len(HUES) % len(STROKES)]}
        points = _quantiles(sorted(own))
        thinned = thinned or len(points) <= len(own)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": shown(name),
                "legendgroup": shown(name),
                "x": [latency_ps / PS_PER_MS for _, latency_ps in points],
                "y": [share for share, _ in points],
                "line": {**line, "shape": "hv", "width": 2},
                "hovertemplate": f"{shown(name)}<br>%{{y:.3g}} % within %{{x:.4g}} ms<extra></extra>",
            }
        )
        if name in deadlines:
            deadline_ms = deadlines[name] / PS_PER_MS
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": shown(f"deadline of {name}"),
                    "legendgroup": shown(name),
                    "x": [deadline_ms, deadline_ms],
                    "y": [0, 100],
                    "line": {**line, "dash": "dot", "width": 1.5},
                    "marker": {"symbol": "line-ns", "size": 1},
                    "hovertemplate": f"{shown(name)}: deadline {deadline_ms:.4g} ms<extra></extra>",
                }
            )
    ends = [time_ps / PS_PER_MS for own in latencies.values() for time_ps in own]
    ends += [deadlines[name] / PS_PER_MS for name in latencies if name in deadlines]
    x = log_axis("latency (ms)", math.log10(max(1e-9, min(ends)) / 1.3), math.log10(max(1e-9, *ends) * 1.3))
    y = {"title": "requests that ended within (%)", "range": [0, 101]}
    drawn = figure(_latency_finding(main, deadlines), x, y, traces)
    notes = [streams_note(main)] if streams_note(main) else []
    notes += [f"Thinned out: at most {MAX_LATENCIES} points of a curve."] if thinned else []
    if main.timeline.every > 1:
        notes.append(f"Of each stream, every {main.timeline.every}th request is in the sample that was kept.")
    return Drawn(figure=drawn, note=" ".join(notes))


def _quantiles(ordered: Sequence[int]) -> list[tuple[float, int]]:
    """Points of the distribution: the share in percent that is not longer, and the latency; the last is the longest."""
    count = len(ordered)
    step = max(1, -(-count // MAX_LATENCIES))
    places = sorted({*range(0, count, step), count - 1})
    return [(0.0, ordered[0]), *((100 * (place + 1) / count, ordered[place]) for place in places)]


def _deadlines(timeline: Timeline) -> dict[str, int]:
    """The deadline of each stream that has one, after the arrival."""
    return {
        request.stream: request.deadline_ps - request.arrival_ps
        for request in timeline.requests
        if request.deadline_ps is not None
    }


def _latency_finding(main: ScenarioSystemResult, deadlines: Mapping[str, int]) -> str:
    streams = main.metrics.streams
    misses = {name: stream.deadline_misses for name, stream in streams.items() if stream.deadline_misses}
    if misses:
        worst = max(misses, key=misses.__getitem__)
        return f"{worst} misses {misses[worst]} of {streams[worst].requests} deadlines"
    shares = {name: (streams[name].p99_ps or 0) / deadline_ps for name, deadline_ps in deadlines.items()}
    if not shares:
        slowest = max(streams, key=lambda name: streams[name].p99_ps or 0)
        return f"{slowest} takes longest: 99 % of its requests end within {time_text(streams[slowest].p99_ps or 0)}"
    closest = max(shares, key=shares.__getitem__)
    return f"No deadline is missed; {closest} comes closest, its p99 is {percent_text(shares[closest])} of the limit"


def waiting_figure(main: ScenarioSystemResult) -> Figure | None:
    """Mean service and queueing of each stream, and its p99."""
    every = {name: stream for name, stream in main.metrics.streams.items() if stream.mean_latency_ps}
    if not every:
        return None
    streams = {name: every[name] for name in most_pressed(main) if name in every}
    names = [shown(name) for name in streams]
    scale, unit = time_axis(max(max(each.mean_latency_ps or 0, each.p99_ps or 0) for each in streams.values()))
    served = [(stream.mean_service_ps or 0) / scale for stream in streams.values()]
    queued = [(stream.mean_queueing_ps or 0) / scale for stream in streams.values()]
    traces: list[Trace] = [
        {
            "type": "bar",
            "name": label,
            "x": names,
            "y": values,
            "marker": look.bar,
            "hovertemplate": f"%{{x}}<br>%{{fullData.name}}: %{{y:.4g}} {unit}<extra></extra>",
        }
        for label, values, look in (
            ("service (mean)", served, Look(colour=SKY)),
            ("queueing (mean)", queued, Look(colour=VERMILION, pattern="/")),
        )
    ]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "p99 of the latency",
            "x": names,
            "y": [(stream.p99_ps or 0) / scale for stream in streams.values()],
            "marker": {"color": "#000000", "symbol": "diamond", "size": 9},
            "hovertemplate": f"%{{x}}<br>p99: %{{y:.4g}} {unit}<extra></extra>",
        }
    )
    shares = {name: (s.mean_queueing_ps or 0) / (s.mean_latency_ps or 1) for name, s in every.items()}
    worst = max(shares, key=shares.__getitem__)
    title = f"{worst} waits most: {percent_text(shares[worst])} of its mean latency is queueing"
    if not shares[worst]:
        title = "No request waits: every latency is service"
    y = {"title": f"time ({unit})", "rangemode": "tozero"}
    return figure(title, categories("stream"), y, traces, barmode="stack", bargap=0.5)
