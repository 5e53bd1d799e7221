"""An installed copy that reads its own files beside an edited checkout says so, with the file and where it lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("workloads", "accelerator_specs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def ran(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mensa_sim", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )


def edit(checkout: Path) -> None:
    pascal = checkout / "accelerator_specs" / "accelerators" / "pascal.yaml"
    text = pascal.read_text()
    assert "clock_hz: 2000000000" in text
    pascal.write_text(text.replace("clock_hz: 2000000000", "clock_hz: 1000000000"))


def test_an_edited_file_that_a_bare_name_does_not_mean_is_named_once(checkout: Path) -> None:
    edit(checkout)
    told = ran(checkout, "run", "small_cnn").stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("mensa-sim: note: ")
    assert f"{ROOT};" in told[0]
    assert "accelerator_specs/accelerators/pascal.yaml" in told[0]


def test_nothing_is_said_where_the_files_are_the_same_or_paths_name_them(checkout: Path) -> None:
    assert not ran(checkout, "run", "small_cnn").stderr
    edit(checkout)
    paths = ("workloads/small_cnn.yaml", "--system", "accelerator_specs/systems/mensa_g.yaml")
    baseline = ("--baseline", "accelerator_specs/systems/edge_tpu.yaml")
    assert not ran(checkout, "run", *paths, *baseline).stderr
    assert not ran(checkout, "run", "small_cnn", "--quiet").stderr
