"""A recorder that keeps what happened as rows of numbers, and the spans that are made of them when somebody reads.

One also sums them: the latency and the dynamic energy of each inference.
"""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Literal

from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.stage import Energy, Stage
from mensa_sim.simulate.record.later import Later
from mensa_sim.simulate.record.recorder import Busy, Done, Moments, record_of
from mensa_sim.simulate.record.timeline import BufferLevel, RequestRecord, Span, Timeline

DEFAULT_MAX_SPANS = 100_000
"""Perfetto opens a trace of so many slices in seconds."""

SPAN_CELLS = 10
"""Number of the request, then the fields of a span."""
SPAN_REQUEST_CELL = 3
"""The one of its request's name."""
ENERGY_CELL = 9
"""The one of its energy."""
STAGE_CELLS = 9
"""Number of the request, number of spans, then what `stage_spans` takes."""
STAGE_REQUEST_CELL = 4
"""The one of its request's name."""
STAGE_CELL = 5
"""The one of the stage."""


class SpanRecorder:
    """Keeps spans, all of them up to a number, then those of every second, fourth, ... request of each stream.

    While a run goes on there are only two flat lists of cells, so that nothing is made, sorted or seen by the garbage
    collector for each span.
    """

    def __init__(self, max_spans: int | None = DEFAULT_MAX_SPANS) -> None:
        self._max_spans = math.inf if max_spans is None else max_spans
        self._every = 1
        self._count = 0
        self._spans: list[Any] = []
        self._stages: list[Any] = []
        self._requests: list[tuple[int, RequestRecord]] = []
        self._levels: list[BufferLevel] = []
        self._last_level: dict[tuple[str, str], int] = {}

    def record(self, busy: Busy) -> None:
        """Keep one busy interval."""
        request = busy.request
        number, name = (request.number, request.name) if request else (0, "")
        if number % self._every:
            return
        self._spans.extend((number, busy.resource, busy.kind, name, *busy[3:]))
        self._count += 1
        if self._count > self._max_spans:
            self._thin_out()

    def executed(self, done: Done) -> None:
        """Keep a stage."""
        accelerator, memory, request, stage, head_bytes, body_bytes, moments_ps = done
        number = request.number
        if number % self._every:
            return
        count = 1 + bool(head_bytes or stage.head_pj) + bool(body_bytes or stage.body_pj) + bool(stage.tail_bytes)
        self._stages.extend(
            (number, count, accelerator, memory, request.name, stage, head_bytes, body_bytes, moments_ps)
        )
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
        open_requests = (record_of(request, None) for request in unfinished if not request.number % self._every)
        return Timeline(
            spans=Later(self._count, self._made),
            requests=(*(record for _, record in self._requests), *open_requests),
            levels=tuple(self._levels),
            every=self._every,
        )

    def one_by_one(self) -> Iterator[Timeline]:
        """Timelines of inferences one after another, each from its arrival on."""
        for _, record in self._requests:
            begin_ps, end_ps = record.arrival_ps, record.end_ps
            levels = tuple(
                BufferLevel(accelerator, buffer, time_ps - begin_ps, size_bytes)
                for accelerator, buffer, time_ps, size_bytes in self._levels
                if end_ps is not None and begin_ps <= time_ps < end_ps
            )
            yield Timeline(spans=self._made(record), requests=(record.from_arrival(),), levels=levels)

    def energies_pj(self, place: int) -> Iterator[Energy]:
        """The dynamic energy of an inference among several, part by part, without its spans."""
        name = self._requests[place][1].name
        for row in _rows(self._stages, STAGE_CELLS):
            if row[STAGE_REQUEST_CELL] == name:
                yield from row[STAGE_CELL].parts_pj
        for row in _rows(self._spans, SPAN_CELLS):
            if row[SPAN_REQUEST_CELL] == name:
                yield row[ENERGY_CELL]

    def _made(self, only: RequestRecord | None = None) -> tuple[Span, ...]:
        """The spans of all requests, or of one from its arrival on."""
        begin_ps = 0 if only is None else only.arrival_ps
        spans: list[Span] = []
        for _, _, *row in _rows(self._stages, STAGE_CELLS):
            if only is None or row[2] == only.name:
                spans += stage_spans(*row, begin_ps=begin_ps)
        for _, resource, kind, request, layer, start_ps, end_ps, *rest in _rows(self._spans, SPAN_CELLS):
            if only is None or request == only.name:
                spans.append(Span(resource, kind, request, layer, start_ps - begin_ps, end_ps - begin_ps, *rest))
        spans.sort(key=attrgetter("end_ps"))
        spans.sort(key=attrgetter("start_ps"))
        return tuple(spans)

    def _level(self, accelerator: str, buffer: Literal["parameter", "activation"], time_ps: int, size: int) -> None:
        if self._last_level.get((accelerator, buffer), 0) == size:
            return
        self._last_level[accelerator, buffer] = size
        self._levels.append(BufferLevel(accelerator, buffer, time_ps, size))
        if len(self._levels) > self._max_spans:
            self._levels = self._levels[::2]

    def _thin_out(self) -> None:
        """Keep fewer requests, at least the first of each stream."""
        while self._count > self._max_spans and any(self._stages[::STAGE_CELLS] + self._spans[::SPAN_CELLS]):
            self._every *= 2
            self._stages = self._kept(self._stages, STAGE_CELLS)
            self._spans = self._kept(self._spans, SPAN_CELLS)
            self._count = sum(self._stages[1::STAGE_CELLS]) + len(self._spans) // SPAN_CELLS
        self._max_spans = max(self._max_spans, self._count)
        self._requests = [each for each in self._requests if not each[0] % self._every]

    def _kept(self, cells: list[Any], width: int) -> list[Any]:
        return [cell for row in _rows(cells, width) if not row[0] % self._every for cell in row]


