"""The board's power is in every total: of a run, a comparison, a scenario, an exploration and a prediction."""

import pytest

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.report.run.assumptions import run_assumptions
from mensa_sim.simulate.scenario.arrivals import Periodic
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.compare.compare import compare
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.explore.metrics import run_metrics
from mensa_sim.study.explore.scenario import scenario_values
from mensa_sim.study.reproduce.outcome import Case, Outcome, outcome_of
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.result import SystemResult
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.scenario.scenario import ScenarioSystemResult, scenario_on
from mensa_sim.units import leakage_pj
from mensa_sim.workload.load import load_workload

BOARD_MW = 675.0
GOAL = Goal(scheduler="greedy", objective="energy")


def system(board_mw: float) -> System:
    return load_system("coral_dev_board_micro", [f"host.board_mw={board_mw}"])


def ran(board_mw: float) -> SystemResult:
    return evaluate(load_workload("mnist_cnn"), system(board_mw), GOAL)


def served(board_mw: float) -> ScenarioSystemResult:
    graph = load_workload("mnist_cnn")
    stream = Stream(name="camera", workload=graph.name, arrivals=Periodic(fps=5.0))
    scenario = Scenario(name="watch", streams=(stream,), duration_ps=10**12)
    return scenario_on(scenario, {graph.name: graph}, system(board_mw), GOAL)


def reproduced(board_mw: float) -> Outcome:
    case = Case(label="main", system="coral_dev_board_micro", goal=GOAL)
    return outcome_of(load_workload("mnist_cnn"), "cnn", case, system(board_mw), PriceMemo())


def test_a_run_counts_the_board_for_as_long_as_it_lasts() -> None:
    without, counted = ran(0.0), ran(BOARD_MW)
    assert counted.latency_ps == without.latency_ps
    assert counted.energy_pj - without.energy_pj == pytest.approx(leakage_pj(BOARD_MW, counted.latency_ps))
    steady_pj = counted.steady.energy_pj - without.steady.energy_pj
    assert steady_pj == pytest.approx(leakage_pj(BOARD_MW, counted.steady.latency_ps))
    assert run_metrics(counted, ())["mean_power_mw"] > BOARD_MW


def test_a_page_says_whose_energy_is_the_devices_as_a_whole() -> None:
    texts = run_assumptions(ran(BOARD_MW))
    assert any(text.startswith("coral draws 9 nJ in each cycle") for text in texts)
    assert any(text.startswith("A host feeds the system over its interface") for text in texts)


def test_a_prediction_counts_the_board_for_the_latency_that_it_predicts() -> None:
    without, counted = ran(0.0), ran(BOARD_MW)
    predicted = counted.schedule.prediction
    assert predicted.latency_ps == without.schedule.prediction.latency_ps
    board_pj = leakage_pj(BOARD_MW, predicted.latency_ps)
    assert counted.optimality.value - without.optimality.value == pytest.approx(board_pj)


def test_a_comparison_counts_the_board() -> None:
    result = compare(CompareRequest(workload="mnist_cnn", systems=("coral_dev_board_micro", "coral_usb2")))
    parts = [each.energy_by_component_pj.get("board") for each in result.systems.values()]
    assert parts == [leakage_pj(BOARD_MW, next(iter(result.systems.values())).latency_ps), None]


def test_a_scenario_counts_the_board_from_start_to_end() -> None:
    without, counted = served(0.0), served(BOARD_MW)
    whole_pj = leakage_pj(BOARD_MW, 10**12)
    assert counted.metrics.energy_by_component_pj["board"] == whole_pj
    assert counted.metrics.energy_pj - without.metrics.energy_pj == pytest.approx(whole_pj)
    each, before = counted.metrics.streams["camera"], without.metrics.streams["camera"]
    assert each.energy_per_inference_pj is not None
    assert before.energy_per_inference_pj is not None
    more_pj = each.energy_per_inference_pj - before.energy_per_inference_pj
    assert more_pj == pytest.approx(whole_pj / each.finished)
    assert scenario_values(counted, ())["mean_power_mw"] > BOARD_MW


def test_an_outcome_of_the_papers_comparison_counts_the_board() -> None:
    without, counted = reproduced(0.0), reproduced(BOARD_MW)
    assert counted.energy_pj - without.energy_pj == pytest.approx(leakage_pj(BOARD_MW, counted.latency_ps))
