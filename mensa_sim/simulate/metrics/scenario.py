"""What a scenario's run says: latency, queueing, deadlines, energy and load, by stream and by resource."""

import math
from collections.abc import Mapping
from fractions import Fraction

from mensa_sim.hardware.routes import bandwidths_of
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.record.tally import ResourceTally, StreamTally, Tally
from mensa_sim.units import PS_PER_S, mean_power_mw


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Requests of a stream that arrived, and those that had not ended, at the middle and at the end of the run."""

    arrived: int
    arrived_by_middle: int = 0
    missed_unfinished: int = 0
    """Unfinished at the end, and past their deadline."""
    never_started: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMetrics:
    """One stream. What needs a finished request is none where there is none."""

    requests: int
    """Those that arrived."""
    finished: int
    never_started: int
    p50_ps: int | None
    p95_ps: int | None
    p99_ps: int | None
    max_ps: int | None
    mean_latency_ps: float | None
    mean_queueing_ps: float | None
    """Of the latency, the part in which nothing worked on the request; waiting for a shared memory is service."""
    mean_service_ps: float | None
    deadline_misses: int
    """Requests that ended after their deadline, or had not ended when the run did after it."""
    throughput_per_s: float
    energy_per_inference_pj: float | None
    """Dynamic energy and the stream's part of what time alone costs, by its busy time on accelerators."""
    handoffs: int
    """In all finished requests."""
    spilled_bytes: int
    """Of its tensors that live on chip, what went to memory because another request needed the room."""
    without_room: int
    """Of the finished, those that found too little free of the memories on chip that accelerators share."""
    overloaded: bool
    """The backlog kept growing: more requests came than could be served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorLoad:
    """One accelerator over the run."""

    busy_ps: int
    busy_share: float
    utilization: float
    """MACs over peak x busy time."""
    off_ps: int
    """Supply cut."""
    leakage_pj: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLoad:
    """One memory or link over the run."""

    size_bytes: int
    utilization: float
    """Bytes over what its bandwidth could have moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioMetrics:
    """A scenario's run."""

    end_ps: int
    streams: Mapping[str, StreamMetrics]
    accelerators: Mapping[str, AcceleratorLoad]
    channels: Mapping[str, ChannelLoad]
    energy_by_component_pj: Mapping[str, float]
    """Dynamic energy by component, then what time alone costs."""
    peak_buffer_bytes: Mapping[str, Mapping[str, int]]
    """By accelerator and buffer; activations only where the cost model says what a mapping holds."""

    @property
    def energy_pj(self) -> float:
        """All energy of the run."""
        return math.fsum(self.energy_by_component_pj.values())

    @property
    def mean_power_mw(self) -> float:
        """Energy over time: 1 pJ per ps is 1 W."""
        return mean_power_mw(self.energy_pj, self.end_ps)

    @property
    def overloaded(self) -> bool:
        """Whether any stream is."""
        return any(stream.overloaded for stream in self.streams.values())


def scenario_metrics(
    tally: Tally,
    system: System,
    end_ps: int,
    backlogs: Mapping[str, Backlog],
    leakage_mw: Mapping[str, Mapping[str, float]] | None,
) -> ScenarioMetrics:
    """The metrics of a run of that length; `leakage_mw` as `static_power` takes it."""
    own = {placed.name: tally.resources[placed.name] for placed in system.accelerators}
    off_ps = {
        name: each.off_ps + (each.gating.cut_ps(end_ps - each.reached_ps) if each.gating else 0)
        for name, each in own.items()
    }
    static = static_power(system, leakage_mw).over(end_ps, off_ps)
    accelerators = {
        placed.name: _accelerator(
            tally.resources[placed.name],
            placed.spec.peak_macs_per_s,
            end_ps,
            off_ps[placed.name],
            static.leakage_pj[placed.name],
        )
        for placed in system.accelerators
    }
    dynamic = _dynamic(tally)
    energy = {
        component: float(sum(amounts[component] for amounts in dynamic.values() if component in amounts))
        for component in sorted({component for amounts in dynamic.values() for component in amounts})
    }
    waiting = static.by_component_pj
    busy_ps = sum(stream.busy_ps for stream in tally.streams.values())
    streams = {}
    for name, stream in tally.streams.items():
        share = stream.busy_ps / busy_ps if busy_ps else 0.0
        own_pj = float(sum(dynamic.get(name, {}).values())) + share * sum(waiting.values())
        streams[name] = _stream(stream, backlogs[name], own_pj, end_ps)
    peaks: dict[str, dict[str, int]] = {}
    for (accelerator, buffer), size in sorted(tally.peak_bytes.items()):
        peaks.setdefault(accelerator, {})[buffer] = size
    return ScenarioMetrics(
        end_ps=end_ps,
        streams=streams,
        accelerators=accelerators,
        channels=_channels(tally, system, end_ps),
        energy_by_component_pj={**energy, **waiting},
        peak_buffer_bytes=peaks,
    )


