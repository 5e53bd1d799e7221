"""Predicted and simulated values: the same objective, and causes that add up to all that parts them."""

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.schedule import Schedule
from mensa_sim.simulate.metrics.inference import Metrics
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.simulate.record.causes import (
    ACTIVATIONS,
    CONTENTION,
    DISCARDED,
    GATING,
    OVERLAP,
    PREFETCH,
    Cause,
    CauseRecorder,
)
from mensa_sim.simulate.record.recorder import Busy
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.prediction import reasons_to_differ, shares_of, simulated_value
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.load import load_workload


def schedule(objective: str, value: float, latency_ps: int = 0, energy_pj: float = 0.0) -> Schedule:
    prediction = SimpleNamespace(latency_ps=latency_ps, energy_pj=energy_pj)
    return cast(Any, SimpleNamespace(objective=objective, value=value, prediction=prediction))


def measured(latency_ps: int, energy_pj: float) -> Metrics:
    return cast(Any, SimpleNamespace(latency_ps=latency_ps, energy_pj=energy_pj))


@pytest.mark.parametrize(
    ("objective", "value"), [("latency", 20.0), ("energy", 3.0), ("edp", 60.0), ("ed2p", 1200.0), ("period", None)]
)
def test_the_simulated_value_is_the_schedules_objective(objective: str, value: float | None) -> None:
    assert simulated_value(schedule(objective, 1.0), measured(20, 3.0)) == value


@pytest.mark.parametrize(("objective", "value"), [("latency", 100.0), ("energy", 8.0), ("edp", 800.0)])
def test_the_shares_of_the_causes_are_the_whole_difference_and_small_ones_are_not_told(
    objective: str, value: float
) -> None:
    causes = (
        Cause(name=PREFETCH, latency_ps=-30, energy_pj=-1.0),
        Cause(name=CONTENTION, latency_ps=10, energy_pj=0.5),
        Cause(name=OVERLAP, latency_ps=0, energy_pj=0.01),
    )
    before, after = schedule(objective, value, 100, 8.0), measured(80, 7.51)
    shares = shares_of(before, after, causes)
    simulated = simulated_value(before, after)
    assert simulated is not None
    assert math.isclose(sum(shares.values()), simulated / value - 1)
    told = reasons_to_differ(before, after, causes)
    assert [text.split(":")[0] for text in told] == [
        "parameters that come early",
        "waiting for shared memories and links",
    ]
    assert reasons_to_differ(schedule("period", value), after, causes) == ()


MEMO = PriceMemo()
CASES = [
    ("mensa_g", "mobilenet_v1_025_128", "heft"),
    ("base_hb", "small_cnn", "greedy"),
    ("coral_usb3", "small_cnn", "optimal"),
    ("edge_tpu", "residual_cnn", "optimal"),
    ("mensa_g", "residual_cnn", "mensa"),
    ("mensa_g", "keyword_spotting", "greedy"),
]


def ran(system: str, workload: str, scheduler: str, options: Options, **goal: Any) -> SystemResult:
    found = Goal(scheduler=scheduler, **goal)
    return evaluate(load_workload(workload), load_system(system), found, on_chip=options, memo=MEMO)


@pytest.mark.parametrize(("system", "workload", "scheduler"), CASES)
@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize(("execution", "flow"), [("serial", "layers"), ("parallel", "layers"), ("serial", "homes")])
def test_the_causes_add_up_to_what_parts_simulation_and_prediction(
    system: str, workload: str, scheduler: str, options: Options, execution: str, flow: str
) -> None:
    result = ran(system, workload, scheduler, options, execution=execution, flow=flow)
    causes, prediction = result.optimality.causes, result.schedule.prediction
    assert sum(each.latency_ps for each in causes) == result.latency_ps - prediction.latency_ps
    energy_pj = math.fsum(each.energy_pj for each in causes)
    assert math.isclose(energy_pj, result.energy_pj - prediction.energy_pj, abs_tol=1e-9 * result.energy_pj)


def test_each_cause_says_what_it_is() -> None:
    """On one accelerator nothing overlaps nor waits; what the options allow is what is named."""
    plain = ran("edge_tpu", "residual_cnn", "optimal", PLAIN)
    assert plain.optimality.causes == ()
    assert ran("coral_usb3", "small_cnn", "optimal", PLAIN).optimality.causes == ()
    early = {each.name: each for each in ran("edge_tpu", "residual_cnn", "optimal", FULL).optimality.causes}
    assert early[PREFETCH].latency_ps < 0
    kept = ran("edge_tpu", "residual_cnn", "optimal", Options(activations=True)).optimality.causes
    assert {each.name for each in kept} == {ACTIVATIONS}
    assert GATING not in early


def test_what_crosses_while_something_else_does_overlaps_by_all_of_its_time() -> None:
    """From 0 to 100 ps and within them from 20 to 50; then nothing until 130."""
    request = cast(Any, SimpleNamespace(arrival_ps=0, plan=SimpleNamespace(copies=())))
    recorder = CauseRecorder(cast(Any, None))
    for start_ps, end_ps in ((0, 100), (20, 50)):
        recorder.record(Busy("link", "transfer", request, "conv", start_ps, end_ps))
    recorder.record(Busy("link", "discard", request, "conv", 50, 50, energy_pj={"memory": 3.0}))
    recorder.ended(request, 130)
    assert {cause.name: cause.energy_pj for cause in recorder.causes if cause.energy_pj} == {DISCARDED: 3.0}
    found = {cause.name: cause.latency_ps for cause in recorder.causes}
    assert (found[OVERLAP], found[GATING], sum(found.values())) == (-30, 30, 130)
