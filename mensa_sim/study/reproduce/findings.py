"""Why figures come out elsewhere than the paper's: each deviation beside the runs that close part of it."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.experiments.experiment import OPTIMAL, PLAIN_READING, Experiment
from mensa_sim.study.reproduce.experiments.named import EXPERIMENT_NAMED, EXPERIMENTS
from mensa_sim.study.reproduce.quantities import Means, peak_macs_per_s
from mensa_sim.study.reproduce.readings import Reading, readings
from mensa_sim.study.reproduce.table import Row, Runs, row_of, within_tolerance
from mensa_sim.study.reproduce.workers import system_of

LEAST_SHARE = 0.1
"""A run that closes less of the distance than this explains nothing."""

MOST = 3
"""Single changes named for each deviation, beside the best joint one."""

How = Literal["run", "joint runs", "mean", "reading"]
"""One change run or priced anew, several at once, another mean of the same runs, or other words counted anew."""

HOW: Mapping[How, str] = {
    "run": "one change",
    "reading": "another reading of its words",
    "mean": "another mean",
    "joint runs": "several changes together",
}
"""How a distance is closed, in words, the simplest first."""

MEANS = {
    "geometric": "the geometric mean over models instead of the arithmetic one",
    "harmonic": "the harmonic mean over models instead of the arithmetic one",
    "totals": "the ratio of sums over models instead of the mean of ratios",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """A run, another mean of the same runs, or another reading of the words, that brings a figure to the paper's."""

    name: str
    change: str
    mechanism: str
    value: float
    closed: float
    """Share of the distance, in logarithms, that it goes: 1 arrives, more goes past the paper's figure."""
    how: How

    @property
    def remaining(self) -> float:
        """Distance that is left on either side, as a share of the whole."""
        return abs(1 - self.closed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A figure off the paper's by more than the tolerance, and what closes the distance, nearest first."""

    row: Row
    closers: tuple[Closer, ...]
    tried: int
    """Changes, means and readings that touch the figure."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """How far the named mechanisms go, in words."""
        if not self.closers:
            return f"not explained: none of {self.tried} changes that touch it closes a tenth of the distance"
        for how, words in HOW.items():
            chosen = [closer for closer in self.closers if closer.how == how]
            if any(within_tolerance(closer.value / self.row.figure.value) for closer in chosen):
                return f"closed by {words}, of {self.tried} tried"
            if any(closer.closed > 1 for closer in chosen):
                return f"spanned by {words}, of {self.tried} tried"
        best = max(self.closers, key=lambda closer: closer.closed)
        return f"explained in part: {best.closed:.0%} closed by {HOW[best.how]}, the most of {self.tried} tried"


def deviations(rows: tuple[Row, ...], runs: Runs) -> tuple[Deviation, ...]:
    """Every figure that does not agree, with the mechanisms that runs support."""
    return tuple(_deviation(row, runs) for row in rows if row.agrees is False)


def _deviation(row: Row, runs: Runs) -> Deviation:
    found = [*_by_mean(row), *_by_reading(row, runs)]
    if (
        row.figure.quantity != "parameters_held_by_buffer"
    ):  # a buffer of another size is no explanation of what it holds
        found += _by_experiment(row, runs)
    return Deviation(row=row, closers=_named(found), tried=len(found), note=_roofline_note(row, runs))


def _named(found: Sequence[Closer]) -> tuple[Closer, ...]:
    """The nearest single changes, one that spans the distance among them, and joint runs where they come nearer."""
    helpful = sorted(
        (closer for closer in found if closer.closed >= LEAST_SHARE), key=lambda closer: (closer.remaining, closer.name)
    )
    single = [closer for closer in helpful if closer.how != "joint runs"]
    named = single[:MOST]
    if not any(closer.closed > 1 for closer in named):
        named += [closer for closer in single[MOST:] if closer.closed > 1][:1]
    joint = [closer for closer in helpful if closer.how == "joint runs"]
    runs = [closer for closer in helpful if closer.how == "run"]
    if joint and not (runs and runs[0].remaining <= joint[0].remaining):
        named.append(joint[0])
    return tuple(named)


def _roofline_note(row: Row, runs: Runs) -> str:
    """What memory alone allows layers of one MAC per byte."""
    if row.figure.models != "family 3" or row.figure.against:
        return ""
    system = system_of(row.figure.system, runs.taken.on(row.figure.system))
    bandwidth = sum(memory.effective_bytes_per_s for memory in system.memories.values())
    allowed, implied = bandwidth / peak_macs_per_s(system), row.figure.value * peak_macs_per_s(system)
    return (
        f"at one MAC per byte the memory's {bandwidth / 1e9:.3g} GB/s allow {allowed:.2%} of the peak rate, which "
        f"layers of one step can reach; the paper's figure would mean {implied / 1e9:.3g} GB/s"
    )


def with_alternatives(row: Row, runs: Runs) -> Row:
    """The row with its named alternatives beside: the plain reading, the optimal schedule, and other flows."""
    found: dict[str, float | None] = {}
    for name in (PLAIN_READING, OPTIMAL, HOMES, STACKS):
        experiment = EXPERIMENT_NAMED[name]
        means = in_experiment(row, runs, experiment).ours if touches(experiment, row) else None
        found[name] = means.arithmetic if means is not None else None
    return dataclasses.replace(
        row, plain=found[PLAIN_READING], optimal=found[OPTIMAL], homes=found[HOMES], stacks=found[STACKS]
    )


def touches(experiment: Experiment, row: Row) -> bool:
    """Whether an experiment changes a system of the figure."""
    return bool({row.figure.system, row.figure.against} & experiment.touched)


def in_experiment(row: Row, runs: Runs, experiment: Experiment) -> Row:
    """The same figure with the experiment's change."""
    return row_of(
        row.figure, runs, lambda name: system_of(name, experiment.settings(name, runs.taken)), label=experiment.name
    )


def _by_experiment(row: Row, runs: Runs) -> Iterator[Closer]:
    for experiment in EXPERIMENTS:
        if touches(experiment, row):
            means = in_experiment(row, runs, experiment).ours
            if means is not None and row.ours is not None and means.arithmetic != row.ours.arithmetic:
                how: How = "joint runs" if experiment.parts else "run"
                yield _closer(how, experiment, row, means.arithmetic)


def _by_reading(row: Row, runs: Runs) -> Iterator[Closer]:
    for reading in readings(row, runs):
        yield _closer("reading", reading, row, reading.value)


def _by_mean(row: Row) -> Iterator[Closer]:
    means = row.ours or Means(arithmetic=0.0)
    for name, change in MEANS.items():
        value: float | None = getattr(means, name)
        if value is not None:
            mechanism = "models differ by more than systems do, and each mean weighs them in another way"
            yield _closer("mean", Reading(name=name, change=change, mechanism=mechanism, value=value), row, value)
    if row.steady is not None:
        steady = Reading(
            name="steady_state",
            change="the steady state instead of the first inference",
            mechanism="later inferences find the parameters that fit on chip, and are planned for that",
            value=row.steady,
        )
        yield _closer("reading", steady, row, row.steady)


def _closer(how: How, change: Experiment | Reading, row: Row, value: float) -> Closer:
    before, after = row.ratio, value / row.figure.value
    known = before is not None and before > 0 and after > 0
    closed = 1 - math.log(after) / math.log(before) if known and before is not None else -math.inf
    return Closer(
        name=change.name, change=change.change, mechanism=change.mechanism, value=value, closed=closed, how=how
    )


AUTHORS = "A"
"""The tag of the figures that are the authors' own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The figures within the tolerance under one set of choices."""

    name: str
    change: str
    joint: bool
    agreeing: int
    authors: int
    """Those among them that are the authors' own words."""
    gained: tuple[str, ...]
    """Figures that agree here and not in the headline."""
    lost: tuple[str, ...]
    """Figures that agree in the headline and not here."""
    ratios: Mapping[str, float]
    """Ours over the paper's, by figure."""


def agreements(rows: Sequence[Row], runs: Runs) -> tuple[Agreement, ...]:
    """Every experiment, in the order of their table; none where no figure is of the paper's models."""
    computed = [row for row in rows if row.ratio is not None]
    if not computed:
        return ()
    return tuple(_agreement(experiment, computed, runs) for experiment in EXPERIMENTS)


def _agreement(experiment: Experiment, rows: Sequence[Row], runs: Runs) -> Agreement:
    pairs = [(row, in_experiment(row, runs, experiment) if touches(experiment, row) else row) for row in rows]
    agreeing = [after for _, after in pairs if after.agrees]
    return Agreement(
        name=experiment.name,
        change=experiment.change,
        joint=bool(experiment.parts),
        agreeing=len(agreeing),
        authors=sum(row.figure.tag == AUTHORS for row in agreeing),
        gained=tuple(after.figure.name for before, after in pairs if after.agrees and not before.agrees),
        lost=tuple(after.figure.name for before, after in pairs if before.agrees and not after.agrees),
        ratios={after.figure.name: after.ratio for _, after in pairs if after.ratio is not None},
    )
