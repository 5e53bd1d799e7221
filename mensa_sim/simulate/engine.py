"""The discrete-event engine: accelerators serve units, memories and links carry bytes, spans record it."""

import heapq
from collections.abc import Generator

import simpy
from simpy.events import EventPriority

from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.simulate.channel import Channel, Clock, Transfer
from mensa_sim.simulate.plan import Copy, Plan, Unit, link_name
from mensa_sim.simulate.recorder import NO_ENERGY, Recorder
from mensa_sim.simulate.stage import Energy, Stage
from mensa_sim.simulate.timeline import Kind

Process = Generator[simpy.Event, object, None]
Rank = tuple[int, ...]

AFTER_THIS_INSTANT = EventPriority(2)
"""Later than everything else that simpy does at the same time."""


class Settled(simpy.Event):
    """Happens, once called for, when all else of this instant has: what is chosen then depends on no luck of order."""

    def call(self) -> None:
        """Let it happen at the end of this instant."""
        self._ok = True
        self._value = None
        self.env.schedule(self, AFTER_THIS_INSTANT)


class Request:
    """One inference on its way."""

    __slots__ = ("left", "missing", "name", "plan", "rank")

    def __init__(self, name: str, plan: Plan, rank: Rank) -> None:
        self.name = name
        self.plan = plan
        self.rank = rank
        """Who goes first on an accelerator: the lower; units of one request go in plan order."""
        self.missing = [unit.waits_for for unit in plan.units]
        self.left = len(plan.units)


class Server:
    """An accelerator: runs ready units one at a time, the first of their order, to their end."""

    def __init__(self, engine: "Engine", name: str, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self._engine = engine
        self._ready: list[tuple[Rank, int, Request]] = []
        self._idle: Settled | None = None
        engine.clock.process(self._serve())

    def submit(self, request: Request, unit: Unit) -> None:
        """Queue a unit whose inputs are there."""
        heapq.heappush(self._ready, (request.rank, unit.index, request))
        if self._idle is not None:
            self._idle.call()
            self._idle = None

    def _serve(self) -> Process:
        while True:
            settled = Settled(self._engine.clock)
            if self._ready:
                settled.call()
            else:
                self._idle = settled
            yield settled
            _, index, request = heapq.heappop(self._ready)
            unit = request.plan.units[index]
            for stage in unit.streamed:
                yield from self._run(request.name, stage)
            self._engine.finish(request, unit)

    def _run(self, request: str, stage: Stage) -> Process:
        """Head, then body with computation beside the traffic, then tail; nobody knows how long before it is over."""
        clock, channel, record = self._engine.clock, self.channel, self._engine.recorder.record
        if stage.head_bytes:
            head = channel.transfer(stage.head_bytes)
            yield head
            self._moved("head", request, stage, head, stage.head_pj)
        start_ps = clock.now_ps
        body: Transfer | None = None
        if stage.body_bytes:
            body = channel.transfer(stage.body_bytes)
            if not stage.overlap:
                yield body
        if stage.on_chip_ps:
            yield clock.timeout(stage.on_chip_ps)
        if body is not None:
            if not body.done:
                yield body
            record(
                channel.name,
                "body",
                request,
                stage.layer,
                body.start_ps,
                body.end_ps,
                body.size_bytes,
                0,
                stage.body_pj,
            )
        record(self.name, "body", request, stage.layer, start_ps, clock.now_ps, 0, stage.macs, stage.chip_pj)
        if stage.tail_bytes:
            tail = channel.transfer(stage.tail_bytes)
            yield tail
            self._moved("tail", request, stage, tail, stage.tail_pj)

    def _moved(self, kind: Kind, request: str, stage: Stage, transfer: Transfer, energy_pj: Energy) -> None:
        """Record that the accelerator waited for a transfer of its own."""
        record = self._engine.recorder.record
        start_ps, end_ps = transfer.start_ps, transfer.end_ps
        record(self.channel.name, kind, request, stage.layer, start_ps, end_ps, transfer.size_bytes, 0, energy_pj)
        record(self.name, kind, request, stage.layer, start_ps, end_ps, 0, 0, NO_ENERGY)


class Engine:
    """The resources of a system and the requests on them."""

    def __init__(self, system: System, recorder: Recorder) -> None:
        for name in system.memories:
            if any(accelerator.name == name for accelerator in system.accelerators):
                raise UsageError(f"system {system.name}: {name!r} names both an accelerator and a memory")
        self.clock = Clock()
        self.recorder = recorder
        self.channels = {
            name: Channel(self.clock, name, memory.effective_bytes_per_s) for name, memory in system.memories.items()
        }
        self.links = {
            link_name(link): Channel(self.clock, link_name(link), link.bandwidth_bytes_per_s) for link in system.links
        }
        self.servers = {
            accelerator.name: Server(self, accelerator.name, self.channels[accelerator.memory])
            for accelerator in system.accelerators
        }

    def start(self, request: Request) -> None:
        """Let a request enter now."""
        for unit in request.plan.units:
            if not unit.waits_for:
                self.servers[unit.accelerator].submit(request, unit)

    def run(self) -> None:
        """Until nothing is left to happen."""
        self.clock.run()

    def finish(self, request: Request, unit: Unit) -> None:
        """A unit has ended: tell those that wait for it and send copies on their way."""
        for index in unit.dependents:
            self._arrive(request, index)
        for copy in unit.copies:
            self.clock.process(self._carry(request, copy))
        request.left -= 1

    def _arrive(self, request: Request, index: int) -> None:
        request.missing[index] -= 1
        if not request.missing[index]:
            unit = request.plan.units[index]
            self.servers[unit.accelerator].submit(request, unit)

    def _carry(self, request: Request, copy: Copy) -> Process:
        """Read a tensor, carry it over the link and write it, one after another, sharing all three with others."""
        legs: tuple[tuple[Channel, int, Energy], ...] = (
            (self.channels[copy.source], 0, {"memory": copy.read_pj}),
            (self.links[link_name(copy.link)], copy.link.latency_ps, {"link": copy.link_pj}),
            (self.channels[copy.destination], 0, {"memory": copy.write_pj}),
        )
        for channel, latency_ps, energy_pj in legs:
            start_ps = self.clock.now_ps
            if latency_ps:
                yield self.clock.timeout(latency_ps)
            yield channel.transfer(copy.size_bytes)
            self.recorder.record(
                channel.name,
                "transfer",
                request.name,
                copy.producer,
                start_ps,
                self.clock.now_ps,
                copy.size_bytes,
                0,
                energy_pj,
            )
        for index in copy.dependents:
            self._arrive(request, index)
