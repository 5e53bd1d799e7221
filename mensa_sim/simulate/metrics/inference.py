"""What a timeline says: latency, energy, utilization and traffic of one inference, from its spans alone."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from mensa_sim.hardware.static_energy import StaticEnergy, static_power
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.plan import handoffs
from mensa_sim.simulate.record.timeline import Span, Timeline, covered_ps
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.graph import LayerGraph

NOT_OF_LAYERS = frozenset({"transfer", "host", "wake"})
"""Kinds of spans that no layer's accelerator causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMetrics:
    """One layer: where and when it ran and the dynamic energy of its own spans, without copies to other memories."""

    accelerator: str
    start_ps: int
    end_ps: int
    energy_pj: float
    utilization: float
    """MACs over peak x time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorMetrics:
    """One accelerator: what ran on it, how long, and what that and its leakage cost."""

    layers: int
    busy_ps: int
    macs: int
    utilization: float
    """MACs over peak x busy time."""
    dynamic_pj: float
    """Dynamic energy of its layers, that of the memory included."""
    leakage_pj: Mapping[str, float]
    """By component, over the powered time."""

    @property
    def energy_pj(self) -> float:
        """Dynamic energy and leakage."""
        return math.fsum((self.dynamic_pj, *self.leakage_pj.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Totals of one inference, and what each layer and accelerator did."""

    latency_ps: int
    energy_by_component_pj: Mapping[str, float]
    """Dynamic energy by component, then what time alone costs."""
    static: StaticEnergy
    """The latter by accelerator and memory."""
    utilization: float
    """MACs over the sum of peak x busy time of the accelerators."""
    traffic_bytes: Mapping[str, int]
    """Bytes through each memory, copies included."""
    handoffs: int
    """Tensors that an accelerator gets from another one."""
    accelerators: Mapping[str, AcceleratorMetrics]
    layers: Mapping[str, LayerMetrics]

    @property
    def energy_pj(self) -> float:
        """Energy of the inference, leakage, background and board included."""
        return math.fsum(self.energy_by_component_pj.values())

    @property
    def throughput_inferences_per_s(self) -> float:
        """1 / latency: one inference at a time."""
        return PS_PER_S / self.latency_ps if self.latency_ps else math.inf


def metrics(
    timeline: Timeline, system: System, graph: LayerGraph, leakage_mw: Mapping[str, Mapping[str, float]] | None = None
) -> Metrics:
    """The metrics of a timeline of one inference.

    `leakage_mw` is the leakage by component of each accelerator, by default that of its technology. Memories and
    accelerators are powered from the start to the end of the timeline, but for what power gating cuts.
    """
    end_ps = timeline.end_ps
    by_resource = _grouped(timeline.spans, "resource")
    static = _static(by_resource, end_ps, system, leakage_mw)
    layers = _layers(timeline, system)
    caused: dict[str, list[Span]] = {}
    for span in timeline.spans:
        if span.kind not in NOT_OF_LAYERS:
            caused.setdefault(layers[span.layer].accelerator, []).append(span)
    accelerators = {
        placed.name: _accelerator(
            [span for span in by_resource.get(placed.name, ()) if span.kind != "wake"],
            caused.get(placed.name, ()),
            placed.spec.peak_macs_per_s,
            static.leakage_pj[placed.name],
        )
        for placed in system.accelerators
    }
    peak_busy = sum(placed.spec.peak_macs_per_s * accelerators[placed.name].busy_ps for placed in system.accelerators)
    macs = sum(each.macs for each in accelerators.values())
    return Metrics(
        latency_ps=end_ps,
        energy_by_component_pj={**energy_by_component(timeline.spans), **static.by_component_pj},
        static=static,
        utilization=macs * PS_PER_S / peak_busy if peak_busy else 0.0,
        traffic_bytes={name: sum(span.size_bytes for span in by_resource.get(name, ())) for name in system.memories},
        handoffs=handoffs(graph, {name: layer.accelerator for name, layer in layers.items()}),
        accelerators=accelerators,
        layers=layers,
    )


