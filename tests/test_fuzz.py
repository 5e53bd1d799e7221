"""Mutated files: every command ends in exit code 0 or 2 with a message, soon, and writes only where it says."""

import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from fuzz_mutations import mutated
from fuzz_richer import REFERENCE
from fuzz_targets import Target, first_targets, richer_targets
from limited import TooLongError, limited

from mensa_sim.cli import main as cli
from mensa_sim.errors import FileError
from mensa_sim.study.validate.reference_rows import reference_measurements

CPU_SECONDS = 60
"""After so much work a command hangs: an honest one takes a second, some times that where each line is watched."""
COMMAND = typer.main.get_command(cli.app)
FAILED_RUNS = ("no accelerator can run", "cannot run", "no link joins", "rows have no prediction")
"""What good files may say that cannot be done; the exit code is then 1."""


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Target]]:
    """A working folder with good files, and every kind of file that a user writes."""
    folder = tmp_path_factory.mktemp("fuzz") / "home" / "work"
    folder.mkdir(parents=True)
    return folder, [*first_targets(folder), *richer_targets(folder)]


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
        if event == "os.mkdir" and os.path.isdir(path):
            return  # nothing is made
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
    # A long scenario or answer is work that was asked for and no hang; here what takes seconds counts as too long.
    monkeypatch.setattr("mensa_sim.simulate.scenario.scenario.MAX_REQUESTS", 1000)
    monkeypatch.setattr("mensa_sim.workload.generation.model.MAX_TOKENS", 200)
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
        (folder / "out.csv").unlink(missing_ok=True)
    assert not bad, f"{len(bad)} of {len(seeds)}:\n" + "\n".join(bad)
    return ends


def test_mutated_files_end_well(targets: tuple[Path, list[Target]], monkeypatch: pytest.MonkeyPatch) -> None:
    ends = fuzz(*targets, range(300), monkeypatch)
    assert sum(ends.values()) == 300
    assert {"run 0", "run 2", "check 0", "check 2", "explain 0", "validate 2", "diff 2"} <= set(ends)


@pytest.mark.parametrize("name", REFERENCE)
def test_mutated_files_of_a_reference_folder_are_read_or_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "coral" / f"{name}.csv"
    path.parent.mkdir()
    ends: Counter[str] = Counter()
    for seed in range(200):
        path.write_bytes(mutated(REFERENCE[name].encode(), random.Random(seed)))
        try:
            ends["read" if reference_measurements(tmp_path, tmp_path) else "empty"] += 1
        except FileError as error:
            ends["refused" if str(error).startswith(f"{path}: ") else str(error)] += 1
    assert {"read", "refused"} <= set(ends) <= {"read", "empty", "refused"}
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".yaml"} == {"coral"}


@pytest.mark.fuzz
@pytest.mark.parametrize("thousand", range(60))
def test_60000_mutated_files_end_well(
    thousand: int, targets: tuple[Path, list[Target]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = fuzz(*targets, range(thousand * 1000, (thousand + 1) * 1000), monkeypatch)
    print(dict(sorted(ends.items())))
