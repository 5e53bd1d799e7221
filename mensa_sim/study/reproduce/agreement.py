"""How many of the paper's figures agree under each set of choices: whether any one set brings them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.study.reproduce.experiments.experiment import Experiment
from mensa_sim.study.reproduce.experiments.named import EXPERIMENTS
from mensa_sim.study.reproduce.findings import in_experiment, touches
from mensa_sim.study.reproduce.table import Row, Runs

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
