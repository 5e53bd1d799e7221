"""A unit at work on its accelerator, stage after stage; nobody knows how long one takes before it is over."""

from collections.abc import Callable

from mensa_sim.simulate.engine.channel import Channel, Transfer
from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.simulate.engine.feeding import Feeding
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.plan import PlannedUnit
from mensa_sim.simulate.plan.stage import Energy, Stage, part_of
from mensa_sim.simulate.record.recorder import Busy, Recorder
from mensa_sim.simulate.record.timeline import Kind


class Execution:
    """Of each stage head, then body with computation beside the traffic, then tail; one unit at a time."""

    __slots__ = (
        "_accelerator",
        "_again",
        "_body_bytes",
        "_body_end_ps",
        "_body_ps",
        "_channel",
        "_clock",
        "_computed",
        "_computing_ps",
        "_demand",
        "_feeding",
        "_head_bytes",
        "_next",
        "_on_end",
        "_recorder",
        "_stage",
        "_stages",
        "_start_ps",
        "_tail_ps",
        "_transfer",
        "_unit",
        "_waits_for",
        "early_bytes",
        "request",
        "running",
    )

    request: Request
    _unit: PlannedUnit
    _stages: tuple[Stage, ...]
    _stage: Stage

    def __init__(
        self,
        clock: Clock,
        accelerator: str,
        channel: Channel,
        recorder: Recorder,
        feeding: Feeding,
        on_end: Callable[[int, Request, PlannedUnit], None],
    ) -> None:
        self._clock = clock
        self._feeding = feeding
        self._accelerator = accelerator
        self._channel = channel
        self._demand = channel.turns.demand
        self._recorder = recorder
        self._on_end = on_end
        self._computed = Alarm(clock, self._end_computation)
        self._again = Alarm(clock, self._begin_stage)
        self._transfer: Transfer | None = None
        """The last one of this stage."""
        self.running = False
        self._next = 0
        self.early_bytes = 0
        """Parameters that came before their stage."""
        self._waits_for = 0
        """Its computation, and transfers of the body and of feeds, that are not over."""

    def begin(self, now: int, request: Request, unit: PlannedUnit, stages: tuple[Stage, ...], early_bytes: int) -> None:
        """Run the stages of a unit, so many bytes of whose parameters came early; tell `on_end` when they are over."""
        self.running = True
        self.request = request
        self._unit = unit
        self._stages = stages
        self.early_bytes = early_bytes
        self._next = 0
        self._begin_stage(now)

    def _begin_stage(self, now: int) -> None:
        """The next stage begins; those with nothing beside them are over at once."""
        while True:
            self._stage = stage = self._stages[self._next]
            self._next += 1
            self._head_bytes, self._body_bytes = stage.head_bytes, stage.body_bytes
            if self.early_bytes:
                early_bytes = min(self.early_bytes, stage.prefetchable_bytes)
                self.early_bytes -= early_bytes
                self._head_bytes, self._body_bytes = stage.after(early_bytes)
            self._transfer = None
            self._start_ps = now
            self._body_ps = self._body_end_ps = self._computing_ps = self._tail_ps = -1
            if self._demand.heap or self._clock.telling or not self._runs_alone(now):
                break
            now = self._clock.now_ps
            self._record(now)
            if self._next == len(self._stages):
                self._end(now)
                return
        if self._head_bytes:
            self._transfer = self._channel.transfer(self._head_bytes, self._begin_body)
        else:
            self._begin_body(now)

    def _runs_alone(self, now: int) -> bool:
        """Whether a whole stage that has its memory to itself sees nothing else happen meanwhile: then it is over."""
        stage, channel = self._stage, self._channel
        if stage.feeds:
            return False
        body_ps = now + channel.alone_ps(self._head_bytes)
        body_end_ps = body_ps + channel.alone_ps(self._body_bytes)
        computed_ps = (body_ps if stage.overlap else body_end_ps) + stage.on_chip_ps
        tail_ps = max(body_end_ps, computed_ps)
        end_ps = tail_ps + channel.alone_ps(stage.tail_bytes)
        if not self._clock.skip_to(end_ps):
            return False
        channel.carried(now, body_end_ps)
        channel.carried(tail_ps, end_ps)
        self._body_ps, self._body_end_ps, self._tail_ps = body_ps, body_end_ps, tail_ps
        return True

    def _begin_body(self, now: int) -> None:
        stage = self._stage
        self._body_ps = self._body_end_ps = now
        self._waits_for = 1
        if self._body_bytes:
            self._waits_for = 2
            self._transfer = self._channel.transfer(self._body_bytes, self._end_body)
        if stage.feeds:
            self._waits_for += len(stage.feeds)
            self._feeding.begin(now, self.request, stage, self._end_move)
        if stage.overlap or self._waits_for == 1:
            self._compute(now)

    def _end_body(self, now: int) -> None:
        self._body_end_ps = now
        self._end_move(now)

    def _end_move(self, now: int) -> None:
        self._waits_for -= 1
        if not self._waits_for:
            self._begin_tail(now)
        elif self._waits_for == 1 and self._computing_ps < 0:
            self._compute(now)

    def _compute(self, now: int) -> None:
        self._computing_ps = now
        if self._stage.on_chip_ps:
            self._computed.set(self._stage.on_chip_ps)
        else:
            self._end_computation(now)

    def _end_computation(self, now: int) -> None:
        self._waits_for -= 1
        if not self._waits_for:
            self._begin_tail(now)

    def _begin_tail(self, now: int) -> None:
        self._tail_ps = now
        if self._stage.tail_bytes:
            self._transfer = self._channel.transfer(self._stage.tail_bytes, self._end_stage)
        else:
            self._end_stage(now)

    def _end_stage(self, now: int) -> None:
        self._record(now)
        if self._next == len(self._stages):
            self._end(now)
        elif now > self._start_ps:
            self._begin_stage(now)
        else:
            # Took no time: a call from the queue, so that many of them do not pile up.
            self._again.set(0)

    def _record(self, now: int) -> None:
        """Tell of the stage that is over."""
        moments_ps = self._start_ps, self._body_ps, self._body_end_ps, self._tail_ps, now
        head_bytes, body_bytes = self._head_bytes, self._body_bytes
        self._recorder.executed(
            (self._accelerator, self._channel.name, self.request, self._stage, head_bytes, body_bytes, moments_ps)
        )

    def _end(self, now: int) -> None:
        """All stages are over."""
        self.running = False
        self._on_end(now, self.request, self._unit)

    def stop(self) -> None:
        """The run is over within a stage: what has been done of it counts, with its part of the energy.

        Of each transfer the bytes that have passed, of the computation the time that it has had.
        """
        now, stage, left = self._clock.now_ps, self._stage, self._left_bytes()
        self._feeding.stop()
        in_head, in_tail = self._body_ps < 0, self._tail_ps >= 0
        head_left = left if in_head else 0
        body_left = self._body_bytes if in_head else 0 if in_tail else left
        tail_left = left if in_tail else stage.tail_bytes
        body_ps = now if in_head else self._body_ps
        self._part("head", self._start_ps, body_ps, self._head_bytes, head_left, stage.head_bytes, stage.head_pj)
        body_end_ps = now if body_left else max(body_ps, self._body_end_ps)
        self._part("body", body_ps, body_end_ps, self._body_bytes, body_left, stage.body_bytes, stage.body_pj)
        tail_ps = self._tail_ps if in_tail else now
        self._part("tail", tail_ps, now, stage.tail_bytes, tail_left, stage.tail_bytes, stage.tail_pj)
        had, needed = self._progress(now, body_left)
        macs, chip_pj = stage.macs * had // needed, part_of(stage.chip_pj, had, needed)
        self._recorder.record(
            Busy(self._accelerator, "layer", self.request, stage.layer, self._start_ps, now, 0, macs, chip_pj)
        )

    @property
    def layer(self) -> str:
        """The layer that runs, or ran last."""
        return self._stage.layer

    def _left_bytes(self) -> int:
        """Of the transfer under way."""
        transfer = self._transfer
        return 0 if transfer is None or transfer.done else transfer.size_bytes - self._channel.moved_bytes(transfer)

    def _progress(self, now: int, body_left: int) -> tuple[int, int]:
        """How much of the computation is done, and of how much; one that takes no time goes along with the body."""
        if self._computing_ps < 0:
            return 0, 1
        if self._stage.on_chip_ps:
            return min(now - self._computing_ps, self._stage.on_chip_ps), self._stage.on_chip_ps
        return (self._body_bytes - body_left, self._body_bytes) if body_left else (1, 1)

    def _part(
        self, kind: Kind, start_ps: int, end_ps: int, own_bytes: int, left: int, all_bytes: int, energy_pj: Energy
    ) -> None:
        """Traffic of which some bytes are left; those that came early, the rest of all, have passed."""
        part_pj = part_of(energy_pj, all_bytes - left, all_bytes)
        if own_bytes > left or part_pj:
            size, channel, layer = own_bytes - left, self._channel.name, self._stage.layer
            self._recorder.record(Busy(channel, kind, self.request, layer, start_ps, end_ps, size, 0, part_pj))
