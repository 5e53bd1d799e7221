"""Where the engine reports what happened."""

from collections.abc import Mapping
from typing import Protocol

from mensa_sim.simulate.timeline import Kind, Span, Timeline

NO_ENERGY: Mapping[str, float] = {}


class Recorder(Protocol):
    """Takes each busy interval as it ends; arguments as the fields of `Span`, in its order."""

    def record(
        self,
        resource: str,
        kind: Kind,
        request: str,
        layer: str,
        start_ps: int,
        end_ps: int,
        size_bytes: int,
        macs: int,
        energy_pj: Mapping[str, float],
    ) -> None:
        """One busy interval."""


class SpanRecorder:
    """Keeps every span."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def record(
        self,
        resource: str,
        kind: Kind,
        request: str,
        layer: str,
        start_ps: int,
        end_ps: int,
        size_bytes: int,
        macs: int,
        energy_pj: Mapping[str, float],
    ) -> None:
        """Keep one busy interval."""
        self._spans.append(
            Span(
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
        )

    def timeline(self) -> Timeline:
        """The spans in order of their start; those of one start in the order of their end."""
        return Timeline(spans=tuple(sorted(self._spans, key=lambda span: (span.start_ps, span.end_ps))))
