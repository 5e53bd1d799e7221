"""Studies over many systems judge a workload that generates by its whole answer."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.io.at_hand import file_of
from mensa_sim.report.generation.tables import answer_cards, rate_text
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.reproduce.outcome import Case, Outcome
from mensa_sim.study.reproduce.workers import ModelTask, run_model
from mensa_sim.study.run.placement import Goal

SHAPE = {"layers": 2, "hidden": 64, "intermediate": 96, "heads": 4, "kv_heads": 2, "head_dim": 32, "vocab": 500}
TALK: Mapping[str, Any] = {
    "name": "talk",
    "model": "mensa_sim.workload.models.decoder:Decoder",
    "arguments": SHAPE,
    "generate": {"prompt_tokens": 40, "new_tokens": 6},
}
CHAT: Mapping[str, Any] = {
    "name": "chat",
    "streams": [
        {
            "name": "user",
            "workload": TALK,
            "arrivals": {"kind": "closed_loop", "requests": 2},
            "conversation": {"prompt_tokens": 40, "new_tokens": 6},
        }
    ],
}
SYSTEM = "mensa_g"
"""Keys and values go from one of its memories to the other."""


@pytest.fixture(scope="module")
def answer() -> Answer:
    found = ms.run(TALK, system=SYSTEM, baseline=SYSTEM, scheduler="greedy", flow="layers").answer
    assert found is not None
    return found


def outcome(*, whole: bool) -> Outcome:
    case = Case(label="taken", system=SYSTEM, goal=Goal(scheduler="greedy"))
    (found,) = run_model(ModelTask(model=str(file_of(TALK)), cases=(case,), whole=whole)).outcomes
    return found


def test_decisions_count_the_answers_time_and_energy_by_what_is_priced(answer: Answer) -> None:
    found = outcome(whole=True)
    assert found.latency_ps == answer.latency_ps
    assert found.energy_pj == pytest.approx(answer.energy_pj)
    for component, energy_pj in answer.energy_by_component_pj.items():
        assert found.component_pj[component] == pytest.approx(energy_pj), component
    memories = [found.energy_by_resource_pj[name]["memory"] for name in ("lpddr4", "stacked")]
    assert min(memories) > 0, "the prompt and the steps read from two memories"


def test_who_asks_for_the_step_alone_has_the_first_one(answer: Answer) -> None:
    step = answer.decoding[0].first
    found = outcome(whole=False)
    assert (found.latency_ps, found.energy_pj) == (step.latency_ps, pytest.approx(step.energy_pj))


def test_explored_designs_have_the_answers_figures_and_conversations(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = {
        "name": "talks",
        "system": SYSTEM,
        "scheduler": "greedy",
        "workloads": [TALK],
        "scenarios": [CHAT],
        "parameters": {"memories.stacked.bandwidth_bytes_per_s": {"values": [256000000000]}},
        "objectives": [
            {"metric": "generation.ttft_ps"},
            {"metric": "energy_pj"},
            {"metric": "generation.tokens_per_s"},
            {"metric": "scenario.streams.user tokens.p99_ps"},
        ],
    }
    (design,) = ms.explore(space).front
    figures = design.objectives
    assert figures["generation.ttft_ps"] == answer.ttft_ps
    assert figures["energy_pj"] == pytest.approx(answer.energy_pj)
    assert figures["generation.tokens_per_s"] == pytest.approx(answer.tokens_per_s)
    assert math.isclose(
        figures["scenario.streams.user tokens.p99_ps"], answer.decoding[-1].last.latency_ps, rel_tol=0.02
    )


def test_what_a_card_adds_of_its_own_figure_stands_before_the_baselines() -> None:
    """Behind it, it would read as the baseline's."""
    found = ms.run(TALK, system=SYSTEM, baseline="edge_tpu", scheduler="greedy", flow="layers")
    (card,) = (each for each in answer_cards(found) if each.label == "time per token")
    assert found.answer is not None
    assert card.beside.startswith(f"{rate_text(found.answer)}; edge_tpu: ")
