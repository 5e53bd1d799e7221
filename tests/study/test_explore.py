"""Explorations: the same designs whoever works and whenever it stops, every finished design kept, none run twice."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from explorations import outcomes, searched
from space_files import TINY, write_space

from mensa_sim.api import session as api
from mensa_sim.api.explore import explore
from mensa_sim.api.files import check
from mensa_sim.errors import FileError, MensaError, UsageError
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_files
from mensa_sim.report.explore.files import explore_summary
from mensa_sim.study.explore import explore as explore_module
from mensa_sim.study.explore.evaluate import Setup
from mensa_sim.study.explore.front import dominates
from mensa_sim.study.explore.metrics import summary_metrics
from mensa_sim.study.explore.result import ExploreResult
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.explore.workers import Local

ROOT = Path(__file__).resolve().parents[2]
ADAPTIVE = {"trials": 10, "references": []}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExploreResult]:
    """The grid explored without a break in one process."""
    folder = tmp_path_factory.mktemp("whole")
    return folder / "out", explore(write_space(folder), folder=folder / "out")


def test_a_grid_runs_every_point_once(whole: tuple[Path, ExploreResult]) -> None:
    result = whole[1]
    assert result.trials == 12
    assert len({outcome.point for outcome in result.outcomes}) == 12
    assert {outcome.state for outcome in result.outcomes} == {"done"}


def test_no_design_dominates_the_front_and_each_other_one_is_dominated(whole: tuple[Path, ExploreResult]) -> None:
    result = whole[1]
    costs = {d.number: tuple(d.objectives.values()) for d in result.designs}
    on_front = {design.number for design in result.front}
    for number, cost in costs.items():
        beaten = any(dominates(other, cost) for other in costs.values())
        twin = any(costs[n] == cost and n < number for n in on_front)
        assert (number in on_front) is not (beaten or twin)


def test_a_design_gives_what_run_gives_for_its_file(whole: tuple[Path, ExploreResult]) -> None:
    folder, result = whole
    summary = json.loads((folder / "summary.json").read_text())
    assert len(summary["front"]) == len(result.front)
    for entry in summary["front"]:
        ran = api.run(folder.parent / "tiny.yaml", system=folder / entry["system"]).main
        assert ran.scheduler == entry["scheduler"]
        assert ran.energy_pj == entry["metrics"]["energy_pj"]
        assert ran.latency_ps == entry["metrics"]["latency_ps"]
        assert ran.area_mm2 == pytest.approx(entry["metrics"]["area_mm2"])


def test_the_designs_of_the_front_can_be_moved_elsewhere(whole: tuple[Path, ExploreResult], tmp_path: Path) -> None:
    shutil.copytree(whole[0] / "front", tmp_path / "sent")
    for system in sorted(tmp_path.glob("sent/*/system.yaml")):
        assert check([system]) == []
        assert str(whole[0]) not in system.read_text()


def test_the_tables_of_designs_hold_every_design(whole: tuple[Path, ExploreResult]) -> None:
    folder, result = whole
    with (folder / "designs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["design"]) for row in rows] == [outcome.number for outcome in result.outcomes]
    assert {int(row["design"]) for row in rows if row["front"]} == {design.number for design in result.front}
    assert all(float(row["energy_pj"]) > 0 and float(row["tops_per_w"]) > 0 for row in rows)


def test_two_processes_find_what_one_finds(whole: tuple[Path, ExploreResult], tmp_path: Path) -> None:
    result = explore(write_space(tmp_path), folder=tmp_path / "out", jobs=2)
    assert outcomes(result) == outcomes(whole[1])
    for name in ("summary.json", "designs.csv", "report.html"):
        assert (tmp_path / "out" / name).read_bytes() == (whole[0] / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in whole[0].iterdir())


@pytest.mark.parametrize("sampler", ["random", "quasi_random", "tpe", "nsga2"])
def test_every_sampler_is_the_same_for_any_number_of_workers_and_after_a_break(sampler: str, tmp_path: Path) -> None:
    changes = {"parameters": WIDE, "sampler": {"name": sampler, "seed": 3, "batch": 4}, **ADAPTIVE}
    space = write_space(tmp_path, **changes)
    one = searched(space, tmp_path / "one")
    two = searched(space, tmp_path / "two", jobs=2) if sampler == "tpe" else one
    for trials in (3, 10):
        broken = searched(space, tmp_path / "broken", trials=trials, resume=trials > 3)
    assert one.trials == 10
    assert outcomes(one) == outcomes(two) == outcomes(broken)
    other = write_space(tmp_path, **{**changes, "sampler": {"name": sampler, "seed": 4}})
    begun = searched(other, tmp_path / "4", trials=4).outcomes
    assert [outcome.point for outcome in begun] != [outcome.point for outcome in one.outcomes[: len(begun)]]


WIDE: dict[str, Any] = {
    "memories.stacked.bandwidth_bytes_per_s": {
        "linear": {"low": 64_000_000_000, "high": 512_000_000_000, "step": 64_000_000_000}
    },
    "links.0.bandwidth_bytes_per_s": {"linear": {"low": 4_000_000_000, "high": 32_000_000_000, "step": 4_000_000_000}},
    "scheduler": {"values": ["mensa", "greedy", "single:pascal"]},
}


def test_a_design_that_fails_is_recorded_with_its_error_and_stops_nothing(tmp_path: Path) -> None:
    parameters = {
        "accelerators.pascal.levels.parameter_buffer.read_bits": {"values": [64, 512]},
        "accelerators.pascal.levels.parameter_buffer.min_bits": {"values": [64, 256]},
    }
    result = explore(write_space(tmp_path, parameters=parameters), folder=tmp_path / "out")
    states = {tuple(result.space.shown(o.point).values()): o for o in result.outcomes}
    assert states[64, 256].state == "failed"
    assert "min_bits" in states[64, 256].detail
    assert sorted(o.state for o in result.outcomes) == ["done", "done", "done", "failed"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["trials"] == 4
    assert summary["failed"] == 1


def test_conditions_leave_designs_out_before_they_are_run(tmp_path: Path) -> None:
    space = write_space(tmp_path, conditions=["side >= 16", "scheduler == 'greedy' or area_mm2 > 1.5"])
    result = searched(space, tmp_path / "out")
    for outcome in result.outcomes:
        shown = result.space.shown(outcome.point)
        met = int(shown["side"]) >= 16 and (shown["scheduler"] == "greedy" or outcome.hardware["area_mm2"] > 1.5)
        assert (outcome.state == "done") is met
    assert result.trials == result.count("done") < 12


def test_equal_designs_are_run_once(tmp_path: Path) -> None:
    parameters = {
        "scheduler": {"values": ["mensa", "greedy"]},
        "scheduler.mac_ratio": {"values": [1, 2, 3]},
    }
    result = searched(write_space(tmp_path, parameters=parameters), tmp_path / "out")
    assert result.trials == 4
    assert result.count("repeat") == 2


def test_a_design_of_one_accelerator_leaves_the_scheduler_and_its_options_nothing_to_decide(tmp_path: Path) -> None:
    alone = {"accelerators.pavlov": None, "accelerators.jacquard": None}
    parameters = {"number": {"options": {"one": alone}}, "scheduler.mac_ratio": {"values": [3]}}
    folder = tmp_path / "out"
    (design,) = explore(write_space(tmp_path, parameters=parameters), folder=folder).designs
    ran = api.run(tmp_path / "tiny.yaml", system=folder / "front" / "design-0" / "system.yaml").main
    assert (ran.scheduler, ran.energy_pj) == ("single:pascal", design.objectives["energy_pj"])


def write_block(folder: Path) -> None:
    """A block whose first tensor has two readers."""
    layer = {"operator": "conv2d", "dims": {"K": 16, "C": 16, "OY": 24, "OX": 24, "FY": 3, "FX": 3}}
    layers = [
        {"name": "stem", **layer},
        {"name": "inner", **layer, "inputs": ["stem"]},
        {"name": "sum", "operator": "add", "elements": 16 * 24 * 24, "inputs": ["stem", "inner"]},
    ]
    (folder / "block.yaml").write_text(yaml.safe_dump({"name": "block", "layers": layers}))


def test_a_run_of_a_designs_file_gives_the_figures_of_the_exploration(tmp_path: Path) -> None:
    """Also where tensors with two readers could have stayed on the chip."""
    write_block(tmp_path)
    space = write_space(
        tmp_path, workloads=["./block.yaml"], parameters={"accelerators.pascal.clock_hz": {"values": [10**9]}}
    )
    (design,) = explore(space, folder=tmp_path / "out").designs
    file = tmp_path / "out" / "front" / "design-0" / "system.yaml"
    ran = api.run(tmp_path / "block.yaml", system=file).main
    assert (ran.latency_ps, ran.energy_pj) == (design.metrics["latency_ps"], design.metrics["energy_pj"])
    assert api.run(tmp_path / "block.yaml", system=file, flow="homes").main.energy_pj < ran.energy_pj


def test_a_random_search_stops_when_its_space_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_module, "BARREN", 60)
    space = write_space(tmp_path, sampler={"name": "random"}, trials=1000)
    alone = searched(space, tmp_path / "out")
    assert alone.trials == 12

    class Wide(Local):
        def __init__(self, setup: Setup, jobs: int) -> None:
            super().__init__(setup, jobs)
            self.capacity = 5

    monkeypatch.setattr(explore_module, "Local", Wide)  # points are begun ahead of results that come late
    assert outcomes(searched(space, tmp_path / "wide")) == outcomes(alone)


def test_time_up_keeps_what_is_done(tmp_path: Path) -> None:
    result = searched(write_space(tmp_path), tmp_path / "out", trials=1)
    again = searched(write_space(tmp_path), tmp_path / "out", resume=True, timeout_s=1e-9)
    assert outcomes(result) == outcomes(again)
    with pytest.raises(MensaError, match="no design was run"):
        searched(write_space(tmp_path), tmp_path / "none", timeout_s=1e-9)


def test_once_time_is_up_what_only_waits_for_a_worker_is_left_for_another_day(
    whole: tuple[Path, ExploreResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]

    class Wide(Local):
        """Has five tasks under way, each of which takes ten seconds."""

        def __init__(self, setup: Setup, jobs: int) -> None:
            super().__init__(setup, jobs)
            self.capacity = 5

        def wait(self) -> DesignOutcome:
            now_s[0] += 10
            return super().wait()

    monkeypatch.setattr(explore_module, "Local", Wide)
    monkeypatch.setattr(explore_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    space = write_space(tmp_path)
    begun = searched(space, tmp_path / "out", timeout_s=15)
    assert (len(begun.references), begun.trials) == (1, 1)
    assert outcomes(searched(space, tmp_path / "out", resume=True)) == outcomes(whole[1])


def test_a_reference_is_what_run_makes_of_it(whole: tuple[Path, ExploreResult]) -> None:
    (reference,) = whole[1].references
    ran = api.run(whole[0].parent / "tiny.yaml", system="edge_tpu").main
    assert reference.objectives == {"energy_pj": ran.energy_pj, "latency_ps": ran.latency_ps}
    expected = {
        design.number
        for design in whole[1].designs
        if dominates(tuple(design.objectives.values()), tuple(reference.objectives.values()))
        and design.metrics["area_mm2"] <= reference.metrics["area_mm2"]
    }
    assert set(reference.dominated_by) == expected


def test_several_workloads_count_by_mean_geometric_mean_or_the_worst(tmp_path: Path) -> None:
    objectives = [{"metric": "latency_ps", "over": over} for over in ("mean", "geometric_mean", "worst")]
    parameters = {"scheduler": {"values": ["greedy"]}}
    (tmp_path / "other.yaml").write_text(write_yaml({**TINY, "name": "other", "layers": TINY["layers"][:1]}))
    space = write_space(
        tmp_path, workloads=["./tiny.yaml", "./other.yaml"], objectives=objectives, parameters=parameters
    )
    (design,) = searched(space, tmp_path / "out").designs
    one, other = (values["latency_ps"] for values in design.workloads)
    assert design.objectives["latency_ps (mean)"] == (one + other) / 2
    assert design.objectives["latency_ps (geometric_mean)"] == pytest.approx((one * other) ** 0.5)
    assert design.objectives["latency_ps (worst)"] == max(one, other)


def test_a_parameter_that_decides_alone_has_all_the_importance(tmp_path: Path) -> None:
    result = searched(write_space(tmp_path, objectives=[{"metric": "area_mm2"}]), tmp_path / "out")
    shares = result.importance["area_mm2"]
    assert shares["side"] == pytest.approx(1)
    assert shares["scheduler"] == shares["memories.stacked.bandwidth_bytes_per_s"] == 0


def never(*arguments: object, **options: object) -> None:
    raise AssertionError("a design was run")


ERRORS: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "unwritable study": (lambda folder: {"folder": folder / "file" / "out"}, "cannot be written|not a folder"),
    "folder of others": (lambda folder: {"folder": folder / "theirs"}, "not ours"),
    "unknown reference": (lambda folder: {"folder": folder / "out", "space": {"references": ["tpu"]}}, "tpu"),
    "unknown workload": (lambda folder: {"folder": folder / "out", "space": {"workloads": ["lstmm"]}}, "lstm"),
    "silent cluster": (lambda folder: {"folder": folder / "out", "cluster": "tcp://127.0.0.1:9"}, "no Dask scheduler"),
    "address that is none": (lambda folder: {"folder": folder / "out", "cluster": "nonsense://"}, "--cluster"),
    "no jobs": (lambda folder: {"folder": folder / "out", "jobs": 0}, "jobs is 0"),
    "no time": (lambda folder: {"folder": folder / "out", "timeout_s": 0.0}, "--timeout"),
}


@pytest.mark.parametrize("error", sorted(ERRORS))
def test_an_error_is_told_before_any_design_is_run(error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mensa_sim.study.explore.cluster.SECONDS", 0.3)
    monkeypatch.setattr(Local, "wait", never)
    (tmp_path / "file").write_text("")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("years of work")
    make, hint = ERRORS[error]
    arguments = make(tmp_path)
    space = write_space(tmp_path, **arguments.pop("space", {}))
    with pytest.raises(MensaError, match=hint):
        explore(space, **arguments)


def test_a_space_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MensaError, match="lstm"):
        explore(write_space(tmp_path, workloads=["lstmm"]), folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_of_another_space_or_in_use_or_damaged_is_refused(
    whole: tuple[Path, ExploreResult], tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(whole[0], folder)
    with pytest.raises(UsageError, match="another exploration"):
        explore(write_space(tmp_path, conditions=["area_mm2 < 9"]), folder=folder, resume=True)
    holder = sqlite3.connect(folder / "study.db")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UsageError, match="at work on it"):
        explore(write_space(tmp_path), folder=folder, resume=True)
    holder.close()
    (folder / "study.db").write_text("no study at all, but text that goes on and on " * 20)
    with pytest.raises(UsageError, match="no study"):
        explore(write_space(tmp_path), folder=folder, resume=True)


def test_a_space_that_is_not_there_is_a_fault_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        explore(tmp_path / "nothing.yaml", folder=tmp_path / "out")


def test_a_setting_of_a_shared_technology_holds_on_the_references_too(tmp_path: Path) -> None:
    setting = "technology.mac_pj_8_bit=1.6"
    found = searched(write_space(tmp_path), tmp_path / "out", trials=1, overrides=(setting,))
    alone = api.run(tmp_path / "tiny.yaml", system="edge_tpu", overrides=[setting]).main
    assert found.references[0].objectives["energy_pj"] == alone.energy_pj


def test_a_flow_that_a_systems_file_states_is_that_of_its_exploration_and_of_references_that_state_none(
    tmp_path: Path,
) -> None:
    """Beside it stands what runs of the same systems by the same flow give; an unsaid one stays layer by layer."""
    write_block(tmp_path)
    mensa_g = shipped_files("systems")["mensa_g"]
    text = mensa_g.read_text().replace("../accelerators/", f"{mensa_g.parents[1] / 'accelerators'}/")
    parameters = {"accelerators.pascal.clock_hz": {"values": [10**9]}}
    found = {}
    for flow in ("homes", "layers", None):
        (tmp_path / "own.yaml").write_text(text + (f"\nscheduling: {{flow: {flow}}}\n" if flow else ""))
        asked = {"workloads": ["./block.yaml"], "parameters": parameters, "system": "./own.yaml"}
        found[flow] = explore(write_space(tmp_path, **asked), folder=tmp_path / f"out_{flow}")
        (design,), (reference,) = found[flow].designs, found[flow].references
        told = flow or "layers"
        ran = api.run(tmp_path / "block.yaml", system=tmp_path / "own.yaml", flow=told, baseline="edge_tpu")
        file = tmp_path / f"out_{flow}" / "front" / "design-0" / "system.yaml"
        assert design.metrics["energy_pj"] == ran.main.energy_pj
        assert [each["flow"] for each in explore_summary(found[flow])["front"]] == [told]
        assert reference.metrics["energy_pj"] == ran.baseline.energy_pj
        assert api.run(tmp_path / "block.yaml", system=file).main.energy_pj == ran.main.energy_pj
    assert found["homes"].designs[0].metrics["energy_pj"] < found["layers"].designs[0].metrics["energy_pj"]
    assert found["homes"].references[0].metrics["energy_pj"] < found["layers"].references[0].metrics["energy_pj"]


@pytest.mark.parametrize(("handoffs", "mean"), [((3.0, 2.0), 2.5), ((1.0, 0.0), 0.5)])
def test_what_may_be_0_has_one_kind_of_mean_in_every_design(handoffs: tuple[float, float], mean: float) -> None:
    rows = [{"latency_ps": latency, "handoffs": each} for latency, each in zip((2.0, 8.0), handoffs, strict=True)]
    assert summary_metrics("geometric_mean", {}, rows) == {"latency_ps": pytest.approx(4), "handoffs": mean}