def _dynamic(tally: Tally) -> dict[str, dict[str, Fraction]]:
    """Dynamic energy by stream and component, without rounding."""
    amounts: dict[str, dict[str, Fraction]] = {}
    for stream, component, times, energy in tally.energy():
        own = amounts.setdefault(stream, {})
        own[component] = own.get(component, Fraction(0)) + times * Fraction(energy)
    return amounts


def _accelerator(
    tally: ResourceTally, peak_macs_per_s: int, end_ps: int, off_ps: int, leakage_pj: Mapping[str, float]
) -> AcceleratorLoad:
    work = peak_macs_per_s * tally.busy_ps
    return AcceleratorLoad(
        busy_ps=tally.busy_ps,
        busy_share=tally.busy_ps / end_ps,
        utilization=tally.macs * PS_PER_S / work if work else 0.0,
        off_ps=off_ps,
        leakage_pj=leakage_pj,
    )


def _channels(tally: Tally, system: System, end_ps: int) -> dict[str, ChannelLoad]:
    bandwidths = bandwidths_of(system)
    moved = {name: tally.resources[name].size_bytes if name in tally.resources else 0 for name in bandwidths}
    return {
        name: ChannelLoad(size_bytes=moved[name], utilization=moved[name] * PS_PER_S / (bandwidth * end_ps))
        for name, bandwidth in bandwidths.items()
    }


def _stream(tally: StreamTally, backlog: Backlog, energy_pj: float, end_ps: int) -> StreamMetrics:
    finished = tally.finished
    return StreamMetrics(
        requests=backlog.arrived,
        finished=finished,
        never_started=backlog.never_started,
        p50_ps=tally.latency.quantile(0.5),
        p95_ps=tally.latency.quantile(0.95),
        p99_ps=tally.latency.quantile(0.99),
        max_ps=tally.latency.maximum if finished else None,
        mean_latency_ps=tally.latency.mean,
        mean_queueing_ps=tally.queueing_ps / finished if finished else None,
        mean_service_ps=tally.served_ps / finished if finished else None,
        deadline_misses=tally.misses + backlog.missed_unfinished,
        throughput_per_s=finished * PS_PER_S / end_ps,
        energy_per_inference_pj=energy_pj / finished if finished else None,
        handoffs=tally.handoffs,
        spilled_bytes=tally.spilled_bytes,
        without_room=tally.without_room,
        overloaded=is_overloaded(tally, backlog),
    )


def is_overloaded(tally: StreamTally, backlog: Backlog) -> bool:
    """Whether the backlog of the second half of the run grew by more than chance would let it.

    By more than two requests, and by more than a twentieth of those that came meanwhile or, where that is less, four
    times the square root of their number, the spread of a Poisson stream.
    """
    if not backlog.arrived_by_middle:
        return False
    came = backlog.arrived - backlog.arrived_by_middle
    growth = (backlog.arrived - tally.finished) - (backlog.arrived_by_middle - tally.early_ends)
    return growth > max(2.0, min(came / 20, 4 * math.sqrt(came)))
