"""Runs at other prices: what each component of a system is multiplied by, at the ends of a range and between them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.scaling import Factors, price_factors
from mensa_sim.study.reproduce.table import Runs
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.study.sensitivity.setting import PriceChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The prices that a study varies, on the systems that it runs."""

    choices: tuple[PriceChoice, ...]
    taken: Mapping[str, tuple[str, ...]]
    """By system, what is set in every case."""

    def changed(self, choice: PriceChoice, system: str, multiple: float) -> tuple[str, ...]:
        """The settings of a choice of prices, on top of what is taken."""
        return choice.overrides(system_of(system, self.taken[system]), multiple)

    def factors(self, choice: PriceChoice, system: str, multiple: float) -> Factors:
        """What a system's components are multiplied by; `UsageError` where one number for each does not say it."""
        before = self.taken[system]
        after = (*before, *self.changed(choice, system, multiple))
        try:
            return price_factors(system_of(system, before), system_of(system, after))
        except ValueError as error:
            raise UsageError(f"{choice.name} on {system}: {error}") from error

    def drawn(
        self, runs: Runs, labels: Sequence[str], count: int, generator: np.random.Generator
    ) -> Iterator[tuple[dict[str, Floats], dict[str, Floats]]]:
        """For the runs of each label, energies (pJ) and latencies (ps) by system at `count` draws of all prices.

        Each array has a row a draw of prices and a column a model.
        """
        table = {
            (choice.name, system): (self.factors(choice, system, choice.low), self.factors(choice, system, choice.high))
            for choice in self.choices
            for system in self.taken
        }
        for label in labels:
            positions = generator.random((count, len(self.choices)))
            outcomes = {system: runs.of(label, system, runs.kinds) for system in self.taken}
            energies = {
                system: _energies(ran, positions, [table[choice.name, system] for choice in self.choices])
                for system, ran in outcomes.items()
            }
            times = {
                system: np.broadcast_to(
                    np.array([float(outcome.latency_ps) for outcome in ran]), (count, len(runs.models))
                )
                for system, ran in outcomes.items()
            }
            yield energies, times


def _energies(outcomes: Sequence[Outcome], positions: Floats, ends: Sequence[tuple[Factors, Factors]]) -> Floats:
    """Energy of each draw (rows) and model (columns)."""
    keys = sorted({(r, c) for outcome in outcomes for r, parts in outcome.energy_by_resource_pj.items() for c in parts})
    energy = np.array([[outcome.energy_by_resource_pj.get(r, {}).get(c, 0.0) for outcome in outcomes] for r, c in keys])
    factors = np.ones((len(positions), len(keys)))
    for number, (low, high) in enumerate(ends):
        factors *= _between(keys, low, high, positions[:, number])
    product: Floats = factors @ energy
    return product


def _between(keys: Sequence[tuple[str, str]], low: Factors, high: Factors, positions: Floats) -> Floats:
    """What the components are multiplied by where a price lies between its ends, on a logarithmic scale.

    Exact for what follows a price in proportion, which is all but the wires' dependence on areas.
    """
    ends = np.log([[low.get(key, 1.0) for key in keys], [high.get(key, 1.0) for key in keys]])
    factors: Floats = np.exp(ends[0] + positions[:, None] * (ends[1] - ends[0]))
    return factors
