"""Whoever judges by inferences that follow others plans for them; a first inference is planned for itself."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from explorations import searched
from space_files import write_space

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.io.files import write_yaml
from mensa_sim.simulate.scenario.arrivals import ClosedLoop
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.study.reproduce.outcome import IN_FLIGHT, REQUESTS, Case, outcome_of
from mensa_sim.study.reproduce.workers import system_of
from mensa_sim.study.run import tiles
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.scenario.scenario import scenario_on
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.load import load_workload

DENSE = {
    "name": "dense",
    "layers": [
        {"name": "wide", "operator": "linear", "dims": {"K": 512, "C": 96}},
        {"name": "narrow", "operator": "linear", "dims": {"K": 128, "C": 512}, "inputs": ["wide"]},
    ],
}
"""112 kB of parameters, of which 64 kB hold one layer or the other, or tiles of both."""
SMALL_BUFFER = "accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes=65536"
GOAL = Goal(scheduler="single:edge_tpu")
SYSTEM, MEMO = system_of("edge_tpu", (SMALL_BUFFER,)), PriceMemo()


def test_a_studys_steady_state_and_overlapping_inferences_are_planned_for_what_follows() -> None:
    graph = load_workload(DENSE)
    first, later = (evaluate(graph, SYSTEM, replace(GOAL, steady=each), memo=MEMO) for each in (False, True))
    case = Case(label="main", system="edge_tpu", overrides=(SMALL_BUFFER,), goal=GOAL, closed_loop=True)
    found = outcome_of(graph, "cnn", case, SYSTEM, MEMO)
    assert found.latency_ps == first.latency_ps < later.latency_ps
    assert found.steady == later.steady
    assert found.steady.energy_pj < 0.6 * first.steady.energy_pj
    stream = Stream(name="dense", workload="dense", arrivals=ClosedLoop(in_flight=IN_FLIGHT, requests=REQUESTS))
    ran = scenario_on(Scenario(name="all", streams=(stream,)), {"dense": graph}, SYSTEM, GOAL, memo=MEMO)
    assert found.closed_loop_per_s == REQUESTS * PS_PER_S / ran.metrics.end_ps


def test_stacks_are_sought_once_for_a_first_inference_and_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, case = load_workload(DENSE), Case(label="main", system="edge_tpu", goal=replace(GOAL, flow="stacks"))
    monkeypatch.setattr(tiles, "in_stacks", sought := Mock(wraps=tiles.in_stacks))
    found = outcome_of(graph, "cnn", case, SYSTEM, MEMO)
    assert sought.call_count == 1
    assert found.steady == evaluate(graph, SYSTEM, replace(case.goal, steady=True), memo=MEMO).steady
    assert found.latency_ps == evaluate(graph, SYSTEM, case.goal, memo=MEMO).latency_ps


def test_designs_that_are_judged_by_their_steady_state_are_planned_for_it(tmp_path: Path) -> None:
    graph = load_workload(DENSE)
    (tmp_path / "dense.yaml").write_text(write_yaml(DENSE))
    path = write_space(
        tmp_path,
        system="edge_tpu",
        workloads=["./dense.yaml"],
        parameters={SMALL_BUFFER.partition("=")[0]: {"values": [65536]}},
        objectives=[{"metric": "steady_state.energy_pj"}, {"metric": "latency_ps"}],
        references=[],
    )
    (design,) = searched(path, tmp_path / "found").front
    first, later = (evaluate(graph, SYSTEM, replace(GOAL, steady=each), memo=MEMO) for each in (False, True))
    assert design.objectives == {"steady_state.energy_pj": later.steady.energy_pj, "latency_ps": first.latency_ps}
