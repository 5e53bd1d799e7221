"""Cores with an inner SRAM before the outer one: what the inner one saves, by our counts and by ZigZag's."""

import json
from pathlib import Path

import pytest
from zigzag_cores import CoreRow, best, core_rows

INNER = ("meta_prototype", "tesla_npu_like", "ascend_like")
"""Cores of the tool's with a level between registers and the outermost SRAM of weights and inputs."""


def own_row(core: str, name: str) -> CoreRow:
    """The layer of a row of the other file: `layer2.layer2.0.conv1.Conv` is `layer2.0.conv1`."""
    parts = name.rsplit(".", 1)[0].split(".")
    wanted = ".".join(parts[1:4]) if len(parts) > 1 else parts[0]
    alike = {"layer1.0.conv1": "layer1"}
    return next(r for r in core_rows() if r.core == core and r.layer == alike.get(wanted, wanted))


@pytest.mark.parametrize("core", INNER)
def test_an_inner_level_saves_energy_where_the_peer_says_so(core: str, reference: Path) -> None:
    """The same core with its outermost levels alone, as both tools price it."""
    rows = json.loads((reference / "peers" / f"zigzag_{core}_resnet18.json").read_text())["rows"]
    saving = [row for row in rows if row["full_pj"] < 0.95 * row["collapsed_pj"]]
    assert saving or core == "tesla_npu_like"
    for row in saving:
        assert best(own_row(core, row["layer"])).energy_pj < 0.97 * row["ours_pj"], row["layer"]


@pytest.mark.parametrize("core", INNER)
def test_what_the_tool_found_is_what_it_found_before(core: str, reference: Path) -> None:
    """Two runs of it, weeks apart: our data of its cores are those of the reference."""
    rows = json.loads((reference / "peers" / f"zigzag_{core}_resnet18.json").read_text())["rows"]
    for row in rows:
        assert own_row(core, row["layer"]).energy_pj == pytest.approx(row["full_pj"], rel=1e-9), row["layer"]
