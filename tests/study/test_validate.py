"""Measurement files, scores, and the command that holds predictions against measurements."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from typer.testing import CliRunner

import mensa_sim as ms
from mensa_sim.cli.main import app
from mensa_sim.errors import FileError
from mensa_sim.hardware.files import load_system
from mensa_sim.study.validate.file import METRICS, read_measurements
from mensa_sim.study.validate.fitted_constants import CONSTANT_READERS, fitted_constants
from mensa_sim.study.validate.predict import Predictor
from mensa_sim.study.validate.validate import (
    ValidateResult,
    ValidationRow,
    score,
    shipped_measurements,
    spearman,
    validate,
)
from mensa_sim.workload.models.decoder import Decoder

HEADER = "workload,system,metric,measured,source\n"
LAYERS = """
name: one
layers:
  - {name: conv, operator: convolution, dims: {K: 64, C: 64, OY: 28, OX: 28, FY: 3, FX: 3}, padding: same}
"""


def written(folder: Path, rows: str, header: str = HEADER) -> Path:
    path = folder / "rows.csv"
    path.write_text(header + rows)
    return path


def test_a_workload_is_a_shipped_name_or_a_path_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.yaml").write_text(LAYERS)
    (tmp_path / "two.yaml").write_text(LAYERS)
    path = written(
        tmp_path,
        "mobilenet_v1,coral_usb3,latency_ms,2.4,vendor\n"
        'models/one.yaml,coral_usb2,latency_ms,1,"a, b"\n'
        "two,coral_usb3,energy_mj,1,\n",
    )
    first, second, third = read_measurements(path)
    assert first.workload_path == "mobilenet_v1"
    assert Path(second.workload_path) == tmp_path / "models" / "one.yaml"
    assert second.source == "a, b"
    assert Path(third.workload_path) == tmp_path / "two.yaml"


def test_every_fault_of_a_measurement_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "mobilenet_v1,coral_usb3,latency_s,2.4,x\n"
        "mobilenet_v9,coral_usb3,latency_ms,2.4,x\n"
        "mobilenet_v1,coral_usb9,latency_ms,2.4,x\n"
        "mobilenet_v1,coral_usb3,latency_ms,nan,x\n"
        "mobilenet_v1,coral_usb3,latency_ms,fast,x\n"
        "mobilenet_v1,coral_usb3,,2.4,x\n"
        "mobilenet_v1,coral_usb3,latency_ms,2.4,x,y\n"
        "gone.yaml,coral_usb3,latency_ms,2.4,x\n",
    )
    with pytest.raises(FileError) as caught:
        read_measurements(path)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [f"line {line}" for line in range(2, 10)]


@pytest.mark.parametrize("text", ["", "workload,system\n", HEADER])
def test_a_file_without_rows_or_columns_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileError):
        read_measurements(written(tmp_path, "", header=text))


def test_the_shipped_measurements_name_what_ships_and_their_source() -> None:
    rows = shipped_measurements()
    assert len(rows) > 10
    assert all(row.source and row.metric in METRICS for row in rows)


def test_a_layer_alone_is_judged_apart_from_its_network() -> None:
    groups: dict[str, float] = {}
    for row in shipped_measurements():
        if row.workload_path.startswith("alexnet"):
            groups[row.group] = groups.get(row.group, 0) + row.measured
    assert groups == {"Chen et al.": 115.3, "Chen et al. by layer": pytest.approx(115.3)}


def test_a_layer_of_a_network_that_is_measured_too_is_not_counted_twice_among_all(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    (tmp_path / "two.yaml").write_text(LAYERS)
    names = ("one.yaml", "one.yaml#conv", "two.yaml#conv")
    rows = "".join(f"{name},edge_tpu,latency_ms,1,\n" for name in names)
    others = validate(read_measurements(written(tmp_path, rows))).metrics["latency_ms"].others
    assert others is not None
    assert others.rows == 2


def test_a_path_that_holds_the_mark_of_a_layer_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "c#"
    folder.mkdir()
    (folder / "one#.yaml").write_text(LAYERS)
    rows = "one#.yaml,edge_tpu,latency_ms,1,\none#.yaml#conv,edge_tpu,latency_ms,1,\n"
    whole, layer = read_measurements(written(folder, rows))
    predictor = Predictor()
    (first,), (second,) = (predictor.graph(row.workload_path).layers for row in (whole, layer))
    assert first == second


def test_a_layer_that_its_workload_lacks_has_no_prediction(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    (row,) = read_measurements(written(tmp_path, "one.yaml#gone,eyeriss_v1,latency_ms,1,\n"))
    (failure,) = validate([row]).failures
    assert failure.reason.startswith(f"unknown layer of {tmp_path / 'one.yaml'} 'gone'; ")


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=30))
def test_the_rank_correlation_is_scipys(pairs: Sequence[tuple[int, int]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(float(spearmanr(np.array(first), np.array(second)).statistic))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30, unique=True))
def test_equal_orders_correlate_with_exactly_one(values: Sequence[int]) -> None:
    assert spearman(values, [3 * value for value in values]) == 1.0
    assert spearman(values, [-value for value in values]) == -1.0


def test_ranks_are_compared_within_a_metric_in_every_score(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    rows = "one.yaml,coral_usb3,latency_ms,1,\none.yaml,coral_usb2,latency_ms,2,\n"
    rows += "one.yaml,coral_usb3,cached_parameter_bytes,4,\none.yaml,coral_usb3,cached_parameter_bytes,5,\n"
    result = validate(read_measurements(written(tmp_path, rows)))
    scores = result.metrics  # among all four, bytes would rank above milliseconds whatever the model says
    assert {metric: each.others and (each.others.rows, each.others.spearman) for metric, each in scores.items()} == {
        "latency_ms": (2, 1.0),
        "cached_parameter_bytes": (2, None),
    }
    assert {each.fitted for each in scores.values()} == {None}


def test_errors_of_rows_that_were_fitted_on_are_never_in_one_figure_with_the_others() -> None:
    """Nor is a row of one's own taken for one that a shipped constant has seen."""
    rows = [replace(each, measured=2.0) for each in shipped_measurements() if each.system == "coral_usb3"][:3]
    told = zip([rows[0], rows[1], replace(rows[2], known=False)], (3.0, 4.0, 5.0), strict=True)
    found = tuple(ValidationRow(measurement=each, predicted=predicted, roofline=1.0) for each, predicted in told)
    (scores,) = ValidateResult(rows=found).groups.values()
    assert scores.fitted is not None
    assert scores.others is not None
    assert (scores.fitted.rows, scores.fitted.mean_percent) == (2, 75)
    assert (scores.others.rows, scores.others.mean_percent) == (1, 150)
    assert scores.roofline_percent == 50


