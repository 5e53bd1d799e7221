"""A recorder that keeps the request that took longest, however few others are kept."""

from collections.abc import Iterator

from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.record.recorder import Busy, Done, record_of
from mensa_sim.simulate.record.spans import stage_spans
from mensa_sim.simulate.record.timeline import RequestRecord, SlowestRequest, Span


class SlowestRecorder:
    """Keeps what was done for each request that is under way, and for the one that took longest."""

    def __init__(self) -> None:
        self._under_way: dict[str, list[Busy | Done]] = {}
        self._slowest: tuple[RequestRecord, list[Busy | Done]] | None = None
        self._longest_ps = -1

    def record(self, busy: Busy) -> None:
        """Keep one busy interval, if it was for a request."""
        if busy.request is not None:
            self._under_way.setdefault(busy.request.name, []).append(busy)

    def executed(self, done: Done) -> None:
        """Keep a stage."""
        self._under_way.setdefault(done[2].name, []).append(done)

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """What buffers hold is of no request."""

    def ended(self, request: Request, time_ps: int) -> None:
        """Keep the request in place of the one before it, if it took longer; else forget it."""
        own = self._under_way.pop(request.name, [])
        if time_ps - request.arrival_ps > self._longest_ps:
            self._longest_ps = time_ps - request.arrival_ps
            self._slowest = (record_of(request, time_ps), own)

    def found(self) -> SlowestRequest | None:
        """The slowest of the requests that ended."""
        if self._slowest is None:
            return None
        request, rows = self._slowest
        spans = [span for row in rows for span in _spans(row)]
        spans.sort(key=lambda span: (span.start_ps, span.end_ps))
        return SlowestRequest(request=request, spans=tuple(spans))


def _spans(row: Busy | Done) -> Iterator[Span]:
    if isinstance(row, Busy):
        assert row.request is not None
        yield Span(row.resource, row.kind, row.request.name, *row[3:])
    else:
        accelerator, memory, request, stage, head_bytes, body_bytes, moments_ps = row
        yield from stage_spans(accelerator, memory, request.name, stage, head_bytes, body_bytes, moments_ps)