def _rows(cells: list[Any], width: int) -> Iterator[tuple[Any, ...]]:
    return zip(*[iter(cells)] * width, strict=True)


def stage_spans(
    accelerator: str,
    memory: str,
    request: str,
    stage: Stage,
    head_bytes: int,
    body_bytes: int,
    moments_ps: Moments,
    *,
    begin_ps: int = 0,
) -> Iterator[Span]:
    """The traffic of a stage, then the accelerator's time, from a moment on; without what neither moved nor cost."""
    start, body, body_end, tail, end = [each - begin_ps for each in moments_ps] if begin_ps else moments_ps
    name = stage.layer
    if head_bytes or stage.head_pj:
        yield Span(memory, "head", request, name, start, body, head_bytes, 0, stage.head_pj)
    if body_bytes or stage.body_pj:
        yield Span(memory, "body", request, name, body, body_end, body_bytes, 0, stage.body_pj)
    if stage.tail_bytes:
        yield Span(memory, "tail", request, name, tail, end, stage.tail_bytes, 0, stage.tail_pj)
    yield Span(accelerator, "layer", request, name, start, end, 0, stage.macs, stage.chip_pj)


class TotalsRecorder(SpanRecorder):
    """Keeps all spans of requests that run one after another, what each took, and the dynamic energy until its end."""

    def __init__(self) -> None:
        super().__init__(max_spans=None)
        self._told = 0, 0
        """Cells of stages and of spans until the last end."""
        self.totals: list[tuple[int, float]] = []
        """Latency and dynamic energy of each request that has ended."""

    def ended(self, request: Request, time_ps: int) -> None:
        """Keep its record and close its account."""
        super().ended(request, time_ps)
        stages, spans = self._told
        energies_pj = [pj for stage in self._stages[stages + STAGE_CELL :: STAGE_CELLS] for pj in stage.energies_pj]
        energies_pj += [pj for parts in self._spans[spans + ENERGY_CELL :: SPAN_CELLS] for pj in parts.values()]
        self.totals.append((time_ps - request.arrival_ps, math.fsum(energies_pj)))
        self._told = len(self._stages), len(self._spans)
