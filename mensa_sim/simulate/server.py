"""An accelerator at work: chooses among ready units, runs them, prefetches, and keeps things on chip."""

import heapq
from collections.abc import Callable, Generator
from dataclasses import dataclass

import simpy
from simpy.events import EventPriority

from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.simulate.channel import Channel, Clock, Transfer
from mensa_sim.simulate.options import Options
from mensa_sim.simulate.plan import Plan, Unit
from mensa_sim.simulate.recorder import NO_ENERGY, Recorder
from mensa_sim.simulate.request import Rank, Request
from mensa_sim.simulate.residency import Pinned, UnitKey
from mensa_sim.simulate.stage import Stage
from mensa_sim.simulate.variants import Variant

Process = Generator[simpy.Event, object, None]

AFTER_THIS_INSTANT = EventPriority(2)
"""Later than everything else that simpy does at the same time."""


class Settled(simpy.Event):
    """Happens, once called for, when all else of this instant has: what is chosen then depends on no luck of order."""

    def call(self) -> None:
        """Let it happen at the end of this instant."""
        self._ok = True
        self._value = None
        self.env.schedule(self, AFTER_THIS_INSTANT)


@dataclass(slots=True, kw_only=True)
class Prefetch:
    """Parameters on their way, or arrived, for a unit that has not started."""

    plan: Plan
    unit: Unit
    request: Request
    """The one that it was begun for."""
    transfer: Transfer


