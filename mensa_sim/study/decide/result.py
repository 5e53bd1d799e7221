"""What a decision says: which system is better, by how much, how sure that is, and where it turns."""

import math
from collections.abc import Mapping
from typing import Literal

from mensa_sim.records import dataclass
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.sensitivity.joint import Draw, Interval

TriedKind = Literal["price", "choice", "field"]
"""A constant of the technology, a choice of the simulator's, a field of a system."""

NORMAL_95 = 1.96
"""Standard deviations that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleRun:
    """One workload on one system, as taken."""

    workload: str
    system: str
    latency_ps: int
    energy_pj: float
    value: float
    """Of the objective, in its SI unit."""
    gap: float | None = None
    """How far its schedule is from the proven bound; none where no bound is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A system against the first one, and how often it is the best; ratios above 1 are better."""

    system: str
    ratio: float
    """Of the objective: the weighted geometric mean over workloads, as the two below."""
    energy_efficiency: float
    speed: float
    share: float
    """Of the drawn worlds in which it is the best of all."""
    share_low: float
    share_high: float
    """Between which that share lies with 95 % confidence, given how many runs were drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The decision where one thing is otherwise."""

    kind: TriedKind
    name: str
    systems: tuple[str, ...]
    """On which it is otherwise."""
    taken: str
    setting: str
    lead: float
    """How many times less the system that is the best as taken needs than the best of the others; below 1 it loses."""
    best: str
    """The system that is the best there."""
    source: str
    turns_at: str = ""
    """Where the decision turns; empty where it does not."""

    @property
    def turns(self) -> bool:
        """Whether another system is the best there."""
        return self.lead < 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideResult(Provenance):
    """Workloads on systems, and the verdict."""

    objective: str
    shares: Mapping[str, float]
    """By workload, of the decision."""
    measured: tuple[SingleRun, ...]
    standings: tuple[Standing, ...]
    """In the order asked for; the first is what ratios are against."""
    best: str
    runner_up: str
    lead: float
    """How many times less of the objective the best needs than the runner-up, as taken."""
    interval: Interval
    """Of the lead over the best of the others, over all worlds."""
    histogram: tuple[tuple[float, float, int], ...]
    """The worlds by that lead: from, to, how many."""
    tried: tuple[Tried, ...]
    left_out: tuple[str, ...]
    """What could not be tried, and why."""
    draws: tuple[Draw, ...]
    """Those in which all systems could run."""
    prices: int
    simulated: int
    seed: int

    @property
    def worlds(self) -> int:
        """How many were drawn."""
        return len(self.draws) * self.prices

    @property
    def turns(self) -> tuple[Tried, ...]:
        """What turns the decision, the widest turns first."""
        return tuple(sorted((each for each in self.tried if each.turns), key=lambda each: each.lead))

    @property
    def certain(self) -> Standing:
        """The best system's standing."""
        return next(each for each in self.standings if each.system == self.best)


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share that was seen in so many independent draws.

    >>> [round(each, 2) for each in share_interval(1.0, 12)]
    [0.76, 1.0]
    """
    square = NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, middle - half), min(1.0, middle + half)
