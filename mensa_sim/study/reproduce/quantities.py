"""The definitions, fixed beforehand: how each quantity of the paper's figures is computed from runs.

A ratio or share over models is the arithmetic mean of the models' own; geometric and harmonic mean and the ratio of
totals stand beside it. Throughput of one inference is 1 / latency, utilization MACs over the sum of peak x busy time.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mensa_sim.hardware.accelerator import BUFFERS
from mensa_sim.hardware.static_energy import BACKGROUND, LEAKAGE, STATIC, static_power
from mensa_sim.hardware.system import System
from mensa_sim.io.files import read_mapping
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.run.result import Took
from mensa_sim.units import PJ_PER_J, PS_PER_S, leakage_pj

BUFFER_COMPONENTS = tuple(f"{name}_buffer" for name in BUFFERS)

DEFINITIONS: Mapping[str, str] = read_mapping(Path(__file__).with_name("definitions.yaml"))
"""What each quantity of a figure means here."""

PairMeasure = Callable[[Outcome, Outcome], float]
Measure = Callable[[Outcome, System], float]

COMPARED: Mapping[str, Callable[[Took, Took], float]] = {
    "energy_efficiency": lambda ours, theirs: theirs.energy_pj / ours.energy_pj,
    "throughput": lambda ours, theirs: theirs.latency_ps / ours.latency_ps,
    "latency": lambda ours, theirs: theirs.latency_ps / ours.latency_ps,
    "total_energy": lambda ours, theirs: ours.energy_pj / theirs.energy_pj,
    "latency_change": lambda ours, theirs: ours.latency_ps / theirs.latency_ps - 1,
    "energy_change": lambda ours, theirs: ours.energy_pj / theirs.energy_pj - 1,
}
"""Quantities of an inference against another: of the first ones, or of those that find what one before left on chip."""

PAIRED: Mapping[str, PairMeasure] = {
    **COMPARED,
    "utilization": lambda ours, theirs: ours.utilization / theirs.utilization,
}
"""Quantities of one model on a system against another."""

TOTALS: Mapping[str, tuple[Callable[[Outcome], float], bool]] = {
    "energy_efficiency": (lambda outcome: outcome.energy_pj, True),
    "throughput": (lambda outcome: outcome.latency_ps, True),
    "latency": (lambda outcome: outcome.latency_ps, True),
    "total_energy": (lambda outcome: outcome.energy_pj, False),
    "utilization": (lambda outcome: outcome.utilization, False),
}
"""What is summed over models for the ratio of totals, and whether our sum is the one below."""


def _static_share(outcome: Outcome, system: System) -> float:
    leakage = {
        component.removeprefix(f"{LEAKAGE} "): energy
        for placed in system.accelerators
        for component, energy in outcome.energy_by_resource_pj[placed.name].items()
        if component.startswith(f"{LEAKAGE} ")
    }
    return sum(leakage.get(name, 0.0) for name in BUFFER_COMPONENTS) / math.fsum(leakage.values())


def _dynamic_share(outcome: Outcome, system: System) -> float:
    dynamic = {name: energy for name, energy in outcome.component_pj.items() if name not in STATIC}
    return sum(dynamic.get(name, 0.0) for name in BUFFER_COMPONENTS) / math.fsum(dynamic.values())


def _off_chip_share(outcome: Outcome, system: System) -> float:
    components = outcome.component_pj
    return sum(components.get(name, 0.0) for name in ("memory", "link", BACKGROUND)) / outcome.energy_pj


def _held(outcome: Outcome, system: System) -> float:
    capacity_bytes = parameter_capacity_bytes(system)
    return min(1.0, capacity_bytes / outcome.parameter_bytes) if outcome.parameter_bytes else 1.0


ALONE: Mapping[str, Measure] = {
    "utilization": lambda outcome, system: outcome.utilization,
    "throughput_of_peak": lambda outcome, system: outcome.macs_per_s / peak_macs_per_s(system),
    "energy_efficiency_of_peak": lambda outcome, system: outcome.macs_per_j / peak_macs_per_j(system),
    "buffer_share_of_static_energy": _static_share,
    "buffer_share_of_dynamic_energy": _dynamic_share,
    "off_chip_share_of_energy": _off_chip_share,
    "parameters_held_by_buffer": _held,
    "handoffs_per_inference": lambda outcome, system: float(outcome.handoffs),
}
"""Quantities of one model on one system."""


def peak_macs_per_s(system: System) -> int:
    """MAC rate of all accelerators together."""
    return sum(placed.spec.peak_macs_per_s for placed in system.accelerators)


def parameter_capacity_bytes(system: System) -> int:
    """Room for parameters in the buffers of all accelerators together."""
    return sum(placed.spec.buffer_bytes.get("parameter", 0) for placed in system.accelerators)


def peak_macs_per_j(system: System) -> float:
    """The flat part of the energy roofline (Choi et al., IPDPS 2013): a MAC, and what leaks while it takes its turn."""
    peak = peak_macs_per_s(system)
    mac_pj = sum(
        placed.technology.mac_pj(placed.array.operand_bits) * placed.spec.peak_macs_per_s / peak
        for placed in system.accelerators
    )
    return PJ_PER_J / (mac_pj + leakage_pj(static_power(system).total_mw, PS_PER_S) / peak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Several values as one: the arithmetic mean is the headline; the others stand beside it where they make sense."""

    arithmetic: float
    geometric: float | None = None
    harmonic: float | None = None
    totals: float | None = None


def means_of(values: Sequence[float]) -> Means:
    """The means of some values; geometric and harmonic only of positive ones.

    >>> means_of([1.0, 4.0]).arithmetic, means_of([1.0, 4.0]).geometric, means_of([1.0, 4.0]).harmonic
    (2.5, 2.0, 1.6)
    """
    arithmetic = math.fsum(values) / len(values)
    if min(values) <= 0:
        return Means(arithmetic=arithmetic)
    return Means(
        arithmetic=arithmetic,
        geometric=math.exp(math.fsum(math.log(value) for value in values) / len(values)),
        harmonic=len(values) / math.fsum(1 / value for value in values),
    )


def paired_means(quantity: str, ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> Means:
    """A quantity of some models on a system against another; the outcomes are in the same order of models."""
    pairs = list(zip(ours, theirs, strict=True))
    means = means_of([PAIRED[quantity](*pair) for pair in pairs])
    if quantity not in TOTALS:
        return means
    measure, better_below = TOTALS[quantity]
    mine, other = math.fsum(map(measure, ours)), math.fsum(map(measure, theirs))
    totals = other / mine if better_below else mine / other
    return Means(arithmetic=means.arithmetic, geometric=means.geometric, harmonic=means.harmonic, totals=totals)
