"""A name in a file cannot lead results out of their folder, nor break a line of a table."""

from pathlib import Path

import pytest

from mensa_sim.api import files as api_files
from mensa_sim.api import session as api
from mensa_sim.errors import FileError
from mensa_sim.names import check_folder_name
from mensa_sim.report.page.output_folder import write_folder
from mensa_sim.study.check.check import RECORDS

UNSHIPPED = {
    "datasheet": """
name: card
library: from_ampere
processors: 20
cache_bytes: 4000000
bytes_per_s: 300000000000
peak_flops_per_s: 8000000000000
clock_hz: 1500000000
power_w: 70
node_nm: 8
source: a data sheet
"""
}
"""Kinds of files of which none ships."""
BAD = ("../../x", "a/b", "a\\b", "..", "", "  ", "a\nb", "\x1b[31m", "<img>", "x" * 101)


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="results folder"):
        check_folder_name(name)


@pytest.mark.parametrize("name", ["lstm", "größe 2", "a.b-c_d", "x" * 100])
def test_an_honest_name_passes(name: str) -> None:
    check_folder_name(name)


@pytest.mark.parametrize("kind", sorted(set(RECORDS) - {"technology", "fit"}))
def test_no_kind_of_file_whose_name_becomes_a_folder_lets_it_lead_elsewhere(kind: str, tmp_path: Path) -> None:
    folder = "accelerators" if kind.endswith("_device") else f"{kind}s"
    chosen = {"system": "mensa_g", "measured_device": "gpu_t4", "datasheet_device": "rk3588_npu"}
    text = UNSHIPPED.get(kind) or api_files.show(folder, chosen.get(kind) or api_files.list_kind(folder)[0]["name"])
    lines = ["name: ../../evil" if line.startswith("name:") else line for line in text.splitlines()]
    path = tmp_path / "evil.yaml"
    path.write_text("\n".join(lines))
    assert any("name '../../evil' cannot name a results folder" in fault for fault in api_files.check([path]))


@pytest.mark.parametrize(
    ("name", "dims", "fault"),
    [
        (r"a\nb", "{K: 4, C: 4}", "cannot be shown"),
        (r"\e[31mred", "{K: 4, C: 4}", "cannot be shown"),
        ("a", "{K: 16777216, C: 16777216, OX: 2}", "can be counted exactly"),
        ("a", "{K: 64, OX: 99999999999}", "OX is 99999999999, must be at most"),
        ("a", "{K: 64}, steps: 99999999999", "steps is 99999999999, more than"),
        ("a", "{K: 64}, output_bytes: 9999999999999999", "output_bytes is 9999999999999999, must be at most"),
    ],
)
def test_a_layer_list_refuses_what_cannot_be_shown_or_counted(name: str, dims: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(f'name: w\nlayers:\n  - {{name: "{name}", operator: linear, dims: {dims}}}\n')
    with pytest.raises(FileError, match=fault):
        api.trace(path)


def test_an_output_folder_whose_name_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="choose another with --output"):
        write_folder(tmp_path / ("x" * 300), {"summary.json": "{}"})
