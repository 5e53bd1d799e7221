"""Where the engine reports what happened, and the recorder that keeps it."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from mensa_sim.simulate.request import Job, Request
from mensa_sim.simulate.timeline import BufferLevel, Kind, RequestRecord, Span, Timeline

NO_ENERGY: Mapping[str, float] = {}

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


class SpanRecorder:
    """Keeps spans, all of them up to a number, then those of every second, fourth, ... request of each stream."""

    def __init__(self, max_spans: int | None = DEFAULT_MAX_SPANS) -> None:
        self._max_spans = math.inf if max_spans is None else max_spans
        self._every = 1
        self._spans: list[tuple[int, Span]] = []
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
        span = Span(
            resource=resource,
            kind=kind,
            request=request.name if request else "",
            layer=layer,
            start_ps=start_ps,
            end_ps=end_ps,
            size_bytes=size_bytes,
            macs=macs,
            energy_pj=energy_pj,
        )
        self._spans.append((number, span))
        if len(self._spans) > self._max_spans:
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
        open_requests = (record_of(request, None) for request in unfinished if not request.number % self._every)
        return Timeline(
            spans=tuple(sorted((span for _, span in self._spans), key=lambda span: (span.start_ps, span.end_ps))),
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
        self._every *= 2
        self._spans = [each for each in self._spans if not each[0] % self._every]
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

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Tell all what buffers hold."""
        for each in self._recorders:
            each.levels(accelerator, time_ps, parameter_bytes, activation_bytes)

    def ended(self, request: Request, time_ps: int) -> None:
        """Tell all that a request has ended."""
        for each in self._recorders:
            each.ended(request, time_ps)
