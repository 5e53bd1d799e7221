"""What the scheduler predicted beside what the simulation gave, and the reason where they part."""

from mensa_sim.schedule.schedule import Schedule
from mensa_sim.simulate.metrics.inference import Metrics

NOTABLE = 0.01
"""Differences above this share of the predicted value are given a reason."""


def simulated_value(schedule: Schedule, measured: Metrics) -> float | None:
    """The objective of a simulated inference, in the unit of `Schedule.value`; none for a stream's period."""
    if schedule.objective == "latency":
        return float(measured.latency_ps)
    if schedule.objective == "energy":
        return measured.energy_pj
    return measured.energy_pj * measured.latency_ps if schedule.objective == "edp" else None


def reasons_to_differ(schedule: Schedule, plain: Metrics, full: Metrics) -> tuple[str, ...]:
    """Why the simulated value is not the predicted one, step by step from one to the other.

    `plain` is a simulation without prefetch and residency: it parts from the prediction, which runs layer after layer
    without contention, by overlap or waiting. `full` parts from `plain` by what was prefetched or stayed on chip.
    """
    values = [simulated_value(schedule, measured) for measured in (plain, full)]
    without, with_all = values
    if without is None or with_all is None or not schedule.value:
        return ()
    reasons = []
    overlap, on_chip = without / schedule.value - 1, (with_all - without) / schedule.value
    if abs(overlap) > NOTABLE:
        what = "branches and copies overlap" if overlap < 0 else "transfers wait for shared memories and links"
        reasons.append(f"{what}: {overlap:+.1%}")
    if abs(on_chip) > NOTABLE:
        what = "prefetch, and tensors that stay on chip" if on_chip < 0 else "prefetched bytes that were discarded"
        reasons.append(f"{what}: {on_chip:+.1%}")
    return tuple(reasons)
