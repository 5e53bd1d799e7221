"""Where the engine reports what happened, and the recorder that keeps it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal, Protocol

from mensa_sim.simulate.request import Job, Request
from mensa_sim.simulate.stage import Stage
from mensa_sim.simulate.timeline import BufferLevel, Kind, RequestRecord, Span, Timeline

NO_ENERGY: Mapping[str, float] = {}

Moments = tuple[int, int, int, int, int]
"""When a stage started, its body started, the body's traffic ended, the tail started, and it ended."""

_Row = tuple[int, int, Span | tuple[str, str, str, Stage, int, int, Moments]]
"""Number of the request, number of spans, and a span or what `spans_of` takes."""

DEFAULT_MAX_SPANS = 100_000
"""Perfetto opens a trace of so many slices in seconds."""


class Recorder(Protocol):
    """Takes what happens when it has happened. Energy mappings of one layer's stage are the same object each time."""

    def record(
        self,
        resource: str,
        kind: Kind,
        request: Job | None,
        layer: str,
        start_ps: int,
        end_ps: int,
        size_bytes: int,
        macs: int,
        energy_pj: Mapping[str, float],
    ) -> None:
        """One busy interval, as in `Span`; no request where a resource works for none in particular."""

    def executed(
        self,
        accelerator: str,
        memory: str,
        request: Request,
        stage: Stage,
        head_bytes: int,
        body_bytes: int,
        moments_ps: Moments,
    ) -> None:
        """A whole stage: the busy intervals of `spans_of`, in one call. The bytes are those that had not come early."""

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """What the buffers of an accelerator hold from now on."""

    def ended(self, request: Request, time_ps: int) -> None:
        """The last unit of a request has ended."""


def record_of(request: Request, end_ps: int | None) -> RequestRecord:
    """The record of a request that has ended, or has not."""
    return RequestRecord(
        name=request.name,
        stream=request.stream,
        arrival_ps=request.arrival_ps,
        start_ps=request.start_ps if request.start_ps >= 0 else None,
        end_ps=end_ps,
        served_ps=request.served_ps,
        deadline_ps=request.deadline_ps,
        handoffs=request.plan.handoffs,
    )


def spans_of(
    accelerator: str, memory: str, request: str, stage: Stage, head_bytes: int, body_bytes: int, moments_ps: Moments
) -> Iterator[Span]:
    """The spans of a stage: its traffic, then the accelerator's time; without what neither moved nor cost anything."""
    start, body, body_end, tail, end = moments_ps
    name = stage.layer
    if head_bytes or stage.head_pj:
        yield _span(memory, "head", request, name, start, body, head_bytes, 0, stage.head_pj)
    if body_bytes or stage.body_pj:
        yield _span(memory, "body", request, name, body, body_end, body_bytes, 0, stage.body_pj)
    if stage.tail_bytes:
        yield _span(memory, "tail", request, name, tail, end, stage.tail_bytes, 0, stage.tail_pj)
    yield _span(accelerator, "layer", request, name, start, end, 0, stage.macs, stage.chip_pj)


def _span(
    resource: str,
    kind: Kind,
    request: str,
    layer: str,
    start_ps: int,
    end_ps: int,
    size_bytes: int,
    macs: int,
    energy_pj: Mapping[str, float],
) -> Span:
    return Span(
        resource=resource,
        kind=kind,
        request=request,
        layer=layer,
        start_ps=start_ps,
        end_ps=end_ps,
        size_bytes=size_bytes,
        macs=macs,
        energy_pj=energy_pj,
    )


