"""What a difference says: nothing of equal results, and exactly what was changed of others."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_files import TINY

from mensa_sim.api import session as api
from mensa_sim.api.explore import diff
from mensa_sim.errors import FileError
from mensa_sim.io.files import write_yaml
from mensa_sim.report.compare.diff import diff_json

VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
TREES = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.recursive(
        VALUES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


def write(folder: Path, name: str, data: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(data))
    return path


@given(tree=TREES)
def test_a_result_does_not_differ_from_itself(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("diff")
    difference = diff(write(folder, "a", tree), write(folder, "b", copy.deepcopy(tree)))
    assert not difference.inputs
    assert not difference.outputs


@given(tree=TREES, other=TREES)
def test_a_difference_is_the_same_the_other_way_round(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], other: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    a, b = write(folder, "a", tree), write(folder, "b", other)
    there = {(c.field, repr(c.before), repr(c.after)) for c in (*diff(a, b).inputs, *diff(a, b).outputs)}
    back = {(c.field, repr(c.after), repr(c.before)) for c in (*diff(b, a).inputs, *diff(b, a).outputs)}
    assert there == back


def test_what_was_changed_is_told_and_nothing_else(tmp_path: Path) -> None:
    before = {
        "seed": 0,
        "inputs": {"a.yaml": "11", "b.yaml": "22"},
        "latency_ps": 100,
        "layers": [{"name": "conv", "energy_pj": 1.0}, {"name": "head", "energy_pj": 2.0}],
    }
    after = {
        "seed": 0,
        "inputs": {"a.yaml": "11", "b.yaml": "33"},
        "latency_ps": 150,
        "layers": [{"name": "head", "energy_pj": 2.0}, {"name": "conv", "energy_pj": 4.0}],
    }
    difference = diff(write(tmp_path, "a", before), write(tmp_path, "b", after))
    assert [(c.field, c.before, c.after) for c in difference.inputs] == [("inputs.b.yaml", "22", "33")]
    changed = [(c.field, c.before, c.after, c.ratio) for c in difference.outputs]
    assert changed == [("latency_ps", 100, 150, 1.5), ("layers[conv].energy_pj", 1.0, 4.0, 4.0)]
    assert json.loads(diff_json(difference))["inputs"] == [
        {"field": "inputs.b.yaml", "before": "22", "after": "33"},
    ]


def test_what_stands_on_one_side_only_is_told(tmp_path: Path) -> None:
    (change,) = diff(write(tmp_path, "a", {"x": 1}), write(tmp_path, "b", {"x": 1, "y": 2})).outputs
    assert (change.field, change.before, change.after, change.ratio) == ("y", None, 2, None)


def test_runs_on_two_clocks_differ_in_what_came_out(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(write_yaml(TINY))
    for name, overrides in (("fast", ()), ("slow", ("accelerators.edge_tpu.clock_hz=1000000",)), ("again", ())):
        result = api.run(tmp_path / "tiny.yaml", system="edge_tpu", scheduler="single:edge_tpu", overrides=overrides)
        result.save(tmp_path / name)
    difference = diff(tmp_path / "fast", tmp_path / "slow")
    ratios = {change.field: change.ratio for change in difference.outputs}
    assert (ratios["latency_ps"] or 0) > 1
    assert "macs" not in ratios
    same = diff(tmp_path / "fast", tmp_path / "again" / "summary.json")
    assert not same.inputs
    assert not same.outputs


@pytest.mark.parametrize(
    ("text", "hint"),
    [("{", "not JSON"), ("[1]", "no result"), ('{"a": NaN}', "not a finite number"), ("\x00", "not JSON")],
)
def test_what_is_no_result_is_a_fault_of_its_file(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    good = write(tmp_path, "good.json", {"a": 1})
    with pytest.raises(FileError, match=hint):
        diff(good, tmp_path / "bad.json")


def test_a_folder_without_a_summary_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"summary\.json"):
        diff(tmp_path, tmp_path)
