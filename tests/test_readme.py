"""The README's words hold: its files are good, its commands and snippets run, and print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mensa_sim.cli.main import app
from mensa_sim.io.shipped import FOLDERS, shipped_files

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)([^\n]*)\n(.*?)```(?:\n+```text\n(.*?)```)?", README, flags=re.DOTALL)
FILES = {name.strip(): text for _, name, text, _ in BLOCKS if name.strip()}
SNIPPETS = [text for language, name, text, _ in BLOCKS if language == "python" and not name.strip()]


def commands(language: str) -> list[tuple[str, str]]:
    """The commands in blocks of a language, each with what the README shows of its output."""
    return [
        (line, shown)
        for kind, _, block, shown in BLOCKS
        if kind == language
        for line in block.splitlines()
        if line.startswith("mensa-sim ")
    ]


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)[1:]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout, with the files that the README has its reader write."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("workloads", "accelerator_specs"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def ran(arguments: list[str], checkout: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(("command", "shown"), commands("sh"), ids=[command for command, _ in commands("sh")])
def test_every_command_of_the_readme_runs_and_prints_what_stands_there(
    command: str, shown: str, checkout: Path
) -> None:
    done = ran(["-m", "mensa_sim", *words(command)], checkout)
    if shown:
        assert _trimmed(done.stdout) == _trimmed(shown)


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_every_snippet_runs(snippet: str, checkout: Path) -> None:
    ran(["-W", "error", "-c", snippet], checkout)


@pytest.mark.parametrize("command", [command for command, _ in commands("console")])
def test_a_command_that_takes_minutes_parses_and_names_what_is_there(command: str, checkout: Path) -> None:
    name, *arguments = words(command)
    parsed = typer.main.get_command(app).commands[name].make_context(name, arguments).params  # type: ignore[attr-defined]
    shipped = {found for kind in FOLDERS for found in shipped_files(kind)}
    inputs = [parsed.get(key) for key in ("workload", "space", "system")] + (parsed.get("workloads") or [])
    for each in inputs:
        found_before = each is not None and each.startswith("results/")
        assert each is None or found_before or each in shipped or (checkout / each).is_file(), each


@pytest.mark.long
@pytest.mark.parametrize("command", [command for command, _ in commands("console")])
def test_a_command_that_takes_minutes_runs(command: str, checkout: Path) -> None:
    ran(["-m", "mensa_sim", *words(command)], checkout)


def test_no_command_hides_in_a_block_that_nothing_runs() -> None:
    assert {language for language, *_ in BLOCKS} == {"sh", "text", "python", "yaml", "csv", "console"} - {"text"}
    assert len(commands("sh")) > 15
    assert all(name for language, name, *_ in BLOCKS if language in ("yaml", "csv"))


def test_the_first_two_blocks_install_and_run_and_install_and_test() -> None:
    first, second = BLOCKS[0][2], BLOCKS[1][2]
    assert "pip install" in first
    assert "mensa-sim run workloads/lstm.yaml" in first
    assert "pip install" in second
    assert "pytest" in second
    assert len(first.splitlines()) == len(second.splitlines()) == 1
