"""Where units in the memory beat an NPU alone: gains as single runs have them, worlds, and limits of power."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_files
from mensa_sim.units import leakage_pj

SHAPE = {"layers": 2, "hidden": 512, "intermediate": 1024, "heads": 4, "kv_heads": 2, "head_dim": 128, "vocab": 2000}
TINY: Mapping[str, Any] = {
    "name": "tiny",
    "model": "mensa_sim.workload.models.decoder:Decoder",
    "arguments": SHAPE,
    "generate": {"prompt_tokens": 8, "new_tokens": 2},
    "weight_bits": 4,
    "activation_bits": 16,
}
SYSTEM = "npu_lpddr5_pim"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("worth") / "tiny.yaml"
    file.write_text(json.dumps(TINY))
    return str(file)


@pytest.fixture(scope="module")
def study(tiny: str) -> tuple[ms.NearData, Path]:
    output = Path(tiny).parent / "worth.csv"
    asked = {"models": (tiny,), "bits": ("8",), "contexts": ("64",), "limits_w": ("1.5", "0.1"), "worlds": 2}
    return ms.near_data(**asked, output=output), output


def test_a_gain_is_what_single_runs_of_both_sides_say(study: tuple[ms.NearData, Path]) -> None:
    row = study[0].rows[0]
    workload = {**TINY, "weight_bits": 8, "generate": {"prompt_tokens": 64, "new_tokens": 2}}
    alone, together = (
        ms.run(workload, system=SYSTEM, baseline=SYSTEM, scheduler=scheduler, flow="layers").main
        for scheduler in ("single:phone_npu", "greedy")
    )
    assert row.time.taken == pytest.approx(alone.latency_ps / together.latency_ps)
    assert row.energy.taken == pytest.approx(alone.energy_pj / together.energy_pj)


def test_worlds_differ_and_the_interval_holds_all_of_them(study: tuple[ms.NearData, Path]) -> None:
    for gain in (study[0].rows[0].time, study[0].rows[0].energy):
        assert len({gain.taken, *gain.worlds}) == 3
        assert gain.least == min(gain.taken, *gain.worlds) < max(gain.taken, *gain.worlds) == gain.most


def test_under_a_limit_neither_side_draws_more_and_who_needs_less_energy_loses_less(
    study: tuple[ms.NearData, Path],
) -> None:
    free, limited = study[0].rows
    assert limited.limit_w == 1.5
    for outcome in (limited.alone, limited.together):
        assert outcome.energy_pj <= leakage_pj(1500, outcome.latency_ps) * (1 + 1e-9)
    assert limited.alone.latency_ps > free.alone.latency_ps, "else the limit would not bind"
    assert limited.time.taken > free.time.taken


def test_a_limit_that_idling_exceeds_is_told_and_ends_nothing(study: tuple[ms.NearData, Path]) -> None:
    (told,) = study[0].failures
    assert told.startswith("tiny at 8 bits after 64 on npu_lpddr5_pim under 0.1 W: ")
    assert "power_limit_mw" in told


def test_the_table_and_the_text_hold_every_row(study: tuple[ms.NearData, Path]) -> None:
    with study[1].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["time_gain"]) for row in rows] == [row.time.taken for row in study[0].rows]
    assert [row["limit_w"] for row in rows] == ["", "1.5"]
    said = str(study[0])
    assert all(row.time.text in said and row.energy.text in said for row in study[0].rows)
    assert "faster in every world in" in said


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"models": ("keyword_spotting",)}, "keyword_spotting does not generate"),
        ({"systems": ("edge_tpu",)}, "edge_tpu: needs one accelerator beside the processor"),
        ({"bits": ("4.5",)}, "bits: '4.5' is no positive whole number"),
        ({"limits_w": ("-1",)}, "limits_w: '-1' is no positive number"),
        ({"contexts": ()}, "contexts: name at least one"),
        ({"worlds": 0}, "worlds is 0, must be at least 1"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(tiny: str, asked: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        ms.near_data(**{"models": (tiny,), **asked})


def test_shipped_memories_with_units_take_turns(tiny: str) -> None:
    for name in ("npu_lpddr5_pim", "npu_hbm_pim", "npu_gddr6_aim"):
        assert len(load_system(name).turns) == 2, name
    result = CliRunner().invoke(app, ["near-data", "--models", tiny, "--systems", "npu_lpddr5_pin"])
    assert "did you mean 'npu_lpddr5_pim'" in str(result.exception)


def test_a_flow_that_the_systems_file_states_holds_on_both_sides(tiny: str, tmp_path: Path) -> None:
    shipped = shipped_files("systems")[SYSTEM]
    text = shipped.read_text().replace("../accelerators/", f"{shipped.parents[1] / 'accelerators'}/")
    own = tmp_path / "own.yaml"
    own.write_text(f"{text}\nscheduling: {{flow: stacks, objective: latency}}\n")
    (row,) = ms.near_data(
        models=(tiny,), bits=("8",), contexts=("64",), limits_w=(), worlds=1, systems=(str(own),)
    ).rows
    workload = {**TINY, "weight_bits": 8, "generate": {"prompt_tokens": 64, "new_tokens": 2}}
    for outcome, scheduler in ((row.alone, "single:phone_npu"), (row.together, "greedy")):
        flows = ("stacks", "layers")
        told, poorer = (
            ms.run(workload, system=SYSTEM, baseline=SYSTEM, scheduler=scheduler, objective="edp", flow=flow).main
            for flow in flows
        )
        assert (outcome.latency_ps, outcome.energy_pj) == (told.latency_ps, pytest.approx(told.energy_pj))
        assert outcome.energy_pj < poorer.energy_pj
