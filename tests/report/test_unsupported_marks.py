"""A layer whose operator we cannot cost is marked wherever a run shows it."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mensa_sim.api import session as api
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.run.summary import layers_csv, summary
from mensa_sim.report.run.tables import run_tables
from mensa_sim.report.trace.layers import trace_json

MODEL = """
from torch import linalg, nn

class Spectrum(nn.Linear):
    def forward(self, x):
        return linalg.pinv(super().forward(x)).abs()
"""


@pytest.fixture
def workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "spectrum.py").write_text(MODEL)
    path = tmp_path / "w.yaml"
    path.write_text(
        "name: w\nmodel: spectrum.py:Spectrum\narguments: {in_features: 8, out_features: 8}\n"
        "inputs: [{shape: [1, 8]}]\n"
    )
    return path


def test_every_output_of_a_run_marks_it(workload: Path) -> None:
    result = api.run(workload, allow_code=True)
    names = [layer.name for layer in result.main.graph.layers if not layer.supported]
    assert names
    entries = json.loads(json.dumps(summary(result)))["layers"]
    assert [entry["name"] for entry in entries if entry.get("supported") is False] == names
    rows = csv.DictReader(StringIO(layers_csv(result)))
    assert [row["name"] for row in rows if row["supported"] == "false"] == names
    assert INFERENCE.page(result).count("(unsupported: traffic alone)") == len(names)
    console = Console(width=200, file=StringIO(), record=True)
    console.print(run_tables(result))
    assert console.export_text().count("(unsupported)") == len(names)


def test_the_json_of_a_trace_marks_it(workload: Path) -> None:
    layers = json.loads(trace_json(api.trace(workload, allow_code=True)))["layers"]
    marked = [layer for layer in layers if "supported" in layer]
    assert marked[0]["operator"].startswith("aten.")
    assert all(layer["supported"] is False for layer in marked)


def test_a_run_hashes_the_models_own_file(workload: Path) -> None:
    before = api.run(workload, allow_code=True).inputs
    (workload.parent / "spectrum.py").write_text(MODEL + "# changed\n")
    after = api.run(workload, allow_code=True).inputs
    assert {name for name in before if before[name] != after[name]} == {"spectrum.py"}
