"""Hashes of inputs: every file under a name of its own, the same on every machine."""

import hashlib
from pathlib import Path

import pytest

from mensa_sim.io.shipped import find
from mensa_sim.study.reproduce.reproduce import study_files
from mensa_sim.study.run.provenance import input_hashes


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_of_one_name_outside_the_working_directory_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    a, b = written(tmp_path / "a" / "net.yaml", "one"), written(tmp_path / "b" / "net.yaml", "two")
    assert input_hashes([a, b]) == {"a/net.yaml": digest("one"), "b/net.yaml": digest("two")}
    assert input_hashes([b, a]) == input_hashes([a, b])


def test_folders_of_one_name_are_told_apart_by_those_above_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written(tmp_path / "here" / "x", "").parent)
    files = [written(tmp_path / folder / "same" / "net.yaml", folder) for folder in ("a", "b", "c")]
    assert input_hashes(files) == {f"{folder}/same/net.yaml": digest(folder) for folder in ("a", "b", "c")}


def test_a_file_below_the_working_directory_keeps_its_name_beside_one_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = written(tmp_path / "here" / "net.yaml", "in"), written(tmp_path / "there" / "net.yaml", "out")
    monkeypatch.chdir(inside.parent)
    assert input_hashes([inside, outside]) == {"net.yaml": digest("in"), "there/net.yaml": digest("out")}


def test_a_file_named_twice_is_one_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "net.yaml", "one")
    monkeypatch.chdir(tmp_path)
    assert input_hashes([file, Path("net.yaml")]) == {"net.yaml": digest("one")}


def test_the_study_hashes_workloads_and_every_file_of_its_systems() -> None:
    names = input_hashes(study_files(("lstm",), ("mensa_g",)))
    assert "workloads/lstm.yaml" in names
    assert {"accelerator_specs/systems/mensa_g.yaml", "accelerator_specs/accelerators/pavlov.yaml"} <= names.keys()
    assert find("workloads", "lstm") in study_files(("lstm",), ("mensa_g",))
