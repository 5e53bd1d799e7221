"""The discrete-event engine: accelerators serve units, memories and links carry bytes, a recorder sees it all."""

from collections.abc import Callable, Sequence

from mensa_sim.errors import UsageError
from mensa_sim.hardware.host import HOST
from mensa_sim.hardware.routes import link_name
from mensa_sim.hardware.system import System
from mensa_sim.simulate.engine.carriage import Carrier
from mensa_sim.simulate.engine.channel import Channel, channels_in_turns
from mensa_sim.simulate.engine.clock import Clock
from mensa_sim.simulate.engine.feeding import Feeding
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.engine.server import Server
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, PlannedUnit
from mensa_sim.simulate.plan.residency import pins_of
from mensa_sim.simulate.record.recorder import Recorder
from mensa_sim.units import PS_PER_S


def _channels(clock: Clock, system: System) -> dict[str, Channel]:
    """By name, those of memories, links and the host; what it does for several inferences at once shares its time."""
    together: dict[str, dict[str, float]] = {}
    for name, memory in system.memories.items():
        together.setdefault(system.turns.get(name, name), {})[name] = memory.effective_bytes_per_s
    for link in system.links:
        together[link_name(link)] = {link_name(link): link.bandwidth_bytes_per_s}
    if system.host is not None:
        together[HOST] = {HOST: PS_PER_S}  # a ps for each ps of work
    return {name: each for ways in together.values() for name, each in channels_in_turns(clock, ways).items()}


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
        self._channels = _channels(self.clock, system)
        self._carrier = Carrier(self.clock, self._channels, recorder, self._end_copy)
        self._shared_bytes = {
            name: memory.capacity_bytes or 0 for name, memory in system.memories.items() if memory.on_chip
        }
        """What no request has of each memory on the chip."""
        self._servers: dict[str, Server] = {}
        pinned = pins_of(plans, system, options)
        for placed in system.accelerators:
            self._servers[placed.name] = Server(
                self.clock,
                placed,
                self._channels[placed.memory],
                system.memories[placed.memory],
                recorder,
                Feeding(self.clock, self._channels, recorder),
                options,
                pinned[placed.name],
                self._finish,
            )

    def start(self, request: Request) -> None:
        """Let a request enter now; without room in shared memories it goes without them, from start to end."""
        needs = request.plan.shared_bytes
        request.shares = all(size_bytes <= self._shared_bytes[name] for name, size_bytes in needs.items())
        self._take(request, 1)
        for index, copy in enumerate(request.plan.copies):
            if not copy.waits_for:
                self._carrier.send(request, index)
        for unit in request.plan.units:
            if not unit.waits_for:
                self._servers[unit.accelerator].submit(request, unit)

    def run(self, until_ps: int | None = None) -> None:
        """Until nothing is left to happen, or that time; what is under way then is recorded as far as it has come."""
        self.clock.run_until(until_ps)
        for server in self._servers.values():
            server.close()
        self._carrier.close()

    def _finish(self, request: Request, unit: PlannedUnit) -> None:
        """A unit has ended: tell those that wait for it and send copies on their way."""
        for accelerator, producer in () if unit.home is None else unit.home.borrows:
            request.borrowers[producer] -= 1
            if not request.borrowers[producer]:
                self._servers[accelerator].give_back(request, producer)
        for index in unit.dependents:
            self._arrive(request, index)
        for index in unit.copies:
            self._release(request, index)
        self._leave(request)

    def _take(self, request: Request, times: int) -> None:
        """Take a request's room in shared memories, or give it back."""
        if request.shares:
            for name, size_bytes in request.plan.shared_bytes.items():
                self._shared_bytes[name] -= times * size_bytes

    def _leave(self, request: Request) -> None:
        """One unit or copy less is left; with the last one the request ends."""
        request.left -= 1
        if not request.left:
            self._take(request, -1)
            self._recorder.ended(request, self.clock.now_ps)
            self.on_end(request)

    def _release(self, request: Request, index: int) -> None:
        """One end less to wait for."""
        request.copies_missing[index] -= 1
        if not request.copies_missing[index]:
            self._carrier.send(request, index)

    def _arrive(self, request: Request, index: int) -> None:
        request.missing[index] -= 1
        if not request.missing[index]:
            unit = request.plan.units[index]
            self._servers[unit.accelerator].submit(request, unit)

    def _end_copy(self, request: Request, index: int) -> None:
        """A copy has come: tell those that wait for it."""
        for unit in request.plan.copies[index].dependents:
            self._arrive(request, unit)
        for later in request.plan.copies_after.get(index, ()):
            self._release(request, later)
        self._leave(request)
