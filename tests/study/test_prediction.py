"""Predicted and simulated values: the same objective, and a reason where they part by more than 1 %."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mensa_sim.schedule.schedule import Schedule
from mensa_sim.simulate.metrics.inference import Metrics
from mensa_sim.study.run.prediction import reasons_to_differ, simulated_value


def schedule(objective: str, value: float) -> Schedule:
    return cast(Any, SimpleNamespace(objective=objective, value=value))


def measured(latency_ps: int, energy_pj: float) -> Metrics:
    return cast(Any, SimpleNamespace(latency_ps=latency_ps, energy_pj=energy_pj))


@pytest.mark.parametrize(("objective", "value"), [("latency", 20.0), ("energy", 3.0), ("edp", 60.0), ("period", None)])
def test_the_simulated_value_is_the_schedules_objective(objective: str, value: float | None) -> None:
    assert simulated_value(schedule(objective, 1.0), measured(20, 3.0)) == value


def test_equal_values_need_no_reason() -> None:
    same = measured(1000, 1.0)
    assert reasons_to_differ(schedule("latency", 1000.0), same, same) == ()


@pytest.mark.parametrize(
    ("plain_ps", "full_ps", "words"),
    [
        (900, 900, ("overlap",)),
        (1100, 1100, ("wait",)),
        (1000, 800, ("stay on chip",)),
        (1000, 1050, ("discarded",)),
        (1100, 900, ("wait", "stay on chip")),
        (995, 1002, ()),
    ],
)
def test_each_step_away_from_the_prediction_is_named(plain_ps: int, full_ps: int, words: tuple[str, ...]) -> None:
    found = reasons_to_differ(schedule("latency", 1000.0), measured(plain_ps, 1.0), measured(full_ps, 1.0))
    assert len(found) == len(words)
    assert all(word in reason for word, reason in zip(words, found, strict=True))
