"""Processes of tests, and commands that break themselves off at the same place, however busy the machine is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from mensa_sim.study.reproduce.workers import FOLDER

ROOT = Path(__file__).resolve().parents[1]
HANGS_S = 600
"""After so long a process hangs, however busy the machine is."""

PROGRAM = """
import os, signal
from mensa_sim.cli.main import main
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def interrupt(*_):
    os.killpg(0, signal.SIGINT)
{changes}
main()
"""
ENTRIES = """
replace, left = os.replace, {count}
def replacing(source, target):
    global left
    if str(target).endswith(".entry") and {where!r} in str(target):
        left -= 1
        left or {end}()
    replace(source, target)
os.replace = replacing
"""


def around(**environment: str) -> dict[str, str]:
    """The environment of a process that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **environment}


def ended(*words: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, str]:
    """How Python with some words ends: its exit code, and what it printed, also as errors, with all that it began."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=around(**environment),
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        start_new_session=True,
    )
    return done.returncode, done.stdout, done.stderr


def broken_off(changes: str, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str]:
    """The exit code and the errors of a command in a process of its own, whose code some statements change before.

    They may call `kill()`, and `interrupt()` for Ctrl-C as a terminal sends it, to all processes of the command.
    """
    code, _, errors = ended("-c", PROGRAM.format(changes=changes), *arguments, cwd=cwd, **environment)
    return code, errors


def killed_after(entries: int, *arguments: str) -> None:
    """Kills a study while the entry after so many is written: it is there, but has not taken its name."""
    changes = ENTRIES.format(count=entries + 1, where=FOLDER, end="kill")
    assert broken_off(changes, *arguments) == (-signal.SIGKILL, "")
