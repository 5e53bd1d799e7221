"""The stopwatch against kernels of known duration and jitter, by a clock that only they move."""

import random
import statistics
from collections.abc import Callable, Iterator

import pytest

from mensa_sim.measurement.stopwatch import ClockReading, Limits, interquartile_range, relative_error, time_kernel
from mensa_sim.measurement.timers import HostTimer


class FakeClock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.runs = 0

    def __call__(self) -> float:
        return self.now_s

    def kernel(self, durations: Iterator[float]) -> Callable[[], None]:
        def run() -> None:
            self.runs += 1
            self.now_s += next(durations)

        return run


def constant(duration_s: float) -> Iterator[float]:
    while True:
        yield duration_s


def jittered(duration_s: float, spread: float, seed: int) -> Iterator[float]:
    source = random.Random(seed)
    while True:
        yield duration_s * source.gauss(1.0, spread)


def timed(durations: Iterator[float], limits: Limits) -> tuple[ClockReading, FakeClock]:
    clock = FakeClock()
    return time_kernel(clock.kernel(durations), HostTimer(clock), limits, clock), clock


@pytest.mark.parametrize("duration_s", [1e-6, 3.3e-5, 0.002, 0.4])
def test_a_steady_kernel_is_timed_exactly_with_the_fewest_repetitions(duration_s: float) -> None:
    reading, _ = timed(constant(duration_s), Limits(min_repetitions=7))
    assert reading.median_s == pytest.approx(duration_s, rel=1e-6)
    assert reading.iqr_s == pytest.approx(0, abs=duration_s * 1e-6)
    assert reading.repetitions == 7


@pytest.mark.parametrize("spread", [0.01, 0.05, 0.1])
def test_jitter_shows_as_its_spread_and_is_averaged_until_the_error_is_small(spread: float) -> None:
    limits = Limits(relative_error=0.005, budget_s=1e9, max_repetitions=100_000, warm_up_s=0.0)
    reading, _ = timed(jittered(0.001, spread, seed=1), limits)
    assert reading.relative_error <= limits.relative_error
    assert reading.median_s == pytest.approx(0.001, rel=4 * limits.relative_error)
    expected = (spread * 1.2533 / limits.relative_error) ** 2
    if expected > 50:
        assert reading.repetitions == pytest.approx(expected, rel=0.5)
        assert reading.iqr_s == pytest.approx(1.349 * spread * 0.001, rel=0.35)


def test_half_the_error_takes_four_times_the_repetitions() -> None:
    counts = [
        statistics.mean(
            timed(
                jittered(0.001, 0.1, seed),
                Limits(relative_error=error, budget_s=1e9, max_repetitions=10**6, warm_up_s=0.0),
            )[0].repetitions
            for seed in range(8)
        )
        for error in (0.01, 0.005)
    ]
    assert counts[1] / counts[0] == pytest.approx(4, rel=0.25)


def test_a_noisy_kernel_stops_at_the_budget() -> None:
    limits = Limits(relative_error=1e-6, budget_s=0.5, warm_up_s=0.0)
    reading, clock = timed(jittered(0.01, 0.2, seed=2), limits)
    assert reading.repetitions == pytest.approx(50, abs=5)
    assert clock.now_s == pytest.approx(0.51, abs=0.03)
    assert reading.relative_error > limits.relative_error


def test_a_kernel_slower_than_the_budget_still_gets_its_fewest_repetitions() -> None:
    reading, _ = timed(constant(5.0), Limits(budget_s=0.1, min_repetitions=3))
    assert reading.repetitions == 3


def test_a_kernel_below_the_clocks_grain_runs_in_groups() -> None:
    reading, clock = timed(constant(1e-7), Limits(min_repetitions=7, warm_up_s=0.0))
    assert clock.runs == pytest.approx(1 + 7 * HostTimer.min_sample_s / 1e-7, rel=0.01)
    assert reading.repetitions == 7


def test_warm_up_runs_are_not_in_the_reading() -> None:
    def durations() -> Iterator[float]:
        yield from [0.1] * 3
        yield from constant(0.001)

    reading, _ = timed(durations(), Limits(warm_up_s=0.25))
    assert reading.median_s == pytest.approx(0.001)


def test_a_timer_that_replays_runs_every_set_of_inputs_in_each_sample() -> None:
    clock = FakeClock()
    timer = HostTimer(clock)
    timer.replays = True
    time_kernel(
        clock.kernel(constant(1.0)), timer, Limits(min_repetitions=2, warm_up_s=0.0, budget_s=1.0), clock, rotation=5
    )
    assert clock.runs == 1 + 2 * 5


def test_quartiles_and_error_of_a_known_sample() -> None:
    assert interquartile_range([1.0, 2.0, 3.0, 4.0]) == pytest.approx(1.5)
    assert relative_error([2.0, 2.0, 2.0]) == 0
    assert relative_error([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1.2533 * 2 / 1.349 / 5**0.5 / 3, rel=1e-3)


@pytest.mark.parametrize("change", [{"relative_error": 0.0}, {"budget_s": -1.0}, {"min_repetitions": 1}])
def test_limits_refuse_nonsense(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Limits(**change)  # type: ignore[arg-type]
