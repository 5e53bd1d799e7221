"""Figures that are counted, not run: what they come to where their words are read another way.

A reading is an evaluation of every layer or model of the study, as an experiment is a run of it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mensa_sim.hardware.static_energy import BACKGROUND, LEAKAGE
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.paper import kinds_meant
from mensa_sim.study.reproduce.quantities import ALONE, parameter_capacity_bytes
from mensa_sim.study.reproduce.table import MAIN, Row, Runs
from mensa_sim.study.reproduce.workers import ModelOutcomes, system_of
from mensa_sim.workload.families.paper import FAMILIES, Family, Features, Membership, nearest_family

RANGES = ("parameter_bytes", "macs_per_parameter_byte", "macs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A figure under another definition."""

    name: str
    change: str
    """In words that follow `with`."""
    mechanism: str
    value: float


def readings(row: Row, runs: Runs) -> Iterator[Reading]:
    """Other readings of a figure's words, where it has any."""
    found = READINGS.get(row.figure.quantity)
    if found is not None and row.ours is not None:
        yield from found(row, runs)


def _families(row: Row, runs: Runs) -> Iterator[Reading]:
    members = [member for each in runs.models for member in each.members]
    features = [member.features for member in members]
    tight = "the three ranges hold at once for far fewer layers than each by itself"
    for name, words in zip(RANGES, ("footprints", "MAC/B", "MACs"), strict=True):
        yield _family_reading(f"{name}_alone", f"the ranges of {words} alone", tight, _share_within(features, (name,)))
    yield _family_reading(
        "without_macs",
        "the ranges of footprint and MAC/B, without those of MACs",
        "the paper's scatter plots are of these two; the ranges of MACs leave the widest gaps",
        _share_within(features, RANGES[:2]),
    )
    gaps = "the ranges leave gaps that published models fall into, mostly not far from their edges"
    for factor in (2, 5, 8):
        value = _share_within(features, RANGES, factor)
        yield _family_reading(
            f"ranges_widened_{factor}x", f"every range {factor} times as wide at both ends", gaps, value
        )
    shape = "Google's models may be larger or smaller than published ones"
    for name, change, resized in (
        ("twice_the_parameters", "twice the parameters and MACs in every layer", lambda f: _resized(f, 2, 2)),
        ("half_the_parameters", "half the parameters and MACs in every layer", lambda f: _resized(f, 0.5, 0.5)),
        ("twice_the_pixels", "twice the MACs per parameter in layers that reuse them", lambda f: _reused(f, 2)),
        ("half_the_pixels", "half the MACs per parameter in layers that reuse them", lambda f: _reused(f, 0.5)),
    ):
        yield _family_reading(name, change, shape, _share(map(resized, features)))
    before = "the paper's models might be counted before quantization"
    yield _family_reading("fp16", "two bytes a parameter", before, _share(_resized(each, 2, 1) for each in features))
    yield _family_reading(
        "macs_of_all_steps",
        "the MACs of a gate counted over all time steps",
        "whether a gate is one step or one inference decides its MAC/B",
        _share(replace(each, macs=each.macs * each.steps, steps=1) for each in features),
    )
    weigh = "a mean over layers counts small ones as much as large ones"
    for name, change, weight in (
        ("by_macs", "layers weighed by their MACs", lambda f: f.macs * f.steps),
        ("by_parameters", "layers weighed by their parameters", lambda f: f.parameter_bytes),
    ):
        yield _family_reading(name, change, weigh, _weighed(members, weight))
    large = [member for each in runs.models for member in _large(each)]
    change = "only layers that hold 1 % of their model's MACs"
    yield _family_reading("large_layers", change, weigh, sum(member.inside for member in large) / len(large))


def _family_reading(name: str, change: str, mechanism: str, value: float) -> Reading:
    return Reading(name=name, change=change, mechanism=mechanism, value=value)


def _share_within(features: Sequence[Features], names: Sequence[str], factor: float = 1.0) -> float:
    """Share of layers that lie in some family's ranges of these names, each widened by a factor at both ends."""

    def inside(each: Features, family: Family) -> bool:
        limits = ((getattr(each, name), getattr(family, name)) for name in names)
        return all(low / factor <= value <= high * factor for value, (low, high) in limits)

    return sum(any(inside(each, family) for family in FAMILIES.values()) for each in features) / len(features)


