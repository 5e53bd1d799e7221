"""Spans, the flat record of what happened, and the timeline that holds them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, Self

from mensa_sim.records import dataclass

Kind = Literal["layer", "head", "body", "tail", "feed", "transfer", "host", "prefetch", "discard", "spill", "wake"]
"""A layer occupies its accelerator; head, body and tail are its own traffic on the memory, a feed what it reads or
writes beside them over a shared on-chip memory or a link between accelerators. A transfer carries a tensor to
another memory, or to or from a host, which takes time of its own to prepare an inference. A prefetch brings a
layer's parameters early; its energy stands with the layer, whose own traffic is shorter by its bytes, unless the
bytes are discarded. A spill writes a tensor to memory that lived on chip, for another request's sake. To wake is to
come back from a cut supply."""


NO_ENERGY: Mapping[str, float] = {}


def covered_ps(intervals: Iterable[tuple[int, int]]) -> int:
    """Time in which at least one of some intervals, from a start to an end each, is open.

    >>> covered_ps([(2, 5), (0, 4), (9, 10)])
    6
    """
    open_ps = reached_ps = 0
    for start_ps, end_ps in sorted(intervals):
        open_ps += max(0, end_ps - max(start_ps, reached_ps))
        reached_ps = max(reached_ps, end_ps)
    return open_ps


class Span(NamedTuple):
    """One busy interval of one accelerator, memory channel or link; made by the hundred thousand, so not checked."""

    resource: str
    """Name of the accelerator, memory or link that was busy."""
    kind: Kind
    request: str
    """The inference that it worked for, e.g. `lstm#0`."""
    layer: str
    start_ps: int
    end_ps: int
    size_bytes: int = 0
    """Bytes moved, on a memory or a link."""
    macs: int = 0
    energy_pj: Mapping[str, float] = NO_ENERGY
    """Dynamic energy by component."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One inference from its arrival to its end."""

    name: str
    stream: str
    arrival_ps: int
    start_ps: int | None
    """When a resource first worked on it; none if none ever did."""
    end_ps: int | None
    """None if it was still on its way when the run stopped."""
    served_ps: int
    """Time in which at least one resource worked on it; the rest of its latency is queueing."""
    deadline_ps: int | None = None
    """Absolute."""
    handoffs: int = 0
    """Tensors that an accelerator gets from another one."""

    def from_arrival(self) -> Self:
        """With times that begin when it arrives."""
        began, ended = (None if each is None else each - self.arrival_ps for each in (self.start_ps, self.end_ps))
        return replace(self, arrival_ps=0, start_ps=began, end_ps=ended)


class BufferLevel(NamedTuple):
    """From this time on a buffer of an accelerator holds so many bytes; made as often as spans are."""

    accelerator: str
    buffer: Literal["parameter", "activation"]
    time_ps: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowestRequest:
    """The request that took longest from its arrival to its end, the first of several."""

    request: RequestRecord
    spans: tuple[Span, ...]
    """All that was done for it, in order of start."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Timeline:
    """All spans of a run in order of their start; every metric is derived from them."""

    spans: Sequence[Span]
    requests: tuple[RequestRecord, ...] = ()
    """In order of their end, unfinished ones last in order of their arrival."""
    levels: tuple[BufferLevel, ...] = ()
    """In order of time."""
    every: int = 1
    """Of each stream, the spans of every so-maniest request are kept: above 1, a sample of a very long run."""
    slowest: SlowestRequest | None = None
    """Of a scenario, whether it is in the sample or not; none where no request ended."""

    def __repr__(self) -> str:
        return f"<Timeline: {len(self.spans)} spans>"

    @property
    def end_ps(self) -> int:
        """When the last span ends."""
        return max((span.end_ps for span in self.spans), default=0)
