"""A timeline as a Chrome trace, which Perfetto opens (https://ui.perfetto.dev): tracks, counters and flow arrows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mensa_sim.io.json_text import json_line
from mensa_sim.report.page.lanes import Lanes, lanes_of
from mensa_sim.simulate.record.timeline import Span, Timeline
from mensa_sim.simulate.record.tracks import Arrow, Track, arrows, tracks
from mensa_sim.workload.graph import LayerGraph

PS_PER_US = 10**6
Event = dict[str, object]


def perfetto_json(
    timeline: Timeline, accelerators: Sequence[str], graphs: Mapping[str, LayerGraph], static_mw: float
) -> str:
    """The trace as JSON text: a track per accelerator and channel, counters, and an arrow per hand-off.

    `graphs` by stream; `static_mw` is the static power under the power counter. Times are in
    microseconds, as the format wants, exact to the picosecond. Transfers that share a channel lie in lanes of it.
    """
    lanes, names = lanes_of(timeline.spans, accelerators)
    events: list[Event] = [
        {"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": name}} for tid, name in names.items()
    ]
    events += [
        {"ph": "M", "pid": 1, "tid": tid, "name": "thread_sort_index", "args": {"sort_index": tid}} for tid in names
    ]
    events += _slices(timeline.spans, lanes)
    events += _flows(timeline, arrows(timeline, graphs), lanes)
    for track in tracks(timeline, accelerators, static_mw):
        events += _counter(track)
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


def _counter(track: Track) -> Iterator[Event]:
    for time_ps, value in track.points:
        yield {"ph": "C", "pid": 1, "name": track.name, "ts": time_ps / PS_PER_US, "args": {"value": value}}
