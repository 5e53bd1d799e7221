"""Timing a kernel until the median is sure: warm-up, then repetitions until the error or the budget says stop."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Protocol

from mensa_sim.ranges import not_negative, positive
from mensa_sim.records import dataclass

Run = Callable[[], object]
Clock = Callable[[], float]

_NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution in standard deviations."""
_MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a normal sample's median over that of its mean (Kenney and Keeping 1962)."""


class Timer(Protocol):
    """What measures durations on one kind of device."""

    min_sample_s: float
    """Shortest duration that it measures well; shorter kernels are run several times in one sample."""
    replays: bool
    """Whether a sample repeats what its first run did, inputs included, rather than run the kernel anew."""
    method: str
    """How it measures, for the table's header."""

    def sampler(self, run: Run, loops: int) -> Callable[[], float]:
        """A function that runs the kernel `loops` times and answers with the seconds of all of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a kernel has been timed enough."""

    relative_error: float = 0.02
    """Stop when the standard error of the median is below this share of it."""
    budget_s: float = 0.5
    """Stop when the repetitions have taken this long."""
    warm_up_s: float = 0.02
    min_repetitions: int = 7
    max_repetitions: int = 1000

    def __post_init__(self) -> None:
        positive(self, "relative_error", "budget_s")
        not_negative(self, "warm_up_s")
        if not 2 <= self.min_repetitions <= self.max_repetitions:
            raise ValueError("min_repetitions must be at least 2 and at most max_repetitions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """What the stopwatch says of one kernel."""

    median_s: float
    iqr_s: float
    repetitions: int
    relative_error: float
    """Standard error of the median over the median, from the interquartile range as of a normal sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """A warm kernel, ready to be sampled."""

    sample: Callable[[], float]
    """Runs the kernel `loops` times and answers with the seconds of all."""
    loops: int


def time_kernel(run: Run, timer: Timer, limits: Limits, clock: Clock, *, rotation: int = 1) -> ClockReading:
    """Warms a kernel up and times it; see `warmed` and `read`."""
    return read(warmed(run, timer, limits, clock, rotation=rotation), limits, clock)


def warmed(run: Run, timer: Timer, limits: Limits, clock: Clock, *, rotation: int = 1) -> Sampling:
    """Warms a kernel up and finds how many runs make a sample that `timer` measures well.

    `rotation` is the number of input sets that `run` goes through: a timer that replays runs them all in each sample.
    """
    once = timer.sampler(run, 1)
    start, single_s = clock(), once()
    while clock() - start < limits.warm_up_s:
        single_s = min(single_s, once())
    loops = max(1, math.ceil(timer.min_sample_s / single_s)) if single_s > 0 else 1
    if timer.replays:
        loops = -(-loops // rotation) * rotation
    return Sampling(sample=once if loops == 1 else timer.sampler(run, loops), loops=loops)


def read(sampling: Sampling, limits: Limits, clock: Clock) -> ClockReading:
    """Samples a kernel until the limits say stop; `clock` gives seconds for the budget.

    A kernel slower than the whole budget still gets `min_repetitions`.
    """
    samples: list[float] = []
    start = clock()
    while len(samples) < limits.max_repetitions:
        samples.append(sampling.sample() / sampling.loops)
        if len(samples) < limits.min_repetitions:
            continue
        if clock() - start >= limits.budget_s or relative_error(samples) <= limits.relative_error:
            break
    return ClockReading(
        median_s=statistics.median(samples),
        iqr_s=interquartile_range(samples),
        repetitions=len(samples),
        relative_error=relative_error(samples),
    )


def interquartile_range(samples: Sequence[float]) -> float:
    """Third quartile less the first, with linear interpolation between the samples.

    >>> interquartile_range([1.0, 2.0, 3.0, 4.0, 5.0])
    2.0
    """
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return third - first


def relative_error(samples: Sequence[float]) -> float:
    """Standard error of the median over the median, for a sample whose middle is like a normal one's."""
    deviation = interquartile_range(samples) / _NORMAL_IQR
    return _MEDIAN_ERROR * deviation / math.sqrt(len(samples)) / statistics.median(samples)
