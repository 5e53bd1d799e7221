"""Simulated time: simpy's event queue, alarms in it, and what is left for the end of an instant."""

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import cast

import simpy
from simpy.events import NORMAL, EventPriority

AFTER_THIS_INSTANT = EventPriority(2)
"""Later than everything else that simpy does at the same time."""

Process = Generator[simpy.Event, object, None]


class Clock(simpy.Environment):
    """A simpy environment whose time is integer picoseconds."""

    _now: int

    def __init__(self) -> None:
        super().__init__()
        self._unsettled: list[Callable[[int], None]] = []
        self.telling = False
        """Whether several may be told of this instant, one after another, which the queue does not know."""
        self._end_of_instant = Alarm(self, self._settle_all, AFTER_THIS_INSTANT)

    @property
    def now_ps(self) -> int:
        """The current time."""
        return self._now

    def step(self) -> None:
        """Let the next event happen."""
        queue = self._queue
        event = queue[0][3] if queue else None
        if isinstance(event, Alarm):
            self._now = cast(int, heappop(queue)[0])
            event.then(self._now)
        else:
            super().step()

    def skip_to(self, then_ps: int) -> bool:
        """Go there at once if nothing else happens until then and at that time; whether it did.

        For whoever knows what it would do until then and disturbs nobody: most of the time one thing happens at once.
        """
        queue = self._queue
        if self.telling or (queue and queue[0][0] <= then_ps):
            return False
        self._now = then_ps
        return True

    def settle(self, then: Callable[[int], None]) -> None:
        """Call `then` when all else of this instant has happened: what it chooses depends on no luck of order."""
        if not self._unsettled:
            self._end_of_instant.set(0)
        self._unsettled.append(then)

    def _settle_all(self, now: int) -> None:
        calls, self._unsettled = self._unsettled, []
        self.telling = len(calls) > 1
        for then in calls:
            then(now)
        self.telling = False


class Alarm(simpy.Event):
    """An event that may be set again and again, also while it is set, and calls `then` with the time.

    A simpy event is used up when it has happened, and has a list of listeners; several alarms go off for each stage of
    each layer, so the clock calls them itself.
    """

    def __init__(self, clock: Clock, then: Callable[[int], None], priority: EventPriority = NORMAL) -> None:
        self.env = self._clock = clock
        self.then = then
        self._priority = priority

    def set(self, delay_ps: int) -> None:
        """Let it go off after that time."""
        clock = self._clock
        heappush(clock._queue, (clock._now + delay_ps, self._priority, next(clock._eid), self))