def test_every_row_is_scored_in_its_own_group() -> None:
    rows = tuple(
        ValidationRow(measurement=replace(measurement, measured=1.0), predicted=1.0 + number % 3)
        for number, measurement in enumerate(shipped_measurements())
    )
    groups = ValidateResult(rows=rows).groups
    assert len(groups) > 5
    for (system, metric, group), found in groups.items():
        own = [row for row in rows if (row.measurement.system, row.measurement.metric) == (system, metric)]
        own = [row for row in own if row.measurement.group == group]
        for part, fitted in ((found.fitted, True), (found.others, False)):
            some = [(row.predicted, 1.0) for row in own if row.may_be_fitted == fitted]
            assert part == (score(some) if some else None)


@pytest.mark.parametrize("column", ["workload", "measured"])
def test_a_column_named_twice_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(FileError, match=f"two columns {column}"):
        read_measurements(written(tmp_path, "a,b,c,1,d,e\n", header=f"{HEADER.strip()},{column}\n"))


def test_errors_are_percent_of_the_measured_value() -> None:
    result = score([(12.0, 10.0), (15.0, 20.0)])
    assert (result.mean_percent, result.max_percent) == pytest.approx((22.5, 25.0))


def test_the_command_prints_what_scripts_rely_on(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    path = written(tmp_path, "one.yaml,coral_usb3,latency_ms,0.9,me\none.yaml,coral_usb2,latency_ms,2,me\n")
    result = CliRunner().invoke(
        app, ["validate", "--data", str(path), "--json", "--output", str(tmp_path / "out")], catch_exceptions=False
    )
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert list(data["rows"][0])[:6] == ["workload", "system", "metric", "measured", "predicted", "error_percent"]
    errors = [100 * (row["predicted"] - row["measured"]) / row["measured"] for row in data["rows"]]
    assert [row["error_percent"] for row in data["rows"]] == pytest.approx(errors)
    (scores,) = data["metrics"].values()
    assert list(scores) == ["test", "roofline_mean_absolute_percentage_error"]
    assert scores["test"]["mean_absolute_percentage_error"] == pytest.approx(sum(map(abs, errors)) / 2)
    assert scores["test"]["spearman"] == 1.0
    assert {"system", "name", "value", "rows", "others"} == set(data["constants"][0])
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == data
    assert "parity_latency_ms" in (tmp_path / "out" / "report.html").read_text()


def test_a_measurement_that_no_prediction_compares_with_is_a_failure_and_no_infinity(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    path = written(tmp_path, "one.yaml,coral_usb3,latency_ms,1e-310,me\none.yaml,coral_usb2,latency_ms,2,me\n")
    arguments = ["validate", "--data", str(path), "--json", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert "1 of 2 rows have no prediction" in str(result.exception)
    assert "Infinity" not in result.stdout
    data = json.loads(result.stdout)
    mean = data["metrics"]["latency_ms"]["test"]["mean_absolute_percentage_error"]
    assert mean == abs(data["rows"][0]["error_percent"])
    assert [(row["system"], row["metric"]) for row in data["failures"]] == [("coral_usb3", "latency_ms")]
    assert "1e-310" in data["failures"][0]["reason"]
    assert {path.name, "one.yaml", "accelerator_specs/systems/coral_usb2.yaml"} <= set(data["inputs"])


def test_a_row_that_the_model_refuses_is_a_failure_with_its_reason_and_never_a_number(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(LAYERS)
    (tmp_path / "bad.yaml").write_text("name: bad\nlayers: []\n")
    path = written(tmp_path, "one.yaml,coral_usb3,latency_ms,1,me\nbad.yaml,coral_usb3,latency_ms,1,me\n")
    result = validate(read_measurements(path))
    assert [row.measurement.workload for row in result.rows] == ["one.yaml"]
    assert [failure.measurement.workload for failure in result.failures] == ["bad.yaml"]
    assert "bad.yaml" in result.failures[0].reason


def test_every_fitted_constant_is_read_from_the_spec_that_holds_it() -> None:
    constants = fitted_constants(load_system)
    assert {each.name for each in constants} == set(CONSTANT_READERS)
    assert load_system("coral_usb3").host is not None
    overhead = next(each for each in constants if (each.system, each.name) == ("coral_usb3", "host.overhead_ms"))
    assert overhead.value == load_system("coral_usb3").host.overhead_ps / 1e9  # type: ignore[union-attr]


def test_rows_of_what_no_constant_was_fitted_on_only_test() -> None:
    """Whole models on a GPU, compiler's cycles, an Eyeriss: nothing shipped was fitted on them, whatever their text."""
    rows = [ValidationRow(measurement=each, predicted=1.0) for each in shipped_measurements()]
    fitted = {(row.measurement.system, row.measurement.metric) for row in rows if row.may_be_fitted}
    assert fitted == {("coral_usb3", "latency_ms"), ("coral_dev_board", "latency_ms")}
    assert {"gpu_h100", "gpu_h100_fit", "gpu_h200_by_h100", "eyeriss_v1"} <= {row.measurement.system for row in rows}


GENERATING = "workload,system,metric,measured,source,prompt_tokens,new_tokens,context\n"
SMALL = """
name: small
model: mensa_sim.workload.models.decoder:Decoder
arguments: {layers: 1, hidden: 64, intermediate: 96, heads: 4, kv_heads: 2, head_dim: 32, vocab: 500}
generate: {prompt_tokens: 20, new_tokens: 4}
"""


@pytest.mark.parametrize("system", ["rk3588_npu", "npu_lpddr5x"])
def test_speeds_and_energies_of_generation_are_those_of_a_run(system: str, tmp_path: Path) -> None:
    """Also where activations stay on the chip, as they do in a run that asks for nothing else."""
    (tmp_path / "small.yaml").write_text(SMALL)
    path = written(
        tmp_path,
        f"small,{system},ttft_ms,1,x,30,,\n"
        f"small,{system},prefill_tokens_per_s,1,x,30,,\n"
        f"small,{system},decode_tokens_per_s,1,x,30,5,\n"
        f"small,{system},energy_per_token_mj,1,x,30,5,\n"
        f"small,{system},decode_tokens_per_s,1,x,,,400\n",
        GENERATING,
    )
    found = validate(read_measurements(path))
    assert not found.failures
    ttft, prefill, decode, energy, later = (row.predicted for row in found.rows)
    lengths = {"prompt_tokens": 30, "new_tokens": 5}
    run = ms.run(tmp_path / "small.yaml", system=system, baseline=system, objective="latency", **lengths)
    answer = run.answer
    assert answer is not None
    assert ttft == pytest.approx(answer.ttft_ps / 1e9)
    assert prefill == pytest.approx(answer.prefill_tokens_per_s)
    assert decode == pytest.approx(answer.tokens_per_s)
    assert energy == pytest.approx((answer.energy_per_token_pj or 0) / 1e9)
    assert later < decode


def test_the_first_token_waits_until_keys_and_values_lie_where_the_steps_read_them(tmp_path: Path) -> None:
    """The figure of `run`, where the prompt and the steps run beside two memories; one token alone waits for none."""
    (tmp_path / "small.yaml").write_text(SMALL)
    path = written(
        tmp_path,
        "small,mensa_g,decode_tokens_per_s,1,x,300,3,\n"
        "small,mensa_g,ttft_ms,1,x,300,3,\n"
        "small,mensa_g,prefill_tokens_per_s,1,x,300,3,\n"
        "small,mensa_g,ttft_ms,1,x,300,1,\n",
        GENERATING,
    )
    _, waited, rate, alone = (row.predicted for row in validate(read_measurements(path)).rows)
    places: dict[str, Any] = {"baseline": "mensa_g", "scheduler": "optimal", "objective": "latency"}
    answer = ms.run(tmp_path / "small.yaml", system="mensa_g", prompt_tokens=300, new_tokens=3, **places).answer
    assert answer is not None
    assert answer.moved_ps > 0.01 * answer.prompt.latency_ps
    assert waited == answer.ttft_ps / 1e9
    assert rate == answer.prefill_tokens_per_s
    assert alone == answer.prompt.latency_ps / 1e9


def test_the_roofline_of_a_step_is_its_bytes_over_the_bandwidth(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    path = written(tmp_path, "small,rk3588_npu,decode_tokens_per_s,1,x,,,100\n", GENERATING)
    (row,) = validate(read_measurements(path)).rows
    model = Decoder(layers=1, hidden=64, intermediate=96, heads=4, kv_heads=2, head_dim=32, vocab=500)
    table, norms = model.vocab * model.hidden, 3 * model.hidden
    read = model.parameters - table + 100 * 2 * 2 * 32  # all of 8 bits, the keys and values of 100 tokens
    assert norms < read
    assert row.roofline == pytest.approx(load_system("rk3588_npu").memories["lpddr4"].bandwidth_bytes_per_s / read)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("small,rk3588_npu,decode_tokens_per_s,1,x,30,none,\n", "new_tokens is 'none'"),
        ("small,rk3588_npu,decode_tokens_per_s,1,x,,,0\n", "context is 0"),
    ],
)
def test_a_length_that_is_none_is_told_with_its_line(row: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    with pytest.raises(FileError, match=f"line 2: {fault}"):
        read_measurements(written(tmp_path, row, GENERATING))


def test_a_speed_of_decoding_is_refused_where_nothing_generates(tmp_path: Path) -> None:
    path = written(tmp_path, "mobilenet_v1,rk3588_npu,decode_tokens_per_s,1,x,,,\n", GENERATING)
    (failure,) = validate(read_measurements(path)).failures
    assert failure.reason == "decode_tokens_per_s: mobilenet_v1 does not generate"
