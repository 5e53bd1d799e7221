"""Scenarios as objectives: what an exploration finds is what `run` says of the scenario on that design."""

import json
from pathlib import Path
from typing import Any

import pytest
from space_files import write_space

from mensa_sim.api import session as api
from mensa_sim.api.explore import explore
from mensa_sim.errors import FileError, MensaError
from mensa_sim.io.files import write_yaml
from mensa_sim.study.explore.result import ExploreResult
from mensa_sim.study.space.check import check_space
from mensa_sim.study.space.space import load_space

BUSY: dict[str, Any] = {
    "name": "busy",
    "duration_s": 0.002,
    "policy": "edf",
    "seed": 5,
    "streams": [
        {
            "name": "camera",
            "workload": "./tiny.yaml",
            "arrivals": {"kind": "periodic", "fps": 20_000},
            "deadline_ms": 0.005,
        },
        {"name": "touch", "workload": "./tiny.yaml", "arrivals": {"kind": "poisson", "rate_per_s": 5000}},
        {"name": "never", "workload": "./tiny.yaml", "arrivals": {"kind": "one", "offset_ms": 50}},
    ],
}
CALM = {**BUSY, "name": "calm", "streams": BUSY["streams"][:1]}
CALM["streams"] = [{**BUSY["streams"][0], "arrivals": {"kind": "closed_loop", "in_flight": 1}}]
OBJECTIVES = [
    {"metric": "scenario.p99_ps", "over": "worst"},
    {"metric": "scenario.deadline_misses", "scenario": "./busy.yaml"},
    {"metric": "scenario.streams.touch.p95_ps", "scenario": "./busy.yaml"},
    {"metric": "scenario.mean_power_mw", "over": "mean"},
    {"metric": "energy_pj"},
]


def a_space(folder: Path, **changes: Any) -> Path:
    for scenario in (BUSY, CALM):
        (folder / f"{scenario['name']}.yaml").write_text(write_yaml(scenario))
    clock = {"fields": ["accelerators.pascal.clock_hz"], "values": [40_000_000, 1_000_000_000]}
    parameters = {"clock": clock, "scheduler": {"values": ["single:pascal", "mensa"]}}
    defaults = {"scenarios": ["./busy.yaml", "./calm.yaml"], "objectives": OBJECTIVES, "parameters": parameters}
    return write_space(folder, **{**defaults, **changes})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExploreResult]:
    folder = tmp_path_factory.mktemp("scenarios")
    return folder, explore(a_space(folder), folder=folder / "out")


def test_a_design_gives_what_run_gives_for_its_file(found: tuple[Path, ExploreResult]) -> None:
    folder, result = found
    front = json.loads((folder / "out" / "summary.json").read_text())["front"]
    assert len(front) == len(result.front) > 1
    for entry in front:
        busy, calm = (
            api.run_scenario(folder / f"{name}.yaml", system=folder / "out" / entry["system"]).main.metrics
            for name in ("busy", "calm")
        )
        camera, touch = (busy.streams[name] for name in ("camera", "touch"))
        assert entry["metrics"]["scenario.p99_ps"] == max(
            camera.p99_ps or 0, touch.p99_ps or 0, calm.streams["camera"].p99_ps or 0
        )
        assert entry["metrics"]["scenario.deadline_misses"] == camera.deadline_misses
        assert entry["metrics"]["scenario.streams.touch.p95_ps"] == touch.p95_ps
        assert entry["metrics"]["scenario.mean_power_mw"] == (busy.mean_power_mw + calm.mean_power_mw) / 2


def test_a_slow_design_misses_deadlines_and_a_fast_one_does_not(found: tuple[Path, ExploreResult]) -> None:
    alone = [design for design in found[1].designs if design.parameters["scheduler"] == "single:pascal"]
    misses = {design.parameters["clock"]: design.objectives["scenario.deadline_misses"] for design in alone}
    assert misses[40_000_000] > misses[1_000_000_000] == 0
    assert found[1].references[0].objectives["scenario.mean_power_mw"] > 0


def test_scenarios_are_the_same_from_two_processes_and_after_a_break(
    found: tuple[Path, ExploreResult], tmp_path: Path
) -> None:
    space = a_space(tmp_path)
    explore(space, folder=tmp_path / "out", trials=1)
    explore(space, folder=tmp_path / "out", resume=True, jobs=2)
    for name in ("summary.json", "designs.csv", "report.html"):
        assert (tmp_path / "out" / name).read_bytes() == (found[0] / "out" / name).read_bytes()
    assert {"busy.yaml", "calm.yaml", "tiny.yaml"} <= set(found[1].inputs)


def test_another_scenario_makes_another_study(found: tuple[Path, ExploreResult], tmp_path: Path) -> None:
    space = a_space(tmp_path)
    explore(space, folder=tmp_path / "out", trials=1)
    (tmp_path / "busy.yaml").write_text(write_yaml({**BUSY, "seed": 6}))
    with pytest.raises(MensaError, match="what differs: scenarios"):
        explore(space, folder=tmp_path / "out", resume=True)


def test_a_space_of_scenarios_alone_needs_no_workloads(tmp_path: Path) -> None:
    objectives = [entry for entry in OBJECTIVES if entry["metric"] != "energy_pj"]
    parameters = {"scheduler": {"values": ["single:pascal"]}}
    space = a_space(tmp_path, workloads=None, objectives=objectives, parameters=parameters)
    (design,) = explore(space, folder=tmp_path / "out").designs
    assert "energy_pj" not in design.metrics
    assert design.metrics["scenario.throughput_per_s"] > 0


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({"workloads": None, "scenarios": None}, "workloads and scenarios"),
    "unknown scenario": ({"scenarios": ["camera_fone"]}, "did you mean 'camera_phone'"),
    "unknown metric": ({"objectives": [{"metric": "scenario.p98_ps"}]}, "p99_ps"),
    "unknown metric of a stream": ({"objectives": [{"metric": "scenario.streams.touch.p98_ps"}]}, "p99_ps"),
    "a stream that one has not": ({"objectives": [{"metric": "scenario.streams.touch.p99_ps"}]}, "scenario calm"),
    "no scenarios": ({"scenarios": None, "objectives": [{"metric": "scenario.p99_ps"}]}, "names no scenarios"),
    "no workloads": ({"workloads": None, "objectives": [{"metric": "energy_pj"}]}, "names no workloads"),
    "scenario not in the list": (
        {"objectives": [{"metric": "scenario.p99_ps", "scenario": "camera_phone"}]},
        "./busy.yaml",
    ),
    "scenario of a workload's metric": (
        {"objectives": [{"metric": "energy_pj", "scenario": "./busy.yaml"}]},
        "scenario.energy_pj",
    ),
    "geometric mean of what may be 0": ({"objectives": [{"metric": "scenario.deadline_misses"}]}, "geometric mean"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_is_told_before_any_design_is_run(fault: str, tmp_path: Path) -> None:
    changes, hint = FAULTS[fault]
    with pytest.raises(FileError, match=hint):
        check_space(load_space(a_space(tmp_path, **changes)))


def test_a_stream_s_workload_that_is_not_there_is_told_before_any_design_is_run(tmp_path: Path) -> None:
    space = a_space(tmp_path)
    (tmp_path / "calm.yaml").write_text(write_yaml({**CALM, "streams": [{**CALM["streams"][0], "workload": "lstmm"}]}))
    with pytest.raises(MensaError, match="lstmm"):
        explore(space, folder=tmp_path / "out")
