"""What devices reach, fitted to runs: known constants are found again, halves judge each other, tables are checked."""

import csv
import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares
from typer.testing import CliRunner

from mensa_sim.arrays import Floats
from mensa_sim.cli.main import app
from mensa_sim.cost.datasheet import DeviceWork, datasheet_cost, device_work
from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.accelerator import DatasheetDevice, DeviceRates
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.technology.technology import Constant
from mensa_sim.study.devices.constants import SLOWNESS, USUAL, FittedDevice
from mensa_sim.study.devices.fit import (
    KIN_SHARES,
    PROMPT_DEVIATION,
    STEP_DEVIATION,
    fit_device_rates,
    fit_energy,
    likeness,
)
from mensa_sim.study.devices.judge import (
    JudgedDevice,
    judge_boards,
    judge_devices,
    judge_others,
    mean_of,
    model_halves,
    of_halvings,
)
from mensa_sim.study.devices.request import FitDevicesRequest
from mensa_sim.study.devices.runs import DeviceRun, Kin, read_runs
from mensa_sim.study.devices.study import fit_devices
from mensa_sim.units import PS_PER_S
from mensa_sim.workload.generation.model import phase_of
from mensa_sim.workload.generation.widths import ModelWidths, WeightGroup
from mensa_sim.workload.models.decoder import Decoder

REFERENCE = Path(__file__).parents[3] / "shared/reference/llm"
TRUE = FittedDevice(
    launch_us=20.0,
    weight_efficiency=0.6,
    cache_efficiency=0.3,
    unpack_weights_per_byte=2.0,
    macs_per_byte=15.0,
    attention_macs_per_byte=5.0,
    logit_ns=25.0,
    prompt_ms=30.0,
)
SHAPES = {
    f"m{size}": {
        "layers": layers,
        "hidden": hidden,
        "intermediate": 4 * hidden,
        "heads": hidden // 64,
        "kv_heads": hidden // 128,
        "head_dim": 64,
        "vocab": vocab,
        "note": "a key that no decoder has",
    }
    for size, (layers, hidden, vocab) in enumerate(
        [(12, 512, 32000), (16, 1024, 60000), (24, 1024, 32000), (24, 2048, 90000), (32, 2560, 32000)]
    )
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


def as_on(true: FittedDevice, run: DeviceRun) -> DeviceRun:
    """The run as a device of known constants does it, without noise, at 3 W and 80 pJ for a byte."""
    assert run.prompt is not None
    step_s = true.seconds(run.step)
    joules = 3 * step_s + 80e-12 * run.step.read_bytes
    return replace(run, decode_s=step_s, prompt_s=true.seconds(run.prompt), energy_j=joules)


@pytest.fixture
def runs(tmp_path: Path, shapes: Path) -> tuple[DeviceRun, ...]:
    """Runs of a device with known constants: prompts, contexts and widths vary."""
    asked = [
        (name, bits, prompt, context)
        for name in SHAPES
        for bits, prompt, context in ((4, 64, 200), (4, 2048, 4000), (16, 512, 1000), (16, 8192, 100))
    ]
    path = table(
        tmp_path, *(f"board,50,{name},{bits},{prompt},,{context},1,1,1,1,rail" for name, bits, prompt, context in asked)
    )
    return tuple(as_on(TRUE, run) for run in read_runs(path, shapes).runs)


def test_runs_without_noise_give_their_constants_back(runs: tuple[DeviceRun, ...]) -> None:
    found = fit_device_rates(9 * runs).of(runs[0].kin)
    for name in USUAL:
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=0.1), name
    energy = fit_energy(runs)
    assert energy is not None
    assert (energy.idle_w, energy.j_per_byte) == pytest.approx((3, 80e-12), rel=0.05)


