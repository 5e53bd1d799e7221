"""Finding shipped files by bare name, and a user's files by path."""

from pathlib import Path

import pytest

from mensa_sim.errors import FileError, MensaError, UnknownNameError
from mensa_sim.io import shipped
from mensa_sim.io.shipped import FOLDERS, find, shipped_files


@pytest.fixture(params=["checkout", "wheel"])
def package(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose shipped files lie beside it or inside it."""
    package = tmp_path / "mensa_sim"
    root = package / "shipped_files" if request.param == "wheel" else tmp_path
    for folder, name in (
        ("workloads", "lstm"),
        ("workloads", "gru"),
        ("accelerator_specs/systems", "mensa_g"),
        ("accelerator_specs/technology", "cmos_22nm"),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{name}.yaml").write_text(f"name: {name}\n")
    monkeypatch.setattr(shipped, "PACKAGE", package)
    return root


def test_a_bare_name_finds_the_shipped_file(package: Path) -> None:
    assert find("workloads", "lstm") == package / "workloads" / "lstm.yaml"
    assert find("systems", "mensa_g") == package / "accelerator_specs" / "systems" / "mensa_g.yaml"
    assert find("technologies", "cmos_22nm") == package / "accelerator_specs" / "technology" / "cmos_22nm.yaml"


def test_a_path_is_taken_as_it_is(package: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: own\n")
    assert find("workloads", str(own)) == own


def test_an_unknown_bare_name_lists_the_choices_with_the_nearest_first(package: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown workload 'lstn'; did you mean 'lstm'.*gru, lstm"):
        find("workloads", "lstn")
    with pytest.raises(UnknownNameError, match="unknown technology 'x'; choose from cmos_22nm"):
        find("technologies", "x")
    with pytest.raises(UnknownNameError):
        find("workloads", "")


def test_a_path_where_nothing_lies_says_so_and_names_the_shipped_file(package: Path) -> None:
    with pytest.raises(FileError, match=r"elsewhere/lstm.yaml: no such file; the shipped workload is called lstm"):
        find("workloads", "elsewhere/lstm.yaml")
    with pytest.raises(FileError, match="not a path"):
        find("workloads", "a" * 5000 + ".yaml")


def test_the_files_of_a_kind_are_listed_in_order(package: Path) -> None:
    assert list(shipped_files("workloads")) == ["gru", "lstm"]
    assert shipped_files("spaces") == {}
    with pytest.raises(UnknownNameError, match="unknown kind of file 'workload'; did you mean 'workloads'"):
        shipped_files("workload")


def test_every_kind_has_a_folder_that_a_checkout_or_wheel_holds() -> None:
    assert all(folder.split("/")[0] in ("workloads", "accelerator_specs") for folder in FOLDERS.values())


def test_an_installation_without_its_files_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "mensa_sim")
    with pytest.raises(MensaError, match="install mensa-sim again"):
        find("workloads", "lstm")
