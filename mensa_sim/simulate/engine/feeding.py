"""What a stage reads and writes over shared on-chip memories and links, while its accelerator works."""

from collections.abc import Callable, Mapping

from mensa_sim.cost.layer_cost import Feed
from mensa_sim.simulate.engine.channel import Channel, Transfer
from mensa_sim.simulate.engine.clock import Alarm, Clock
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.stage import Stage, part_of
from mensa_sim.simulate.record.recorder import Busy, Recorder


class Feeding:
    """The feeds of the stage that an accelerator runs: all begin with its body."""

    def __init__(self, clock: Clock, channels: Mapping[str, Channel], recorder: Recorder) -> None:
        self._clock, self._channels, self._recorder = clock, channels, recorder
        self._under_way: dict[int, tuple[int, Transfer | None]] = {}
        """By place among the stage's feeds: when it began, and its transfer once the latency is over."""
        self._request: Request | None = None
        self._stage: Stage | None = None

    def begin(self, now: int, request: Request, stage: Stage, on_end: Callable[[int], object]) -> None:
        """Start all of a stage's feeds; `on_end` is called once for each."""
        self._request, self._stage = request, stage
        for place, feed in enumerate(stage.feeds):
            self._under_way[place] = now, None

            def go(then: int, place: int = place, feed: Feed = feed) -> None:
                def ended(end: int) -> None:
                    self._record(place, feed.size_bytes, end)
                    on_end(end)

                transfer = self._channels[feed.resource].transfer(feed.size_bytes, ended)
                self._under_way[place] = self._under_way[place][0], transfer

            if feed.latency_ps:
                Alarm(self._clock, go).set(feed.latency_ps)
            else:
                go(now)

    def stop(self) -> None:
        """The run is over: of what is under way, the bytes that have passed count."""
        for place, (_, transfer) in list(self._under_way.items()):
            channel = self._channels[self._feed(place).resource]
            self._record(place, 0 if transfer is None else channel.moved_bytes(transfer), self._clock.now_ps)

    def _feed(self, place: int) -> Feed:
        assert self._stage is not None
        return self._stage.feeds[place]

    def _record(self, place: int, moved_bytes: int, now: int) -> None:
        assert self._stage is not None
        start_ps, _ = self._under_way.pop(place)
        feed = self._feed(place)
        energy_pj = part_of(feed.energy_pj, moved_bytes, feed.size_bytes)
        busy = Busy(feed.resource, "feed", self._request, self._stage.layer, start_ps, now, moved_bytes, 0, energy_pj)
        self._recorder.record(busy)
