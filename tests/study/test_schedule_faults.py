"""What is wrong with homes and stacks in a schedule's file is said of that file, in words that tell what to mend."""

from pathlib import Path
from typing import Any

import pytest

import mensa_sim as ms
from mensa_sim.errors import FileError
from mensa_sim.io.files import write_yaml

CONV: dict[str, Any] = {"operator": "conv2d", "dims": {"K": 8, "C": 8, "OY": 16, "OX": 16, "FY": 3, "FX": 3}}
CHAIN = [{**CONV, "name": name, "inputs": [before]} for before, name in ("ab", "bc", "cd")]
ON = "edge_tpu"


def scheduled(folder: Path, flow: str, **plan: Any) -> ms.Run:
    """A chain of four convolutions by a schedule with that plan."""
    (folder / "chain.yaml").write_text(write_yaml({"name": "chain", "layers": [{**CONV, "name": "a"}, *CHAIN]}))
    rows = [{"layer": layer, "accelerator": ON} for layer in "abcd"]
    head = {"problem": f"chain on {ON}", "scheduler": "mine", "objective": "edp", "flow": flow}
    (folder / "mine.yaml").write_text(write_yaml({**head, "layers": rows, **plan}))
    return ms.run(folder / "chain.yaml", system=ON, schedule=folder / "mine.yaml")


def a_stack(layers: str, tiles: int, rows: int = 4) -> dict[str, Any]:
    return {"layers": list(layers), "accelerator": ON, "tiles": tiles, "rows": rows}


def a_home(tensor: str, home: str, size_bytes: int = 2048) -> dict[str, Any]:
    return {"tensor": tensor, "home": home, "size_bytes": size_bytes}


@pytest.mark.parametrize(
    ("stack", "fault"),
    [
        (a_stack("ba", 4), "edge_tpu cannot run b to a as a stack: b stands before a, whose output it reads"),
        (a_stack("ac", 4), "data leaves one of them and comes back through a layer outside it"),
        (a_stack("ab", 5), "edge_tpu cannot run a to b as a stack: of tiles of 4 rows b has 4, not 5"),
        (a_stack("ab", 2), "of tiles of 4 rows b has 4, not 2"),
    ],
)
def test_layers_that_are_no_stack_are_refused_by_the_file_s_name(
    stack: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError) as caught:
        scheduled(tmp_path, "stacks", stacks=[stack])
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    ("home", "fault"),
    [
        (a_home("a", ON, 2047), "homes: a has 2048 bytes and is read on edge_tpu, not 2047 on edge_tpu"),
        (a_home("d", ON), "homes: d has no home on edge_tpu: no layer reads it"),
        (a_home("a", "nowhere"), "homes: a has 2048 bytes and is read on edge_tpu, not 2048 on nowhere"),
        (a_home("a", "lpddr4"), "homes: lpddr4 is no memory on the chip, so nothing has its home there"),
    ],
)
def test_tensors_without_such_a_home_are_refused_by_the_file_s_name(
    home: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError) as caught:
        scheduled(tmp_path, "homes", homes=[home])
    assert str(caught.value) == f"{tmp_path / 'mine.yaml'}: {fault}"


def test_the_same_without_the_fault_runs(tmp_path: Path) -> None:
    stacked = scheduled(tmp_path, "stacks", stacks=[a_stack("ab", 4)]).main
    at_home = scheduled(tmp_path, "homes", homes=[a_home("a", ON)]).main
    assert stacked.latency_ps != at_home.latency_ps > 0


def test_two_pictures_are_no_stack_with_what_reads_both_as_one(tmp_path: Path) -> None:
    pictures = {**CONV, "name": "a", "dims": {**CONV["dims"], "B": 2}}
    product = {"name": "b", "operator": "linear", "dims": {"K": 10, "C": 4096}, "inputs": ["a"]}
    (tmp_path / "pair.yaml").write_text(write_yaml({"name": "pair", "layers": [pictures, product]}))
    rows = [{"layer": layer, "accelerator": ON} for layer in "ab"]
    head = {"problem": f"pair on {ON}", "scheduler": "mine", "objective": "edp", "flow": "stacks"}
    (tmp_path / "mine.yaml").write_text(write_yaml({**head, "layers": rows, "stacks": [a_stack("ab", 1)]}))
    with pytest.raises(FileError, match="a to b as a stack: a cannot be cut into tiles with what comes after it"):
        ms.run(tmp_path / "pair.yaml", system=ON, schedule=tmp_path / "mine.yaml")
