"""Simulated time: simpy's event queue, and what is left for the end of an instant."""

from collections.abc import Callable, Generator
from heapq import heappush

import simpy
from simpy.events import NORMAL, EventPriority

AFTER_THIS_INSTANT = EventPriority(2)
"""Later than everything else that simpy does at the same time."""

Process = Generator[simpy.Event, object, None]

Callbacks = list[Callable[[simpy.Event], None]]


class Alarm(simpy.Event):
    """An event that calls a fixed list of callbacks, which several alarms may share and nobody changes."""

    _ok = True
    _value = None

    def __init__(self, clock: "Clock", callbacks: Callbacks) -> None:
        # Not simpy.Event.__init__, which makes a list of its own: several alarms go off for each stage of each layer.
        self.env = clock
        self.callbacks = callbacks


class Clock(simpy.Environment):
    """A simpy environment whose time is integer picoseconds."""

    _now: int

    def __init__(self) -> None:
        super().__init__()
        self._unsettled: list[Callable[[], None]] = []

    @property
    def now_ps(self) -> int:
        """The current time."""
        return self._now

    def alarm(self, delay_ps: int, callbacks: Callbacks) -> None:
        """Call them after that time."""
        heappush(self._queue, (self._now + delay_ps, NORMAL, next(self._eid), Alarm(self, callbacks)))

    def settle(self, then: Callable[[], None]) -> None:
        """Call `then` when all else of this instant has happened: what it chooses depends on no luck of order."""
        if not self._unsettled:
            self.schedule(Alarm(self, [self._settled]), AFTER_THIS_INSTANT)
        self._unsettled.append(then)

    def _settled(self, alarm: simpy.Event) -> None:
        calls, self._unsettled = self._unsettled, []
        for then in calls:
            then()