def test_no_constants_are_more_likely_than_those_that_are_found(runs: tuple[DeviceRun, ...]) -> None:
    """Oracle: scipy's minimiser over the logarithms of one device, which has all its deviations in one."""
    few = runs[::3]
    kin = few[0].kin
    alone = likeness([kin], [kin])[:, 0, 0]
    usual, deviation = (np.array(values) for values in zip(*USUAL.values(), SLOWNESS, strict=True))
    deviation = deviation * np.sqrt(np.append(np.full(len(USUAL), alone[0]), alone[1]))

    def off(logs: Floats) -> Floats:
        device = FittedDevice.at(logs)
        steps = [np.log(device.seconds(run.step) / (run.decode_s or 1)) / STEP_DEVIATION for run in few]
        prompts = [
            np.log(device.seconds(run.prompt) / (run.prompt_s or 1)) / PROMPT_DEVIATION for run in few if run.prompt
        ]
        return np.array([*steps, *prompts, *((logs - np.log(usual)) / deviation)])

    best = FittedDevice.at(least_squares(off, np.log(usual), xtol=1e-12, ftol=1e-12).x)
    found = fit_device_rates(few).of(kin)
    for name in USUAL:
        assert getattr(found, name) == pytest.approx(getattr(best, name), rel=2e-3), name


def test_what_is_seen_of_one_device_tells_of_its_kin_and_less_of_others(runs: tuple[DeviceRun, ...]) -> None:
    """A setting of the same board moves towards it, another unit's runtime stays as usual."""
    fitted, kin = fit_device_rates(runs), runs[0].kin
    sibling = replace(kin, device="other mode")
    stranger = Kin(device="a", setup="f", board="b", kernels="c", weights="d", unit="e")
    own, near, far = (fitted.of(each).launch_us for each in (kin, sibling, stranger))
    assert far == pytest.approx(USUAL["launch_us"][0])
    assert far < near < own


def test_a_mode_that_is_slower_in_all_is_told_from_one_model(runs: tuple[DeviceRun, ...]) -> None:
    """Of the other mode one model was seen, at a third of the clock; of all others its steps follow."""
    slow = replace(
        TRUE, **{name: getattr(TRUE, name) * (3 if name[-1] == "s" else 1 / 3) for name in USUAL if "eff" not in name}
    )

    def in_mode(run: DeviceRun) -> DeviceRun:
        return as_on(slow, replace(run, kin=replace(run.kin, device="slow mode")))

    seen = [in_mode(run) for run in runs if run.model == "m2"]
    found = fit_device_rates([*runs, *seen]).of(seen[0].kin)
    for run in map(in_mode, runs):
        assert found.seconds(run.step) == pytest.approx(run.decode_s, rel=0.2)


def test_threads_and_modes_are_devices_of_their_own_on_one_board(tmp_path: Path, shapes: Path) -> None:
    path = tmp_path / "named.csv"
    path.write_text(
        "device,unit,framework,power_mode_w,quantisation,memory_bandwidth_gb_s,shape,bits_per_weight,decode_tok_s\n"
        'board,CPU,"tool v2, 4 threads",,Q4_K (own),50,m0,4,9\n'
        'board,CPU,"tool v1, 8 threads",5W,Q8,50,m0,8,9\n'
        "board,iGPU,tool v1,,Q8,50,m0,8,9\n"
    )
    one, other, third = (run.kin for run in read_runs(path, shapes).runs)
    assert one.device == "board, CPU, tool, 4 threads"
    assert other.device == "board, CPU, tool, 8 threads, 5W"
    assert (one.setup, one.board, one.kernels, one.unit) == (other.setup, other.board, other.kernels, other.unit)
    assert one.weights != other.weights
    assert third.unit == "GPU"
    assert not {getattr(third, name) for name in KIN_SHARES} & {getattr(one, name) for name in KIN_SHARES}


