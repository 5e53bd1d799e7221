"""A recorder that adds up what happens and keeps no span, so that a long run needs no more memory than a short one."""

from collections.abc import Iterator, Mapping
from dataclasses import field

from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.stage import Stage
from mensa_sim.simulate.record.quantiles import Distribution
from mensa_sim.simulate.record.recorder import Busy, Done
from mensa_sim.simulate.record.timeline import Kind


@dataclass(slots=True, kw_only=True)
class ResourceTally:
    """What one accelerator, memory or link did."""

    gating: PowerGating | None = None
    serves: bool = False
    """An accelerator."""
    busy_ps: int = 0
    """Of an accelerator, waking up not counted."""
    size_bytes: int = 0
    macs: int = 0
    reached_ps: int = 0
    off_ps: int = 0
    """Time in which an accelerator's supply was cut, so far."""


@dataclass(slots=True, kw_only=True)
class StreamTally:
    """What became of the requests of one stream."""

    latency: Distribution = field(default_factory=Distribution)
    queueing_ps: int = 0
    served_ps: int = 0
    finished: int = 0
    misses: int = 0
    handoffs: int = 0
    spilled_bytes: int = 0
    without_room: int = 0
    busy_ps: int = 0
    """On accelerators."""
    early_ends: int = 0
    """Requests that ended before the middle of the run."""


class Tally:
    """Adds up spans and requests, as they come from the engine or from a timeline that was kept."""

    def __init__(self, system: System, streams: tuple[str, ...], middle_ps: int | None = None) -> None:
        self._middle_ps = middle_ps
        self.resources: dict[str, ResourceTally] = {name: ResourceTally() for name in system.memories}
        for placed in system.accelerators:
            self.resources[placed.name] = ResourceTally(gating=placed.spec.power_gating, serves=True)
        self.streams = {name: StreamTally() for name in streams}
        self.peak_bytes: dict[tuple[str, str], int] = {}
        self._executions: dict[tuple[str, int], int] = {}
        self._energies: dict[int, tuple[Mapping[str, float], ...]] = {}
        """By identity of a stage, or of the mapping of another span."""
        self._stages: dict[int, Stage] = {}
        self._discarded: dict[str, dict[str, list[float]]] = {}

    def record(self, busy: Busy) -> None:
        """Add one busy interval; those of an accelerator must come in order."""
        resource, kind, request, _, start_ps, end_ps, size_bytes, macs, energy_pj = busy
        tally = self.resources.get(resource)
        if tally is None:
            tally = self.resources[resource] = ResourceTally()
        if tally.serves:
            if start_ps > tally.reached_ps and tally.gating is not None:
                tally.off_ps += tally.gating.cut_ps(start_ps - tally.reached_ps)
            tally.reached_ps = end_ps
            if request is None:
                return
            tally.macs += macs
            tally.busy_ps += end_ps - start_ps
            self.streams[request.stream].busy_ps += end_ps - start_ps
        else:
            tally.size_bytes += size_bytes
            if kind == "spill" and request is not None:
                self.streams[request.stream].spilled_bytes += size_bytes
        if energy_pj and request is not None:
            self._add_energy(request.stream, kind, energy_pj)

    def executed(self, done: Done) -> None:
        """Add a stage; those of an accelerator must come in order."""
        accelerator, memory, request, stage, head_bytes, body_bytes, moments_ps = done
        start_ps, end_ps = moments_ps[0], moments_ps[4]
        stream = request.stream
        tally = self.resources[accelerator]
        if tally.gating is not None and start_ps > tally.reached_ps:
            tally.off_ps += tally.gating.cut_ps(start_ps - tally.reached_ps)
        tally.reached_ps = end_ps
        tally.macs += stage.macs
        tally.busy_ps += end_ps - start_ps
        self.streams[stream].busy_ps += end_ps - start_ps
        self.resources[memory].size_bytes += head_bytes + body_bytes + stage.tail_bytes
        key = stream, id(stage)
        known = self._executions.get(key, 0)
        if not known:
            self._stages[id(stage)] = stage
            self._energies[id(stage)] = stage.parts_pj
        self._executions[key] = known + 1

    def _add_energy(self, stream: str, kind: Kind, energy_pj: Mapping[str, float]) -> None:
        """Count executions of a stage, for their energy is one number; a discarded prefetch or a spill has its own."""
        if kind in ("discard", "spill"):
            for component, energy in energy_pj.items():
                add_exactly(self._discarded.setdefault(stream, {}).setdefault(component, []), energy)
            return
        identity = id(energy_pj)
        key = stream, identity
        known = self._executions.get(key)
        if known is None:
            self._energies[identity] = (energy_pj,)
            self._executions[key] = 1
        else:
            self._executions[key] = known + 1

    def levels(self, accelerator: str, time_ps: int, parameter_bytes: int, activation_bytes: int | None) -> None:
        """Keep the highest."""
        peaks = self.peak_bytes
        if parameter_bytes > peaks.get((accelerator, "parameter"), 0):
            peaks[accelerator, "parameter"] = parameter_bytes
        if activation_bytes is not None and activation_bytes > peaks.get((accelerator, "activation"), 0):
            peaks[accelerator, "activation"] = activation_bytes

    def ended(self, request: Request, time_ps: int) -> None:
        """Count a request that has ended, for each who waited for it; its hand-offs happened once."""
        self.streams[request.stream].without_room += not request.shares
        for place, asker in enumerate(request.askers):
            self.add_request(
                request.stream,
                arrival_ps=asker.arrival_ps,
                end_ps=time_ps,
                served_ps=request.served_ps,
                deadline_ps=asker.deadline_ps,
                handoffs=0 if place else request.plan.handoffs,
            )

    def add_request(
        self, stream: str, *, arrival_ps: int, end_ps: int, served_ps: int, deadline_ps: int | None, handoffs: int
    ) -> None:
        """Count a request that has ended."""
        tally = self.streams[stream]
        tally.finished += 1
        tally.latency.add(end_ps - arrival_ps)
        tally.served_ps += served_ps
        tally.queueing_ps += end_ps - arrival_ps - served_ps
        tally.handoffs += handoffs
        if deadline_ps is not None and end_ps > deadline_ps:
            tally.misses += 1
        if self._middle_ps is not None and end_ps <= self._middle_ps:
            tally.early_ends += 1

    def energy(self) -> Iterator[tuple[str, str, int, float]]:
        """Stream, component, times, and energy of each: the exact sum of times x energy is the dynamic energy."""
        for (stream, identity), times in self._executions.items():
            for mapping in self._energies[identity]:
                for component, energy in mapping.items():
                    yield stream, component, times, energy
        for stream, components in self._discarded.items():
            for component, parts in components.items():
                yield from ((stream, component, 1, part) for part in parts)


def add_exactly(parts: list[float], value: float) -> None:
    """Add to a sum that is kept as a few numbers without any rounding (Shewchuk 1997).

    >>> parts = []
    >>> for value in (1e16, 1.0, -1e16): add_exactly(parts, value)
    >>> sum(parts)
    1.0
    """
    kept = 0
    for part in parts:
        large, small = (value, part) if abs(value) > abs(part) else (part, value)
        total = large + small
        rest = small - (total - large)
        if rest:
            parts[kept] = rest
            kept += 1
        value = total
    parts[kept:] = [value]
