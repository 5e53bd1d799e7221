"""How much of an accelerator's idle time power gating cuts, from the spans of its timeline."""

from collections.abc import Iterable

from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.simulate.record.timeline import Span


def cut_ps(idle_ps: int, gating: PowerGating | None) -> int:
    """The part of an idle interval in which the supply is cut.

    An accelerator waits for as long as waking up would take, for nothing is known of the future, then cuts its supply
    until the next unit comes.
    """
    return max(0, idle_ps - gating.wake_up_ps) if gating else 0


def idle_intervals_ps(spans: Iterable[Span], end_ps: int) -> list[int]:
    """The lengths of the intervals without a span, of spans in order that do not overlap."""
    intervals: list[int] = []
    reached_ps = 0
    for span in spans:
        intervals.append(span.start_ps - reached_ps)
        reached_ps = span.end_ps
    intervals.append(end_ps - reached_ps)
    return [interval for interval in intervals if interval > 0]
