"""A timeline as a Chrome trace, which Perfetto opens (https://ui.perfetto.dev): one track per resource."""

import json
from collections.abc import Iterator

from mensa_sim.simulate.timeline import Span, Timeline

PS_PER_US = 10**6


def perfetto_json(timeline: Timeline) -> str:
    """The trace as JSON text; times in microseconds, as the format wants, exact to the picosecond."""
    resources = sorted({span.resource for span in timeline.spans})
    tracks = {resource: index + 1 for index, resource in enumerate(resources)}
    events: list[dict[str, object]] = [
        {"ph": "M", "pid": 1, "tid": track, "name": "thread_name", "args": {"name": resource}}
        for resource, track in tracks.items()
    ]
    events += _slices(timeline, tracks)
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events}, indent=None, separators=(",", ":")) + "\n"


def _slices(timeline: Timeline, tracks: dict[str, int]) -> Iterator[dict[str, object]]:
    for span in timeline.spans:
        yield {
            "ph": "X",
            "pid": 1,
            "tid": tracks[span.resource],
            "name": span.layer,
            "cat": span.kind,
            "ts": span.start_ps / PS_PER_US,
            "dur": (span.end_ps - span.start_ps) / PS_PER_US,
            "args": _arguments(span),
        }


def _arguments(span: Span) -> dict[str, object]:
    arguments: dict[str, object] = {"request": span.request, "kind": span.kind}
    if span.size_bytes:
        arguments["bytes"] = span.size_bytes
    if span.macs:
        arguments["macs"] = span.macs
    arguments |= {f"{component}_pj": energy for component, energy in span.energy_pj.items()}
    return arguments