def test_runtimes_share_kernels_and_rows_of_no_whole_blocks_get_another_format(tmp_path: Path, shapes: Path) -> None:
    """512 columns are two blocks of a K format; 640 are none, and other formats have no such blocks."""
    shapes.write_text(json.dumps({**SHAPES, "odd": {**SHAPES["m0"], "hidden": 640, "heads": 10, "kv_heads": 5}}))
    path = tmp_path / "named.csv"
    asked = (("Ollama", "Q4_K_M", "m0"), ("llama.cpp b1", "Q4_K_M", "m0"), ("llama.cpp", "Q4_K_M", "odd"))
    path.write_text(
        "device,unit,framework,quantisation,memory_bandwidth_gb_s,shape,bits_per_weight,decode_tok_s\n"
        + "".join(
            f"board,GPU,{tool},{form},50,{shape},4,9\n" for tool, form, shape in (*asked, ("llama.cpp", "Q8_0", "odd"))
        )
    )
    ollama, own, odd, legacy = (run.kin for run in read_runs(path, shapes).runs)
    assert ollama.setup != own.setup
    assert (
        (ollama.kernels, ollama.weights) == (own.kernels, own.weights) == ("llama.cpp, GPU", "llama.cpp, GPU, Q4_K_M")
    )
    assert odd.weights == "llama.cpp, GPU, Q4_K_M replaced"
    assert legacy.weights == "llama.cpp, GPU, Q8_0"


def test_rates_of_stated_threads_are_over_threads_and_not_over_the_memory(runs: tuple[DeviceRun, ...]) -> None:
    step = runs[0].step
    one, twelve = (replace(step, threads=threads) for threads in (1, 12))
    faster = replace(one, bytes_per_s=10 * one.bytes_per_s)
    assert [
        here / there for here, there in zip(one.parts[3:6], twelve.parts[3:6], strict=True) if there
    ] == pytest.approx([12] * 3)
    assert one.parts[3:6] == faster.parts[3:6]
    assert one.parts[1:3] == pytest.approx([10 * part for part in faster.parts[1:3]])


def test_each_half_of_the_models_predicts_the_other(runs: tuple[DeviceRun, ...]) -> None:
    (judged,) = judge_devices(runs, halvings=2)
    assert judged.models == 5
    assert len(judged.runs) == 2 * len(runs)
    assert judged.error_percent("decoding") == pytest.approx(0, abs=3)
    assert judged.error_percent("prompt") == pytest.approx(0, abs=3)
    assert judged.error_percent("energy") == pytest.approx(0, abs=3)
    assert (judged.error_percent("roofline") or 0) > 30
    each = of_halvings([judged], "decoding")
    assert sum(each) / 2 == pytest.approx(judged.error_percent("decoding"))
    assert each[0] != each[1]


def test_halves_share_no_model_and_are_drawn_anew(runs: tuple[DeviceRun, ...]) -> None:
    drawn = [[{run.model for run in half} for half in model_halves(runs, halving)] for halving in range(20)]
    for one, other in drawn:
        assert one | other == set(SHAPES)
        assert not one & other
        assert {len(one), len(other)} == {2, 3}
    assert len({frozenset(one) for one, _ in drawn}) > 5
    assert {len(one) for one, _ in drawn} == {2, 3}


def test_a_judged_run_owes_nothing_to_the_runs_of_its_own_half(runs: tuple[DeviceRun, ...]) -> None:
    """Runs of one model that are ten times slower leave what is said of its half as it was."""
    slow = tuple(run if run.model != "m2" else replace(run, decode_s=10 * (run.decode_s or 0)) for run in runs)
    half = next({run.model for run in half} for half in model_halves(runs, 0) if "m2" in {run.model for run in half})
    before, after = (judge_devices(each, halvings=1)[0] for each in (runs, slow))

    def said(judged: JudgedDevice, *, own: bool) -> list[float]:
        return [each.decode_s for each in judged.runs if (each.run.model in half) == own]

    assert said(before, own=True) == said(after, own=True)
    assert said(before, own=False) != said(after, own=False)


