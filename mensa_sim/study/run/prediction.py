"""What the scheduler predicted beside what the simulation gave, and what made the difference."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.objective import PERIOD, objective_named
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule
from mensa_sim.simulate.metrics.inference import Metrics
from mensa_sim.simulate.record.causes import (
    ACTIVATIONS,
    CONTENTION,
    DISCARDED,
    GATING,
    OVERLAP,
    PREFETCH,
    RESIDENCY,
    STACKING,
    Cause,
)

NOTABLE = 0.01
"""Causes of more than this share of the predicted value are told."""

WORDS: Mapping[str, str] = {
    STACKING: "layers that run tile by tile, what flows between them staying on chip",
    OVERLAP: "branches and copies overlap",
    CONTENTION: "waiting for shared memories and links",
    RESIDENCY: "parameters that stay on chip",
    ACTIVATIONS: "activations that stay on chip",
    PREFETCH: "parameters that come early",
    DISCARDED: "parameters that came early for nothing",
    GATING: "supplies that are cut",
}
"""How each cause is told to people."""


def simulated_value(schedule: Schedule, measured: Metrics) -> float | None:
    """The objective of a simulated inference, in the unit of `Schedule.value`; none for a stream's period."""
    if schedule.objective == PERIOD:
        return None
    return float(objective_named(schedule.objective).value(measured.energy_pj, measured.latency_ps))


def causes_of(
    schedule: Schedule, problem: Problem, measured: Metrics, recorded: Sequence[Cause], *, gated: bool
) -> tuple[Cause, ...]:
    """The recorded causes with their static energy; they add up to what parts the simulation from the prediction.

    Where the prediction lets branches overlap and share memories, what it has foreseen is not counted again, and the
    rest of both is waiting, more or less of it. What a cut supply does not leak is the work of power gating, where any
    accelerator is `gated`.
    """
    prediction, foreseen_ps = schedule.prediction, dict[str, int]()
    if problem.execution == "parallel":
        foreseen_ps[OVERLAP] = sum(each.latency_ps for each in recorded if each.name == OVERLAP)
        foreseen_ps[CONTENTION] = prediction.latency_ps - prediction.serial_ps - foreseen_ps[OVERLAP]
    static_pj = math.fsum(measured.static.by_component_pj.values())
    saved_pj = static_pj - problem.static_pj_per_ps * measured.latency_ps if gated else 0.0
    found = []
    for each in recorded:
        latency_ps = each.latency_ps - foreseen_ps.get(each.name, 0)
        drawn_pj = problem.static_pj_per_ps * latency_ps + (saved_pj if each.name == GATING else 0.0)
        found.append(Cause(name=each.name, latency_ps=latency_ps, energy_pj=each.energy_pj + drawn_pj))
    return tuple(each for each in found if each.latency_ps or each.energy_pj)


def shares_of(schedule: Schedule, measured: Metrics, causes: Sequence[Cause]) -> dict[str, float]:
    """What each cause adds to the objective, as a share of the predicted value; their sum is the whole difference.

    A product of energy and latency changes by each cause's energy at the mean latency of prediction and simulation, and
    by its latency at their mean energy, as `Objective.rates` has it. A stream's period is of no single inference.
    """
    if schedule.objective == PERIOD or not schedule.value:
        return {}
    points = ((each.energy_pj, float(each.latency_ps)) for each in (schedule.prediction, measured))
    per_pj, per_ps = objective_named(schedule.objective).rates(*points)
    return {each.name: (each.latency_ps * per_ps + each.energy_pj * per_pj) / schedule.value for each in causes}


def reasons_to_differ(schedule: Schedule, measured: Metrics, causes: Sequence[Cause]) -> tuple[str, ...]:
    """Why the simulated value is not the predicted one, for people: the causes that matter."""
    shares = shares_of(schedule, measured, causes)
    return tuple(f"{WORDS[name]}: {share:+.1%}" for name, share in shares.items() if abs(share) > NOTABLE)
