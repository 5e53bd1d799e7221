"""A system's file may say how it is scheduled: a run takes that unless it is told otherwise."""

from pathlib import Path
from typing import Any

import pytest
from space_files import TINY

import mensa_sim as ms
from mensa_sim.api import explanation as explaining
from mensa_sim.api import files as api_files
from mensa_sim.api import session as api
from mensa_sim.errors import UnknownNameError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.files import write_yaml
from mensa_sim.io.shipped import shipped_files
from mensa_sim.study.run.placement import goal_on


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(write_yaml(TINY))
    return tmp_path / "tiny.yaml"


def a_system(folder: Path, **scheduling: Any) -> Path:
    """Mensa-G with a scheduling of its own."""
    specs = shipped_files("accelerators")
    text = shipped_files("systems")["mensa_g"].read_text()
    for name in ("pascal", "pavlov", "jacquard"):
        text = text.replace(f"../accelerators/{name}.yaml", str(specs[name]))
    path = folder / "own.yaml"
    path.write_text(f"{text}\nscheduling: {scheduling}\n")
    return path


def test_a_run_takes_the_scheduler_of_the_system_s_file(workload: Path, tmp_path: Path) -> None:
    own = a_system(tmp_path, scheduler="greedy", objective="energy")
    found = api.run(workload, system=own).main
    told = api.run(workload, scheduler="greedy", objective="energy").main
    assert (found.scheduler, found.objective) == ("greedy", "energy")
    assert found.layers == told.layers
    assert explaining.place(workload, system=own).schedule.scheduler == "greedy"


def test_a_call_has_the_last_word_and_the_baseline_its_own(workload: Path, tmp_path: Path) -> None:
    own = a_system(tmp_path, scheduler="single:pavlov")
    assert api.run(workload, system=own, scheduler="heft", objective="latency").main.scheduler == "heft"
    beside = api.run(workload, system=own, baseline="mensa_g")
    assert (beside.main.scheduler, beside.baseline.scheduler) == ("single:pavlov", "mensa")
    assert api.run(workload, baseline=own, options={"mac_ratio": 3}).baseline.scheduler == "single:pavlov"
    compared = ms.compare(workload, [own, "edge_tpu", "base_hb"])
    assert compared.systems["mensa_g"].scheduler == "single:pavlov"


def test_options_of_the_file_go_with_its_scheduler_and_under_those_given(tmp_path: Path) -> None:
    system = load_system(a_system(tmp_path, options={"mac_ratio": 3, "reuse_threshold": 8}))
    assert goal_on(system).options == {"mac_ratio": 3, "reuse_threshold": 8}
    assert goal_on(system, options={"mac_ratio": 1.5}).options == {"mac_ratio": 1.5, "reuse_threshold": 8}
    assert not goal_on(system, scheduler="heft").options


@pytest.mark.parametrize(
    ("scheduling", "hint"),
    [
        ({"scheduler": "greedi"}, "did you mean 'greedy'"),
        ({"scheduler": "single:nobody"}, "single:pascal"),
        ({"objective": "power"}, "scheduling.objective"),
        ({"scheduler": "greedy", "options": {"mac_ratio": 2}}, "option of greedy"),
        ({"scheduller": "greedy"}, "scheduller"),
    ],
)
def test_check_finds_a_scheduling_that_cannot_be(scheduling: dict[str, Any], hint: str, tmp_path: Path) -> None:
    (fault,) = api_files.check([a_system(tmp_path, **scheduling)])
    assert hint in fault


def test_a_flow_is_the_systems_unless_a_run_names_one_and_a_miss_lists_the_choices(tmp_path: Path) -> None:
    assert goal_on(load_system(a_system(tmp_path, flow="layers"))).flow == "layers"
    with pytest.raises(UnknownNameError, match=r"unknown flow 'layer'.*layers"):
        goal_on(load_system("edge_tpu"), flow="layer")
    (fault,) = api_files.check([a_system(tmp_path, flow="layer")])
    assert "scheduling.flow" in str(fault)