def test_a_board_that_is_left_out_owes_nothing_to_its_own_runs(runs: tuple[DeviceRun, ...]) -> None:
    """What a stranger is said to take: as its kin has it, whatever its own runs took."""
    kin = replace(runs[0].kin, device="other", setup="other", board="other")
    strange = [replace(run, kin=kin, decode_s=9 * (run.decode_s or 0)) for run in runs[:4]]
    own, other = judge_boards([*runs, *strange])
    assert (own.device, other.device) == (runs[0].kin.device, "other")
    expected = [fit_device_rates(runs).of(kin).seconds(run.step) for run in strange]
    assert [each.decode_s for each in other.runs] == pytest.approx(expected)


def test_others_are_judged_by_all_runs(runs: tuple[DeviceRun, ...]) -> None:
    others = tuple(run for run in runs if run.model == "m3")
    kept = tuple(run for run in runs if run.model != "m3")
    (judged,) = judge_others(kept, others)
    expected = [fit_device_rates(kept).of(run.kin).seconds(run.step) for run in others]
    assert [each.decode_s for each in judged.runs] == expected
    assert [each.run for each in judged.runs] == list(others)
    assert judged.error_percent("energy") == pytest.approx(0, abs=3)


def test_a_step_of_many_layers_is_counted_as_its_whole_graph_is(tmp_path: Path, shapes: Path) -> None:
    shape = {**SHAPES["m0"], "attention_window": 100, "window_every": 3}
    shapes.write_text(json.dumps({"own": shape}))
    (run,) = read_runs(table(tmp_path, "board,50,own,16,20,,300,1,99,9,,"), shapes).runs
    model = Decoder(**{name: value for name, value in shape.items() if name != "note"})
    widths = ModelWidths(weight_bits=16, activation_bits=16, kv_bits=16)
    for phase, tokens, context in ((run.step, 1, 300), (run.prompt, 20, 0)):
        total = DeviceWork()
        for layer in phase_of(model, "whole", widths, tokens=tokens, context=context).layers:
            total += device_work(layer)
        assert phase is not None
        assert phase.work == total
        assert (phase.work.logits, phase.work.prompts) == (32000, 0 if context else 1)


@pytest.mark.parametrize("tied", [True, False])
def test_a_run_takes_what_the_fitted_constants_say_of_it(tmp_path: Path, shapes: Path, tied: bool) -> None:
    """Layer by layer as a device file prices them, at 4 bits and a scale of 16 for each 32 weights."""
    shape = {**SHAPES["m1"], "tied_embeddings": tied}
    shapes.write_text(json.dumps({"own": shape}))
    (run,) = read_runs(table(tmp_path, "board,2039,own,4.5,700,,900,1,99,9,,"), shapes).runs
    system = load_system("a100_80gb")
    spec, memory = system.accelerators[0].spec, system.memory_of("a100_80gb")
    assert isinstance(spec, DatasheetDevice)
    macs = run.step.bytes_per_s / spec.macs_per_s
    rates = {
        "launch_us": TRUE.launch_us,
        "weight_efficiency": TRUE.weight_efficiency,
        "cache_efficiency": TRUE.cache_efficiency,
        "unpack_weights_per_s": TRUE.unpack_weights_per_byte * run.step.bytes_per_s,
        "compute_efficiency": TRUE.macs_per_byte * macs,
        "attention_efficiency": TRUE.attention_macs_per_byte * macs,
        "logit_ns": TRUE.logit_ns,
        "prompt_ms": TRUE.prompt_ms,
    }
    reached = DeviceRates(**{name: Constant(value=value, source="a test") for name, value in rates.items()})
    spec = replace(spec, reached=reached)
    widths = ModelWidths(weight_bits=4, weight_group=WeightGroup(group=32, scale_bits=16), activation_bits=16)
    model = Decoder(**{name: value for name, value in shape.items() if name != "note"})
    for phase, tokens, context in ((run.step, 1, 900), (run.prompt, 700, 0)):
        graph = phase_of(model, "own", widths, tokens=tokens, context=context)
        costs = [datasheet_cost(layer, spec, memory) for layer in graph.layers]
        priced_s = sum(each.latency_ps(memory.effective_bytes_per_s) for each in costs) / PS_PER_S
        assert phase is not None
        assert priced_s == pytest.approx(TRUE.seconds(phase), rel=1e-4)


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
    with pytest.raises(UsageError, match="no run that says enough"):
        fit_devices(FitDevicesRequest(path, shapes=shapes, others=table(tmp_path, "board,50,m0,4,,,100,1,,,,")))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("board,50,m0,4,,,100,1,,fast,,", "line 2: decode_tok_s is 'fast'"),
        ("board,-5,m0,4,,,1,1,,9,,", "line 2: memory"),
        ("board,50,m0,4,,,1,1,,9,1e308,", "line 2: energy_j_per_token is .1e308., must be 0, or from"),
        ("board,50,m0,4,inf,,1,1,,9,,", "line 2: prompt_tokens is .inf."),
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
    line, constants, of_any = (line for line in result.output.splitlines() if line.startswith("board"))
    assert "least of the halvings" in result.output
    assert "their board left out" in result.output
    assert len(constants.split()) == 1 + len(USUAL)
    assert of_any.split()[:3] == ["board,", "any", "format"]
    assert of_any.split()[3:] == constants.split()[1:]  # as there is one format
    assert line.split()[1:3] == ["4", "2"]
    assert line.split()[-1] == "%"
    with output.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["decode_s"]) for row in rows if row["halving"] == "3"] in (
        [1 / 40] * 2 + [1 / 90] * 2,
        [1 / 90] * 2 + [1 / 40] * 2,
    )
    assert len(rows) == 40
    assert all(float(row["decode_s_predicted"]) > 0 and not row["prompt_s"] for row in rows)


