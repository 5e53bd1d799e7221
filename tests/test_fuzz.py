"""Mutated files: every command ends in exit code 0 or 2 with a message, soon, and writes only where it says."""

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from foreign_files import (
    SCALE_SIM_CONFIGURATION,
    SCALE_SIM_CONVOLUTIONS,
    TIMELOOP,
    ZIGZAG_ACCELERATOR,
    ZIGZAG_WORKLOAD,
)
from fuzz_mutations import mutated
from limited import TooLongError, limited

from mensa_sim.api import files as api_files
from mensa_sim.api import session as api
from mensa_sim.cli import main as cli

CPU_SECONDS = 60
"""After so much work a command hangs: an honest one takes a second, some times that where each line is watched."""
COMMAND = typer.main.get_command(cli.app)
FAILED_RUNS = ("no accelerator can run", "rows have no prediction")
"""What good files may say that cannot be done; the exit code is then 1."""
FOREIGN = (
    *((".yaml", text) for text in (ZIGZAG_ACCELERATOR, ZIGZAG_WORKLOAD, TIMELOOP)),
    (".cfg", SCALE_SIM_CONFIGURATION),
    (".csv", SCALE_SIM_CONVOLUTIONS),
)
"""Files of other tools, by suffix."""
TINY = """\
name: tiny
layers:
  - {name: conv, operator: conv2d, dims: {K: 16, C: 8, OY: 8, OX: 8, FY: 3, FX: 3}, stride: 1, dilation: 1}
  - {name: gate, operator: linear, dims: {K: 32, C: 1024}, steps: 4, recurrent: true, group: g, inputs: [conv]}
  - {name: head, operator: linear, dims: {K: 10, C: 1024}, inputs: [conv], output_bytes: 10}
parameter_bits: 8
activation_bits: 8
"""
MODEL = """\
name: small
model: mensa_sim.workload.models.small_cnn:SmallCNN
arguments: {channels: 4, classes: 3}
inputs: [{shape: [1, 3, 8, 8], dtype: float32}]
parameter_bits: 8
"""
SCENARIO = """\
name: two
duration_s: 0.001
policy: edf
seed: 1
prefetch: true
parameters: best-value
streams:
  - {name: eyes, workload: ./tiny.yaml, arrivals: {kind: periodic, fps: 5000, offset_ms: 0.1}, deadline_ms: 1}
  - {name: ears, workload: ./tiny.yaml, arrivals: {kind: poisson, rate_per_s: 5000, requests: 9}, priority: 2}
  - {name: nose, workload: ./tiny.yaml, arrivals: {kind: closed_loop, in_flight: 2, requests: 3}}
"""
TRACED = "name: t\nstreams:\n  - {name: a, workload: ./tiny.yaml, arrivals: {kind: trace, trace: case.csv}}\n"
SPACE = """\
name: grid
system: mensa_g
workloads: [./tiny.yaml]
parameters:
  memories.stacked.bandwidth_bytes_per_s: {values: [128000000000, 256000000000]}
  side: {fields: [accelerators.pascal.dataflow.axes.0.size], powers_of_two: {low: 8, high: 32}}
  scheduler: {values: [mensa, greedy]}
objectives: [{metric: energy_pj}, {metric: latency_ps}]
sampler: {name: random, seed: 1}
references: [edge_tpu]
"""
MEASURED = """\
# a comment
workload,system,metric,measured,source
tiny.yaml,edge_tpu,latency_ms,0.01,"a, b"
tiny.yaml,coral_usb3,latency_ms,0.02,x
"""
ARRIVALS = "arrival_ms,other\n0,a\n0.01,b\n0.02,c\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A file to mutate, the name under which it lies, and the commands that read it, the usual one first."""

    name: str
    content: bytes
    commands: tuple[str, ...]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Target]]:
    """A working folder with good files, and every kind of file that a user writes."""
    folder = tmp_path_factory.mktemp("fuzz") / "home" / "work"
    folder.mkdir(parents=True)
    (folder / "tiny.yaml").write_text(TINY)
    shipped = {kind: {e["name"]: e["path"] for e in api_files.list_kind(kind)} for kind in ("accelerators", "systems")}
    technology = api_files.show("technologies", "cmos_22nm")
    (folder / "cmos_22nm.yaml").write_text(technology)
    assert shipped["accelerators"]["pavlov"]
    accelerators = {
        name: api_files.show("accelerators", name).replace("../technology/", "")
        for name in ("pascal", "pavlov", "jacquard", "eyeriss_v2", "cpu_xeon_1_thread", "gpu_t4")
    }
    for name, text in accelerators.items():
        (folder / f"{name}.yaml").write_text(text.replace("../measured/", ""))
    system = api_files.show("systems", "mensa_g").replace("../accelerators/", "")
    (folder / "own_technology.yaml").write_text(accelerators["pavlov"].replace("cmos_22nm.yaml", "case.yaml"))
    for name, suffix in (("cpu_xeon_1_thread", "csv"), ("gpu_t4", "yaml")):
        text = accelerators[name].replace(f"../measured/{name}.{suffix}", f"case.{suffix}")
        (folder / f"own_timings_{suffix}.yaml").write_text(text)
    (folder / "traced.yaml").write_text(TRACED)
    (folder / "link.yaml").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to("loop")
    measured = Path(api.__file__).parents[2] / "accelerator_specs" / "measured"
    lines = (measured / "cpu_xeon_1_thread.csv").read_bytes().splitlines(keepends=True)
    table = [line for line in lines if line.startswith((b"#", b"operator", b"linear,", b"conv2d,"))][:60]
    placement = api.run(folder / "tiny.yaml", cache=False)
    files = placement.files()
    (folder / "before.json").write_text(files["summary.json"])
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        api.families(["tiny.yaml", "small_cnn"], count=2, save=Path("families.yaml"))
    families = (folder / "families.yaml").read_text()
    price = ("explain case.yaml", "trace case.yaml", "check case.yaml", "run case.yaml -q", "trace case.yaml --json")
    on = ("explain tiny.yaml --system case.yaml", "check case.yaml", "run tiny.yaml --system case.yaml -q")
    return folder, [
        Target(
            name="case.yaml", content=TINY.encode(), commands=(*price, "compare case.yaml --systems pascal,mensa_g -q")
        ),
        Target(name="case.yaml", content=MODEL.encode(), commands=("check case.yaml", "trace case.yaml --no-cache")),
        *(Target(name="case.yaml", content=accelerators[n].encode(), commands=on) for n in ("pavlov", "eyeriss_v2")),
        Target(name="case.yaml", content=system.encode(), commands=on),
        Target(
            name="case.yaml",
            content=technology.encode(),
            commands=("check case.yaml", "explain tiny.yaml --system own_technology.yaml"),
        ),
        *(
            Target(name=f"case{suffix}", content=text.encode(), commands=(f"convert case{suffix} -q --force",))
            for suffix, text in FOREIGN
        ),
        Target(name="case.yaml", content=SCENARIO.encode(), commands=("run case.yaml -q", "check case.yaml")),
        Target(name="case.csv", content=ARRIVALS.encode(), commands=("run traced.yaml -q",)),
        Target(
            name="case.yaml",
            content=SPACE.encode(),
            commands=("check case.yaml", "explore case.yaml --trials 1 --jobs 1 -q --force"),
        ),
        Target(name="case.csv", content=MEASURED.encode(), commands=("validate --data case.csv -q",)),
        Target(
            name="case.csv",
            content=b"".join(table),
            commands=(
                "explain tiny.yaml --system own_timings_csv.yaml --timings exact",
                "calibrate x case.csv",
                "import-timings case.csv --columns K=K,C=C,median_ms=median_us --operator linear --output out.csv "
                "--device-name x --source y --processors 1 --cache-bytes 1 --bytes-per-s 1 --peak-macs-per-s 1",
            ),
        ),
        Target(
            name="case.yaml",
            content=(measured / "gpu_t4.yaml").read_bytes(),
            commands=("explain tiny.yaml --system own_timings_yaml.yaml", "check case.yaml"),
        ),
        Target(
            name="case.yaml",
            content=files["schedule.yaml"].encode(),
            commands=("run tiny.yaml -q --schedule case.yaml",),
        ),
        Target(name="case.yaml", content=families.encode(), commands=("run tiny.yaml -q --families case.yaml",)),
        Target(name="case.json", content=files["summary.json"].encode(), commands=("diff before.json case.json",)),
    ]


