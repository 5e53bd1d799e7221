"""Every benchmark runs, at its smallest size; what it measures there says nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted(path.name for path in (ROOT / "tests" / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("script", BENCHMARKS)
def test_a_benchmark_runs_at_its_smallest_size(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tests" / "benchmarks" / script), "--smallest"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout)
