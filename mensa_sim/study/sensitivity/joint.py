"""All choices at once: seeded draws of every price, of the mix of models, and of the choices that need a run."""

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.records import dataclass
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.reproduce.experiments.experiment import RECURRENT_KINDS
from mensa_sim.study.reproduce.outcome import Case
from mensa_sim.study.reproduce.table import Runs
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.setting import RunChoice, Setting

RECURRENT_SHARE = (5 / 24, 13 / 24)
"""LSTMs and transducers among the models: the paper's mix is inferred as 8 of 24."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One draw of the choices that need a run: a setting of each, by its label."""

    label: str
    chosen: Mapping[str, str]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A headline over all draws."""

    low: float
    """5 % of the draws lie below."""
    median: float
    high: float
    """5 % of the draws lie above."""
    below_one: float
    """Share of the draws in which the other system is better."""


def draws_of(count: int, seed: int, choices: Sequence[RunChoice], systems: Sequence[str]) -> tuple[Draw, ...]:
    """Draws of the choices that are drawn jointly, each setting as likely as what was taken."""
    generator = random.Random(f"runs/{seed}")
    found = []
    for number in range(count):
        chosen: dict[str, Setting | None] = {
            choice.name: generator.choice((None, *choice.settings)) for choice in choices if choice.joint
        }
        label = f"draw {number}"
        taken = {choice.name: choice.taken for choice in choices}
        found.append(
            Draw(
                label=label,
                chosen={name: setting.label if setting else taken[name] for name, setting in chosen.items()},
                cases=tuple(_case(label, system, [s for s in chosen.values() if s]) for system in systems),
            )
        )
    return tuple(found)


def _case(label: str, system: str, settings: Sequence[Setting]) -> Case:
    """The settings that touch a system as one case."""
    on_system = [(setting, setting.on(system)) for setting in settings]
    mine = [setting for setting, texts in on_system if texts is not None]
    goals = [setting.goal for setting in mine if setting.goal.options]
    on_chip = [setting.on_chip for setting in mine if setting.on_chip != FULL]
    case = Case(
        label=label,
        system=system,
        overrides=tuple(text for _, texts in on_system for text in texts or ()),
        on_chip=on_chip[0] if on_chip else FULL,
        length=math.prod(setting.length for setting in mine),
    )
    return dataclasses.replace(case, goal=goals[0]) if goals else case


def joint_intervals(
    runs: Runs, draws: Sequence[Draw], prices: Prices, headlines: Sequence[tuple[str, str, str]], count: int, seed: int
) -> dict[tuple[str, str, str], Interval]:
    """The interval of each headline (quantity, system, against) over `count` draws of prices for each drawn run."""
    samples: dict[tuple[str, str, str], list[Floats]] = {headline: [] for headline in headlines}
    generator = np.random.default_rng(seed)
    for energies, times in prices.drawn(runs, [draw.label for draw in draws], count, generator):
        shares = generator.uniform(*RECURRENT_SHARE, count)
        for headline in headlines:
            quantity, system, against = headline
            measured = energies if quantity == "energy_efficiency" else times
            samples[headline].append(_mixed(runs, measured[against] / measured[system], shares))
    return {headline: interval_of(np.concatenate(values)) for headline, values in samples.items()}


def _mixed(runs: Runs, ratios: Floats, shares: Floats) -> Floats:
    """The mean over models with LSTMs and transducers weighing so much; the plain mean where only one sort is there."""
    recurrent = np.array([each.kind in RECURRENT_KINDS for each in runs.models])
    if recurrent.all() or not recurrent.any():
        plain: Floats = ratios.mean(axis=1)
        return plain
    mixed: Floats = shares * ratios[:, recurrent].mean(axis=1) + (1 - shares) * ratios[:, ~recurrent].mean(axis=1)
    return mixed


def interval_of(values: Floats) -> Interval:
    """The middle 90 % of some draws of a ratio."""
    low, median, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return Interval(low=low, median=median, high=high, below_one=float((values < 1).mean()))