def latency_and_energy(timeline: Timeline, system: System) -> tuple[int, float]:
    """In ps and pJ, as all metrics of a timeline of one inference have them."""
    static = _static(_grouped(timeline.spans, "resource"), timeline.end_ps, system)
    return timeline.end_ps, math.fsum({**energy_by_component(timeline.spans), **static.by_component_pj}.values())


def ungated_pj(time_ps: int, energies_pj: Iterable[Mapping[str, float]], system: System) -> float:
    """The energy of an inference that takes so long and so much dynamic energy, where no supply is ever cut."""
    return math.fsum({**_by_component(energies_pj), **static_power(system).over(time_ps).by_component_pj}.values())


def _static(
    by_resource: Mapping[str, Sequence[Span]],
    end_ps: int,
    system: System,
    leakage_mw: Mapping[str, Mapping[str, float]] | None = None,
) -> StaticEnergy:
    power = static_power(system, leakage_mw)
    off_ps = {
        name: sum(gating.cut_ps(idle_ps) for idle_ps in _idle_intervals_ps(by_resource.get(name, ()), end_ps))
        for name, gating in power.gating.items()
    }
    return power.over(end_ps, off_ps)


def _idle_intervals_ps(spans: Iterable[Span], end_ps: int) -> list[int]:
    """The lengths of the intervals without a span, of spans in order that do not overlap."""
    intervals: list[int] = []
    reached_ps = 0
    for span in spans:
        intervals.append(span.start_ps - reached_ps)
        reached_ps = span.end_ps
    intervals.append(end_ps - reached_ps)
    return [interval for interval in intervals if interval > 0]


def energy_by_component(spans: Iterable[Span]) -> dict[str, float]:
    """Dynamic energy by component, correctly rounded, whatever the order of the spans."""
    return _by_component(span.energy_pj for span in spans)


def _by_component(energies_pj: Iterable[Mapping[str, float]]) -> dict[str, float]:
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for each in energies_pj:
        for component, energy in each.items():
            parts[component].append(energy)
    return {component: math.fsum(parts[component]) for component in sorted(parts)}


def union_ps(spans: Iterable[Span]) -> int:
    """Time in which at least one of the spans is open."""
    return covered_ps((span.start_ps, span.end_ps) for span in spans)


def _grouped(spans: Iterable[Span], field: str) -> Mapping[str, list[Span]]:
    groups: defaultdict[str, list[Span]] = defaultdict(list)
    of = attrgetter(field)
    for span in spans:
        groups[of(span)].append(span)
    return dict(groups)


def _layers(timeline: Timeline, system: System) -> dict[str, LayerMetrics]:
    """The layers in the order in which they started."""
    peaks = {placed.name: placed.spec.peak_macs_per_s for placed in system.accelerators}
    own = _grouped((span for span in timeline.spans if span.kind not in NOT_OF_LAYERS), "layer")
    layers: dict[str, LayerMetrics] = {}
    for name, spans in own.items():
        on_chip = [span for span in spans if span.resource in peaks]
        accelerator = on_chip[0].resource
        start_ps, end_ps = on_chip[0].start_ps, max(span.end_ps for span in on_chip)
        work = peaks[accelerator] * (end_ps - start_ps)
        layers[name] = LayerMetrics(
            accelerator=accelerator,
            start_ps=start_ps,
            end_ps=end_ps,
            energy_pj=math.fsum(energy for span in spans for energy in span.energy_pj.values()),
            utilization=sum(span.macs for span in on_chip) * PS_PER_S / work if work else 0.0,
        )
    return dict(sorted(layers.items(), key=lambda each: each[1].start_ps))


def _accelerator(
    spans: Iterable[Span], caused: Iterable[Span], peak_macs_per_s: int, leakage: Mapping[str, float]
) -> AcceleratorMetrics:
    own = list(spans)
    busy_ps = sum(span.end_ps - span.start_ps for span in own)
    macs = sum(span.macs for span in own)
    return AcceleratorMetrics(
        layers=len({span.layer for span in own}),
        busy_ps=busy_ps,
        macs=macs,
        utilization=macs * PS_PER_S / (peak_macs_per_s * busy_ps) if busy_ps else 0.0,
        dynamic_pj=math.fsum(energy for span in caused for energy in span.energy_pj.values()),
        leakage_pj=leakage,
    )
