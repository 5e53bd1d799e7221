"""`schedule.yaml` goes out and comes back, and is checked against the problem."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from random_problems import problems
from systems import STATIC_MW, a_cost_table, a_graph, a_system

from mensa_sim.errors import FileError
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.files import read_schedule, schedule_yaml
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.schedule.problem import Problem


@pytest.fixture
def problem() -> Problem:
    graph, system = a_graph(), a_system()
    costs = a_cost_table(graph, system, refused=[("head", "far")])
    return problem_of(graph, system, costs, static_mw=STATIC_MW, pins={"conv": "near"})


@given(problem=problems())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_schedule_reads_back_as_it_was_written(problem: Problem, tmp_path: Path) -> None:
    for name in ("mensa", "greedy"):
        written = schedule(problem, name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(schedule_yaml(problem, written))
        assert read_schedule(path, problem) == written
        assert schedule_yaml(problem, read_schedule(path, problem)) == path.read_text()


def test_the_file_is_short_and_readable(problem: Problem) -> None:
    text = schedule_yaml(problem, schedule(problem, "greedy"))
    assert text.startswith("problem: toy on two\nscheduler: greedy\nobjective: edp\nvalue: ")
    assert "layer: conv, accelerator: near, reason: pinned" in text


def test_an_edited_file_counts_with_its_own_order_and_places(problem: Problem, tmp_path: Path) -> None:
    text = schedule_yaml(problem, schedule(problem, "greedy")).replace(
        "layer: input, accelerator: near", "layer: input, accelerator: far"
    )
    (tmp_path / "s.yaml").write_text(text)
    found = read_schedule(tmp_path / "s.yaml", problem)
    assert found.assignment["input"] == "far"
    assert found.value > schedule(problem, "greedy").value


def test_every_contradiction_to_the_problem_is_named_at_once(problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("""
problem: toy on three
scheduler: mine
objective: edp
layers:
  - {layer: head, accelerator: far}
  - {layer: cell, accelerator: far}
  - {layer: hidden, accelerator: near}
  - {layer: conv, accelerator: far}
  - {layer: conv, accelerator: near}
  - {layer: pool, accelerator: nowhere}
""")
    with pytest.raises(FileError) as error:
        read_schedule(path, problem)
    text = str(error.value)
    for fault in (
        "the file is for 'toy on three', not for 'toy on two'",
        "toy on two has no layer 'pool'",
        "conv stands 2 times",
        "pool: unknown accelerator 'nowhere'; choose from far, near",
        "input is missing",
        "group lstm runs on one accelerator, the file says hidden on near, cell on far",
        "far cannot run head: no buffer holds one tile",
        "conv is pinned to near",
        "head stands before lstm, whose output it reads",
    ):
        assert fault in text
    assert len(error.value.faults) == 11


def test_a_flow_is_read_back_and_homes_belong_to_a_richer_one(problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    found = replace(schedule(problem, "greedy"), data=DataPlan(homes_gap=0.25))
    path.write_text(schedule_yaml(problem, found))
    assert read_schedule(path, problem) == found
    rows = ["  - {tensor: conv, home: near, size_bytes: 4}\n"] * 2
    path.write_text(schedule_yaml(problem, found) + "homes:\n" + "".join([*rows, rows[0].replace("conv", "conw")]))
    with pytest.raises(FileError) as fault:
        read_schedule(path, problem)
    for text in ("has no layer 'conw'", "conv stands 2 times", "the flow is layers"):
        assert text in str(fault.value)
