"""What devices reach, fitted to runs: known constants are found again, halves judge each other, tables are checked."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mensa_sim.cli.main import app
from mensa_sim.errors import FileError, UsageError
from mensa_sim.study.devices.fit import FittedDevice, fit_device_rates, fit_energy
from mensa_sim.study.devices.judge import JudgedDevice, judge_devices, model_halves
from mensa_sim.study.devices.request import FitDevicesRequest
from mensa_sim.study.devices.runs import DeviceRun, read_runs
from mensa_sim.study.devices.study import fit_devices

REFERENCE = Path(__file__).parents[3] / "shared/reference/llm"
TRUE = FittedDevice(
    launch_us=20.0, weight_efficiency=0.6, cache_efficiency=0.3, unpack_weights_per_byte=4.0, macs_per_byte=15.0
)
SHAPES = {
    f"m{size}": {
        "layers": layers,
        "hidden": hidden,
        "intermediate": 4 * hidden,
        "heads": hidden // 64,
        "kv_heads": hidden // 128,
        "head_dim": 64,
        "vocab": 32000,
        "note": "a key that no decoder has",
    }
    for size, (layers, hidden) in enumerate([(12, 512), (16, 1024), (24, 1024), (24, 2048), (32, 2560)])
}
HEADER = (
    "device,memory_bandwidth_gb_s,shape,bits_per_weight,prompt_tokens,new_tokens,context,batch,prefill_tok_s,"
    "decode_tok_s,energy_j_per_token,power_scope\n"
)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps({**SHAPES, "mixed": {**SHAPES["m0"], "hybrid": "convolutions"}}))
    return path


def table(folder: Path, *lines: str) -> Path:
    path = folder / "runs.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def runs(tmp_path: Path, shapes: Path) -> tuple[DeviceRun, ...]:
    """Runs of a device with known constants, without noise: contexts and widths vary; 3 W and 80 pJ for a byte."""
    asked = [(name, bits, context) for name in SHAPES for bits, context in ((4.5, 200), (4.5, 4000), (16, 1000))]
    path = table(tmp_path, *(f"board,50,{name},{bits},512,,{context},1,1,1,1,rail" for name, bits, context in asked))
    found = []
    for run in read_runs(path, shapes).runs:
        assert run.prompt is not None
        step_s, prompt_s = (TRUE.seconds(work, run.bytes_per_s) for work in (run.step, run.prompt))
        joules = 3 * step_s + 80e-12 * (run.step.streamed_bytes + run.step.cache_bytes)
        values = {"decode_s": step_s, "prompt_s": prompt_s, "energy_j": joules}
        fields = {name: getattr(run, name) for name in DeviceRun.__slots__}
        found.append(DeviceRun(**{**fields, **values}))
    return tuple(found)


def test_runs_without_noise_give_their_constants_back(runs: tuple[DeviceRun, ...]) -> None:
    found = fit_device_rates(runs)
    for name in FittedDevice.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.1), name
    energy = fit_energy(runs)
    assert energy is not None
    assert (energy.idle_w, energy.j_per_byte) == pytest.approx((3, 80e-12), rel=0.05)


def test_each_half_of_the_models_predicts_the_other(runs: tuple[DeviceRun, ...]) -> None:
    (judged,) = judge_devices(runs)
    assert judged.models == 5
    assert len(judged.runs) == len(runs)
    assert judged.decode_percent == pytest.approx(0, abs=3)
    assert judged.prompt_percent == pytest.approx(0, abs=3)
    assert judged.energy_percent == pytest.approx(0, abs=3)
    assert (judged.roofline_percent or 0) > 30


def test_no_run_of_a_model_is_in_both_halves(runs: tuple[DeviceRun, ...]) -> None:
    one, other = model_halves(runs)
    assert {run.model for run in one} == {"m0", "m2", "m4"}
    assert {run.model for run in other} == {"m1", "m3"}


def test_a_judged_run_owes_nothing_to_the_runs_of_its_own_half(runs: tuple[DeviceRun, ...]) -> None:
    """Runs of one model that are ten times slower leave what is said of that model as it was."""
    slow = tuple(
        run
        if run.model != "m2"
        else DeviceRun(
            **{**{name: getattr(run, name) for name in DeviceRun.__slots__}, "decode_s": 10 * (run.decode_s or 0)}
        )
        for run in runs
    )
    before, after = (judge_devices(each)[0] for each in (runs, slow))

    def said(judged: JudgedDevice) -> list[float]:
        return [each.decode_s for each in judged.runs if each.run.model in {"m0", "m2", "m4"}]

    assert said(before) == said(after)


def test_what_is_unknown_of_a_device_is_as_usual(runs: tuple[DeviceRun, ...]) -> None:
    alone = fit_device_rates(())
    assert alone.weight_efficiency == pytest.approx(0.75)
    few = fit_device_rates(runs[:1])
    errors = [abs(few.seconds(run.step, run.bytes_per_s) / (run.decode_s or 1) - 1) for run in runs]
    assert np.mean(errors) < 0.6


def test_a_step_of_many_layers_is_counted_as_its_whole_graph_is(tmp_path: Path, shapes: Path) -> None:
    from mensa_sim.cost.datasheet import DeviceWork, device_work
    from mensa_sim.workload.generation.widths import ModelWidths
    from mensa_sim.workload.models.decoder import Decoder

    shape = {**SHAPES["m0"], "attention_window": 100, "window_every": 3}
    shapes.write_text(json.dumps({"own": shape}))
    (run,) = read_runs(table(tmp_path, "board,50,own,16,,,300,1,,9,,"), shapes).runs
    model = Decoder(**{name: value for name, value in shape.items() if name != "note"})
    widths = ModelWidths(weight_bits=16, activation_bits=16, kv_bits=16)
    total = DeviceWork()
    for layer in model.phase("whole", widths, tokens=1, context=300).layers:
        total += device_work(layer)
    assert run.step == total


def test_rows_that_say_too_little_are_passed_over_and_counted(tmp_path: Path, shapes: Path) -> None:
    path = table(
        tmp_path,
        "board,50,m0,4,,,100,1,,9,,",
        "board,50,m0,4,,,100,8,,9,,",
        "board,,m0,4,,,100,1,,9,,",
        "board,50,mixed,4,,,100,1,,9,,",
        "board,50,m0,4,,,100,1,,,,",
    )
    found = read_runs(path, shapes)
    assert len(found.runs) == 1
    assert sum(found.passed_over.values()) == 4
    with pytest.raises(UsageError, match="no device with runs of two models"):
        fit_devices(FitDevicesRequest(path, shapes=shapes))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("board,50,m0,4,,,100,1,,fast,,", "line 2: decode_tok_s is 'fast'"),
        ("board,-5,m0,4,,,1,1,,9,,", "line 2: memory"),
    ],
)
def test_a_number_that_is_none_is_told_with_its_line(line: str, fault: str, tmp_path: Path, shapes: Path) -> None:
    with pytest.raises(FileError, match=fault):
        read_runs(table(tmp_path, line), shapes)


def test_a_table_or_shapes_of_something_else_are_refused(tmp_path: Path, shapes: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="no column device, memory_bandwidth_gb_s, shape, bits_per_weight"):
        read_runs(other, shapes)
    shapes.write_text(json.dumps({"m0": {"layers": 0}}))
    with pytest.raises(FileError, match="m0: "):
        read_runs(table(tmp_path, "board,50,m0,4,,,1,1,,9,,"), shapes)
    for text in ("[1", "[" * 100_000, '{"m0": {"layers": NaN}}', '{"m0": {"layers": ' + "9" * 400 + "}}"):
        shapes.write_text(text)
        with pytest.raises(FileError, match="is no JSON"):
            read_runs(other, shapes)


def test_the_command_tells_each_device_and_writes_each_run(tmp_path: Path, shapes: Path) -> None:
    lines = [
        f"board,50,{name},4,,,{context},1,,{rate},," for name, rate in (("m0", 90), ("m1", 40)) for context in (9, 99)
    ]
    output = tmp_path / "judged.csv"
    asked = ["fit-devices", str(table(tmp_path, *lines)), "--shapes", str(shapes), "--output", str(output)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if line.startswith("board"))
    assert line.split()[1:3] == ["4", "2"]
    assert line.split()[-1] == "%"
    with output.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["decode_s"]) for row in rows] == pytest.approx([1 / 40, 1 / 40, 1 / 90, 1 / 90])
    assert all(float(row["decode_s_predicted"]) > 0 and not row["prompt_s"] for row in rows)


def test_published_runs_of_npus_and_gpus_are_predicted_by_the_other_half_of_their_models(tmp_path: Path) -> None:
    """Bounds are what was reached when this was written, rounded up to 5 %; the plain roofline is further off."""
    if not REFERENCE.is_dir():
        pytest.skip("the published runs are not part of the project")
    most = {
        "RK3588": (5, 25),
        "Ryzen AI 7 350 (XDNA2 NPU)": (15, 40),
        "Apple M2 Ultra (76-core GPU)": (15, 15),
        "Snapdragon X Elite CRD": (15, 45),
    }
    with (REFERENCE / "given.csv").open(newline="") as stream:
        reader = csv.DictReader(stream)
        chosen = [row for row in reader if row["device"] in most]
        path = tmp_path / "chosen.csv"
        with path.open("w", newline="") as target:
            writer = csv.DictWriter(target, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows(chosen)
    devices = fit_devices(FitDevicesRequest(path, shapes=REFERENCE / "llm_shapes.json")).devices
    assert {device.device.partition(",")[0] for device in devices} == set(most)
    for device in devices:
        decoding, prompt = most[device.device.partition(",")[0]]
        assert (device.decode_percent or 0) <= decoding, device.device
        assert (device.prompt_percent or 0) <= prompt, device.device
        assert (device.decode_percent or 0) < (device.roofline_percent or 0), device.device
