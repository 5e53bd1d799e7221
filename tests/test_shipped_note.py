"""An installed copy that reads its own files beside an edited checkout says so, with the file and where it lies."""

import shutil
from pathlib import Path

import pytest
from in_this_process import mensa_sim

from mensa_sim.io import shipped

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("workloads", "accelerator_specs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def told(checkout: Path, *arguments: str) -> list[str]:
    """What a command says beside its results, as a process that has said nothing yet."""
    shipped._warn_of_a_checkout.cache_clear()
    return mensa_sim(checkout, *arguments).stderr.splitlines()


def edit(checkout: Path) -> None:
    pascal = checkout / "accelerator_specs" / "accelerators" / "pascal.yaml"
    text = pascal.read_text()
    assert "clock_hz: 2000000000" in text
    pascal.write_text(text.replace("clock_hz: 2000000000", "clock_hz: 1000000000"))


def test_an_edited_file_that_a_bare_name_does_not_mean_is_named_once(checkout: Path) -> None:
    edit(checkout)
    (note,) = told(checkout, "run", "small_cnn")
    assert note.startswith("mensa-sim: note: ")
    assert f"{ROOT};" in note
    assert "accelerator_specs/accelerators/pascal.yaml" in note


def test_nothing_is_said_where_the_files_are_the_same_or_paths_name_them(checkout: Path) -> None:
    assert not told(checkout, "run", "small_cnn")
    edit(checkout)
    paths = ("workloads/small_cnn.yaml", "--system", "accelerator_specs/systems/mensa_g.yaml")
    baseline = ("--baseline", "accelerator_specs/systems/edge_tpu.yaml")
    assert not told(checkout, "run", *paths, *baseline)
    assert not told(checkout, "run", "small_cnn", "--quiet")
