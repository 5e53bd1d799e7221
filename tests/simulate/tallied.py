"""The tally of a timeline whose spans were all kept: an oracle for the one that was counted on the way."""

from dataclasses import dataclass

from mensa_sim.hardware.system import System
from mensa_sim.simulate.record.recorder import Busy
from mensa_sim.simulate.record.tally import Tally
from mensa_sim.simulate.record.timeline import RequestRecord, Timeline


def tally_of(timeline: Timeline, system: System, streams: tuple[str, ...], middle_ps: int | None = None) -> Tally:
    """The tally of a timeline whose spans were all kept."""
    tally = Tally(system, streams, middle_ps)
    for span in timeline.spans:
        tally.record(
            Busy(
                resource=span.resource,
                kind=span.kind,
                request=_job(span.request) if span.request else None,
                layer=span.layer,
                start_ps=span.start_ps,
                end_ps=span.end_ps,
                size_bytes=span.size_bytes,
                macs=span.macs,
                energy_pj=span.energy_pj,
            )
        )
    for level in timeline.levels:
        key = level.accelerator, level.buffer
        tally.peak_bytes[key] = max(tally.peak_bytes.get(key, 0), level.size_bytes)
    for record in timeline.requests:
        _add_record(tally, record)
    return tally


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A request by its name alone."""

    name: str
    stream: str
    number: int


def _job(name: str) -> _Job:
    stream, _, number = name.rpartition("#")
    return _Job(name=name, stream=stream, number=int(number))


def _add_record(tally: Tally, record: RequestRecord) -> None:
    if record.end_ps is not None:
        tally.add_request(
            record.stream,
            arrival_ps=record.arrival_ps,
            end_ps=record.end_ps,
            served_ps=record.served_ps,
            deadline_ps=record.deadline_ps,
            handoffs=record.handoffs,
        )
