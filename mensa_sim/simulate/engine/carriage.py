"""A copy on its way: its bytes move over one resource after another, sharing each with others."""

from collections.abc import Callable, Mapping

from simpy.events import URGENT

from mensa_sim.hardware.host import HOST
from mensa_sim.simulate.engine.channel import Channel, Transfer
from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.copies import Crossing
from mensa_sim.simulate.plan.stage import part_of
from mensa_sim.simulate.record.recorder import Busy, Recorder
from mensa_sim.simulate.record.timeline import Kind


class Carrier:
    """Sends copies on their way, and tells `on_end` of each with its request and its place in the plan."""

    def __init__(
        self, clock: Clock, channels: Mapping[str, Channel], recorder: Recorder, on_end: Callable[[Request, int], None]
    ) -> None:
        self.clock, self.channels, self.recorder, self.on_end = clock, channels, recorder, on_end
        self.moving: dict[Transfer, Carriage] = {}

    def send(self, request: Request, index: int) -> None:
        """Let a copy of a request begin now."""
        Carriage(self, request, index)

    def close(self) -> None:
        """The run is over: of what is under way, the bytes that have passed count."""
        for transfer, carriage in self.moving.items():
            carriage.stop(transfer)


class Carriage:
    """One copy of one request, crossing after crossing."""

    __slots__ = ("_carrier", "_copy", "_index", "_number", "_request", "_start_ps", "_transfer")

    _start_ps: int
    _transfer: Transfer

    def __init__(self, carrier: Carrier, request: Request, index: int) -> None:
        self._carrier, self._request, self._index = carrier, request, index
        self._copy = request.plan.copies[index]
        self._number = 0
        """Of the crossing under way."""
        Alarm(carrier.clock, self._begin, URGENT).set(0)

    def stop(self, transfer: Transfer) -> None:
        """Record what has moved until now."""
        crossing = self._copy.crossings[self._number]
        moved_bytes = self._carrier.channels[crossing.resource].moved_bytes(transfer)
        self._record(crossing, transfer.start_ps - crossing.latency_ps, self._carrier.clock.now_ps, moved_bytes)

    def _begin(self, now: int) -> None:
        self._request.begin_work(now)
        self._cross(now)

    def _cross(self, now: int) -> None:
        """The next crossing begins, or all are over; those with nothing beside them are over at once."""
        crossings = self._copy.crossings
        while self._number < len(crossings):
            crossing = crossings[self._number]
            channel = self._carrier.channels[crossing.resource]
            move_ps = now + crossing.latency_ps
            end_ps = move_ps + crossing.alone_ps
            if channel.turns.demand.heap or not self._carrier.clock.skip_to(end_ps):
                self._start_ps = now
                if crossing.latency_ps:
                    Alarm(self._carrier.clock, self._move).set(crossing.latency_ps)
                else:
                    self._move(now)
                return
            channel.carried(move_ps, end_ps)
            self._record(crossing, now, end_ps, crossing.size_bytes)
            self._number += 1
            now = end_ps
        self._request.end_work(now)
        self._carrier.on_end(self._request, self._index)

    def _move(self, now: int) -> None:
        crossing = self._copy.crossings[self._number]
        channel = self._carrier.channels[crossing.resource]
        self._transfer = channel.transfer(crossing.size_bytes, self._passed, crossing.alone_ps)
        self._carrier.moving[self._transfer] = self

    def _passed(self, now: int) -> None:
        """Whoever shared the channel is told first."""
        Alarm(self._carrier.clock, self._arrive).set(0)

    def _arrive(self, now: int) -> None:
        del self._carrier.moving[self._transfer]
        crossing = self._copy.crossings[self._number]
        self._record(crossing, self._start_ps, now, crossing.size_bytes)
        self._number += 1
        self._cross(now)

    def _record(self, crossing: Crossing, start_ps: int, now: int, moved_bytes: int) -> None:
        energy_pj, resource = part_of(crossing.energy_pj, moved_bytes, crossing.size_bytes), crossing.resource
        kind: Kind = "host" if resource == HOST else "transfer"
        self._carrier.recorder.record(
            Busy(resource, kind, self._request, self._copy.layer, start_ps, now, moved_bytes, 0, energy_pj)
        )
