"""A request: one inference on its way through the system."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mensa_sim.simulate.plan.plan import Plan

Rank = tuple[int, ...]


class Job(Protocol):
    """What a recorder knows a request by."""

    @property
    def name(self) -> str:
        """Stream and number, e.g. `lstm#0`."""

    @property
    def stream(self) -> str:
        """The stream it belongs to."""

    @property
    def number(self) -> int:
        """Its place among the requests of its stream."""


class Asker(NamedTuple):
    """Somebody who waits for a request."""

    arrival_ps: int
    deadline_ps: int | None
    """Absolute."""


class Request:
    """One inference: what it still waits for, and how long anything has worked on it."""

    __slots__ = (
        "_active",
        "_since_ps",
        "arrival_ps",
        "askers",
        "borrowers",
        "copies_missing",
        "deadline_ps",
        "left",
        "missing",
        "name",
        "number",
        "plan",
        "rank",
        "served_ps",
        "shares",
        "spilled",
        "start_ps",
        "stream",
    )

    def __init__(
        self,
        plan: Plan,
        *,
        stream: str,
        number: int,
        rank: Rank = (),
        arrival_ps: int = 0,
        deadline_ps: int | None = None,
        askers: Sequence[Asker] = (),
    ) -> None:
        self.name = f"{stream}#{number}"
        self.plan = plan
        self.stream = stream
        self.number = number
        self.rank = rank
        """Who goes first on an accelerator: the lower; units of one request go in plan order."""
        self.arrival_ps = arrival_ps
        self.deadline_ps = deadline_ps
        """Absolute."""
        self.askers = askers or (Asker(arrival_ps, deadline_ps),)
        """Those who wait for it: several where steps of conversations are joined."""
        self.missing = [unit.waits_for for unit in plan.units]
        """Ends that each unit waits for; -1 once it has started."""
        self.copies_missing = [copy.waits_for for copy in plan.copies]
        """Ends that each copy waits for."""
        self.left = len(plan.units) + len(plan.copies)
        """What has not ended."""
        self.spilled: set[int] = set()
        """Units whose output had to leave the level where it lived."""
        self.borrowers = dict(plan.borrowers)
        """Of each unit whose output is read over links, the units that have not ended yet."""
        self.shares = True
        """Whether it has room in shared memories for all that its plan keeps there."""
        self.start_ps = -1
        self.served_ps = 0
        """Time in which at least one resource worked on it."""
        self._active = 0
        self._since_ps = 0

    def begin_work(self, now_ps: int) -> None:
        """A resource starts working on it."""
        if self.start_ps < 0:
            self.start_ps = now_ps
        if not self._active:
            self._since_ps = now_ps
        self._active += 1

    def end_work(self, now_ps: int) -> None:
        """A resource stops working on it."""
        self._active -= 1
        if not self._active:
            self.served_ps += now_ps - self._since_ps

    def stop(self, now_ps: int) -> None:
        """The run is over; what works on it does so no longer."""
        if self._active:
            self.served_ps += now_ps - self._since_ps
            self._active = 0
