"""Files that mean harm: huge ones, paths that lead elsewhere, names that are code; each ends in one clear line."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from test_fuzz import outcome

from mensa_sim.api import files as api_files

SIZE = 100 * 1024 * 1024
LAYERS = "name: {name}\nlayers:\n  - {{name: {layer}, operator: linear, dims: {{K: 8, C: 8}}}}\n"
TRACED = """\
name: t
model: mensa_sim.workload.models.small_cnn:SmallCNN
arguments: {channels: 4, classes: 3}
inputs: [{shape: [1, 3, 8, 8]}]
"""
SPACE = """\
name: grid
system: mensa_g
workloads: [./tiny.yaml]
parameters:
  scheduler: {values: [mensa, greedy]}
  own: {values: [1]}
objectives: [{metric: energy_pj}]
"""
Refused = Callable[[str], str]
"""What a command says that is refused."""
MARKUP = "<img src=x onerror=alert(1)>&"
READERS = {
    "check": "check big",
    "workload": "run big.yaml",
    "system": "run tiny.yaml --system big.yaml",
    "schedule": "run tiny.yaml --schedule big.yaml",
    "families": "run tiny.yaml --families big.yaml",
    "scenario": "run big_scenario.yaml",
    "space": "explore big.yaml --trials 1",
    "measurements": "validate --data big.csv",
    "arrivals": "run traced.yaml",
    "timings": "calibrate device big.csv",
    "summary": "diff big.json big.json",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(LAYERS.format(name="tiny", layer="one"))
    (tmp_path / "traced.yaml").write_text(
        "name: t\nstreams: [{name: a, workload: ./tiny.yaml, arrivals: {kind: trace, trace: big.csv}}]\n"
    )
    return tmp_path


@pytest.fixture
def refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    def says(command: str) -> str:
        code, _, err = outcome(command, monkeypatch)
        assert code == 2
        return err

    return says


def bytes_read() -> int:
    """What this process has read of files so far, by the account of the kernel (Linux)."""
    account = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(account["rchar"])


@pytest.mark.parametrize("command", READERS.values(), ids=READERS)
def test_a_file_of_100_mb_is_refused_before_it_is_read_whole(command: str, folder: Path, refused: Refused) -> None:
    for name in ("big", "big.yaml", "big_scenario.yaml", "big.csv", "big.json"):
        with (folder / name).open("wb") as stream:
            stream.truncate(SIZE)
    before = bytes_read()
    assert "larger than 16 MiB" in refused(command)
    assert bytes_read() - before < SIZE


def test_a_compressed_table_that_unfolds_to_gigabytes_is_refused(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.measurement.import_table._MAX_BYTES", 10**6)
    (folder / "big.csv.gz").write_bytes(gzip.compress(b"0" * 10**7))
    assert "big.csv.gz: larger than" in refused(
        "import-timings big.csv.gz --columns K=n,median_ms=t --operator linear --output out.csv --device-name x "
        "--source y --processors 1 --cache-bytes 1 --bytes-per-s 1 --peak-macs-per-s 1"
    )
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "~", "a/b", "CON:", "x" * 200])
def test_a_name_never_leads_results_out_of_their_folder(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "case.yaml").write_text(LAYERS.format(name=f"'{name}'", layer="one"))
    code, _, err = outcome("run case.yaml", monkeypatch)
    before = {"case.yaml", "tiny.yaml", "traced.yaml", "cache"}
    if code == 0:
        assert {path.name for path in (folder / "results").iterdir()} == {f"{name}-mensa_g"}
    else:
        assert "cannot name a results folder" in err or "at most 100" in err
        assert {path.name for path in folder.iterdir()} <= before


def test_markup_in_names_is_text_in_every_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "case.yaml").write_text(LAYERS.format(name="case", layer=f"'{MARKUP}'"))
    (folder / "two.yaml").write_text(
        f"name: two\nduration_s: 0.001\nstreams:\n"
        f"  - {{name: '{MARKUP}', workload: ./case.yaml, arrivals: {{kind: periodic, fps: 5000}}}}\n"
    )
    for command in ("run case.yaml -q --output a", "run two.yaml -q --output b"):
        assert outcome(command, monkeypatch)[0] == 0
    for page in ("a/report.html", "b/report.html"):
        assert MARKUP not in (folder / page).read_text(encoding="utf-8")


def test_a_results_folder_that_is_a_link_of_others_is_refused(folder: Path, refused: Refused) -> None:
    (folder / "private").mkdir()
    (folder / "private" / "diary.txt").write_text("dear diary")
    (folder / "results").mkdir()
    (folder / "results" / "tiny-mensa_g").symlink_to(folder / "private")
    assert "--force" in refused("run tiny.yaml")
    assert [path.name for path in (folder / "private").iterdir()] == ["diary.txt"]


def test_a_result_file_that_is_a_link_is_replaced_and_its_target_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome("run tiny.yaml -q --output out", monkeypatch)[0] == 0
    (folder / "precious").write_text("precious")
    (folder / "out" / "layers.csv").unlink()
    (folder / "out" / "layers.csv").symlink_to(folder / "precious")
    assert outcome("run tiny.yaml -q --output out", monkeypatch)[0] == 0
    assert (folder / "precious").read_text(encoding="utf-8") == "precious"
    assert (folder / "out" / "layers.csv").read_text(encoding="utf-8").startswith("name,")


@pytest.mark.parametrize(
    ("call", "error"),
    [("fsync", OSError(28, "No space left on device")), ("replace", PermissionError(13, "Permission denied"))],
)
def test_a_full_disk_or_a_read_only_folder_is_an_error_and_what_stood_there_is_unharmed(
    call: str, error: OSError, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome("run tiny.yaml -q --output out", monkeypatch)[0] == 0
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    code, _, err = outcome("run tiny.yaml -q --output out --system edge_tpu", monkeypatch)
    assert code == 1
    assert f"cannot be written: {error.strerror}" in err
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before


@pytest.mark.parametrize("model", ["os:system", "../../evil.py:f", "/tmp/evil.py:f", "subprocess:run", "evil.pt2"])
def test_no_file_runs_code_without_allow_code(model: str, folder: Path, refused: Refused) -> None:
    (folder / "evil.py").write_text("open('ran', 'w').close()\n")
    (folder / "evil.pt2").write_bytes(b"x")
    inputs = "" if model.endswith(".pt2") else "inputs: [{shape: [1]}]\n"
    (folder / "case.yaml").write_text(f"name: m\nmodel: {model}\n{inputs}")
    assert "--allow-code" in refused("run case.yaml")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("duration_s: 65536", "at most 1,000,000 are simulated"),
        ("duration_s: 0.001", ""),
        ("duration_s: 0.001\nseed: 99999999999999999999", ""),
    ],
)
def test_a_scenario_that_would_never_end_is_refused(
    change: str, fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = "{name: a, workload: ./tiny.yaml, arrivals: {kind: periodic, fps: 5000}}"
    (folder / "case.yaml").write_text(f"name: s\n{change}\nstreams: [{stream}]\n")
    code, _, err = outcome("run case.yaml -q", monkeypatch)
    assert (code == 2) == bool(fault)
    assert fault in err


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        ("{kind: periodic, fps: 1.0e-320, requests: 3}", "fps is 1e-320, must be at least 1e-09"),
        ("{kind: poisson, rate_per_s: 1.0e-320, requests: 3}", "rate_per_s is 1e-320, must be at least 1e-09"),
        ("{kind: periodic, fps: 5, requests: 3, offset_ms: 1.0e+290}", "the offset is 1e+287 s, must be at most"),
        ("{kind: one, offset_ms: 1.0e+290}", "an arrival time is 1e+287 s, must be at most"),
    ],
)
def test_a_span_that_no_clock_counts_is_a_fault_of_the_scenario(
    arrivals: str, fault: str, folder: Path, refused: Refused
) -> None:
    (folder / "case.yaml").write_text(f"name: s\nstreams: [{{name: a, workload: ./tiny.yaml, arrivals: {arrivals}}}]\n")
    assert fault in refused("run case.yaml -q")


@pytest.mark.parametrize(
    ("place", "text", "fault"),
    [
        ("[mensa, greedy]", "[[mensa], greedy]", "unknown scheduler \"['mensa']\""),
        ("[mensa, greedy]", "[{a: 1}, greedy]", "unknown scheduler"),
        ("own: {values: [1]}", "objective: {values: [[edp], edp]}", "unknown objective"),
        ("own: {values: [1]}", "scheduler.mac_ratio: {values: [{a: 2}]}", 'is a number, not {"a": 2}'),
        ("own: {values: [1]}", "accelerators.pascal.memory: {values: [[[]]]}", "memory: must be the name of a memory"),
        ("own: {values: [1]}", "accelerators.a: {values: [{spec: 2, memory: lpddr4}]}", "a: spec must be a text"),
        ("own: {values: [1]}", "accelerators.a: {values: [{spec: pascal, memory: [1]}]}", "memory: must be the name"),
        ("own: {values: [1]}", "accelerators.a: {values: [{spec: pascal, memory: lpddr4, set: [1]}]}", "set a mapping"),
        ("own: {values: [1]}", "links: {values: [[3], [{between: [[1], 2]}]]}", "links"),
        ("own: {values: [1]}", "families: {values: [{1: [pascal]}, {1: pascal}]}", "parameters.families"),
        ("own: {values: [1]}", "own: {linear: {low: 0, high: 1.0e+308, step: 1.0e-300}}", "has inf values"),
        ("objectives:", "sampler: {name: tpe, seed: 4294967296}\nobjectives:", "must be from 0 to 4294967295"),
    ],
)
def test_a_value_that_no_design_can_have_is_a_fault_of_its_parameter(
    place: str, text: str, fault: str, folder: Path, refused: Refused
) -> None:
    (folder / "case.yaml").write_text(SPACE.replace(place, text))
    assert fault in refused("explore case.yaml --trials 1 --jobs 1 -q")


def test_an_accelerator_that_an_option_places_in_every_design_has_a_file(folder: Path, refused: Refused) -> None:
    (folder / "case.yaml").write_text(SPACE.replace("  own: {values: [1]}\n", ""))
    place = '--set accelerators.a={"spec":"nowhere","memory":"lpddr4"}'
    assert "unknown accelerator 'nowhere'" in refused(f"explore case.yaml --trials 1 --jobs 1 -q {place}")


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999", "-1e999", "9" * 400, "9" * 5000])
def test_a_number_that_no_result_holds_is_refused_in_a_comparison(number: str, folder: Path, refused: Refused) -> None:
    (folder / "good.json").write_text('{"latency_ps": 5}')
    (folder / "case.json").write_text(f'{{"latency_ps": {number}}}')
    assert "case.json: is not JSON: " in refused("diff good.json case.json")


def test_a_ratio_beyond_all_numbers_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "small.json").write_text('{"energy_pj": 1e-300}')
    (folder / "large.json").write_text('{"energy_pj": 1e300}')
    assert outcome("diff small.json large.json", monkeypatch)[0] == 0
    code, out, _ = outcome("diff small.json large.json --json", monkeypatch)
    assert code == 0
    assert "ratio" not in out


def test_a_closed_loop_that_never_ends_is_stopped(
    folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mensa_sim.simulate.scenario.scenario.MAX_REQUESTS", 100)
    loop = "{name: a, workload: ./tiny.yaml, arrivals: {kind: closed_loop, in_flight: 2}}"
    (folder / "case.yaml").write_text(f"name: s\nduration_s: 1000\nstreams: [{loop}]\n")
    assert "more than 100 requests" in refused("run case.yaml -q")


@pytest.mark.parametrize(
    ("kind", "field", "stated", "fault"),
    [
        ("systems", "efficiency: 0.75", "efficiency: 1.0e-300", "efficiency is 1e-300, must be from 1e-30 to 1e+30"),
        ("systems", "channels: 4", f"word_bits: {2**64}", f"word_bits is {2**64}, must be from 1 to {2**24}"),
        ("systems", "channels: 4", "power_limit_mw: 1.0e+300", "power_limit_mw is 1e+300, must be from 1e-30 to 1e+30"),
        ("accelerators", "lanes: 64", f"lanes: {2**63}", f"lanes is {2**63}, must be from 1 to {2**24}"),
    ],
)
def test_a_part_that_no_machine_has_is_a_fault_of_its_field(
    kind: str, field: str, stated: str, fault: str, folder: Path, refused: Refused
) -> None:
    shipped = api_files.show(kind, "edge_tpu")
    assert field in shipped
    (folder / "case.yaml").write_text(shipped.replace(field, stated, 1))
    assert fault in refused("check case.yaml")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("workload", LAYERS.format(name="t", layer="a").replace("K: 8", "FY: 3000000"), "FY is 3000000, must be at"),
        (
            "window",
            LAYERS.format(name="t", layer="a").replace(
                "linear, dims: {K: 8", "conv2d, stride: 9999, dims: {OY: 9, OX: 9"
            ),
            "its window reaches over 79993 x 79993",
        ),
        ("long", "name: x\nmodel: " + "y" * 5000 + ".py:f\ninputs: [{shape: [1]}]\n", "case.yaml"),
        ("accelerator", "{technology}", "vdd_v is 0.0, must be positive and finite"),
        *(
            ("input", TRACED.replace("8, 8", f"8, {size}"), f"has a size above {2**24}, more than can be counted")
            for size in (2**24 + 1, 2**63 - 1, 2**63, 10**39)
        ),
        ("inputs", TRACED.replace("1, 3", f"{2**24}, {2**24}"), f"has more than {2**48} elements"),
    ],
)
def test_a_size_that_no_machine_has_is_a_fault_of_its_field(
    name: str, text: str, fault: str, folder: Path, refused: Refused
) -> None:
    shipped = api_files.show("technologies", "cmos_22nm").replace("vdd_v: 0.9", "vdd_v: 0.0", 1)
    (folder / "case.yaml").write_text(shipped if "{technology}" in text else text)
    assert fault in refused("run case.yaml" if name == "long" else "check case.yaml")


def test_a_name_too_long_for_a_path_is_a_fault_of_its_line(folder: Path, refused: Refused) -> None:
    (folder / "m.csv").write_text(f"workload,system,metric,measured\n{'9' * 5000},edge_tpu,latency_ms,1\n")
    assert "line 2" in refused("validate --data m.csv")