def _share(features: Iterator[Features]) -> float:
    distances = [nearest_family(each)[1] for each in features]
    return sum(distance == 0 for distance in distances) / len(distances)


def _resized(features: Features, parameters: float, macs: float) -> Features:
    return replace(
        features,
        parameter_bytes=max(1, round(features.parameter_bytes * parameters)),
        macs=max(1, round(features.macs * macs)),
    )


def _reused(features: Features, factor: float) -> Features:
    """Another resolution: a layer of one MAC per parameter has no pixels."""
    return _resized(features, 1, factor) if features.macs_per_parameter_byte > 1.5 else features


def _weighed(members: Sequence[Membership], weight: Callable[[Features], int]) -> float:
    total = sum(weight(member.features) for member in members)
    return sum(weight(member.features) for member in members if member.inside) / total


def _large(model: ModelOutcomes) -> list[Membership]:
    """The layers that hold 1 % of the model's MACs."""
    macs = [member.features.macs * member.features.steps for member in model.members]
    total = sum(macs)
    return [member for member, own in zip(model.members, macs, strict=True) if own >= 0.01 * total]


def _static(row: Row, runs: Runs) -> Iterator[Reading]:
    """The memory's background counted as static energy beside the accelerator's leakage."""
    found = [outcome.component_pj for outcome in runs.of(MAIN, row.figure.system, kinds_meant(row.figure.models))]
    leaking = [parts[LEAKAGE] / (parts[LEAKAGE] + parts[BACKGROUND]) for parts in found]
    ours = row.ours.arithmetic if row.ours else 0.0
    yield Reading(
        name="background_is_static",
        change="the memory's background counted as static energy too",
        mechanism="whose static energy the share is of, the accelerator's or the system's, is a reading",
        value=ours * math.fsum(leaking) / len(leaking),
    )


def _held(row: Row, runs: Runs) -> Iterator[Reading]:
    """The buffer's share of all parameters, and of models whose gates have the paper's size."""
    models = [each for each in runs.models if each.kind in kinds_meant(row.figure.models)]
    capacity = parameter_capacity_bytes(system_of(row.figure.system, runs.taken.on(row.figure.system)))
    sizes = [each.parameter_bytes for each in models]
    yield Reading(
        name="of_all_parameters",
        change="the parameters of all models together instead of the mean of the models' shares",
        mechanism="one small model that fits the buffer weighs as much in the mean as one that is 30 times its size",
        value=sum(min(capacity, size) for size in sizes) / sum(sizes),
    )
    gates = [member.features.parameter_bytes for each in models for member in each.members if len(member.layers) > 1]
    if gates:
        factor = PAPER_GATE_BYTES * len(gates) / sum(gates)
        yield Reading(
            name="gates_of_2.1_MB",
            change=f"models {factor:.3g} times as large, so that a gate averages the paper's 2.1 M parameters",
            mechanism="published models have smaller gates than the paper's mean",
            value=math.fsum(min(1.0, capacity / (factor * size)) for size in sizes) / len(sizes),
        )


def _throughput(row: Row, runs: Runs) -> Iterator[Reading]:
    """A bound that the paper states of some layers and models: of the slowest model, and of the gates alone."""
    if row.figure.unit != "fraction_at_most":
        return
    system = system_of(row.figure.system, runs.taken.on(row.figure.system))
    outcomes = runs.of(MAIN, row.figure.system, kinds_meant(row.figure.models))
    shares = [ALONE[row.figure.quantity](outcome, system) for outcome in outcomes]
    yield Reading(
        name="least_model",
        change="the model with the least instead of the mean",
        mechanism="the paper says so of some layers, not of a mean over models",
        value=min(shares),
    )
    family = [outcome.families[3] for outcome in outcomes if 3 in outcome.families]
    possible = math.fsum(work.possible_macs for work in family)
    if possible:
        yield Reading(
            name="family_3_alone",
            change="their layers of family 3 alone",
            mechanism="front ends and attention reuse their parameters and run faster than gates",
            value=sum(work.macs for work in family) / possible,
        )


PAPER_GATE_BYTES = 2.1e6
"""Parameters of an average gate (Boroumand et al., PACT 2021)."""


READINGS: Mapping[str, Callable[[Row, Runs], Iterator[Reading]]] = {
    "layers_inside_families": _families,
    "buffer_share_of_static_energy": _static,
    "parameters_held_by_buffer": _held,
    "throughput_of_peak": _throughput,
}
"""By quantity."""