class SpanRecorder:
    """Keeps spans, all of them up to a number, then those of every second, fourth, ... request of each stream.

    While a run goes on a stage is kept as what `spans_of` makes its spans from.
    """

    def __init__(self, max_spans: int | None = DEFAULT_MAX_SPANS) -> None:
        self._max_spans = math.inf if max_spans is None else max_spans
        self._every = 1
        self._count = 0
        self._rows: list[_Row] = []
        self._requests: list[tuple[int, RequestRecord]] = []
        self._levels: list[BufferLevel] = []
        self._last_level: dict[tuple[str, str], int] = {}

    def record(
        self,
        resource: str,
        kind: Kind,
        request: Job | None,
        layer: str,
        start_ps: int,
        end_ps: int,
        size_bytes: int,
        macs: int,
        energy_pj: Mapping[str, float],
    ) -> None:
        """Keep one busy interval."""
        number = request.number if request else 0
        if number % self._every:
            return
        name = request.name if request else ""
        span = _span(resource, kind, name, layer, start_ps, end_ps, size_bytes, macs, energy_pj)
        self._rows.append((number, 1, span))
        self._count += 1
        if self._count > self._max_spans:
            self._thin_out()

    def executed(
        self,
        accelerator: str,
        memory: str,
        request: Request,
        stage: Stage,
        head_bytes: int,
        body_bytes: int,
        moments_ps: Moments,
    ) -> None:
        """Keep a stage."""
        number = request.number
        if number % self._every:
            return
        count = 1 + bool(head_bytes or stage.head_pj) + bool(body_bytes or stage.body_pj) + bool(stage.tail_bytes)
        row = accelerator, memory, request.name, stage, head_bytes, body_bytes, moments_ps
        self._rows.append((number, count, row))
        self._count += count
        if self._count > self._max_spans:
            self._thin_out()

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Keep what has changed; levels are thinned out with the spans."""
        self._level(accelerator, "parameter", time_ps, parameter_bytes)
        if activation_bytes is not None:
            self._level(accelerator, "activation", time_ps, activation_bytes)

    def ended(self, request: Request, time_ps: int) -> None:
        """Keep the record of a request."""
        if not request.number % self._every:
            self._requests.append((request.number, record_of(request, time_ps)))

    def timeline(self, unfinished: Sequence[Request] = ()) -> Timeline:
        """Spans in order of start; those of one start in order of end."""
        spans: list[Span] = []
        for _, _, row in self._rows:
            if isinstance(row, Span):
                spans.append(row)
            else:
                spans += spans_of(*row)
        spans.sort(key=attrgetter("start_ps", "end_ps"))
        open_requests = (record_of(request, None) for request in unfinished if not request.number % self._every)
        return Timeline(
            spans=tuple(spans),
            requests=(*(record for _, record in self._requests), *open_requests),
            levels=tuple(self._levels),
            every=self._every,
        )

    def _level(self, accelerator: str, buffer: Literal["parameter", "activation"], time_ps: int, size: int) -> None:
        if self._last_level.get((accelerator, buffer), 0) == size:
            return
        self._last_level[accelerator, buffer] = size
        self._levels.append(BufferLevel(accelerator=accelerator, buffer=buffer, time_ps=time_ps, size_bytes=size))
        if len(self._levels) > self._max_spans:
            self._levels = self._levels[::2]

    def _thin_out(self) -> None:
        while self._count > self._max_spans and any(row[0] for row in self._rows):
            self._every *= 2
            self._rows = [row for row in self._rows if not row[0] % self._every]
            self._count = sum(row[1] for row in self._rows)
        self._max_spans = max(self._max_spans, self._count)
        self._requests = [each for each in self._requests if not each[0] % self._every]


class Recorders:
    """Tells several recorders."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def record(
        self,
        resource: str,
        kind: Kind,
        request: Job | None,
        layer: str,
        start_ps: int,
        end_ps: int,
        size_bytes: int,
        macs: int,
        energy_pj: Mapping[str, float],
    ) -> None:
        """Tell all of one busy interval."""
        for each in self._recorders:
            each.record(resource, kind, request, layer, start_ps, end_ps, size_bytes, macs, energy_pj)

    def executed(
        self,
        accelerator: str,
        memory: str,
        request: Request,
        stage: Stage,
        head_bytes: int,
        body_bytes: int,
        moments_ps: Moments,
    ) -> None:
        """Tell all of a stage."""
        for each in self._recorders:
            each.executed(accelerator, memory, request, stage, head_bytes, body_bytes, moments_ps)

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Tell all what buffers hold."""
        for each in self._recorders:
            each.levels(accelerator, time_ps, parameter_bytes, activation_bytes)

    def ended(self, request: Request, time_ps: int) -> None:
        """Tell all that a request has ended."""
        for each in self._recorders:
            each.ended(request, time_ps)
