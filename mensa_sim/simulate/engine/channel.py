"""Channels whose bandwidth, and whose time, the active transfers share fairly, in exact integer arithmetic."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from heapq import heapify, heappop, heappush

from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.units import PS_PER_S


class Transfer:
    """Bytes on their way through a channel."""

    __slots__ = ("done", "end_ps", "goal", "on_end", "size_bytes", "start_ps", "work")

    goal: int
    """What its lane has served when it ends."""

    def __init__(self, size_bytes: int, work: int, start_ps: int, on_end: Callable[[int], object]) -> None:
        self.size_bytes = size_bytes
        self.work = work
        """In the channel's unit."""
        self.start_ps = start_ps
        self.on_end = on_end
        """Called with the time when the last byte has passed; never for a prefetch, which nobody waits for."""
        self.end_ps = -1
        self.done = False


def _nobody_waits(now: int) -> None:
    """What happens at the end of a prefetch."""


class Lane:
    """Transfers of equal right: each of n gets 1/n of the rate.

    `served` is the work that every transfer present since the lane was last empty has received (virtual time of
    processor sharing), so a transfer that joins at `served` ends when it reaches `served + its own work`, whoever
    comes and goes meanwhile: joining and ending cost O(log active). Work is counted in 1/`scale` of the channel's
    unit; the scale is a common multiple of every number of active transfers so far, so a share is a whole number.
    """

    __slots__ = ("_order", "heap", "rate", "scale", "served")

    def __init__(self, work_per_ps: int) -> None:
        self.heap: list[tuple[int, int, Transfer]] = []
        """Goal, order of arrival, and transfer: the next to end first."""
        self._order = 0
        self.scale = 1
        self.rate = work_per_ps
        """Work per ps of all together, in 1/`scale`."""
        self.served = 0

    def join(self, transfer: Transfer) -> bool:
        """Add a transfer; whether it is the next to end."""
        heap = self.heap
        active = len(heap) + 1
        if active == 1:
            self.served = 0
        elif self.scale % active:
            self._rescale(math.lcm(self.scale, active))
            heap = self.heap
        transfer.goal = goal = self.served + transfer.work * self.scale
        self._order = order = self._order + 1
        heappush(heap, (goal, order, transfer))
        return heap[0][1] == order

    def _rescale(self, scale: int) -> None:
        factor = scale // self.scale
        self.scale = scale
        self.rate *= factor
        self.served *= factor
        self.heap = [(goal * factor, order, transfer) for goal, order, transfer in self.heap]
        for goal, _, transfer in self.heap:
            transfer.goal = goal

    def pass_time(self, time_ps: int) -> None:
        """Serve the transfers, of which there is at least one, for that long."""
        self.served += time_ps * self.rate // len(self.heap)

    def next_end_ps(self) -> int:
        """Time to the next end if nothing changes, rounded up to whole picoseconds."""
        heap = self.heap
        return -((self.served - heap[0][0]) * len(heap) // self.rate)

    def take_ended(self) -> list[Transfer]:
        """Remove those that have all of their work, the first to end first."""
        heap, served = self.heap, self.served
        ended: list[Transfer] = []
        while heap and heap[0][0] <= served:
            ended.append(heappop(heap)[2])
        return ended

    def take_out(self, transfer: Transfer) -> None:
        """Remove a transfer before its end."""
        if len(self.heap) == 1:
            self.heap.clear()
        else:
            self.heap = [entry for entry in self.heap if entry[2] is not transfer]
            heapify(self.heap)

    def missing(self, transfer: Transfer) -> int:
        """The work that a transfer still lacks, in the channel's unit, rounded up."""
        return max(0, -((self.served - transfer.goal) // self.scale))


class Turns:
    """The time of a memory or a link, which transfers have in equal parts (processor sharing).

    It is divided anew at whole picoseconds, when a transfer comes or goes, and a transfer ends at the first whole
    picosecond at which its last byte has passed. Prefetches get what the others leave: all of the time while no other
    transfer is active, else nothing. Nobody waits for one: it is `done` when it is cancelled or something has changed
    since.
    """

    def __init__(self, clock: Clock, work_per_ps: int) -> None:
        """All ways that take turns do so much work in a ps, each byte as much of it as its way is slow."""
        self.clock = clock
        self.work_per_ps = work_per_ps
        self.demand = Lane(work_per_ps)
        """All transfers but prefetches; with none the time is free."""
        self._background = Lane(work_per_ps)
        self.last_ps = 0
        self._due_ps = -1
        """When the earliest alarm goes off; none is set for a time before the past."""
        self.waking = False
        self._alarm = Alarm(clock, self._wake)

    def carried(self, start_ps: int, end_ps: int) -> None:
        """A transfer had all of the free time from one moment to another, up to which nobody looks at it."""
        if start_ps != self.last_ps:
            self.catch_up(start_ps)
        self.last_ps = end_ps

    def prefetch(self, size_bytes: int, work: int) -> Transfer:
        """Start moving bytes behind everybody's demand."""
        now = self.clock.now_ps
        if not self.demand.heap:
            self.catch_up(now)
        transfer = Transfer(size_bytes, work, now, _nobody_waits)
        self._background.join(transfer)
        return transfer

    def cancel(self, prefetch: Transfer) -> int:
        """Stop a prefetch; the whole bytes that have passed, all of them if it is done."""
        now = self.clock.now_ps
        if not self.demand.heap:
            self.catch_up(now)
        if prefetch.done:
            return prefetch.size_bytes
        self._background.take_out(prefetch)
        prefetch.end_ps = now
        return self._moved_bytes(prefetch, self._background)

    def moved_bytes(self, transfer: Transfer) -> int:
        """The whole bytes of a transfer that have passed until now."""
        self.catch_up(self.clock.now_ps)
        return transfer.size_bytes if transfer.done else self._moved_bytes(transfer, self.demand)

    def _moved_bytes(self, transfer: Transfer, lane: Lane) -> int:
        return transfer.size_bytes + (-lane.missing(transfer) * transfer.size_bytes // transfer.work)

    def catch_up(self, now: int) -> None:
        """Share what has passed since the last change; transfers that end now are left to the alarm of this instant."""
        lane = self.demand
        if lane.heap:
            lane.served += (now - self.last_ps) * lane.rate // len(lane.heap)
        elif self._background.heap:
            self._catch_up_background(now)
        self.last_ps = now

    def _catch_up_background(self, now: int) -> None:
        """Step from end to end of prefetches: no alarm looks after them, for nobody waits."""
        lane = self._background
        time_ps = self.last_ps
        while lane.heap and time_ps < now:
            then_ps = min(now, time_ps + lane.next_end_ps())
            lane.pass_time(then_ps - time_ps)
            time_ps = then_ps
            for prefetch in lane.take_ended():
                prefetch.done = True
                prefetch.end_ps = time_ps

    def set_alarm(self, now: int) -> None:
        """For the next end, unless an earlier one is set already and will look again."""
        lane = self.demand
        heap = lane.heap
        delay_ps = -((lane.served - heap[0][0]) * len(heap) // lane.rate)
        due_ps = now + delay_ps
        if not now <= self._due_ps <= due_ps:
            self._due_ps = due_ps
            self._alarm.set(delay_ps)

    def _wake(self, now: int) -> None:
        """Let those that have ended go; what they begin at once shares the bandwidth from this instant on."""
        if now != self._due_ps:
            return
        if now != self.last_ps:
            self.catch_up(now)
        self._due_ps = -1
        lane = self.demand
        if lane.heap[0][0] <= lane.served:
            ended = lane.take_ended()
            self.waking, self.clock.telling = True, len(ended)
            for transfer in ended:
                transfer.done = True
                transfer.end_ps = now
                transfer.on_end(now)
            self.waking, self.clock.telling = False, 0
        if lane.heap:
            self.set_alarm(now)


class Channel:
    """A way into a memory, or a link: transfers share its bandwidth fairly, and its time with ways that take turns.

    A transfer alone takes `units.transfer_ps`, or as long as is said where its other end is slower.
    """

    __slots__ = ("_clock", "_join", "_work_per_byte", "cancel", "carried", "moved_bytes", "name", "turns")

    def __init__(self, name: str, turns: Turns, work_per_byte: int) -> None:
        self.name = name
        self.turns, self._work_per_byte = turns, work_per_byte
        self.cancel, self.moved_bytes, self.carried = turns.cancel, turns.moved_bytes, turns.carried
        self._clock, self._join = turns.clock, turns.demand.join

    def transfer(self, size_bytes: int, on_end: Callable[[int], object], alone_ps: int | None = None) -> Transfer:
        """Start moving bytes; `on_end` is called with the time when the last one has passed.

        They are a positive number, or take `alone_ps`, positive, with the channel to themselves.
        """
        turns = self.turns
        work = size_bytes * self._work_per_byte if alone_ps is None else alone_ps * turns.work_per_ps
        now = self._clock.now_ps
        if now != turns.last_ps:
            turns.catch_up(now)
        transfer = Transfer(size_bytes, work, now, on_end)
        if self._join(transfer) and not turns.waking:
            turns.set_alarm(now)
        return transfer

    def prefetch(self, size_bytes: int) -> Transfer:
        """Start moving bytes, a positive number, behind everybody's demand."""
        return self.turns.prefetch(size_bytes, size_bytes * self._work_per_byte)

    def alone_ps(self, size_bytes: int) -> int:
        """How long a transfer takes by itself."""
        return -(-size_bytes * self._work_per_byte // self.turns.work_per_ps)


def channels_in_turns(clock: Clock, bytes_per_s: Mapping[str, float]) -> dict[str, Channel]:
    """Channels whose transfers have equal parts of one time, each at the bandwidth of its own; one alone has all."""
    rates = {name: Fraction(bandwidth) / PS_PER_S for name, bandwidth in bytes_per_s.items()}
    work_per_ps = math.lcm(*(rate.numerator for rate in rates.values()))
    turns = Turns(clock, work_per_ps)
    return {
        name: Channel(name, turns, work_per_ps // rate.numerator * rate.denominator) for name, rate in rates.items()
    }
