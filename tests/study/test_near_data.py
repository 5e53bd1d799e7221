"""Published gains of units in the memory: recomputed against their own baselines, with a reason for each difference."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.study.near_data.study import LLAMA_2_7B, PUBLISHED, ROW_PRODUCT, GainSide, RecomputedGain, recomputed
from mensa_sim.workload.load import load_generation, workload_files


@pytest.fixture(scope="module")
def aim(tmp_path_factory: pytest.TempPathFactory) -> tuple[ms.PimGains, Path]:
    """The two gains of GDDR6-AiM, which are those of one product."""
    output = tmp_path_factory.mktemp("gains") / "gains.csv"
    return ms.reproduce_pim(works=("gddr6_aim",), output=output), output


def test_a_gain_is_the_baselines_figure_over_ours(aim: tuple[ms.PimGains, Path]) -> None:
    """As single runs of both sides have them."""
    time, energy = aim[0].rows
    ours, baseline = (
        ms.run(ROW_PRODUCT, system="npu_gddr6_aim", scheduler=f"single:{name}").main
        for name in ("gddr6_aim", "phone_npu")
    )
    assert time.ours == pytest.approx(baseline.latency_ps / ours.latency_ps)
    assert energy.ours == pytest.approx(baseline.energy_pj / ours.energy_pj)


def test_a_product_of_one_row_gains_what_the_banks_give_over_the_pins(aim: tuple[ms.PimGains, Path]) -> None:
    """Its own input and output are all that keeps it from 16 times."""
    (time, _) = aim[0].rows
    assert 0.95 * 16 < time.ours < 16


def test_the_table_holds_every_row_with_its_reason_and_what_is_not_recomputed(aim: tuple[ms.PimGains, Path]) -> None:
    study, output = aim
    with output.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["ours"]) for row in rows] == [row.ours for row in study.rows]
    assert all(row["reason"] and row["source"] for row in rows)
    text = " ".join(str(study).split())
    for row in study.rows:
        assert " ".join(row.gain.reason.split()) in text
    assert "not recomputed: HPIM" in text


def test_the_command_prints_json_and_writes_the_page_and_slides_where_it_is_told(
    aim: tuple[ms.PimGains, Path], tmp_path: Path
) -> None:
    study, _ = aim
    asked = ["reproduce-pim", "--works", "gddr6_aim", "--json", "--report", str(tmp_path / "gains.html")]
    result = CliRunner().invoke(app, [*asked, "--export", "csv"])
    told = json.loads(result.stdout)
    assert [row["ours"] for row in told["rows"]] == [row.ours for row in study.rows]
    assert "mensa-sim" in told["versions"]
    assert (tmp_path / "gains.html").read_text() == study.files()["report.html"]
    assert (tmp_path / "figures" / "gains.csv").read_text()


@pytest.mark.parametrize(("ours", "times"), [(5.0, 5 / 6), (8.0, 1.0), (24.0, 2.0)])
def test_ours_is_held_against_the_nearest_end_of_what_is_published(ours: float, times: float) -> None:
    gain = replace(PUBLISHED.gains[0], published=(6.0, 12.0))
    assert RecomputedGain(gain=gain, ours=ours).times_published == pytest.approx(times)


def test_every_gain_names_systems_and_workloads_that_exist() -> None:
    for gain in PUBLISHED.gains:
        for side in (gain.ours, gain.baseline):
            assert load_system(side.system, side.overrides).accelerators
        assert workload_files(gain.workload)


def test_the_device_with_more_channels_reads_weights_at_no_more_than_its_banks_give() -> None:
    (cent,) = (gain for gain in PUBLISHED.gains if gain.work == "cent")
    (port,) = (placed.memory for placed in load_system(cent.ours.system, cent.ours.overrides).accelerators[1:])
    system = load_system(cent.ours.system, cent.ours.overrides)
    assert system.memories[port].bandwidth_bytes_per_s == 32 * 512e9
    generation = load_generation(LLAMA_2_7B)
    assert generation is not None
    assert generation.model.parameters == 6_738_415_616


def test_what_has_no_decoding_steps_has_no_time_of_a_token() -> None:
    gain = replace(
        PUBLISHED.gains[0], workload=ROW_PRODUCT, figure="time of a token", baseline=GainSide(system="npu_lpddr5x")
    )
    with pytest.raises(InfeasibleError, match="no decoding steps"):
        recomputed([gain], PriceMemo())


def test_an_unknown_work_is_told_with_the_choices() -> None:
    with pytest.raises(UsageError, match=r"choose from .*hbm_pim"):
        ms.reproduce_pim(works=("hbm",))
    result = CliRunner().invoke(app, ["reproduce-pim", "--works", "hbm_pin"])
    assert "did you mean 'hbm_pim'" in str(result.exception)
