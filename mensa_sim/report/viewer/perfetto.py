"""A timeline as a Chrome trace, which Perfetto opens (https://ui.perfetto.dev): tracks, counters and flow arrows."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace

from mensa_sim.hardware.system import System
from mensa_sim.io.json_text import json_line
from mensa_sim.report.viewer.lanes import Lanes, lanes_of
from mensa_sim.simulate.record.timeline import Span, Timeline
from mensa_sim.simulate.record.tracks import Arrow, arrows, tracks
from mensa_sim.units import PS_PER_US
from mensa_sim.workload.graph import LayerGraph

MAX_BYTES = 5_000_000
"""Of a trace, so that a viewer opens it at once: a choice."""
Event = dict[str, object]


def perfetto_json(
    name: str, timeline: Timeline, system: System, graphs: Mapping[str, LayerGraph], static_mw: float
) -> str:
    """The trace as JSON text: a process of that name with a track per accelerator and channel, counters, and hand-offs.

    A hand-off is an arrow. `graphs` by stream; `static_mw` is the static power under the power counter. Times are in
    microseconds, as the format wants, exact to the picosecond. Transfers that share a channel lie in lanes of it.
    Where that were more than `MAX_BYTES`, fewer requests are kept, and the process's name says which.
    """
    of_each = " of each stream"
    while len(requests := _requests(timeline)) > 1:
        if sum(map(_least_bytes, timeline.spans)) <= MAX_BYTES:
            text = _trace(name, timeline, system, graphs, static_mw, of_each)
            if len(text) <= MAX_BYTES:
                return text
        if not any(map(_number, requests)):
            of_each = ""  # one of each stream is left: of many streams, that may be too many
        timeline = _halved(timeline) if of_each else _without(timeline, set(requests[1::2]))
    return _trace(name, timeline, system, graphs, static_mw, of_each)


def _least_bytes(span: Span) -> int:
    """What its slice takes at least: the keys of the format and the names; figures come on top."""
    return 80 + len(span.layer) + 2 * len(span.kind) + len(span.request) + 10 * len(span.energy_pj)


def _requests(timeline: Timeline) -> list[str]:
    """Those that any span is of, in the order of their first."""
    return list(dict.fromkeys(span.request for span in timeline.spans if span.request))


def _number(request: str) -> int:
    """Which of its stream a request is, from 0; what is done for none counts as done for the first."""
    return int(request.rpartition("#")[2] or 0)


def _halved(timeline: Timeline) -> Timeline:
    every = 2 * timeline.every
    return _only(timeline, lambda request: _number(request) % every == 0)


def _without(timeline: Timeline, left_out: Container[str]) -> Timeline:
    return _only(timeline, lambda request: request not in left_out)


def _only(timeline: Timeline, kept: Callable[[str], bool]) -> Timeline:
    """What is left of half of the requests."""
    spans = tuple(span for span in timeline.spans if kept(span.request))
    requests = tuple(each for each in timeline.requests if kept(each.name))
    return replace(timeline, spans=spans, requests=requests, levels=timeline.levels[::2], every=2 * timeline.every)


def _trace(
    name: str,
    timeline: Timeline,
    system: System,
    graphs: Mapping[str, LayerGraph],
    static_mw: float,
    of_each: str,
) -> str:
    lanes, rows = lanes_of(timeline.spans, [placed.name for placed in system.accelerators])
    sampled = f", one of {timeline.every} requests{of_each}" if timeline.every > 1 else ""
    events: list[Event] = [{"ph": "M", "pid": 1, "name": "process_name", "args": {"name": f"{name}{sampled}"}}]
    events += [
        {"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": row}} for tid, row in rows.items()
    ]
    events += [
        {"ph": "M", "pid": 1, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}} for tid in rows
    ]
    events += _slices(timeline.spans, lanes)
    events += _flows(timeline, arrows(timeline, graphs), lanes)
    events += [
        {"ph": "C", "pid": 1, "name": track.name, "ts": time_ps / PS_PER_US, "args": {"value": value}}
        for track in tracks(timeline, system, static_mw)
        for time_ps, value in track.points
    ]
    trace = {"displayTimeUnit": "ns", "otherData": {"kept_every_nth_request": timeline.every}, "traceEvents": events}
    return f"{json_line(trace)}\n"


def _slices(spans: Iterable[Span], lanes: Lanes) -> Iterator[Event]:
    for span in spans:
        yield {
            "ph": "X",
            "pid": 1,
            "tid": lanes[id(span)],
            "name": span.layer,
            "cat": span.kind,
            "ts": span.start_ps / PS_PER_US,
            "dur": (span.end_ps - span.start_ps) / PS_PER_US,
            "args": _arguments(span),
        }


def _arguments(span: Span) -> Event:
    arguments: Event = {"request": span.request, "kind": span.kind}
    if span.size_bytes:
        arguments["bytes"] = span.size_bytes
    if span.macs:
        arguments["macs"] = span.macs
    return arguments | {f"{component}_pj": energy for component, energy in span.energy_pj.items()}


def _flows(timeline: Timeline, found: Iterable[Arrow], lanes: Lanes) -> Iterator[Event]:
    """An arrow leaves the producer's slice in its last picosecond and enters the consumer's in its first."""
    layers = {(span.request, span.layer): span for span in timeline.spans if span.kind == "layer"}
    for number, arrow in enumerate(found, start=1):
        source, target = layers[arrow.request, arrow.producer], layers[arrow.request, arrow.consumer]
        common: Event = {"pid": 1, "id": number, "name": "hand-off", "cat": "hand-off"}
        last_ps = max(source.start_ps, source.end_ps - 1)
        yield {**common, "ph": "s", "tid": lanes[id(source)], "ts": last_ps / PS_PER_US}
        yield {**common, "ph": "f", "bp": "e", "tid": lanes[id(target)], "ts": target.start_ps / PS_PER_US}
