"""Why figures come out elsewhere than the paper's: each deviation beside the runs that close part of it."""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from mensa_sim.simulate.metrics import BACKGROUND, LEAKAGE
from mensa_sim.study.paper import kinds_meant
from mensa_sim.study.reproduce_experiments import (
    EXPERIMENT_NAMED,
    EXPERIMENTS,
    OPTIMAL,
    PLAIN_READING,
    RECURRENT,
    Experiment,
)
from mensa_sim.study.reproduce_outcome import IN_FLIGHT
from mensa_sim.study.reproduce_quantities import Means, peak_macs_per_s
from mensa_sim.study.reproduce_table import MAIN, Row, Runs, row_of
from mensa_sim.study.reproduce_workers import system_of
from mensa_sim.workload.families import FAMILIES, Membership

LEAST_SHARE = 0.1
"""A run that closes less of the distance than this explains nothing."""

MOST = 3
"""Runs named for each deviation."""

MEANS = {
    "geometric": "the geometric mean over models instead of the arithmetic one",
    "harmonic": "the harmonic mean over models instead of the arithmetic one",
    "totals": "the ratio of sums over models instead of the mean of ratios",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """A run, or another mean of the same runs, that brings a figure closer to the paper's."""

    name: str
    change: str
    mechanism: str
    value: float
    closed: float
    """Share of the distance, in logarithms, that it closes; above 1 it goes past the paper's figure and beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A figure off the paper's by more than the tolerance, and what closes the distance, most first."""

    row: Row
    closers: tuple[Closer, ...]
    note: str = ""


def deviations(rows: tuple[Row, ...], runs: Runs) -> tuple[Deviation, ...]:
    """Every figure that does not agree, with the mechanisms that runs support."""
    return tuple(_deviation(row, runs) for row in rows if row.agrees is False)


def _deviation(row: Row, runs: Runs) -> Deviation:
    if row.figure.quantity == "layers_inside_families":
        return Deviation(row=row, closers=(), note=_outside_note([m for each in runs.models for m in each.members]))
    found = [*_by_experiment(row, runs), *_by_mean(row)]
    if row.figure.quantity == "parameters_held_by_buffer":
        found = [closer for closer in found if closer.name in MEANS]
    best = sorted((each for each in found if each.closed >= LEAST_SHARE), key=lambda each: (-each.closed, each.name))
    note = _roofline_note(row) or _static_note(row, runs)
    if not best and not note:
        note = f"none of the {len(EXPERIMENTS)} experiments closes a tenth of the distance"
    return Deviation(row=row, closers=tuple(best[:MOST]), note=note)


def _roofline_note(row: Row) -> str:
    """What memory alone allows layers of one MAC per byte."""
    if row.figure.models != "family 3" or row.figure.against:
        return ""
    system = system_of(row.figure.system, ())
    bandwidth = sum(memory.effective_bytes_per_s for memory in system.memories.values())
    allowed, implied = bandwidth / peak_macs_per_s(system), row.figure.value * peak_macs_per_s(system)
    return (
        f"at one MAC per byte the memory's {bandwidth / 1e9:.3g} GB/s allow {allowed:.2%} of the peak rate, which "
        f"layers of one step can reach; the paper's figure would mean {implied / 1e9:.3g} GB/s"
    )


def _static_note(row: Row, runs: Runs) -> str:
    """The share of the buffers where the memory's background counts as static energy too."""
    figure = row.figure
    if figure.quantity != "buffer_share_of_static_energy" or row.ours is None:
        return ""
    leaking = [
        components[LEAKAGE] / (components[LEAKAGE] + components[BACKGROUND])
        for components in (outcome.component_pj for outcome in runs.of(MAIN, figure.system, kinds_meant(figure.models)))
    ]
    share = row.ours.arithmetic * math.fsum(leaking) / len(leaking)
    return (
        f"with the memory's background counted as static beside the accelerator's leakage it is "
        f"{share:.3g}; the rest is the ratio of SRAM to logic leakage, which the cell type sets"
    )


def with_alternatives(row: Row, runs: Runs) -> Row:
    """The row with its named alternatives beside: the plain reading and the optimal schedule."""
    found: dict[str, float | None] = {}
    for name in (PLAIN_READING, OPTIMAL):
        experiment = EXPERIMENT_NAMED[name]
        touched = {row.figure.system, row.figure.against} & set(experiment.overrides)
        means = in_experiment(row, runs, experiment).ours if touched else None
        found[name] = means.arithmetic if means is not None else None
    return dataclasses.replace(row, plain=found[PLAIN_READING], optimal=found[OPTIMAL])


def _by_experiment(row: Row, runs: Runs) -> Iterator[Closer]:
    for experiment in EXPERIMENTS:
        touched = {row.figure.system, row.figure.against} & set(experiment.overrides)
        if not touched:
            continue
        other = in_experiment(row, runs, experiment)
        if other.ours is not None:
            yield _closer(experiment.name, experiment.change, experiment.mechanism, row, other.ours.arithmetic)


def in_experiment(row: Row, runs: Runs, experiment: Experiment) -> Row:
    """The same figure with the experiment's change."""
    return row_of(
        row.figure, runs, lambda name: system_of(name, experiment.overrides.get(name, ())), label=experiment.name
    )


def _by_mean(row: Row) -> Iterator[Closer]:
    means = row.ours or Means(arithmetic=0.0)
    for name, change in MEANS.items():
        value: float | None = getattr(means, name)
        if value is not None:
            mechanism = "models differ by more than systems do, and each mean weighs them in another way"
            yield _closer(name, change, mechanism, row, value)
    if row.steady is not None:
        mechanism = "later inferences find the parameters that fit on chip"
        yield _closer("steady_state", "the steady state instead of the first inference", mechanism, row, row.steady)


def _closer(name: str, change: str, mechanism: str, row: Row, value: float) -> Closer:
    ratio = value / row.figure.value
    after = abs(math.log(ratio)) if ratio > 0 else math.inf
    closed = 1 - after / row.distance if row.distance else 0.0
    return Closer(name=name, change=change, mechanism=mechanism, value=value, closed=closed)


def _outside_note(members: list[Membership]) -> str:
    """Which of a family's ranges the layers outside miss."""
    outside = [member for member in members if not member.inside]
    if not outside:
        return ""
    shares = []
    for name, words in (
        ("parameter_bytes", "footprint"),
        ("macs_per_parameter_byte", "MAC/B"),
        ("macs", "MACs"),
    ):
        missing = 0
        for member in outside:
            low, high = getattr(FAMILIES[member.family], name)
            missing += not low <= getattr(member.features, name) <= high
        shares.append(f"{missing / len(outside):.0%} the range of {words}")
    near = sum(member.distance <= math.log(2) for member in members) / len(members)
    small = sum(member.features.macs < 0.5e6 for member in outside) / len(outside)
    return (
        f"the ranges of the paper's table leave gaps that published models fall into; of the layers outside, "
        f"{', '.join(shares)} is missed; {small:.0%} of them do fewer MACs than any convolution of the table; within a "
        f"factor of two of the ranges lie {near:.0%} of all layers"
    )


def statements(runs: Runs) -> tuple[str, ...]:
    """Disagreements and side results that are worth a sentence, each computed."""
    return tuple(text for text in (_recurrent_on_base_hb(runs), _where_gates_go(runs), _overlap(runs)) if text)


def _mean_ratio(runs: Runs, label: str, system: str, against: str) -> float | None:
    ours, theirs = runs.of(label, system, RECURRENT), runs.of(label, against, RECURRENT)
    if not ours or len(ours) != len(theirs):
        return None
    ratios = [other.latency_ps / mine.latency_ps for mine, other in zip(ours, theirs, strict=True)]
    return math.fsum(ratios) / len(ratios)


def _recurrent_on_base_hb(runs: Runs) -> str:
    main = _mean_ratio(runs, MAIN, "mensa_g", "base_hb")
    wide = _mean_ratio(runs, "wide_parameter_ports", "mensa_g", "base_hb")
    fast = _mean_ratio(runs, "pavlov_16x16", "mensa_g", "base_hb")
    if main is None or wide is None or fast is None:
        return ""
    busy = [each.accelerators["pavlov"] for each in runs.of(MAIN, "mensa_g", RECURRENT)]
    used = [share.utilization for share in busy if share.macs]
    reached = f"; Pavlov reaches {math.fsum(used) / len(used):.0%} of its 128 GMAC/s" if used else ""
    return (
        f"On LSTMs and transducers Mensa-G is {main:.2f} times as fast as Base+HB (paper: 1.26). The Edge TPU's "
        f"parameter ports decide that: with ports as wide as eight times the bandwidth asks for, it is {wide:.2f} "
        f"times as fast{reached}, and with four times its PEs Mensa-G is {fast:.2f} times as fast."
    )


def _where_gates_go(runs: Runs) -> str:
    best = runs.of(OPTIMAL, "mensa_g", RECURRENT)
    ours = runs.of(MAIN, "mensa_g", RECURRENT)
    macs = sum(each.macs for each in best)
    if not macs:
        return ""
    jacquard = sum(each.accelerators["jacquard"].macs for each in best) / macs
    before = sum(each.accelerators["jacquard"].macs for each in ours) / macs
    prefers = "prefers Jacquard to Pavlov" if jacquard > 0.5 else "leaves most gates with Pavlov"
    return (
        f"The schedule of least energy x delay {prefers}: it gives Jacquard {jacquard:.0%} of the MACs of LSTMs and "
        f"transducers, Mensa's schedule {before:.0%}."
    )


def _overlap(runs: Runs) -> str:
    gains = []
    for system in ("edge_tpu", "mensa_g"):
        outcomes = runs.of(MAIN, system, ("cnn", "lstm", "transducer", "rcnn"))
        rates = [o.closed_loop_per_s / o.throughput_per_s for o in outcomes if o.closed_loop_per_s is not None]
        if not rates:
            return ""
        gains.append(math.fsum(rates) / len(rates))
    return (
        f"With {IN_FLIGHT} inferences in flight, throughput is {gains[1]:.2f} times 1 / latency on Mensa-G, whose "
        f"accelerators work on several at once, and {gains[0]:.2f} times on the Edge TPU; the headline leaves that out."
    )
