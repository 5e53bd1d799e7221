"""A channel whose bandwidth the active transfers share fairly, in exact integer arithmetic."""

import heapq
import math
from fractions import Fraction
from typing import cast

import simpy

from mensa_sim.units import PS_PER_S


class Clock(simpy.Environment):
    """A simpy environment whose time is integer picoseconds."""

    @property
    def now_ps(self) -> int:
        """The current time."""
        return cast(int, self.now)


class Transfer(simpy.Event):
    """Bytes on their way through a channel; happens when the last one has passed, unless nobody waits for it."""

    def __init__(self, clock: Clock, size_bytes: int, background: bool) -> None:
        super().__init__(clock)
        self.size_bytes = size_bytes
        self.background = background
        self.start_ps = clock.now_ps
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

    __slots__ = ("_heap", "_order", "scale", "served")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Transfer]] = []
        self._order = 0
        self.scale = 1
        self.served = 0

    def __len__(self) -> int:
        return len(self._heap)

    def join(self, transfer: Transfer, work: int) -> None:
        """Add a transfer with that much work, in the channel's unit."""
        if not self._heap:
            self.served = 0
        active = len(self._heap) + 1
        if self.scale % active:
            self._rescale(math.lcm(self.scale, active))
        transfer.goal = self.served + work * self.scale
        self._order += 1
        heapq.heappush(self._heap, (transfer.goal, self._order, transfer))

    def _rescale(self, scale: int) -> None:
        factor = scale // self.scale
        self.scale = scale
        self.served *= factor
        self._heap = [(goal * factor, order, transfer) for goal, order, transfer in self._heap]
        for goal, _, transfer in self._heap:
            transfer.goal = goal

    def advance(self, work: int) -> None:
        """Share that much work, in the channel's unit, among the transfers present."""
        self.served += work * self.scale // len(self._heap)

    def pop_finished(self) -> Transfer | None:
        """Take out the next transfer that has received all its work, in the order of their ends."""
        heap = self._heap
        return heapq.heappop(heap)[2] if heap and heap[0][0] <= self.served else None

    def work_to_next_end(self) -> int:
        """Work that the lane must get until its next transfer ends, in the channel's unit times `scale`."""
        return (self._heap[0][0] - self.served) * len(self._heap)

    def take_out(self, transfer: Transfer) -> int:
        """Remove a transfer before its end; the work it still lacks, in the channel's unit, rounded up."""
        self._heap = [entry for entry in self._heap if entry[2] is not transfer]
        heapq.heapify(self._heap)
        return -(-(transfer.goal - self.served) // self.scale)


class Channel:
    """A memory channel or a link.

    Active transfers share the bandwidth fairly (processor sharing); it is divided anew at whole picoseconds, when a
    transfer comes or goes, and a transfer ends at the first whole picosecond at which its last byte has passed. A
    transfer alone takes `units.transfer_ps`. Background transfers (prefetches) get what demand leaves: all of the
    bandwidth while no demand is active, else nothing.
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
        transfer = Transfer(self._clock, size_bytes, background)
        self._catch_up()
        lane = self._background if background else self._demand
        lane.join(transfer, size_bytes * self._work_per_byte)
        self._arm()
        return transfer

    def cancel(self, transfer: Transfer) -> int:
        """Stop a transfer; the whole bytes that have passed, all of them if it is done."""
        self._catch_up()
        if transfer.done:
            return transfer.size_bytes
        lane = self._background if transfer.background else self._demand
        missing = -(-lane.take_out(transfer) // self._work_per_byte)
        transfer.end_ps = self._clock.now_ps
        self._arm()
        return transfer.size_bytes - missing

    def _catch_up(self) -> None:
        now = self._clock.now_ps
        lane = self._demand if self._demand else self._background
        if now > self._last_ps and lane:
            lane.advance((now - self._last_ps) * self._work_per_ps)
            transfer = lane.pop_finished()
            while transfer is not None:
                transfer.done = True
                transfer.end_ps = now
                if transfer.callbacks:
                    transfer.succeed()
                transfer = lane.pop_finished()
        self._last_ps = now

    def _arm(self) -> None:
        """Set the timer for the next end, unless an earlier one is set already and will look again."""
        lane = self._demand if self._demand else self._background
        if not lane:
            return
        now = self._clock.now_ps
        due = now - (-lane.work_to_next_end() // (self._work_per_ps * lane.scale))
        if now <= self._due_ps <= due:
            return
        self._due_ps = due
        self._clock.timeout(due - now).callbacks.append(self._wake)

    def _wake(self, timeout: simpy.Event) -> None:
        if self._clock.now_ps == self._due_ps:
            self._catch_up()
            self._due_ps = -1
            self._arm()
