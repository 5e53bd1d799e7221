"""When bytes moved: transfers that shared the time of a memory or a link, followed from their spans."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mensa_sim.hardware.routes import link_name
from mensa_sim.hardware.system import System
from mensa_sim.simulate.record.timeline import Span

_PLACES = 64
"""Binary places of shares and rates, which are whole numbers so that their sums come back to nothing."""


class Conveyed(NamedTuple):
    """Bytes of an owner on a memory or a link, at an even rate between two changes of who is under way."""

    resource: str
    owner: str
    start_ps: int
    end_ps: int
    size_bytes: float


class _UnderWay(NamedTuple):
    span: Span
    start_ps: int
    """When its latency is over."""
    behind: bool
    """A prefetch, behind everybody's demand."""
    parts: int
    """Of the time: none for the second of several spills that go as one transfer."""


def moved(system: System, spans: Iterable[Span], owner: Callable[[Span], str]) -> Iterator[Conveyed]:
    """The bytes of a run's spans as its channels carried them (`engine.channel.Turns`), by owner.

    What is under way through channels that take turns has equal parts of their time, and prefetches have the time in
    which nothing else is. So a transfer moves in proportion to its part, never faster than its channel allows. Where
    the spans are a sample, a transfer's bytes are right and the part that others had is not known.
    """
    latencies_ps = {link_name(link): link.latency_ps for link in system.links}
    together: dict[str, list[_UnderWay]] = {}
    spills: set[tuple[str, int, int]] = set()
    for span in spans:
        if span.size_bytes:
            place, parts = (span.resource, span.start_ps, span.end_ps), 1
            if span.kind == "spill":
                parts = int(place not in spills)
                spills.add(place)
            start_ps = span.start_ps + latencies_ps.get(span.resource, 0)
            transfer = _UnderWay(span, start_ps, span.kind == "prefetch", parts)
            together.setdefault(system.turns.get(span.resource, span.resource), []).append(transfer)
    for transfers in together.values():
        yield from _shared(transfers, owner)


def _shared(transfers: Sequence[_UnderWay], owner: Callable[[Span], str]) -> Iterator[Conveyed]:
    """The bytes of those that share one time."""
    served = _served(transfers)
    changes: dict[int, Counter[tuple[str, str, bool]]] = {time_ps: Counter() for time_ps in served}
    for span, start_ps, behind, _ in transfers:
        part = served[span.end_ps][behind] - served[start_ps][behind]
        rate = (span.size_bytes << 3 * _PLACES) // part
        changes[start_ps][span.resource, owner(span), behind] += rate
        changes[span.end_ps][span.resource, owner(span), behind] -= rate
    rates: Counter[tuple[str, str, bool]] = Counter()
    for time_ps, until_ps in pairwise(served):
        rates.update(changes[time_ps])
        for (resource, name, behind), rate in rates.items():
            size = rate * (served[until_ps][behind] - served[time_ps][behind])
            if size:
                yield Conveyed(resource, name, time_ps, until_ps, size / (1 << 3 * _PLACES))


def _served(transfers: Sequence[_UnderWay]) -> dict[int, tuple[int, int]]:
    """By time of a change: what a transfer that is there from the first on has had by then, and what a prefetch has.

    In parts of a picosecond.
    """
    joining: dict[int, list[int]] = {}
    for span, start_ps, behind, parts in transfers:
        joining.setdefault(start_ps, [0, 0])[behind] += parts
        joining.setdefault(span.end_ps, [0, 0])[behind] -= parts
    found: dict[int, tuple[int, int]] = {}
    active, had, last_ps = [0, 0], [0, 0], 0
    for time_ps in sorted(joining):
        behind = not active[False]
        if active[behind]:
            had[behind] += ((time_ps - last_ps) << _PLACES) // active[behind]
        found[time_ps] = had[False], had[True]
        active = [here + more for here, more in zip(active, joining[time_ps], strict=True)]
        last_ps = time_ps
    return found
