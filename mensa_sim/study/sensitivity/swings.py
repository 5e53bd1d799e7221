"""How far a headline swings where one choice is decided otherwise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial

from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.experiments.experiment import RECURRENT_KINDS
from mensa_sim.study.reproduce.outcome import Outcome
from mensa_sim.study.reproduce.paper import OWN_KIND
from mensa_sim.study.reproduce.quantities import COMPARED, PAIRED, means_of
from mensa_sim.study.reproduce.scaling import at_prices
from mensa_sim.study.reproduce.table import MAIN, Runs
from mensa_sim.study.sensitivity.joint import RECURRENT_SHARE
from mensa_sim.study.sensitivity.prices import Prices
from mensa_sim.study.sensitivity.setting import PriceChoice, RunChoice

Headline = tuple[str, str, str]

QUANTITIES = ("energy_efficiency", "throughput")


def headlines_of(systems: Sequence[str]) -> tuple[Headline, ...]:
    """Quantity, system, against: the last of the systems against each other; means over models of their own ratios."""
    *others, system = systems
    return tuple((quantity, system, against) for quantity in QUANTITIES for against in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """A headline where one choice is decided otherwise."""

    choice: str
    taken: str
    setting: str
    source: str
    values: Mapping[Headline, float]
    flips: Mapping[Headline, str]
    """Headlines whose better system changes, and at which value."""


SEARCHED = ("MAC energy", "SRAM access energy")
"""Price choices whose high end is also run with mappings searched anew, to see what keeping them hides."""


def search_label(choice: PriceChoice) -> str:
    """The label of runs whose mappings are searched anew at the far end of a price."""
    return f"searched anew: {choice.name}"


def halved(value_at: Callable[[float], float], end: float, steps: int = 12) -> float:
    """The multiple between 1 and the end at which what stands above 1 at the one and below at the other is 1.

    >>> round(halved(lambda multiple: multiple / 4, 16.0), 2)
    4.0
    """
    near, far = 1.0, end
    side = value_at(near) > 1
    for _ in range(steps):
        middle = math.sqrt(near * far)
        if (value_at(middle) > 1) == side:
            near = middle
        else:
            far = middle
    return math.sqrt(near * far)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swings:
    """The headlines of some runs, and what moves them."""

    headlines: tuple[Headline, ...]
    runs: Runs
    prices: Prices
    choices: tuple[RunChoice, ...]
    nominal: Mapping[Headline, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nominal", {headline: self._headline(headline, MAIN) for headline in self.headlines})

    def _pairs(self, headline: Headline, label: str) -> list[tuple[Outcome, Outcome]]:
        _, system, against = headline
        sides = (self.runs.of(label, each, self.runs.kinds) for each in (system, against))
        return list(zip(*sides, strict=True))

    def _headline(self, headline: Headline, label: str) -> float:
        return means_of([PAIRED[headline[0]](*pair) for pair in self._pairs(headline, label)]).arithmetic

    def _at_multiple(self, headline: Headline, choice: PriceChoice, multiple: float) -> float:
        quantity, system, against = headline
        factors = [self.prices.factors(choice, name, multiple) for name in (system, against)]
        pairs = [
            (at_prices(ours, factors[0]), at_prices(theirs, factors[1])) for ours, theirs in self._pairs(headline, MAIN)
        ]
        return means_of([PAIRED[quantity](*pair) for pair in pairs]).arithmetic

    def priced(self) -> list[Swing]:
        """Every price at either end of its range."""
        found = []
        for choice in self.prices.choices:
            for multiple in (choice.low, choice.high):
                values = {
                    headline: self.nominal[headline]
                    if headline[0] == "throughput"
                    else self._at_multiple(headline, choice, multiple)
                    for headline in self.headlines
                }
                turned = {
                    headline: halved(partial(self._at_multiple, headline, choice), multiple)
                    for headline in self.headlines
                    if flipped(self.nominal[headline], values[headline])
                }
                found.append(
                    Swing(
                        choice=choice.name,
                        taken="1 times",
                        setting=f"{multiple:.3g} times",
                        source=choice.source,
                        values=values,
                        flips={headline: f"at {at:.3g} times the shipped value" for headline, at in turned.items()},
                    )
                )
        return found

    def run(self) -> list[Swing]:
        """Every other way to decide a choice that needs a run."""
        found = []
        for choice in self.choices:
            for setting in choice.settings:
                values = {h: self._headline(h, f"{choice.name}: {setting.label}") for h in self.headlines}
                found.append(self._swing(choice.name, choice.taken, setting.label, choice.source, values))
        return found

    def _swing(self, choice: str, taken: str, setting: str, source: str, values: dict[Headline, float]) -> Swing:
        flips = {
            headline: f"between {taken} and {setting}"
            for headline, value in values.items()
            if flipped(self.nominal[headline], value)
        }
        return Swing(choice=choice, taken=taken, setting=setting, source=source, values=values, flips=flips)

    def free(self) -> list[Swing]:
        """Choices of what is counted, which need no run: the steady state, the mix of models, the kind of mean."""
        steady = {
            h: means_of(
                [COMPARED[h[0]](ours.steady, theirs.steady) for ours, theirs in self._pairs(h, MAIN)]
            ).arithmetic
            for h in self.headlines
        }
        source = "a choice: the paper does not say"
        found = [self._swing("which inference", "the first", "the steady state", source, steady)]
        for share in RECURRENT_SHARE if OWN_KIND not in self.runs.kinds else ():
            mixed = {headline: self._mix(headline, share) for headline in self.headlines}
            count = f"{round(share * 24)} LSTMs and transducers of 24"
            found.append(self._swing("mix of models", "8 of 24", count, "the mix is inferred from the results", mixed))
        for name in ("geometric", "harmonic"):
            values = {headline: self._mean(headline, name) for headline in self.headlines}
            found.append(self._swing("kind of mean", "arithmetic", name, "the paper says average", values))
        return found

    def _mean(self, headline: Headline, name: str) -> float:
        """Another mean over models; that of the headline where it is not defined."""
        means = means_of([PAIRED[headline[0]](*pair) for pair in self._pairs(headline, MAIN)])
        return (means.geometric if name == "geometric" else means.harmonic) or self.nominal[headline]

    def _mix(self, headline: Headline, share: float) -> float:
        """The mean with LSTMs and transducers weighing so much; the plain one where only one sort was run."""
        pairs = self._pairs(headline, MAIN)
        sorts = [
            [PAIRED[headline[0]](*pair) for pair in pairs if (pair[0].kind in RECURRENT_KINDS) == recurrent]
            for recurrent in (True, False)
        ]
        if not all(sorts):
            return self._headline(headline, MAIN)
        return share * means_of(sorts[0]).arithmetic + (1 - share) * means_of(sorts[1]).arithmetic

    def searched(self) -> dict[str, float]:
        """The largest relative change of a headline where mappings are searched anew at the far end of a price."""
        found = {}
        for choice in self.prices.choices:
            if choice.name in SEARCHED:
                changes = [
                    abs(self._headline(h, search_label(choice)) / self._at_multiple(h, choice, choice.high) - 1)
                    for h in self.headlines
                    if h[0] == "energy_efficiency"
                ]
                found[choice.name] = max(changes)
        return found


def flipped(before: float, after: float) -> bool:
    """Whether the better of two systems changes between two ratios."""
    return (before - 1) * (after - 1) < 0
