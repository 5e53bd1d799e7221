"""A command run in the process of its test, which has imported what it needs: several times as fast as by itself."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from mensa_sim.cli.main import main


def mensa_sim(home: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command as `main` runs it, in this process: what it printed and its exit code; an exception is not caught."""
    printed, complained, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(complained):
        patch.chdir(home)
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "argv", ["mensa-sim", *arguments])
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    if check:
        assert code == 0, complained.getvalue()
    return subprocess.CompletedProcess(arguments, code, printed.getvalue(), complained.getvalue())
