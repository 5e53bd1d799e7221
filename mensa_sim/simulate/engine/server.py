"""An accelerator at work: chooses among ready units, runs them, prefetches, and keeps things on chip."""

import heapq
from collections.abc import Callable, Sequence
from functools import partial

from mensa_sim.hardware.memory import Memory
from mensa_sim.hardware.system import PlacedAccelerator
from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.channel import Channel, Transfer
from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.simulate.engine.execution import Execution
from mensa_sim.simulate.engine.feeding import Feeding
from mensa_sim.simulate.engine.guests import Guests, Spill
from mensa_sim.simulate.engine.request import Rank, Request
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, PlannedUnit
from mensa_sim.simulate.plan.residency import Pinned, UnitKey
from mensa_sim.simulate.plan.variants import Variant
from mensa_sim.simulate.record.recorder import Busy, Recorder


@dataclass(slots=True, kw_only=True)
class Prefetch:
    """Parameters on their way, or arrived, for a unit that has not started."""

    plan: Plan
    unit: PlannedUnit
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
        feeding: Feeding,
        options: Options,
        pinned: Pinned,
        finish: Callable[[Request, PlannedUnit], None],
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
        self._parameter_capacity = placed.spec.buffer_bytes.get("parameter", 0)
        self._ready: list[tuple[Rank, int, Request]] = []
        self._follows: tuple[Request, int] | None = None
        """The unit whose input lies in the activation buffer: it goes next, whoever else has come."""
        self._loaded: set[UnitKey] = set()
        """Pinned units whose parameters are there."""
        self._loaded_bytes = 0
        self._guests = Guests(placed.spec.buffer_bytes.get("activation", 0))
        self._spilling: Sequence[Spill] = ()
        self._spill_transfer: Transfer | None = None
        """Of tensors that leave for another request's sake."""
        self._prefetch: Prefetch | None = None
        self._levels: tuple[int, int | None] = (0, None)
        self._idle = True
        """Nothing runs, nothing waits."""
        self._idle_since_ps = 0
        self._waking_since_ps: int | None = None
        self._woken = Alarm(clock, self._wake)
        self._execution = Execution(clock, placed.name, channel, recorder, feeding, self._end_unit)

    def submit(self, request: Request, unit: PlannedUnit) -> None:
        """Queue a unit whose inputs are there."""
        if self._follows is not None and self._follows == (request, unit.index):
            return
        heapq.heappush(self._ready, (request.rank, unit.index, request))
        if self._idle:
            self._idle = False
            self._clock.settle(self._look)

    def give_back(self, request: Request, producer: int) -> None:
        """What a unit of that request made and others have read over links needs its room no longer for them."""
        self._guests.give_back(request, producer)

    def close(self) -> None:
        """The run is over: what it was doing stops here, unfinished, and what was prefetched for nobody is lost."""
        if self._prefetch is not None:
            self._discard(self._prefetch)
        self._record_wake_up()
        self._record_spills()
        if self._execution.running:
            self._execution.stop()
            self._lose_rest()

    def _look(self, now: int) -> None:
        """All that may be ready at this instant is: run the next unit, once awake."""
        gating = self._gating
        if gating is None or now - self._idle_since_ps <= gating.wake_up_ps:
            self._run_next(now)
        else:
            self._loaded.clear()
            self._loaded_bytes = 0
            self._waking_since_ps = now
            self._woken.set(gating.wake_up_ps)

    def _run_next(self, now: int) -> None:
        incoming = self._follows is not None
        if self._follows is not None:
            request, index = self._follows
            self._follows = None
        else:
            _, index, request = heapq.heappop(self._ready)
        unit = request.plan.units[index]
        resident = bool(self._loaded) and (request.plan.name, index) in self._loaded
        if unit.home is not None:
            missing = not request.spilled.isdisjoint(unit.home.reads)
            variant = unit.home.at(missing=missing, shared=request.shares).for_state(resident, incoming)
        else:
            kept = None if unit.feeds is None else self._keep_output(request, unit, unit.feeds, resident, incoming)
            variant = kept or unit.variants.for_state(resident, incoming)
        request.missing[index] = -1
        request.begin_work(now)
        spills = self._guests.make_room(request, variant.activation_bytes or 0) if self._guests.living else ()
        if spills:
            self._spill(spills, lambda then: self._begin(then, request, unit, variant))
        else:
            self._begin(now, request, unit, variant)

    def _begin(self, now: int, request: Request, unit: PlannedUnit, variant: Variant) -> None:
        early_bytes = 0 if self._prefetch is None else self._take_prefetched(self._prefetch, request, unit, variant)
        if self._options.prefetch:
            self._start_prefetch(request, unit, variant)
        activation_bytes = variant.activation_bytes
        if self._guests.living and activation_bytes is not None:
            activation_bytes += self._guests.held_beside(request)
        levels = self._parameter_level(variant), activation_bytes
        if levels != self._levels:
            self._levels = levels
            self._recorder.levels(self.name, now, *levels)
        self._execution.begin(now, request, unit, variant.stages, early_bytes)

    def _spill(self, spills: Sequence[Spill], then: Callable[[int], object]) -> None:
        """Write tensors of other requests to memory, then go on."""
        self._spilling = spills
        size_bytes = sum(spill.size_bytes for spill in spills)
        self._spill_transfer = self._channel.transfer(size_bytes, partial(self._spilled, then))

    def _spilled(self, then: Callable[[int], object], now: int) -> None:
        self._record_spills()
        then(now)

    def _record_spills(self) -> None:
        """Of tensors on their way to memory, the bytes that have passed, one after another."""
        transfer = self._spill_transfer
        if transfer is None:
            return
        self._spill_transfer = None
        now, left = self._clock.now_ps, transfer.size_bytes if transfer.done else self._channel.moved_bytes(transfer)
        for spill in self._spilling:
            size_bytes = min(spill.size_bytes, left)
            left -= size_bytes
            energy_pj = {"memory": self._memory.transfer_pj(write_bytes=size_bytes)}
            start_ps, name = transfer.start_ps, self._channel.name
            self._recorder.record(
                Busy(name, "spill", spill.request, spill.layer, start_ps, now, size_bytes, energy_pj=energy_pj)
            )

    def _end_unit(self, now: int, request: Request, unit: PlannedUnit) -> None:
        if unit.home is not None:
            self._guests.settle(request, unit)
        if self._pinned.units:
            self._load(request, unit)
        self._lose_rest()
        self._idle_since_ps = now
        request.end_work(now)
        self._finish(request, unit)
        if self._ready or self._follows is not None:
            self._clock.settle_last(self._look)
        else:
            self._idle = True

    def _load(self, request: Request, unit: PlannedUnit) -> None:
        """Its parameters are there now; they stay if they are pinned, also for other units that have no more."""
        key = request.plan.name, unit.index
        if key in self._pinned.units and key not in self._loaded:
            self._loaded_bytes += unit.parameter_bytes
            self._loaded.update(each for each in self._pinned.alike[key] if each in self._pinned.units)

    def _keep_output(
        self, request: Request, unit: PlannedUnit, reader: int, resident: bool, incoming: bool
    ) -> Variant | None:
        """The variant whose output stays for a unit that follows at once; none if someone of higher rank waits."""
        if not self._options.activations or (self._ready and self._ready[0][0] < request.rank):
            return None
        there = (request.plan.name, reader) in self._loaded
        variant = unit.variants.kept_for(request.plan.units[reader].variants, resident, incoming, there=there)
        if variant is not None:
            self._follows = (request, reader)
        return variant

    def _start_prefetch(self, request: Request, unit: PlannedUnit, variant: Variant) -> None:
        """Let the next unit's parameters come into the room that is left, behind everybody's demand."""
        if self._prefetch is not None:
            return
        then = self._next_after(request, unit)
        if then is None or (then[0].plan.name, then[1]) in self._loaded:
            return
        target = then[0].plan.units[then[1]]
        size_bytes = self._room_for(
            (then[0].plan.name, then[1]),
            target.variants.streamed.prefetchable_bytes,
            unit,
            (request.plan.name, unit.index),
            variant,
        )
        if size_bytes > 0:
            transfer = self._channel.prefetch(size_bytes)
            self._prefetch = Prefetch(plan=then[0].plan, unit=target, request=then[0], transfer=transfer)

    def _next_after(self, request: Request, unit: PlannedUnit) -> tuple[Request, int] | None:
        """The unit that comes next as far as anyone knows now: the first one waiting, or the request's own next one."""
        if self._follows is not None:
            return self._follows
        own = unit.next_here
        while own is not None and request.missing[own] < 0:
            own = request.plan.units[own].next_here
        if self._ready and (own is None or self._ready[0] < (request.rank, own)):
            _, index, other = self._ready[0]
            return other, index
        return None if own is None else (request, own)

    def _take_prefetched(self, prefetch: Prefetch, request: Request, unit: PlannedUnit, variant: Variant) -> int:
        """Bytes of this unit's parameters that came early; those of another one stay if there is room."""
        if prefetch.plan is request.plan and prefetch.unit is unit:
            self._prefetch = None
            size_bytes = self._channel.cancel(prefetch.transfer)
            self._record_prefetch(prefetch, size_bytes, request)
            return size_bytes
        size_bytes = prefetch.transfer.size_bytes
        key, here = (prefetch.plan.name, prefetch.unit.index), (request.plan.name, unit.index)
        if self._room_for(key, size_bytes, unit, here, variant) < size_bytes:
            self._discard(prefetch)
        return 0

    def _discard(self, prefetch: Prefetch) -> None:
        self._prefetch = None
        size_bytes = self._channel.cancel(prefetch.transfer)
        self._record_prefetch(prefetch, size_bytes, prefetch.request)
        if size_bytes:
            self._record_lost(prefetch.request, prefetch.unit.layers[0], size_bytes)

    def _lose_rest(self) -> None:
        """What came early for a unit that has no more use for it."""
        if self._execution.early_bytes:
            self._record_lost(self._execution.request, self._execution.layer, self._execution.early_bytes)

    def _record_lost(self, request: Request, layer: str, size_bytes: int) -> None:
        """The energy of prefetched bytes that nobody uses: that of used ones stands with their layer."""
        now, energy_pj = self._clock.now_ps, {"memory": self._memory.transfer_pj(read_bytes=size_bytes)}
        self._recorder.record(Busy(self._channel.name, "discard", request, layer, now, now, energy_pj=energy_pj))

    def _record_prefetch(self, prefetch: Prefetch, size_bytes: int, request: Request) -> None:
        if size_bytes:
            layer, start, end = prefetch.unit.layers[0], prefetch.transfer.start_ps, prefetch.transfer.end_ps
            self._recorder.record(Busy(self._channel.name, "prefetch", request, layer, start, end, size_bytes))

    def _room_for(self, key: UnitKey, size_bytes: int, running: PlannedUnit, here: UnitKey, variant: Variant) -> int:
        """How many of these bytes of a unit's parameters have room beside one that runs: all where they will stay.

        What is kept for others that have not come is free.
        """
        pinned = self._pinned
        if pinned.room_bytes is None or key in pinned.units:
            return size_bytes
        coming = running.parameter_bytes if here in pinned.units and here not in self._loaded else 0
        open_bytes = max(0, pinned.size_bytes - self._loaded_bytes - coming)
        return min(size_bytes, pinned.room_bytes + open_bytes - variant.parameter_bytes)

    def _parameter_level(self, variant: Variant) -> int:
        """What the buffer holds: a tensor that several units use once, and of a layer that streams at most the rest."""
        coming = self._prefetch.transfer.size_bytes if self._prefetch else 0
        resident = min(self._loaded_bytes, self._pinned.size_bytes)
        return min(resident + variant.parameter_bytes + coming, self._parameter_capacity)

    def _wake(self, now: int) -> None:
        """Back from a cut supply, with empty buffers."""
        self._record_wake_up()
        self._waking_since_ps = None
        self._run_next(now)

    def _record_wake_up(self) -> None:
        start_ps = self._waking_since_ps
        if start_ps is not None:
            self._recorder.record(Busy(self.name, "wake", None, "", start_ps, self._clock.now_ps))
