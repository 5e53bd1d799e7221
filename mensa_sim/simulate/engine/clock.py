"""Simulated time: simpy's event queue, alarms in it, and what is left for the end of an instant."""

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import cast

import simpy
from simpy.events import NORMAL, URGENT, EventPriority

AFTER_THIS_INSTANT = EventPriority(2)
"""Later than everything else that simpy does at the same time."""

Process = Generator[simpy.Event, object, None]


class Clock(simpy.Environment):
    """A simpy environment whose time is integer picoseconds."""

    _now: int

    def __init__(self) -> None:
        super().__init__()
        self._unsettled: list[Callable[[int], None]] = []
        self.now_ps = 0
        """The current time, for whoever asks often."""
        self.telling = 0
        """How many are being told of what has ended, one after another, which the queue does not know."""
        self._last: Callable[[int], None] | None = None
        self._settling = False
        self._end_of_instant = Alarm(self, self._settle_all, AFTER_THIS_INSTANT)

    def run_until(self, end_ps: int | None = None) -> None:
        """Let everything happen, or what does before a time: one loop, for a call for each event would be dear."""
        queue = cast(list[tuple[int, EventPriority, int, simpy.Event]], self._queue)
        end = Alarm(self, lambda now: None, URGENT)
        if end_ps is not None:
            end.set(end_ps - self._now)
        event: simpy.Event | None = None
        while queue and event is not end:
            now, _, _, event = queue[0]
            self.now_ps = now
            if isinstance(event, Alarm):
                self._now = now
                heappop(queue)
                event.then(now)
            else:
                self.step()

    def skip_to(self, then_ps: int) -> bool:
        """Go there at once if nothing else happens until then and at that time; whether it did.

        For whoever knows what it would do until then and disturbs nobody: most of the time one thing happens at once.
        """
        queue = self._queue
        if self.telling or (queue and queue[0][0] <= then_ps):
            return False
        self._now = self.now_ps = then_ps
        return True

    def settle(self, then: Callable[[int], None]) -> None:
        """Call `then` when all else of this instant has happened: what it chooses depends on no luck of order."""
        if not self._unsettled:
            self._end_of_instant.set(0)
        self._unsettled.append(then)

    def settle_last(self, then: Callable[[int], None]) -> None:
        """The same for a caller that does nothing more at this instant: without an event where nobody else does."""
        queue = self._queue
        if self.telling > 1 or self._unsettled or (queue and queue[0][0] <= self._now):
            self.settle(then)
            return
        self._last = then
        if not self._settling:
            self._settling = True
            while self._last is not None:
                then, self._last = self._last, None
                then(self.now_ps)
            self._settling = False

    def _settle_all(self, now: int) -> None:
        calls, self._unsettled = self._unsettled, []
        self.telling = len(calls) if len(calls) > 1 else 0
        for then in calls:
            then(now)
        self.telling = 0


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
