"""Copies of shipped files: they check where they land, and mean what they were copied from."""

from pathlib import Path

import pytest

import mensa_sim as ms
from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.io.shipped import shipped_files


@pytest.mark.parametrize("kind", ["systems", "accelerators", "technologies"])
def test_every_copy_is_good_where_it_lands(kind: str, tmp_path: Path) -> None:
    copies = []
    for name in shipped_files(kind):
        copies.append(tmp_path / f"{name}.yaml")
        copies[-1].write_text(ms.show(kind, name))
    assert copies
    assert ms.check(copies) == []


def test_a_copy_is_the_system_that_it_was_copied_from(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_text(ms.show("systems", "mensa_g"))
    assert "spec: pascal" in copy.read_text()
    mine, shipped = load_system(copy), load_system("mensa_g")
    assert mine.accelerators == shipped.accelerators
    assert mine.memories == shipped.memories


@pytest.mark.parametrize("name", ["mensa_g", "gpu_h100_plus_pavlov"])
def test_a_copy_with_its_parts_stands_alone(name: str, tmp_path: Path) -> None:
    ms.show("systems", name, with_parts=tmp_path)
    specs = tmp_path / "accelerator_specs"
    assert ms.check(sorted(specs.rglob("*.yaml"))) == []
    technology = specs / "technology" / "cmos_22nm.yaml"
    technology.write_text(technology.read_text().replace("mac_pj_8_bit:\n  value: ", "mac_pj_8_bit:\n  value: 9"))
    own = load_system(specs / "systems" / f"{name}.yaml")
    assert own.accelerators[-1].technology.mac_pj() > 9 * load_system(name).accelerators[-1].technology.mac_pj()
    with pytest.raises(UsageError, match=r"cmos_22nm.yaml is there already, and is another"):
        ms.show("systems", name, with_parts=tmp_path)


def test_a_file_beside_it_comes_before_nothing_and_a_bare_name_before_a_file_without_suffix(tmp_path: Path) -> None:
    text = ms.show("accelerators", "pavlov")
    (tmp_path / "cmos_22nm").write_text("nonsense")
    (tmp_path / "pavlov.yaml").write_text(text)
    assert load_accelerator(tmp_path / "pavlov.yaml").technology.endswith("cmos_22nm.yaml")
    (tmp_path / "pavlov.yaml").write_text(text.replace("cmos_22nm", "no_such_technology"))
    with pytest.raises(FileError, match="technology: no such file"):
        load_accelerator(tmp_path / "pavlov.yaml")


def test_an_unknown_kind_of_memory_says_how_one_is_added(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_text(ms.show("systems", "edge_tpu").replace("kind: lpddr4", "kind: lpddr9"))
    (fault,) = ms.check([copy])
    assert "unknown memory kind 'lpddr9'; did you mean 'lpddr" in fault
    assert "an entry under `memories:` of the technology's file" in fault


@pytest.mark.parametrize(("kind", "cheaper_than"), [("lpddr5x", "lpddr5"), ("hbm3", "hbm2")])
def test_newer_kinds_of_memory_are_there_and_cheaper(kind: str, cheaper_than: str) -> None:
    memories = load_system("edge_tpu").accelerators[0].technology.memories
    assert memories[kind].read_pj_per_bit.value < memories[cheaper_than].read_pj_per_bit.value
    assert memories[kind].read_pj_per_bit.source


def test_a_folder_is_no_file_to_show_and_an_own_file_has_no_parts_to_copy(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a directory, not a file"):
        ms.show("systems", str(tmp_path))
    own = tmp_path / "own.yaml"
    own.write_text(ms.show("systems", "edge_tpu"))
    with pytest.raises(UsageError, match="a file of your own"):
        ms.show("systems", str(own), with_parts=tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
