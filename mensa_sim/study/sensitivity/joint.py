"""All choices at once: seeded draws of every price, of the mix of models, and of the choices that need a run."""

import dataclasses
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.study.reproduce.experiments.experiment import RECURRENT_KINDS, SYSTEMS
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.scaling import Factors
from mensa_sim.study.reproduce.table import Runs
from mensa_sim.study.sensitivity.choices import PRICE_CHOICES, RUN_CHOICES, PriceChoice, Setting

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


def draws_of(count: int, seed: int) -> tuple[Draw, ...]:
    """Draws of the choices that are drawn jointly, each setting as likely as what was taken."""
    generator = random.Random(f"runs/{seed}")
    found = []
    for number in range(count):
        chosen: dict[str, Setting | None] = {
            choice.name: generator.choice((None, *choice.settings)) for choice in RUN_CHOICES if choice.joint
        }
        label = f"draw {number}"
        taken = {choice.name: choice.taken for choice in RUN_CHOICES}
        found.append(
            Draw(
                label=label,
                chosen={name: setting.label if setting else taken[name] for name, setting in chosen.items()},
                cases=tuple(_case(label, system, [s for s in chosen.values() if s]) for system in SYSTEMS),
            )
        )
    return tuple(found)


def _case(label: str, system: str, settings: Sequence[Setting]) -> Case:
    """The settings that touch a system as one case."""
    mine = [setting for setting in settings if system in setting.overrides]
    goals = [setting.goal for setting in mine if setting.goal.options]
    on_chip = [setting.on_chip for setting in mine if setting.on_chip != FULL]
    case = Case(
        label=label,
        system=system,
        overrides=tuple(text for setting in mine for text in setting.overrides[system]),
        on_chip=on_chip[0] if on_chip else FULL,
        length=math.prod(setting.length for setting in mine),
    )
    return dataclasses.replace(case, goal=goals[0]) if goals else case


PriceTable = Mapping[tuple[str, str], tuple[Factors, Factors]]
"""By name of the price choice and system: the factors at the low and at the high end."""


def joint_intervals(
    runs: Runs,
    draws: Sequence[Draw],
    prices: PriceTable,
    headlines: Sequence[tuple[str, str, str]],
    count: int,
    seed: int,
) -> dict[tuple[str, str, str], Interval]:
    """The interval of each headline (quantity, system, against) over `count` draws of prices for each drawn run."""
    samples: dict[tuple[str, str, str], list[Floats]] = {headline: [] for headline in headlines}
    generator = np.random.default_rng(seed)
    for draw in draws:
        positions = generator.random((count, len(PRICE_CHOICES)))
        shares = generator.uniform(*RECURRENT_SHARE, count)
        energies = {system: _energies(runs, draw.label, system, positions, prices) for system in SYSTEMS}
        times = {
            system: np.broadcast_to(_latencies(runs, draw, system), (count, len(runs.models))) for system in SYSTEMS
        }
        for headline in headlines:
            quantity, system, against = headline
            measured = energies if quantity == "energy_efficiency" else times
            samples[headline].append(_mixed(runs, measured[against] / measured[system], shares))
    return {headline: _interval(np.concatenate(values)) for headline, values in samples.items()}


def _outcomes(runs: Runs, label: str, system: str) -> list[Outcome]:
    return runs.of(label, system, tuple(dict.fromkeys(each.kind for each in runs.models)))


def _latencies(runs: Runs, draw: Draw, system: str) -> Floats:
    return np.array([float(outcome.latency_ps) for outcome in _outcomes(runs, draw.label, system)])


def _energies(runs: Runs, label: str, system: str, positions: Floats, prices: PriceTable) -> Floats:
    """Energy of each draw (rows) and model (columns)."""
    outcomes = _outcomes(runs, label, system)
    keys = sorted({(r, c) for outcome in outcomes for r, parts in outcome.energy_pj.items() for c in parts})
    energy = np.array([[outcome.energy_pj.get(r, {}).get(c, 0.0) for outcome in outcomes] for r, c in keys])
    factors = np.ones((len(positions), len(keys)))
    for number, choice in enumerate(PRICE_CHOICES):
        low, high = prices[choice.name, system]
        factors *= _between(choice, keys, low, high, positions[:, number])
    product: Floats = factors @ energy
    return product


def _between(
    choice: PriceChoice, keys: Sequence[tuple[str, str]], low: Factors, high: Factors, positions: Floats
) -> Floats:
    """What the components are multiplied by where a price lies between its ends, on a logarithmic scale.

    Exact for what follows a price in proportion, which is all but the wires' dependence on areas.
    """
    ends = np.log([[low.get(key, 1.0) for key in keys], [high.get(key, 1.0) for key in keys]])
    factors: Floats = np.exp(ends[0] + positions[:, None] * (ends[1] - ends[0]))
    return factors


def _mixed(runs: Runs, ratios: Floats, shares: Floats) -> Floats:
    """The mean over models with LSTMs and transducers weighing so much; the plain mean where only one sort is there."""
    recurrent = np.array([each.kind in RECURRENT_KINDS for each in runs.models])
    if recurrent.all() or not recurrent.any():
        plain: Floats = ratios.mean(axis=1)
        return plain
    mixed: Floats = shares * ratios[:, recurrent].mean(axis=1) + (1 - shares) * ratios[:, ~recurrent].mean(axis=1)
    return mixed


def _interval(values: Floats) -> Interval:
    low, median, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return Interval(low=low, median=median, high=high, below_one=float((values < 1).mean()))
