"""The README's words hold: its commands run, and print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```(?:\n+```text\n(.*?)```)?", README, flags=re.DOTALL)
COMMANDS = [
    (line, shown)
    for block, shown in BLOCKS
    for line in block.splitlines()
    if line.startswith("mensa-sim ") and "--cluster" not in line
]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout and may be written to."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("workloads", "accelerator_specs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_every_command_of_the_readme_runs_and_prints_what_stands_there(
    command: str, shown: str, checkout: Path
) -> None:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "mensa_sim", *shlex.split(command, comments=True)[1:]]
    done = subprocess.run(arguments, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    if shown:
        assert _trimmed(done.stdout) == _trimmed(shown)


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def test_the_first_two_blocks_install_and_run_and_install_and_test() -> None:
    first, second = BLOCKS[0][0], BLOCKS[1][0]
    assert "pip install" in first
    assert "mensa-sim run workloads/lstm.yaml" in first
    assert "pip install" in second
    assert "pytest" in second
    assert len(first.splitlines()) == len(second.splitlines()) == 1
