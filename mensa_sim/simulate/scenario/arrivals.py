"""When requests arrive."""

import random
from collections.abc import Iterator
from fractions import Fraction

from mensa_sim.ranges import at_least, positive
from mensa_sim.records import dataclass
from mensa_sim.units import PS_PER_S

LONGEST_S = 10**9
"""The longest time that passes in a scenario, 32 years: a choice, far from what floats of ps and pJ can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Arrivals at given times; one inference is a trace of one time."""

    times_ps: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(time < 0 for time in self.times_ps):
            raise ValueError("trace: an arrival time is negative")
        for time in self.times_ps[-1:]:
            check_time("trace: an arrival time", time)
        if any(later < earlier for earlier, later in zip(self.times_ps, self.times_ps[1:], strict=False)):
            raise ValueError("trace: arrival times are not in order")


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """One request in each period, the first at `offset_ps`; the k-th at exactly k / fps later, rounded down to ps."""

    fps: float
    offset_ps: int = 0
    requests: int | None = None

    def __post_init__(self) -> None:
        _check_often(self, "fps")
        at_least(0, self, "offset_ps", label="periodic arrivals")
        check_time("periodic arrivals: the offset", self.offset_ps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Independent arrivals: the times between them are exponential with mean 1 / rate."""

    rate_per_s: float
    requests: int | None = None

    def __post_init__(self) -> None:
        _check_often(self, "rate_per_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """So many requests in flight from the start: when one ends, the next arrives."""

    in_flight: int = 1
    requests: int | None = None

    def __post_init__(self) -> None:
        at_least(1, self, "in_flight", "requests", label="closed loop")


Arrivals = Trace | Periodic | Poisson | ClosedLoop


def is_finite(arrivals: Arrivals) -> bool:
    """Whether the arrivals end by themselves."""
    return isinstance(arrivals, Trace) or arrivals.requests is not None


def arrival_times(arrivals: Trace | Periodic | Poisson, seed: str) -> Iterator[int]:
    """The times of an open stream in order; the same for the same seed, on any machine.

    >>> list(arrival_times(Periodic(fps=30, requests=3), seed=""))
    [0, 33333333333, 66666666666]
    """
    match arrivals:
        case Trace():
            yield from arrivals.times_ps
        case Periodic():
            period = PS_PER_S / Fraction(arrivals.fps)
            for number in _numbers(arrivals.requests):
                yield arrivals.offset_ps + int(number * period)
        case Poisson():
            generator = random.Random(seed)
            time_s = 0.0
            for _ in _numbers(arrivals.requests):
                time_s += generator.expovariate(arrivals.rate_per_s)
                yield round(time_s * PS_PER_S)


def _numbers(requests: int | None) -> Iterator[int]:
    number = 0
    while requests is None or number < requests:
        yield number
        number += 1


def check_time(what: str, time_ps: int) -> None:
    """Refuses, with a `ValueError`, a time that no scenario reaches."""
    if time_ps > LONGEST_S * PS_PER_S:
        raise ValueError(f"{what} is {time_ps / PS_PER_S:.4g} s, must be at most {LONGEST_S:,} s")


def _check_often(arrivals: Periodic | Poisson, rate: str) -> None:
    positive(arrivals, rate, label="arrivals")
    at_least(1 / LONGEST_S, arrivals, rate, label="arrivals")
    at_least(1, arrivals, "requests", label="arrivals")
