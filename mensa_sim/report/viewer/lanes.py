"""Lanes for intervals that overlap on one resource, as transfers do that share a channel."""

from collections.abc import Mapping, Sequence

from mensa_sim.simulate.record.timeline import Span

Lanes = Mapping[int, int]
"""Lane number by the identity of a span."""


def lanes_of(spans: Sequence[Span], accelerators: Sequence[str]) -> tuple[Lanes, dict[int, str]]:
    """A lane for each span, so that no two in a lane overlap, and the lanes' names: the accelerators' first."""
    channels = sorted({span.resource for span in spans} - set(accelerators))
    by_resource: dict[str, list[Span]] = {name: [] for name in (*accelerators, *channels)}
    for span in sorted(spans, key=lambda span: (span.start_ps, span.end_ps)):
        by_resource[span.resource].append(span)
    lanes: dict[int, int] = {}
    names: dict[int, str] = {}
    for resource, own in by_resource.items():
        free_at: list[int] = []
        first = len(names) + 1
        for span in own:
            lane = next((index for index, end_ps in enumerate(free_at) if end_ps <= span.start_ps), len(free_at))
            free_at[lane : lane + 1] = [span.end_ps]
            lanes[id(span)] = first + lane
        for lane in range(max(1, len(free_at))):
            names[first + lane] = resource if lane == 0 else f"{resource} ({lane + 1})"
    return lanes, names
