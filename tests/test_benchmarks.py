"""Every benchmark runs, at its smallest size; what it measures there says nothing."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
BENCHMARKS = sorted(path.name for path in FOLDER.glob("bench_*.py"))
WITH_WORKERS = {"bench_explore.py", "bench_stacks.py"}
"""Their workers import the script that was started, so it is started."""


def no_test_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script started alone finds what lies beside it and what is installed, not what tests have imported."""
    tests = str(ROOT / "tests")
    monkeypatch.setattr(sys, "path", [str(FOLDER), *(folder for folder in sys.path if not folder.startswith(tests))])
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(tests):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("script", BENCHMARKS)
def test_a_benchmark_runs_at_its_smallest_size(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if script in WITH_WORKERS:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, str(FOLDER / script), "--smallest"], env=environment, check=True)
    else:
        no_test_is_at_hand(monkeypatch)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setattr(sys, "argv", [script, "--smallest"])
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    assert any(character.isdigit() for character in capfd.readouterr().out)
