"""What a trace viewer draws beside the spans: power, bandwidth and buffers over time, and arrows for hand-offs."""

import math
from collections.abc import Iterable, Mapping

from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.record.moved import moved
from mensa_sim.simulate.record.timeline import Span, Timeline
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A quantity that changes in steps."""

    name: str
    points: tuple[tuple[int, float], ...]
    """Time in ps and the value from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A tensor that one accelerator made and another reads."""

    request: str
    producer: str
    consumer: str
    source: str
    """The accelerator of the producer."""
    target: str
    start_ps: int
    end_ps: int


def tracks(timeline: Timeline, system: System, static_mw: float = 0.0) -> tuple[Track, ...]:
    """Power, then the bandwidth of each memory and link, then the fill of each buffer.

    `static_mw` is the static power of the system, which lies under all of the time. Energy of spans
    without length (parameters that came early) is drawn over their layer; that of discarded prefetches is not drawn.
    """
    accelerators = {placed.name for placed in system.accelerators}
    rates: dict[str, list[Change]] = {span.resource: [] for span in timeline.spans if span.resource not in accelerators}
    for resource, _, start_ps, end_ps, size_bytes in moved(system, timeline.spans, lambda span: ""):
        rates[resource].append((start_ps, end_ps, _in_places(size_bytes * PS_PER_S, end_ps - start_ps)))
    return (
        Track(name="power_mw", points=_steps(_powers(timeline.spans), static_mw)),
        *(Track(name=f"{name}_bytes_per_s", points=_steps(rates[name])) for name in sorted(rates)),
        *_buffers(timeline),
    )


def arrows(timeline: Timeline, graphs: Mapping[str, LayerGraph]) -> tuple[Arrow, ...]:
    """The hand-offs between accelerators, in order of request and graph; `graphs` by stream."""
    found: list[Arrow] = []
    layers: dict[str, dict[str, Span]] = {}
    for span in timeline.spans:
        if span.kind == "layer":
            layers.setdefault(span.request, {})[span.layer] = span
    for request, own in layers.items():
        for edge in graphs[request.rpartition("#")[0]].edges:
            source, target = own.get(edge.producer), own.get(edge.consumer)
            if source is not None and target is not None and source.resource != target.resource:
                found.append(
                    Arrow(
                        request=request,
                        producer=edge.producer,
                        consumer=edge.consumer,
                        source=source.resource,
                        target=target.resource,
                        start_ps=source.end_ps,
                        end_ps=target.start_ps,
                    )
                )
    return tuple(found)


Change = tuple[int, int, int]
"""From, until, and what is added meanwhile, in units of 2**-_PLACES."""
_PLACES = 96
"""Binary places of a sum over time: finer than a float shows of any rate, and integers add up exactly."""


def _powers(spans: Iterable[Span]) -> Iterable[Change]:
    spans = tuple(spans)
    layers = {(span.request, span.layer): span for span in spans if span.kind == "layer"}
    for span in spans:
        if not span.energy_pj or span.kind == "discard":
            continue
        drawn = span if span.end_ps > span.start_ps else layers.get((span.request, span.layer), span)
        length_ps = drawn.end_ps - drawn.start_ps
        if length_ps:
            yield drawn.start_ps, drawn.end_ps, _in_places(math.fsum(span.energy_pj.values()) * 1000, length_ps)


def _in_places(value: float, divisor: int = 1) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << _PLACES) // (denominator * divisor)


def _steps(changes: Iterable[Change], base: float = 0.0) -> tuple[tuple[int, float], ...]:
    """The sum over time, in integers until it is shown, so that it comes back to its base."""
    differences = {0: _in_places(base)}
    for start_ps, end_ps, value in changes:
        differences[start_ps] = differences.get(start_ps, 0) + value
        differences[end_ps] = differences.get(end_ps, 0) - value
    points: list[tuple[int, float]] = []
    level = 0
    for time_ps in sorted(differences):
        level += differences[time_ps]
        shown = level / (1 << _PLACES)
        if not points or points[-1][1] != shown:
            points.append((time_ps, shown))
    return tuple(points)


def _buffers(timeline: Timeline) -> Iterable[Track]:
    fills: dict[str, list[tuple[int, float]]] = {}
    for level in timeline.levels:
        fills.setdefault(f"{level.accelerator}_{level.buffer}_buffer_bytes", []).append(
            (level.time_ps, float(level.size_bytes))
        )
    for name in sorted(fills):
        yield Track(name=name, points=tuple(fills[name]))
