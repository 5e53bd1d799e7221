"""Spans, the flat record of what happened, and the timeline that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["head", "body", "tail", "transfer", "prefetch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One busy interval of one accelerator, memory channel or link."""

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
    energy_pj: Mapping[str, float] = field(default_factory=dict)
    """Dynamic energy by component."""

    def __post_init__(self) -> None:
        if self.end_ps < self.start_ps:
            raise ValueError(f"{self.layer} on {self.resource}: ends before it starts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All spans of a run in order of their start; every metric is derived from them."""

    spans: tuple[Span, ...]

    @property
    def end_ps(self) -> int:
        """When the last span ends."""
        return max((span.end_ps for span in self.spans), default=0)
