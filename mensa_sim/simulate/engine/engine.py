"""The discrete-event engine: accelerators serve units, memories and links carry bytes, a recorder sees it all."""

from collections.abc import Callable, Sequence

from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.simulate.engine.channel import Channel, Transfer
from mensa_sim.simulate.engine.clock import Clock, Process
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.engine.server import Server
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Copy, Leg, Plan, PlannedUnit, link_name
from mensa_sim.simulate.plan.residency import pin
from mensa_sim.simulate.plan.stage import part_of
from mensa_sim.simulate.record.recorder import Recorder


def _nothing(request: Request) -> None:
    """What happens at the end of a request unless something else is said."""


class Engine:
    """The resources of a system and the requests on them."""

    def __init__(self, system: System, plans: Sequence[Plan], options: Options, recorder: Recorder) -> None:
        for name in system.memories:
            if any(accelerator.name == name for accelerator in system.accelerators):
                raise UsageError(f"system {system.name}: {name!r} names both an accelerator and a memory")
        self.clock = Clock()
        self.on_end: Callable[[Request], None] = _nothing
        self._recorder = recorder
        self._channels = {
            name: Channel(self.clock, name, memory.effective_bytes_per_s) for name, memory in system.memories.items()
        }
        for link in system.links:
            self._channels[link_name(link)] = Channel(self.clock, link_name(link), link.bandwidth_bytes_per_s)
        self._moving: dict[Transfer, tuple[Request, Copy, Leg]] = {}
        self._servers: dict[str, Server] = {}
        for placed in system.accelerators:
            buffer = placed.spec.buffers.get("parameter")
            self._servers[placed.name] = Server(
                self.clock,
                placed,
                self._channels[placed.memory],
                system.memories[placed.memory],
                recorder,
                options,
                pin(plans, placed.name, buffer.capacity_bytes if buffer else 0, options.parameters),
                self._finish,
            )

    def start(self, request: Request) -> None:
        """Let a request enter now."""
        for unit in request.plan.units:
            if not unit.waits_for:
                self._servers[unit.accelerator].submit(request, unit)

    def run(self, until_ps: int | None = None) -> None:
        """Until nothing is left to happen, or that time; what is under way then is recorded as far as it has come."""
        self.clock.run(until_ps)
        for server in self._servers.values():
            server.close()
        for transfer, (request, copy, leg) in self._moving.items():
            moved = self._channels[leg.resource].moved_bytes(transfer)
            self._record_leg(request, copy, leg, transfer.start_ps - leg.latency_ps, moved)

    def _finish(self, request: Request, unit: PlannedUnit) -> None:
        """A unit has ended: tell those that wait for it and send copies on their way."""
        for index in unit.dependents:
            self._arrive(request, index)
        for copy in unit.copies:
            self.clock.process(self._carry(request, copy))
        request.left -= 1
        if not request.left:
            self._recorder.ended(request, self.clock.now_ps)
            self.on_end(request)

    def _arrive(self, request: Request, index: int) -> None:
        request.missing[index] -= 1
        if not request.missing[index]:
            unit = request.plan.units[index]
            self._servers[unit.accelerator].submit(request, unit)

    def _carry(self, request: Request, copy: Copy) -> Process:
        """Read a tensor, carry it over the link and write it, one after another, sharing all three with others."""
        request.begin_work(self.clock.now_ps)
        for leg in copy.legs:
            start_ps = self.clock.now_ps
            if leg.latency_ps:
                yield self.clock.timeout(leg.latency_ps)
            arrived = self.clock.event()
            transfer = self._channels[leg.resource].transfer(copy.size_bytes, arrived.succeed)
            self._moving[transfer] = request, copy, leg
            yield arrived
            del self._moving[transfer]
            self._record_leg(request, copy, leg, start_ps, copy.size_bytes)
        request.end_work(self.clock.now_ps)
        for index in copy.dependents:
            self._arrive(request, index)

    def _record_leg(self, request: Request, copy: Copy, leg: Leg, start_ps: int, moved_bytes: int) -> None:
        energy_pj = part_of(leg.energy_pj, moved_bytes, copy.size_bytes)
        now, layer = self.clock.now_ps, copy.producer
        self._recorder.record(leg.resource, "transfer", request, layer, start_ps, now, moved_bytes, 0, energy_pj)
