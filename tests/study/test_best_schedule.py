"""What the best schedule would give is said where the chosen one is far from it, and is what a run of it gives."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.report.page.quantities import factor_text
from mensa_sim.report.run.tables import best_text
from mensa_sim.study.run.result import NOTABLE_GAP


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command), env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.stdout


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return found


@pytest.mark.parametrize("options", ["", "--plain", "--objective latency", "--set links.0.energy_pj_per_bit=8"])
def test_what_is_said_of_the_best_schedule_is_what_a_run_of_it_gives(options: str, folder: Path) -> None:
    said = called(f"run small_cnn --scheduler single:pavlov --output far {options}")
    called(f"run small_cnn --scheduler optimal --output best -q {options}")
    far, best = summary(folder / "far"), summary(folder / "best")
    assert far["optimality"]["gap"] > NOTABLE_GAP
    assert {name: far["best_schedule"][name] for name in ("scheduler", "latency_ps", "energy_pj", "ratios")} == {
        name: best[name] for name in ("scheduler", "latency_ps", "energy_pj", "ratios")
    }
    better, ours = best["ratios"], far["ratios"]
    assert (
        f"--scheduler optimal: {factor_text(better['energy_efficiency'])} the energy efficiency instead of "
        f"{factor_text(ours['energy_efficiency'])}, "
        f"{factor_text(better['latency'])} as fast instead of {factor_text(ours['latency'])}"
    ) in " ".join(said.split())
    assert "--scheduler optimal" in (folder / "far" / "report.html").read_text().split("<body>")[1]


def test_a_best_schedule_that_simulates_no_better_is_said_to_be() -> None:
    result = ms.run("small_cnn", scheduler="single:pavlov")
    best, ours = result.main.best, result.main.optimality.simulated
    assert best is not None
    assert best.simulated == pytest.approx(best.energy_pj * best.latency_ps)
    assert ours is not None
    assert best.simulated < ours
    told = [
        best_text(replace(result.main, best=replace(best, simulated=simulated)), result.baseline)[0]
        for simulated in (best.simulated, ours)
    ]
    assert told[1] == f"{told[0]} (best as predicted, no better as simulated)"


def test_nothing_is_said_where_the_schedule_is_near_the_bound(folder: Path) -> None:
    said = called("run small_cnn --scheduler optimal --output near")
    assert "best_schedule" not in summary(folder / "near")
    assert "--scheduler" not in said


def test_no_schedule_is_called_better_that_misses_the_deadline() -> None:
    graph = ms.trace("cifar_cnn")
    fastest = ms.run(graph, scheduler="optimal", objective="latency").main
    places = [fastest.schedule.assignment[unit.layers[0]] for unit in fastest.problem.units]

    def fast(problem: ms.Problem) -> list[str]:
        return places

    free = ms.run(graph, scheduler=fast, objective="energy").main
    bound = ms.run(graph, scheduler=fast, objective="energy", deadline_ms=fastest.latency_ps / 1e9).main
    assert free.best is not None
    assert free.best.latency_ps > fastest.latency_ps
    assert bound.best is not None
    assert bound.best.latency_ps <= fastest.latency_ps


def test_a_comparison_shows_how_far_each_schedule_is_from_the_bound(folder: Path) -> None:
    said = called("compare lstm --systems edge_tpu,mensa_g --output out")
    (row,) = (line for line in said.splitlines() if line.startswith("above the bound"))
    edge_tpu, mensa_g = summary(folder / "out")["systems"]
    assert edge_tpu["gap"] == 0
    assert row.split() == ["above", "the", "bound", "0", "%", f"{100 * mensa_g['gap']:.1f}", "%"]
    best = ms.run("lstm", scheduler="optimal").main
    assert mensa_g["best_schedule"]["latency_ps"] == best.latency_ps
    assert "mensa_g, --scheduler optimal: " in said


def test_a_scenario_names_the_workloads_whose_schedules_are_far_from_the_bound(folder: Path) -> None:
    (folder / "two.yaml").write_text(TWO)
    gap = ms.place("lstm").schedule.gap
    assert gap is not None
    said = called("run two.yaml --output out")
    assert summary(folder / "out")["gaps"] == {"lstm": gap}
    (line,) = (line for line in said.splitlines() if "above the proven bound" in line)
    assert line.startswith(f"lstm: its schedule is {100 * gap:.1f} % above the proven bound")
    assert "above the proven bound" not in called("run two.yaml --scheduler optimal --output best")


TWO = """\
name: two
duration_s: 0.1
streams:
  - {name: words, workload: lstm, arrivals: {kind: closed_loop, requests: 2}}
  - {name: eyes, workload: small_cnn, arrivals: {kind: closed_loop, requests: 2}}
"""
