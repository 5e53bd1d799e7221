"""Outcomes of a study are kept on disk: found by all that they depend on, never by less, and as if run anew."""

from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.cost.prices.kept import FILE, KeptPrices
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.study.reproduce import workers
from mensa_sim.study.reproduce.outcome import Case, Outcome, outcome_of
from mensa_sim.study.reproduce.workers import ModelTask, run_model
from mensa_sim.study.run.placement import Goal

CASE = Case(label="main", system="mensa_g", closed_loop=True)
OTHERS = (
    replace(CASE, system="edge_tpu"),
    replace(CASE, overrides=("memories.lpddr4.efficiency=0.7",)),
    replace(CASE, goal=Goal(objective="energy")),
    replace(CASE, closed_loop=False),
    replace(CASE, label="other"),
)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases that were run, not found, beside prices of their own."""
    cases: list[Case] = []

    def counted(graph, kind, case, *others):
        cases.append(case)
        return outcome_of(graph, kind, case, *others)

    monkeypatch.setattr(workers, "shared_memo", lambda: PriceMemo(KeptPrices(tmp_path / FILE)))
    monkeypatch.setattr(workers, "outcome_of", counted)
    return cases


def outcomes_of(*cases: Case, model: str = "mnist_cnn") -> tuple[Outcome, ...]:
    return run_model(ModelTask(model=model, cases=cases)).outcomes


def test_what_one_study_has_run_the_next_finds_as_it_was(ran: list[Case]) -> None:
    first = outcomes_of(CASE, *OTHERS)
    assert ran == [CASE, *OTHERS]
    assert outcomes_of(*OTHERS, CASE) == (*first[1:], first[0])
    assert len(ran) == len(first)


def test_an_outcome_is_of_one_model_alone(ran: list[Case]) -> None:
    first = outcomes_of(CASE)
    assert outcomes_of(CASE, model="small_cnn") != first
    assert ran == [CASE, CASE]


def test_a_measured_device_is_run_anew(ran: list[Case]) -> None:
    case = Case(label="main", system="gpu_v100", goal=Goal(scheduler="greedy"))
    assert outcomes_of(case) == outcomes_of(case)
    assert ran == [case, case]