class Server:
    """An accelerator: runs ready units one at a time, the first by rank, to their end."""

    def __init__(
        self,
        clock: Clock,
        placed: PlacedAccelerator,
        channel: Channel,
        memory: Memory,
        recorder: Recorder,
        options: Options,
        pinned: Pinned,
        finish: Callable[[Request, Unit], None],
    ) -> None:
        self.name = placed.name
        self._clock = clock
        self._channel = channel
        self._memory = memory
        self._recorder = recorder
        self._options = options
        self._pinned = pinned
        self._finish = finish
        self._gating = placed.spec.power_gating
        buffer = placed.spec.buffers.get("parameter")
        self._parameter_capacity = buffer.capacity_bytes if buffer else 0
        self._ready: list[tuple[Rank, int, Request]] = []
        self._follows: tuple[Request, int] | None = None
        """The unit whose input lies in the activation buffer: it goes next, whoever else has come."""
        self._loaded: set[UnitKey] = set()
        """Pinned units whose parameters are there."""
        self._loaded_bytes = 0
        self._prefetch: Prefetch | None = None
        self._idle: Settled | None = None
        self._idle_since_ps = 0
        self._running: tuple[Request, str, int] | None = None
        """The request and layer that it works for now, and since when."""
        clock.process(self._serve())

    def submit(self, request: Request, unit: Unit) -> None:
        """Queue a unit whose inputs are there."""
        if self._follows is not None and self._follows == (request, unit.index):
            return
        heapq.heappush(self._ready, (request.rank, unit.index, request))
        if self._idle is not None:
            self._idle.call()
            self._idle = None

    def close(self) -> None:
        """The run is over: what it was doing ends here, unfinished, and what was prefetched for nobody is lost."""
        if self._prefetch is not None:
            self._discard(self._prefetch)
        if self._running is not None:
            request, layer, start_ps = self._running
            self._recorder.record(self.name, "layer", request, layer, start_ps, self._clock.now_ps, 0, 0, NO_ENERGY)

    def _serve(self) -> Process:
        while True:
            settled = Settled(self._clock)
            if not self._ready and self._follows is None:
                self._idle, self._idle_since_ps = settled, self._clock.now_ps
                yield settled
            elif self._clock.peek() == self._clock.now_ps:
                settled.call()
                yield settled
            if self._gating is not None and self._clock.now_ps - self._idle_since_ps > self._gating.wake_up_ps:
                yield from self._wake_up(self._gating.wake_up_ps)
            yield from self._run_next()
            self._idle_since_ps = self._clock.now_ps

    def _run_next(self) -> Process:
        incoming = self._follows is not None
        if self._follows is not None:
            request, index = self._follows
            self._follows = None
        else:
            _, index, request = heapq.heappop(self._ready)
        unit = request.plan.units[index]
        key = (request.plan.name, index)
        resident = key in self._loaded
        variant = self._keep_output(request, unit, resident, incoming) or self._variant(unit, resident, incoming)
        request.missing[index] = -1
        request.begin_work(self._clock.now_ps)
        early_bytes = self._take_prefetched(request, unit, variant)
        if self._options.prefetch:
            self._start_prefetch(request, unit, variant)
        self._recorder.levels(self.name, self._clock.now_ps, self._parameter_level(variant), variant.activation_bytes)
        for stage in variant.stages:
            early = min(early_bytes, stage.prefetchable_bytes)
            early_bytes -= early
            yield from self._run(request, stage, early)
        if not resident and key in self._pinned.units:
            self._loaded.add(key)
            self._loaded_bytes += unit.parameter_bytes
        request.end_work(self._clock.now_ps)
        self._finish(request, unit)

    def _variant(self, unit: Unit, resident: bool, incoming: bool) -> Variant:
        variant = unit.variants.choose(resident, incoming, False)
        return variant if variant is not None else unit.variants.streamed

    def _keep_output(self, request: Request, unit: Unit, resident: bool, incoming: bool) -> Variant | None:
        """The variant whose output stays for a unit that follows at once; none if someone of higher rank waits."""
        if unit.feeds is None or (self._ready and self._ready[0][0] < request.rank):
            return None
        variant = unit.variants.choose(resident, incoming, True)
        reader = request.plan.units[unit.feeds]
        there = (request.plan.name, unit.feeds) in self._loaded
        if variant is None or reader.variants.choose(there, True, False) is None:
            return None
        self._follows = (request, unit.feeds)
        return variant

    def _run(self, request: Request, stage: Stage, early_bytes: int) -> Process:
        """Head, then body with computation beside the traffic, then tail; nobody knows how long before it is over.

        Bytes that came early are missing from the body first, but the head waits for no more than is left to read.
        """
        clock, channel, record, layer = self._clock, self._channel, self._recorder.record, stage.layer
        head_bytes, body_bytes = stage.head_bytes, stage.body_bytes
        if early_bytes:
            head_bytes = min(stage.head_bytes, stage.read_bytes - early_bytes)
            body_bytes = stage.head_bytes + stage.body_bytes - early_bytes - head_bytes
        begin_ps = start_ps = clock.now_ps
        self._running = request, layer, begin_ps
        if head_bytes:
            yield channel.transfer(head_bytes)
            start_ps = clock.now_ps
        if head_bytes or stage.head_pj:
            record(channel.name, "head", request, layer, begin_ps, start_ps, head_bytes, 0, stage.head_pj)
        body: Transfer | None = None
        end_ps = start_ps
        if body_bytes:
            body = channel.transfer(body_bytes)
            if not stage.overlap:
                yield body
        if stage.on_chip_ps:
            yield clock.timeout(stage.on_chip_ps)
        if body is not None:
            if not body.done:
                yield body
            end_ps = body.end_ps
        if body is not None or stage.body_pj:
            record(channel.name, "body", request, layer, start_ps, end_ps, body_bytes, 0, stage.body_pj)
        if stage.tail_bytes:
            start_ps = clock.now_ps
            yield channel.transfer(stage.tail_bytes)
            record(channel.name, "tail", request, layer, start_ps, clock.now_ps, stage.tail_bytes, 0, stage.tail_pj)
        record(self.name, "layer", request, layer, begin_ps, clock.now_ps, 0, stage.macs, stage.chip_pj)
        self._running = None

    def _start_prefetch(self, request: Request, unit: Unit, variant: Variant) -> None:
        """Let the next unit's parameters come into the room that is left, behind everybody's demand."""
        if self._prefetch is not None or not self._parameter_capacity:
            return
        then = self._next_after(request, unit)
        if then is None or (then[0].plan.name, then[1]) in self._loaded:
            return
        target = then[0].plan.units[then[1]]
        size_bytes = min(target.variants.streamed.prefetchable_bytes, self._parameter_room(variant))
        if size_bytes > 0:
            transfer = self._channel.transfer(size_bytes, background=True)
            self._prefetch = Prefetch(plan=then[0].plan, unit=target, request=then[0], transfer=transfer)

    def _next_after(self, request: Request, unit: Unit) -> tuple[Request, int] | None:
        """The unit that comes next as far as anyone knows now: the first one waiting, or the request's own next one."""
        if self._follows is not None:
            return self._follows
        own = unit.next_here
        while own is not None and request.missing[own] < 0:
            own = request.plan.units[own].next_here
        if self._ready and (own is None or self._ready[0][:2] < (request.rank, own)):
            _, index, other = self._ready[0]
            return other, index
        return None if own is None else (request, own)

    def _take_prefetched(self, request: Request, unit: Unit, variant: Variant) -> int:
        """Bytes of this unit's parameters that came early; those of another one stay if there is room."""
        prefetch = self._prefetch
        if prefetch is None:
            return 0
        if prefetch.plan is request.plan and prefetch.unit is unit:
            self._prefetch = None
            size_bytes = self._channel.cancel(prefetch.transfer)
            self._record_prefetch(prefetch, size_bytes, request)
            return size_bytes
        if prefetch.transfer.size_bytes > self._parameter_room(variant):
            self._discard(prefetch)
        return 0

    def _discard(self, prefetch: Prefetch) -> None:
        self._prefetch = None
        size_bytes = self._channel.cancel(prefetch.transfer)
        self._record_prefetch(prefetch, size_bytes, prefetch.request)
        if size_bytes:
            now, lost_pj = self._clock.now_ps, self._memory.transfer_pj(read_bytes=size_bytes)
            layer, energy_pj = prefetch.unit.layers[0], {"memory": lost_pj}
            self._recorder.record(self._channel.name, "discard", prefetch.request, layer, now, now, 0, 0, energy_pj)

    def _record_prefetch(self, prefetch: Prefetch, size_bytes: int, request: Request) -> None:
        if size_bytes:
            layer, start, end = prefetch.unit.layers[0], prefetch.transfer.start_ps, prefetch.transfer.end_ps
            self._recorder.record(self._channel.name, "prefetch", request, layer, start, end, size_bytes, 0, NO_ENERGY)

    def _parameter_room(self, variant: Variant) -> int:
        return self._parameter_capacity - self._pinned.size_bytes - variant.parameter_bytes

    def _parameter_level(self, variant: Variant) -> int:
        """What the buffer holds: a tensor that several units use once, and of a layer that streams at most the rest."""
        coming = self._prefetch.transfer.size_bytes if self._prefetch else 0
        resident = min(self._loaded_bytes, self._pinned.size_bytes)
        return min(resident + variant.parameter_bytes + coming, self._parameter_capacity)

    def _wake_up(self, wake_up_ps: int) -> Process:
        """Come back from a cut supply, with empty buffers."""
        start_ps = self._clock.now_ps
        self._loaded.clear()
        self._loaded_bytes = 0
        yield self._clock.timeout(wake_up_ps)
        self._recorder.record(self.name, "wake", None, "", start_ps, self._clock.now_ps, 0, 0, NO_ENERGY)
