"""What people see of tensors at home: a line, rows of the summary, a figure, and why a tensor left the chip."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mensa_sim.api import explanation as explaining
from mensa_sim.api import session as api
from mensa_sim.io.files import write_yaml
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.run.summary import summary
from mensa_sim.report.run.tables import homes_text

SIDE = {"K": 8, "C": 8, "OY": 16, "OX": 16}
"""A 1 x 1 convolution whose input and output have 2048 bytes each."""
LAYERS = [
    {"name": "first", "operator": "conv2d", "dims": SIDE},
    {"name": "second", "operator": "conv2d", "dims": SIDE, "inputs": ["first"]},
    {"name": "third", "operator": "conv2d", "dims": SIDE, "inputs": ["second"]},
    {"name": "sum", "operator": "add", "elements": 2048, "inputs": ["first", "third"]},
]
BUFFER = "accelerators.edge_tpu.levels.activation_buffer.capacity_bytes"


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("homes") / "residual.yaml"
    path.write_text(write_yaml({"name": "residual", "layers": LAYERS}))
    return path


@pytest.fixture(scope="module")
def result(workload: Path):
    return api.run(workload, system="edge_tpu")


def test_the_summary_says_what_lives_where_from_when_to_when(result) -> None:
    written = json.loads(json.dumps(summary(result)))
    assert written["flow"] == "homes"
    ends = {layer["name"]: (layer["start_ps"], layer["end_ps"]) for layer in written["layers"]}
    assert [(home["tensor"], home["home"], home["bytes"]) for home in written["homes"]] == [
        ("first", "edge_tpu", 2048),
        ("second", "edge_tpu", 2048),
        ("third", "edge_tpu", 2048),
    ]
    first = written["homes"][0]
    assert (first["start_ps"], first["end_ps"]) == (ends["first"][0], ends["sum"][1])
    assert [home["saved_bytes"] for home in written["homes"]] == [3 * 2048, 2 * 2048, 2 * 2048]


def test_a_line_says_how_much_traffic_homes_save(result, workload: Path) -> None:
    from rich.console import Console

    console = Console(width=200, record=True)
    console.print(result.table())
    text = console.export_text()
    assert "on edge_tpu 3 tensors of 6.14 kB live until they are read, which saves 14.3 kB of memory traffic" in text
    assert summary(api.run(workload, system="edge_tpu", flow="layers"))["homes"] == []
    apart = replace(result.main.schedule, data=replace(result.main.schedule.data, homes_gap=0.02))
    (line,) = homes_text(replace(result.main, schedule=apart))
    assert line.endswith("of memory traffic (at most 2.00 % above the best choice)")


def test_the_figure_shows_each_tensor_while_it_lives(result) -> None:
    drawn = run_figures(result)["homes_edge_tpu"].figure
    by_name = {trace["name"]: trace for trace in drawn["data"]}
    assert list(by_name) == ["first", "second", "third"]
    held = {name: [size for size in trace["customdata"] if size != "0 B"] for name, trace in by_name.items()}
    assert {name: set(sizes) for name, sizes in held.items()} == {name: {"2.05 kB"} for name in by_name}
    assert len(held["first"]) > len(held["second"])
    assert "3 tensors live on edge_tpu" in drawn["layout"]["title"]["text"]


def test_explain_says_where_an_output_lives_and_why_it_does_not(workload: Path) -> None:
    def output(layer: str, **settings) -> str:
        return explaining.explain(explaining.place(workload, system="edge_tpu", **settings), layer).output

    assert output("first", flow="layers") == ""
    assert output("first") == "its output, 2048 bytes, lives on edge_tpu until sum has read it"
    assert output("sum", flow="homes") == "no layer reads its output"
    tight = {"flow": "homes", "overrides": {BUFFER: 4608}}
    texts = [output(name, **tight) for name in ("first", "second", "third")]
    assert any("there is no room for its 2048 bytes" in text for text in texts)
    assert any("lives on edge_tpu" in text for text in texts)