@pytest.fixture(scope="module")
def published() -> tuple[JudgedDevice, ...]:
    if not REFERENCE.is_dir():
        pytest.skip("the published runs are not part of the project")
    return judge_devices(read_runs(REFERENCE / "given.csv", REFERENCE / "llm_shapes.json").runs, halvings=1)


def test_published_runs_are_predicted_by_halves_of_their_devices_models(published: tuple[JudgedDevice, ...]) -> None:
    """The bounds that were asked for, and no plain roofline is near."""
    assert len(published) > 40
    assert (mean_of(published, "decoding") or 100) < 15
    assert (mean_of(published, "prompt") or 100) < 30
    assert (mean_of(published, "energy") or 100) < 25
    assert (mean_of(published, "roofline") or 0) > 50


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("rk3588_npu", "RK3588, NPU, RKLLM, max CPU+NPU clocks"),
        ("xdna2_npu", "Ryzen AI 7 350 (XDNA2 NPU), NPU, FastFlowLM, default (Performance)"),
        ("orin_nano_gpu", "Jetson Orin Nano Super 8GB, GPU, llama.cpp, MAXN"),
        ("m2_ultra_gpu", "Apple M2 Ultra (76-core GPU), GPU, llama.cpp"),
    ],
)
def test_device_files_hold_what_is_fitted_to_published_runs(
    name: str, device: str, published: tuple[JudgedDevice, ...]
) -> None:
    system = load_system(name)
    spec, bytes_per_s = system.accelerators[0].spec, system.memory_of(name).bandwidth_bytes_per_s
    assert isinstance(spec, DatasheetDevice)
    judged = next(each for each in published if each.device == device)
    found = judged.of_any
    assert found is not None
    held = {part.name.replace("_per_s", "_per_byte"): getattr(spec.reached, part.name) for part in fields(spec.reached)}
    shares = {"compute_efficiency": found.macs_per_byte, "attention_efficiency": found.attention_macs_per_byte}
    expected = {each: share * bytes_per_s / spec.macs_per_s for each, share in shares.items()}
    expected |= {each: getattr(found, each) for each in USUAL if each in held}
    held = {each: constant.value for each, constant in held.items() if constant is not None}
    held["unpack_weights_per_byte"] /= bytes_per_s
    assert held == pytest.approx(expected, rel=0.01)
