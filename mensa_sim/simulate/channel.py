"""A channel whose bandwidth the active transfers share fairly, in exact integer arithmetic."""

import heapq
import math
from fractions import Fraction

import simpy

from mensa_sim.units import PS_PER_S


class Clock(simpy.Environment):
    """A simpy environment whose time is integer picoseconds."""

    _now: int

    @property
    def now_ps(self) -> int:
        """The current time."""
        return self._now


class Transfer(simpy.Event):
    """Bytes on their way through a channel; happens when the last one has passed, unless nobody waits for it."""

    def __init__(self, clock: Clock, size_bytes: int, start_ps: int, background: bool) -> None:
        # Inlined simpy.Event.__init__, as simpy's own events do: one is made for each stage of each layer.
        self.env = clock
        self.callbacks = []
        self.size_bytes = size_bytes
        self.background = background
        self.start_ps = start_ps
        self.end_ps = -1
        self.goal = 0
        self.done = False


class Lane:
    """Transfers of equal right: each of n gets 1/n of the rate.

    `served` is the work that every transfer present since the lane was last empty has received (virtual time of
    processor sharing), so a transfer that joins at `served` ends when it reaches `served + its own work`, whoever
    comes and goes meanwhile: joining and ending cost O(log active). Work is counted in 1/`scale` of the channel's
    unit; the scale is a common multiple of every number of active transfers so far, so a share is a whole number.
    """

    __slots__ = ("_order", "heap", "scale", "served")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Transfer]] = []
        """Goal, order of arrival, and transfer: the next to end first."""
        self._order = 0
        self.scale = 1
        self.served = 0

    def join(self, transfer: Transfer, work: int) -> None:
        """Add a transfer with that much work, in the channel's unit."""
        active = len(self.heap) + 1
        if active == 1:
            self.served = 0
        elif self.scale % active:
            self._rescale(math.lcm(self.scale, active))
        transfer.goal = self.served + work * self.scale
        self._order += 1
        heapq.heappush(self.heap, (transfer.goal, self._order, transfer))

    def _rescale(self, scale: int) -> None:
        factor = scale // self.scale
        self.scale = scale
        self.served *= factor
        self.heap = [(goal * factor, order, transfer) for goal, order, transfer in self.heap]
        for goal, _, transfer in self.heap:
            transfer.goal = goal

    def take_out(self, transfer: Transfer) -> int:
        """Remove a transfer before its end; the work it still lacks, in the channel's unit, rounded up."""
        if len(self.heap) == 1:
            self.heap.clear()
        else:
            self.heap = [entry for entry in self.heap if entry[2] is not transfer]
            heapq.heapify(self.heap)
        return -(-(transfer.goal - self.served) // self.scale)


class Channel:
    """A memory channel or a link.

    Active transfers share the bandwidth fairly (processor sharing); it is divided anew at whole picoseconds, when a
    transfer comes or goes, and a transfer ends at the first whole picosecond at which its last byte has passed. A
    transfer alone takes `units.transfer_ps`. Background transfers (prefetches) get what demand leaves: all of the
    bandwidth while no demand is active, else nothing. Nobody waits for one: it is `done` when it is cancelled or the
    channel has changed since.
    """

    def __init__(self, clock: Clock, name: str, bandwidth_bytes_per_s: float) -> None:
        rate = Fraction(bandwidth_bytes_per_s)
        self.name = name
        self._clock = clock
        self._work_per_byte = PS_PER_S * rate.denominator
        self._work_per_ps = rate.numerator
        self._demand = Lane()
        self._background = Lane()
        self._last_ps = 0
        self._due_ps = -1

    def transfer(self, size_bytes: int, *, background: bool = False) -> Transfer:
        """Start moving bytes; wait for the transfer unless it is `done`. Bytes must be positive."""
        now = self._clock.now_ps
        transfer = Transfer(self._clock, size_bytes, now, background)
        work = size_bytes * self._work_per_byte
        if background and self._demand.heap:
            self._background.join(transfer, work)
            return transfer
        if now != self._last_ps:
            self._catch_up(now)
        if background:
            self._background.join(transfer, work)
        else:
            self._demand.join(transfer, work)
            self._arm(now)
        return transfer

    def cancel(self, transfer: Transfer) -> int:
        """Stop a transfer; the whole bytes that have passed, all of them if it is done."""
        now = self._clock.now_ps
        if not (transfer.background and self._demand.heap):
            self._catch_up(now)
        if transfer.done:
            return transfer.size_bytes
        lane = self._background if transfer.background else self._demand
        missing = -(-lane.take_out(transfer) // self._work_per_byte)
        transfer.end_ps = now
        if not transfer.background:
            self._arm(now)
        return transfer.size_bytes - missing

    def _catch_up(self, now: int) -> None:
        """Share what has passed since the last change, and end the transfers that have all of theirs."""
        lane = self._demand
        heap = lane.heap
        if not heap:
            if self._background.heap:
                self._catch_up_background(now)
            self._last_ps = now
            return
        served = lane.served + (now - self._last_ps) * self._work_per_ps * lane.scale // len(heap)
        lane.served = served
        while heap and heap[0][0] <= served:
            transfer = heapq.heappop(heap)[2]
            transfer.done = True
            transfer.end_ps = now
            if transfer.callbacks:
                transfer.succeed()
        self._last_ps = now

    def _catch_up_background(self, now: int) -> None:
        """Step from end to end of background transfers: no timer looks after them, for nobody waits."""
        lane = self._background
        time_ps = self._last_ps
        while lane.heap and time_ps < now:
            then_ps = min(now, time_ps + self._next_end_ps(lane))
            lane.served += (then_ps - time_ps) * self._work_per_ps * lane.scale // len(lane.heap)
            time_ps = then_ps
            while lane.heap and lane.heap[0][0] <= lane.served:
                transfer = heapq.heappop(lane.heap)[2]
                transfer.done = True
                transfer.end_ps = time_ps

    def _next_end_ps(self, lane: Lane) -> int:
        """Time to the next end if nothing changes, rounded up to whole picoseconds."""
        work = (lane.heap[0][0] - lane.served) * len(lane.heap)
        return -(-work // (self._work_per_ps * lane.scale))

    def _arm(self, now: int) -> None:
        """Set the timer for the next end of a demand, unless an earlier one is set already and will look again."""
        if self._demand.heap:
            due = now + self._next_end_ps(self._demand)
            if not now <= self._due_ps <= due:
                self._due_ps = due
                self._clock.timeout(due - now).callbacks.append(self._wake)

    def _wake(self, timeout: simpy.Event) -> None:
        now = self._clock.now_ps
        if now == self._due_ps:
            self._catch_up(now)
            self._due_ps = -1
            self._arm(now)
