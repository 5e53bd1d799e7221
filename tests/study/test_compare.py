"""Comparing systems gives what running each gives, and the ratios are against the first."""

import json
from pathlib import Path

import pytest
from space_files import TINY

from mensa_sim.api import session as api
from mensa_sim.api.files import list_kind
from mensa_sim.api.session import compare
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_root
from mensa_sim.report.compare.compare import compare_summary, lead_text

SYSTEMS = ["edge_tpu", "mensa_g", "base_hb"]
GENERATING = {
    "name": "talk",
    "model": "mensa_sim.workload.models.decoder:Decoder",
    "arguments": {
        "layers": 2,
        "hidden": 128,
        "intermediate": 192,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 32,
        "vocab": 500,
    },
    "generate": {"prompt_tokens": 40, "new_tokens": 6},
}


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(write_yaml(TINY))
    return path


def test_each_system_has_the_figures_of_its_own_run(workload: Path) -> None:
    result = compare(workload, SYSTEMS)
    assert list(result.systems) == SYSTEMS
    for name, system in result.systems.items():
        ran = api.run(workload, system=name, scheduler="single:edge_tpu" if name == "edge_tpu" else "mensa").main
        assert (system.latency_ps, system.energy_pj) == (ran.latency_ps, ran.energy_pj)


def test_ratios_are_against_the_first_and_above_one_is_better(workload: Path) -> None:
    result = compare(workload, SYSTEMS)
    first = result.systems["edge_tpu"]
    assert result.ratios("edge_tpu").energy_efficiency == result.ratios("edge_tpu").latency == 1
    for name, system in result.systems.items():
        assert result.ratios(name).energy_efficiency == pytest.approx(first.energy_pj / system.energy_pj)
        assert result.ratios(name).latency == pytest.approx(first.latency_ps / system.latency_ps)


def test_the_order_of_the_systems_changes_no_figure(workload: Path) -> None:
    there, back = compare(workload, SYSTEMS), compare(workload, SYSTEMS[::-1])
    for name in SYSTEMS:
        assert there.systems[name].energy_by_component_pj == back.systems[name].energy_by_component_pj
        assert there.systems[name].latency_ps == back.systems[name].latency_ps


def test_two_files_of_one_name_stay_apart(workload: Path, tmp_path: Path) -> None:
    shipped = {entry["name"]: entry["path"] for entry in list_kind("systems")}
    path = shipped_root() / shipped["mensa_g"]
    result = compare(workload, ["mensa_g", str(path)])
    assert list(result.systems) == ["mensa_g", str(path)]


def test_the_results_are_written_the_same_twice(workload: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        compare(workload, SYSTEMS).save(tmp_path / name)
    for file in ("summary.json", "report.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert summary == json.loads(json.dumps(compare_summary(compare(workload, SYSTEMS))))
    assert [entry["system"] for entry in summary["systems"]] == SYSTEMS


@pytest.mark.parametrize(
    ("systems", "hint"),
    [([], "at least two"), (["mensa_g"], "at least two"), (["mensa_g", "mensa_g"], "twice"), (["mensa_g", "x"], "x")],
)
def test_systems_that_cannot_be_compared_are_a_usage_error(workload: Path, systems: list[str], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        compare(workload, systems)


def test_a_folder_with_the_files_of_others_is_refused(workload: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(MensaError, match="--force"):
        compare(workload, SYSTEMS[:2]).save(tmp_path / "mine")


def test_of_a_workload_that_generates_whole_answers_are_compared() -> None:
    systems = ["npu_lpddr5x", "npu_lpddr5_pim"]
    result = compare(GENERATING, systems)
    for name in systems:
        answer = api.run(GENERATING, system=name, baseline=name).answer
        assert answer is not None
        assert result.answers[name] == answer
        assert result.whole(name).energy_pj == answer.energy_pj > result.systems[name].energy_pj
    first, second = (result.answers[name] for name in systems)
    assert result.ratios(systems[1]).latency == pytest.approx(first.latency_ps / second.latency_ps)
    assert result.ratios(systems[1]).energy_efficiency == pytest.approx(first.energy_pj / second.energy_pj)
    summary = json.loads(json.dumps(compare_summary(result)))
    assert [each["generation"]["answer_ps"] for each in summary["systems"]] == [first.latency_ps, second.latency_ps]
    lead = lead_text(result)
    assert "answers (40 tokens of prompt, 6 of answer) of talk" in lead
    best = min(systems, key=lambda name: result.answers[name].energy_pj * result.answers[name].latency_ps)
    assert lead.startswith(f"{best} is the best")
