"""What a user gets wrong ends in the same exit code in every command that meets it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from in_this_process import mensa_sim

from mensa_sim.io.shipped import shipped_files

LAYERS = """name: net
layers:
  - {name: conv, operator: conv2d, dims: {K: 16, C: 8, OY: 8, OX: 8, FY: 3, FX: 3}}
  - {name: head, operator: linear, dims: {K: 10, C: 1024}, inputs: [conv]}
"""
TORN = """name: npu
memories:
  near: {kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75, channels: 4}
  far: {kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75, channels: 4}
accelerators:
  - {spec: array.yaml, memory: near}
  - {spec: array.yaml, memory: far, set: {name: other}}
links: []
source: none
"""
SPACE = """name: space
system: ./npu.yaml
workloads: [./net.yaml]
parameters: {scheduler: {values: [greedy, mensa]}}
objectives: [{metric: latency_ps}]
sampler: {name: grid}
references: []
"""
SCENARIO = """name: scenario
streams: [{name: only, workload: ./net.yaml, arrivals: {kind: closed_loop, in_flight: 1, requests: 2}}]
"""
MEASURED = "workload,system,metric,measured,source\n./net.yaml,./npu.yaml,latency_ms,1.0,own\n"

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "run": ("run", "./net.yaml", "--system", "./npu.yaml"),
    "run a scenario": ("run", "./scenario.yaml", "--system", "./npu.yaml"),
    "compare": ("compare", "./net.yaml", "--systems", "edge_tpu,./npu.yaml"),
    "explain": ("explain", "./net.yaml", "--system", "./npu.yaml"),
    "explore": ("explore", "./space.yaml", "--jobs", "1"),
    "decide": ("decide", "./net.yaml", "--systems", "edge_tpu,./npu.yaml", "--no-fields", "--runs", "1", "--jobs", "1"),
    "sensitivity": ("sensitivity", "--workloads", "./net.yaml", "--systems", "edge_tpu,./npu.yaml", "--jobs", "1"),
    "validate": ("validate", "--data", "./measured.csv"),
}
ON_SHIPPED: Mapping[str, tuple[str, ...]] = {
    "reproduce": ("reproduce", "--models", "cnn01", "--jobs", "1"),
    "sensitivity": ("sensitivity", "--models", "cnn01", "--jobs", "1"),
}
IN_FILES = {
    "a mapping that its accelerator cannot take": (2, "npu.yaml", "mappings: [{layers: conv, unroll: {FX: 3}}]\n"),
    "a mapping that its layer cannot take": (
        2,
        "net.yaml",
        "mappings: [{layers: conv, accelerator: npu, unroll: {FX: 3}}]\n",
    ),
    "an unknown field of an accelerator": (2, "npu.yaml", "clock: 3\n"),
    "an unknown field of a workload": (2, "net.yaml", "parameter: 3\n"),
    "what is no YAML": (2, "net.yaml", "]\n"),
    "a buffer in which nothing fits": (1, "npu.yaml", None),
    "memories without a link": (1, "npu.yaml", TORN),
}
IN_WORDS = {
    "an unknown field": "accelerators.{name}.clocks_hz=1",
    "a number that is none": "accelerators.{name}.clock_hz=fast",
    "a number below its least": "accelerators.{name}.clock_hz=-1",
}


def array() -> str:
    path = shipped_files("accelerators")["edge_tpu"]
    technology = path.parent / "../technology/cmos_22nm.yaml"
    text = path.read_text().replace("../technology/cmos_22nm.yaml", str(technology.resolve()))
    return text.replace("name: edge_tpu", "name: npu", 1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    texts = {"net": LAYERS, "space": SPACE, "scenario": SCENARIO, "npu": array(), "array": array()}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "measured.csv").write_text(MEASURED)
    return tmp_path


def codes(home: Path, commands: Mapping[str, tuple[str, ...]], *more: str) -> dict[str, int]:
    found = {}
    for name, words in commands.items():
        told = ("--json",) if name == "explain" else ("--quiet", "--output", name)
        ended = mensa_sim(home, *words, *more, *told, check=False)
        assert ended.stderr.startswith("mensa-sim: "), (name, ended.stderr)
        found[name] = ended.returncode
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_without_a_mistake_every_command_ends_well(name: str, home: Path) -> None:
    assert mensa_sim(home, *COMMANDS[name], check=False).stderr.count("mensa-sim: ") == 0


@pytest.mark.parametrize("mistake", IN_FILES)
def test_a_mistake_in_a_file_ends_alike_in_every_command(mistake: str, home: Path) -> None:
    code, name, text = IN_FILES[mistake]
    path = home / name
    if text is None:
        path.write_text(
            path.read_text()
            .replace("2097152", "2")
            .replace("_bits: 512", "_bits: 8")
            .replace("min_bits: 64", "min_bits: 8")
        )
    else:
        path.write_text(text if text == TORN else path.read_text() + text)
    assert codes(home, COMMANDS) == dict.fromkeys(COMMANDS, code)


@pytest.mark.parametrize("missing", ["net.yaml", "npu.yaml"])
def test_a_missing_file_ends_alike_in_every_command(missing: str, home: Path) -> None:
    (home / missing).unlink()
    assert codes(home, COMMANDS) == dict.fromkeys(COMMANDS, 2)


@pytest.mark.parametrize("mistake", IN_WORDS)
def test_a_mistake_in_a_setting_ends_alike_in_every_command(mistake: str, home: Path) -> None:
    text = IN_WORDS[mistake]
    able = {name: words for name, words in COMMANDS.items() if name != "validate"}
    assert codes(home, able, "--set", text.format(name="npu")) == dict.fromkeys(able, 2)
    assert codes(home, ON_SHIPPED, "--set", text.format(name="pascal")) == dict.fromkeys(ON_SHIPPED, 2)


def test_a_mapping_that_a_design_cannot_take_is_told_with_its_file(home: Path) -> None:
    (home / "npu.yaml").write_text(array() + "mappings: [{layers: conv, unroll: {FX: 3}}]\n")
    told = mensa_sim(home, *COMMANDS["explore"], "--quiet", check=False).stderr
    assert "npu.yaml: accelerators.npu: mappings[0].unroll.FX: " in told
