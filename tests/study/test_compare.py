"""Comparing systems gives what running each gives, and the ratios are against the first."""

import json
from math import sqrt
from pathlib import Path

import pytest
from space_files import TINY
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.api import session as api
from mensa_sim.api.comparison import compare
from mensa_sim.api.files import list_kind
from mensa_sim.cli.main import app
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_root
from mensa_sim.report.compare.compare import COMPARISON, compared_values, lead_text

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
    assert summary == json.loads(json.dumps(COMPARISON.data(compare(workload, SYSTEMS))))
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
    summary = json.loads(json.dumps(COMPARISON.data(result)))
    assert [each["generation"]["answer_ps"] for each in summary["systems"]] == [first.latency_ps, second.latency_ps]
    lead = lead_text(result)
    assert "answers (40 tokens of prompt, 6 of answer) of talk" in lead
    best = min(systems, key=lambda name: result.answers[name].energy_pj * result.answers[name].latency_ps)
    assert lead.startswith(f"{best} is the best")


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Another workload."""
    layer = {"name": "fc", "operator": "linear", "dims": {"K": 1000, "C": 512}}
    path = tmp_path / "wide.yaml"
    path.write_text(write_yaml({"name": "wide", "layers": [layer]}))
    return path


@pytest.fixture
def scenario(workload: Path) -> Path:
    """Two streams."""
    streams = [
        {
            "name": "fast",
            "workload": "./tiny.yaml",
            "arrivals": {"kind": "periodic", "fps": 50_000},
            "deadline_ms": 0.1,
        },
        {"name": "slow", "workload": "./tiny.yaml", "arrivals": {"kind": "poisson", "rate_per_s": 20_000}},
    ]
    path = workload.parent / "pair.yaml"
    path.write_text(write_yaml({"name": "pair", "duration_s": 0.001, "streams": streams}))
    return path


def test_several_workloads_are_each_what_it_is_alone_and_their_means_are_geometric(workload: Path, wide: Path) -> None:
    both = ms.compare_workloads([workload, wide], SYSTEMS[:2])
    for name, path in (("tiny", workload), ("wide", wide)):
        assert compared_values(both.parts[name]) == compared_values(compare(path, SYSTEMS[:2]))
    ratios = [part.ratios("mensa_g").energy_efficiency for part in both.parts.values()]
    assert both.mean_ratios("mensa_g").energy_efficiency == pytest.approx(sqrt(ratios[0] * ratios[1]))
    assert both.mean_gain("edge_tpu") == both.mean_ratios("edge_tpu").latency == 1
    products = [[part.systems[name].products["edp_j_s"] for name in SYSTEMS[:2]] for part in both.parts.values()]
    gains = [theirs / ours for theirs, ours in products]
    assert list(both.gains("mensa_g").values()) == pytest.approx(gains)
    assert both.ranking == (("mensa_g", "edge_tpu") if sqrt(gains[0] * gains[1]) > 1 else ("edge_tpu", "mensa_g"))
    assert str(both).startswith(f"{both.ranking[0]} is the best over 2 workloads")


def test_no_baseline_changes_which_system_is_the_best_over_several_workloads(workload: Path, wide: Path) -> None:
    there, back = (ms.compare_workloads([workload, wide], order) for order in (SYSTEMS, SYSTEMS[::-1]))
    assert there.ranking == back.ranking


def test_a_scenario_has_on_each_system_the_metrics_of_its_own_run(scenario: Path) -> None:
    result = ms.compare_scenario(scenario, SYSTEMS[:2])
    for name, system in result.systems.items():
        ran = ms.run_scenario(scenario, system=name, scheduler="single:edge_tpu" if name == "edge_tpu" else None)
        assert system.metrics == ran.main.metrics
    missed = {name: system.deadline_misses for name, system in result.systems.items()}
    assert missed[result.ranking[0]] == min(missed.values())
    assert not result.places_left_out
    assert "p99 of fast" in str(result)


def test_the_places_of_one_system_are_left_out_and_told(scenario: Path) -> None:
    free = ms.compare_scenario(scenario, SYSTEMS[:2])
    scenario.write_text(scenario.read_text().replace("deadline_ms:", "pins: {conv: pascal}\n  deadline_ms:"))
    pinned = ms.compare_scenario(scenario, SYSTEMS[:2])
    assert pinned.places_left_out
    assert "hold on none here" in str(pinned)
    assert {n: s.metrics for n, s in pinned.systems.items()} == {n: s.metrics for n, s in free.systems.items()}


def test_the_command_and_the_functions_compare_alike(workload: Path, wide: Path, scenario: Path) -> None:
    on = ["--systems", ",".join(SYSTEMS[:2]), "--json", "--output"]
    for number, (asked, result) in enumerate(
        (
            ([str(workload)], compare(workload, SYSTEMS[:2])),
            ([str(workload), str(wide)], ms.compare_workloads([workload, wide], SYSTEMS[:2])),
            ([str(scenario)], ms.compare_scenario(scenario, SYSTEMS[:2])),
        )
    ):
        done = CliRunner().invoke(app, ["compare", *asked, *on, str(workload.parent / str(number))])
        assert json.loads(done.stdout) == result.summary()
        assert len(result.to_pandas()) == len(asked) * 2


def test_what_the_wrong_function_is_asked_names_the_right_one(workload: Path, wide: Path, scenario: Path) -> None:
    with pytest.raises(UsageError, match="compare_workloads"):
        compare([workload, wide], SYSTEMS)
    with pytest.raises(UsageError, match="compare_scenario"):
        ms.compare(scenario, SYSTEMS)
    with pytest.raises(UsageError, match="`mensa-sim compare` take one, and by itself"):
        ms.compare_workloads([workload, scenario], SYSTEMS)
    with pytest.raises(UsageError, match="two are called tiny"):
        ms.compare_workloads([workload, workload], SYSTEMS[:2])
