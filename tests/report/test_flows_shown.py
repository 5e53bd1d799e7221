"""What people see of stacks and pieces: lines, tables and a figure of a run, and what `explain` says of a layer."""

import re
from pathlib import Path

import pytest

from mensa_sim.api import explanation as explaining
from mensa_sim.api import session as api
from mensa_sim.api.session import Run
from mensa_sim.cost.prices.price import price
from mensa_sim.io.files import write_yaml
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.run.page import INFERENCE
from mensa_sim.report.run.summary import summary
from mensa_sim.report.run.tables import splits_text, stacks_text
from mensa_sim.study.run.placement import Placement

SIDE = {"K": 32, "C": 32, "OY": 96, "OX": 96}
"""A 1 x 1 convolution whose input and output have 294912 bytes each: more than Pascal's buffer of 262144."""
TENSOR_BYTES = 294912
LAYERS = [
    {"name": "first", "operator": "conv2d", "dims": SIDE},
    {"name": "second", "operator": "conv2d", "dims": SIDE, "inputs": ["first"]},
    {"name": "sum", "operator": "add", "elements": TENSOR_BYTES, "inputs": ["first", "second"]},
]
DEEP = [
    {"name": "conv", "operator": "conv2d", "dims": {"K": 64, "C": 64, "OY": 32, "OX": 32, "FY": 3, "FX": 3}},
    {
        "name": "then",
        "operator": "conv2d",
        "dims": {"K": 64, "C": 64, "OY": 32, "OX": 32, "FY": 3, "FX": 3},
        "inputs": ["conv"],
    },
]
"""Work for several arrays at once."""


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flows") / "wide.yaml"
    path.write_text(write_yaml({"name": "wide", "layers": LAYERS}))
    return path


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flows") / "deep.yaml"
    path.write_text(write_yaml({"name": "deep", "layers": DEEP}))
    return path


@pytest.fixture(scope="module")
def stacked(workload: Path) -> Run:
    return api.run(workload, system="pascal", baseline="pascal", flow="stacks")


@pytest.fixture(scope="module")
def split(deep: Path) -> Run:
    return api.run(deep, system="simba_4", baseline="pascal", flow="tiles", objective="latency")


@pytest.fixture(scope="module")
def placed(workload: Path) -> Placement:
    return explaining.place(workload, system="pascal", flow="stacks")


def test_a_stack_says_what_each_tensor_in_it_would_have_moved(stacked: Run) -> None:
    (stack,) = stacked.main.stacks
    assert stack.layers == ("first", "second", "sum")
    # The first is written once and read twice, the second written and read once.
    assert stack.tensors == {"first": 3 * TENSOR_BYTES, "second": 2 * TENSOR_BYTES}
    costs = price(stacked.main.graph, stacked.main.hardware)
    assert stack.alone_bytes == sum(costs.cost(name, "pascal").memory_bytes for name in stack.layers)
    assert stack.moved_bytes == sum(stacked.main.traffic_bytes.values())
    (listed,) = summary(stacked)["stacks"]
    assert listed["saved_bytes"] == stack.alone_bytes - stack.moved_bytes


def test_the_page_shows_stacks_and_saved_bytes_by_tensor(stacked: Run) -> None:
    (line,) = stacks_text(stacked.main)
    assert re.match(r"on pascal 3 layers run tile by tile in 1 stack, which saves 1\.\d+ MB of the 2\.\d+ MB", line)
    drawn = run_figures(stacked)["saved"].figure
    (bars,) = drawn["data"]
    assert dict(zip(bars["y"], bars["x"], strict=True)) == stacked.main.stacks[0].tensors
    page = INFERENCE.page(stacked)
    assert "<td>first</td><td>in a stack on pascal</td>" in page
    assert "<td>3</td><td>first</td><td>sum</td><td>pascal</td>" in page


def test_the_page_shows_which_layers_run_in_which_pieces(split: Run) -> None:
    assert split.main.splits
    page = INFERENCE.page(split)
    for each in split.main.splits:
        (shares,) = re.findall(
            f"<td>{re.escape(each.layer)}</td><td>{each.axis}</td><td>{each.pieces}</td><td>(.*?)</td>", page
        )
        told = dict[str, float]()
        for names, share in re.findall(r"([^;]+?) ([\d.]+) %", shares):
            told |= dict.fromkeys(names.strip().split(", "), float(share))
        assert told == {name: pytest.approx(100 * share, abs=0.06) for name, share in each.parts.items()}
    (line,) = splits_text(split.main)
    assert line.startswith(f"{len(split.main.splits)} layers run in pieces")


def test_explain_says_which_stack_a_layer_lies_in(placed: Placement, stacked: Run) -> None:
    (stack,) = stacked.main.stacks
    text = explaining.explain(placed, "second").runs
    assert text == (
        f"it runs in a stack of 3 layers on pascal, from first to sum, in {stack.tiles} tiles of {stack.rows} rows of "
        f"the last, which moves {stack.moved_bytes} bytes over memory; one by one they move {stack.alone_bytes}"
    )


def test_explain_says_which_pieces_a_layer_runs_in(deep: Path, split: Run) -> None:
    placement = explaining.place(deep, system="simba_4", flow="tiles", objective="latency")
    each = split.main.splits[0]
    found = explaining.explain(placement, each.layer)
    assert found.runs.startswith(f"it runs in {each.pieces} pieces by {each.axis}, at once: 25% on chiplet_0")
    assert found.accelerator == placement.schedule.assignment[each.layer]


def test_explain_says_why_a_layer_was_not_stacked(workload: Path) -> None:
    def why(layer: str, **settings) -> str:
        return explaining.explain(explaining.place(workload, flow="stacks", **settings), layer).runs

    assert explaining.explain(explaining.place(workload, system="pascal"), "first").runs == ""
    apart = {"pins": {"first": "pascal", "second": "jacquard", "sum": "pascal"}}
    assert why("second", **apart) == (
        "it runs by itself: no layer beside it in order runs on jacquard and can run in tiles"
    )
    none = {"accelerators.pascal.levels.activation_buffer.capacity_bytes": 3000}
    assert "the rows between them do not fit pascal" in why("first", system="pascal", overrides=none)


def test_the_summary_says_what_pieces_heard_while_one_of_them_read_it() -> None:
    """By hand: 64 x 64 windows of 3 x 3 over 32 x 32 in four pieces of 8 rows; a cut needs the rows beside it twice."""
    dims = {"K": 64, "C": 64, "OY": 32, "OX": 32, "FY": 3, "FX": 3}
    layers = [{"name": "conv", "operator": "conv2d", "dims": dims}]
    found = api.run({"name": "one", "layers": layers}, system="simba_4", flow="tiles", objective="latency")
    written = summary(found)
    (each,) = written["splits"]
    assert (each["axis"], list(each["parts"].values())) == ("rows", [0.25] * 4)
    weights, row = 64 * 64 * 9, 32 * 64
    assert written["heard_bytes"] == 3 * weights
    assert written["traffic_bytes"] == {"lpddr4": weights + (32 + 3 * 2) * row + 32 * row}
    whole = api.run({"name": "one", "layers": layers}, system="simba_4", flow="layers", objective="latency")
    assert "heard_bytes" not in summary(whole)