class Watch:
    """Notes every file that is opened for writing, made, renamed or removed outside some folders.

    What Python tells of itself it tells to the end of the process, and is slower for it, so nobody asks before.
    """

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.found: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.allowed or event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link"):
            return
        path = arguments[0]
        if event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        ):
            return
        if event == "open" and os.path.isdir(path):
            return  # a file without a name in a folder: whether it can be written is tried with one, and nothing stays
        if isinstance(path, str | bytes | os.PathLike):
            real = os.path.realpath(os.fsdecode(path))
            if not real.startswith(self.allowed):
                self.found.append(f"{event} {real}")


@cache
def watch() -> Watch:
    """The only one of a process."""
    return Watch()


def outcome(command: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Exit code, output and errors of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["mensa-sim", *command.split()])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), limited(CPU_SECONDS):
        try:
            code = cli._exit_code(lambda: COMMAND(prog_name="mensa-sim"))
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue()


def fuzz(folder: Path, targets: list[Target], seeds: range, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Runs one mutated file per seed; returns how the commands ended, and fails with every seed that ended badly."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent / "tmp"))
    (folder.parent / "tmp").mkdir(exist_ok=True)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what Python writes for itself beside a library is not ours
    # A long scenario is work that was asked for and no hang; here what takes seconds counts as too long.
    monkeypatch.setattr("mensa_sim.simulate.scenario.scenario.MAX_REQUESTS", 1000)
    monkeypatch.setenv("MENSA_SIM_CACHE", str(folder.parent / "cache"))
    ends: Counter[str] = Counter()
    bad: list[str] = []
    watched = watch()
    watched.found.clear()

    def blame(text: str) -> None:
        bad.append(f"seed {seed}: {command}: {text}")
        print(bad[-1], file=sys.__stderr__, flush=True)

    for seed in seeds:
        rng = random.Random(seed)
        target = rng.choice(targets)
        content = mutated(target.content, rng)
        command = target.commands[0] if rng.random() < 0.6 else rng.choice(target.commands)
        (folder / target.name).write_bytes(content)
        watched.allowed = tuple(f"{folder}/{name}" for name in ("results/", "results", "out.csv", ".out.csv"))
        watched.allowed += (str(folder.parent / "cache"), str(folder.parent / "tmp"), "/dev/null")
        try:
            code, out, err = outcome(command, monkeypatch)
            ends[f"{command.split()[0]} {code}"] += 1
            if code not in (0, 2) and not any(reason in err for reason in FAILED_RUNS):
                blame(f"exit code {code}: {err.strip()[:300]}")
            if code == 2 and not err.strip():
                blame("no message")
            if "Traceback" in err + out:
                blame("a traceback")
        except (Exception, TooLongError) as error:
            ends[f"{command.split()[0]} {type(error).__name__}"] += 1
            blame(f"{type(error).__name__}: {str(error)[:300]}")
        watched.allowed = ()
        for wrote in watched.found:
            blame(wrote)
        watched.found.clear()
        shutil.rmtree(folder / "results", ignore_errors=True)
    assert not bad, f"{len(bad)} of {len(seeds)}:\n" + "\n".join(bad)
    return ends


def test_mutated_files_end_well(targets: tuple[Path, list[Target]], monkeypatch: pytest.MonkeyPatch) -> None:
    ends = fuzz(*targets, range(500), monkeypatch)
    assert sum(ends.values()) == 500
    assert {"run 0", "run 2", "check 0", "check 2", "explain 0", "validate 2", "diff 2"} <= set(ends)


@pytest.mark.fuzz
@pytest.mark.parametrize("thousand", range(60))
def test_60000_mutated_files_end_well(
    thousand: int, targets: tuple[Path, list[Target]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = fuzz(*targets, range(thousand * 1000, (thousand + 1) * 1000), monkeypatch)
    print(dict(sorted(ends.items())))
