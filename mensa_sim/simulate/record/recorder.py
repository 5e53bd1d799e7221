"""Where the engine reports what happened."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from mensa_sim.simulate.engine.request import Job, Request
from mensa_sim.simulate.plan.stage import Stage
from mensa_sim.simulate.record.timeline import NO_ENERGY, Kind, RequestRecord

Moments = tuple[int, int, int, int, int]
"""When a stage started, its body started, the body's traffic ended, the tail started, and it ended."""


class Busy(NamedTuple):
    """One busy interval of a resource, as in `Span`."""

    resource: str
    kind: Kind
    request: Job | None
    """None where the resource works for none in particular."""
    layer: str
    start_ps: int
    end_ps: int
    size_bytes: int = 0
    macs: int = 0
    energy_pj: Mapping[str, float] = NO_ENERGY


Done = tuple[str, str, Request, Stage, int, int, Moments]
"""A whole stage, its traffic and the accelerator's time: the accelerator, its memory, the request, the stage, bytes of
its head and of its body that had not come early, and its moments. No record with names: that takes as long to make as
an event of the engine."""


class Recorder(Protocol):
    """Takes what happens when it has happened. Energy mappings of one layer's stage are the same object each time."""

    def record(self, busy: Busy) -> None:
        """A resource was busy."""

    def executed(self, done: Done) -> None:
        """A stage is over."""

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """What the buffers of an accelerator hold from now on."""

    def ended(self, request: Request, time_ps: int) -> None:
        """The last of a request has ended."""


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


class Recorders:
    """Tells several recorders."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def record(self, busy: Busy) -> None:
        """Tell all of one busy interval."""
        for each in self._recorders:
            each.record(busy)

    def executed(self, done: Done) -> None:
        """Tell all of a stage."""
        for each in self._recorders:
            each.executed(done)

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Tell all what buffers hold."""
        for each in self._recorders:
            each.levels(accelerator, time_ps, parameter_bytes, activation_bytes)

    def ended(self, request: Request, time_ps: int) -> None:
        """Tell all that a request has ended."""
        for each in self._recorders:
            each.ended(request, time_ps)
