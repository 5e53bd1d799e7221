"""Branches that shapes decide and loops that they count are put in their place; what hangs on the data is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limited import limited
from onnx_files import helper, imported, node, onnx, save, weights

from mensa_sim.errors import FileError, TraceError
from mensa_sim.workload.load import load_workload


def body(nodes: list[Any], inputs: str, outputs: str, constants: dict[str, np.ndarray] | None = None) -> Any:
    return helper.make_graph(
        nodes,
        "body",
        [helper.make_empty_tensor_value_info(name) for name in inputs.split()],
        [helper.make_empty_tensor_value_info(name) for name in outputs.split()],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )


def branch(taken: str, other: str) -> tuple[Any, Any]:
    """Two branches on x: a product by a weight of their own each, 8 to 3 and 8 to 5 columns."""
    first = body([node("MatMul", f"x {taken}", "z")], "", "z", {taken: weights(8, 3)})
    second = body([node("MatMul", f"x {other}", "z")], "", "z", {other: weights(8, 5)})
    return first, second


@pytest.mark.parametrize(("length", "columns"), [(1, 3), (2, 5)])
def test_a_branch_that_hangs_on_a_shape_is_decided(tmp_path: Path, length: int, columns: int) -> None:
    then, other = branch("w", "w")
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "rows"),
        node("Equal", "rows one", "c"),
        node("If", "c", "z", then_branch=then, else_branch=other),
        node("Relu", "z"),
    ]
    constants = {"zero": np.array(0), "one": np.array(1)}
    graph = imported(tmp_path, nodes, inputs={"x": [length, 8]}, constants=constants)
    (layer,) = graph.layers
    assert (layer.macs, layer.parameter_bytes, layer.fused) == (length * 8 * columns, 8 * columns, ("relu",))


def test_branches_within_branches_are_decided_too(tmp_path: Path) -> None:
    then, other = branch("a", "b")
    inner = body([node("If", "never", "z", then_branch=then, else_branch=other)], "", "z")
    nodes = [node("If", "always", "y", then_branch=inner, else_branch=other)]
    constants = {"always": np.array(True), "never": np.array(False)}
    graph = imported(tmp_path, nodes, inputs={"x": [1, 8]}, constants=constants)
    assert graph.macs == 8 * 5


def test_a_branch_that_nothing_reads_is_not_decided(tmp_path: Path) -> None:
    then, other = branch("a", "b")
    nodes = [node("If", "c", "unread", then_branch=then, else_branch=other), node("Relu", "x")]
    assert imported(tmp_path, nodes, inputs={"x": [1, 8], "c": []}).macs == 0


def loop(**changes: Any) -> list[Any]:
    """h = relu(h w), as often as a constant says; the rows of every step are kept."""
    step = body(
        [
            node("MatMul", "h w", "p"),
            node("Relu", "p", "next"),
            node("Identity", "going", changes.get("condition", "goes")),
            node("Identity", "next", "row"),
        ],
        "i going h",
        "goes next row",
    )
    return [node("Loop", "trips always x", "last rows", body=step), node("Add", "last last", "y")]


LEARNED = {"trips": np.array(6), "always": np.array(True), "w": weights(8, 8)}


def test_a_counted_loop_is_one_layer_of_many_steps(tmp_path: Path) -> None:
    graph = imported(tmp_path, loop(), inputs={"x": [1, 8]}, outputs=("y", "rows"), constants=LEARNED)
    product = graph.layers[0]
    assert (product.operator, product.steps, product.macs, product.parameter_bytes) == ("linear", 6, 6 * 64, 64)
    assert product.recurrent
    assert graph.coverage.unsupported == 0


def test_a_loop_whose_trips_are_an_input_runs_as_often_as_its_value_says(tmp_path: Path) -> None:
    constants = {name: value for name, value in LEARNED.items() if name != "trips"}
    path = save(
        tmp_path,
        loop(),
        inputs={"x": ["n", 8], "trips": []},
        outputs=("y",),
        constants=constants,
        integers=("trips",),
    )
    workload = tmp_path / "open.yaml"
    workload.write_text("name: w\nmodel: model.onnx\ninputs: [{name: x, shape: [1, 8]}]\n")
    with pytest.raises(TraceError, match=r"node /Loop is dynamic control flow \(Loop\)"):
        load_workload(workload, cache=False)
    given = tmp_path / "w.yaml"
    given.write_text(
        f"name: w\nmodel: {path.name}\ninputs: [{{name: x, shape: [1, 8]}}, "
        "{name: trips, shape: [], dtype: int64, value: 4}]\n"
    )
    assert load_workload(given, cache=False).macs == 4 * 64


def test_a_loop_that_may_stop_early_is_refused(tmp_path: Path) -> None:
    stops = body(
        [node("ReduceSum", "h", "sum", keepdims=0), node("Greater", "sum limit", "goes"), node("Relu", "h", "next")],
        "i going h",
        "goes next",
    )
    nodes = [node("Loop", "trips always x", "y", body=stops)]
    constants = {"trips": np.array(6), "always": np.array(True), "limit": np.float32(1)}
    with pytest.raises(TraceError, match=r"node /Loop is dynamic control flow"):
        imported(tmp_path, nodes, inputs={"x": [1, 8]}, constants=constants)


def test_a_condition_that_is_its_own_copy_is_refused(tmp_path: Path) -> None:
    stops = body([node("Identity", "goes", "goes"), node("Relu", "h", "next")], "i going h", "goes next")
    nodes = [node("Loop", "trips always x", "y", body=stops)]
    with pytest.raises(TraceError, match=r"node /Loop is dynamic control flow"), limited(10):
        imported(tmp_path, nodes, inputs={"x": [1, 8]}, constants=LEARNED)


def while_loop(limit: str) -> list[Any]:
    """h = relu(h w) while a counter that goes up by two stays below a limit; nothing says how many trips that is."""
    step = body(
        [
            node("MatMul", "h w", "p"),
            node("Relu", "p", "next"),
            node("Add", "count two", "counted"),
            node("Cast", "counted", "float", to=1),
            node("Less", f"float {limit}", "goes"),
        ],
        "i going h count",
        "goes next counted",
        {"two": np.array(2)},
    )
    return [node("Loop", "_ always x zero", "y counts", body=step)]


def test_a_loop_whose_condition_counts_runs_until_it_fails(tmp_path: Path) -> None:
    """As converters write `while i < n`: 0, 2, 4 and 6 are below 7."""
    constants = {"always": np.array(True), "w": weights(8, 8), "zero": np.array(0), "seven": np.float32(7)}
    (product,) = imported(tmp_path, while_loop("seven"), inputs={"x": [1, 8]}, constants=constants).layers
    assert (product.steps, product.macs, product.parameter_bytes) == (4, 4 * 64, 64)
    with pytest.raises(TraceError, match=r"node /Loop is dynamic control flow"):
        imported(tmp_path, while_loop("n"), inputs={"x": [1, 8], "n": []}, constants=constants)
    endless = constants | {"seven": np.float32(np.inf)}
    with pytest.raises(TraceError, match=r"node /Loop \(Loop\) runs \d+ times through 5 nodes, more than 200000"):
        imported(tmp_path, while_loop("seven"), inputs={"x": [1, 8]}, constants=endless)


def test_an_endless_loop_is_refused_before_it_is_unrolled(tmp_path: Path) -> None:
    constants = {**LEARNED, "trips": np.array(10**9)}
    with pytest.raises(TraceError, match=r"node /Loop \(Loop\) runs 1000000000 times through 4 nodes"):
        imported(tmp_path, loop(), inputs={"x": [1, 8]}, constants=constants)


@pytest.mark.parametrize("backwards", [0, 1])
def test_a_scan_runs_once_for_each_position(tmp_path: Path, backwards: int) -> None:
    step = body(
        [node("Concat", "h t", "both", axis=1), node("MatMul", "both w", "next"), node("Identity", "next", "row")],
        "h t",
        "next row",
    )
    nodes = [
        node("Scan", "h0 x", "last y", body=step, num_scan_inputs=1, scan_input_directions=[backwards]),
    ]
    graph = imported(
        tmp_path, nodes, inputs={"h0": [2, 4], "x": [7, 2, 3]}, outputs=("y",), constants={"w": weights(7, 4)}
    )
    assert graph.macs == 7 * 2 * 7 * 4
    assert graph.parameter_bytes == 28
    assert [layer.steps for layer in graph.layers if layer.nest] == [7]
    assert graph.coverage.unsupported == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1, 2]", r"inputs\[1\]: value is neither one number nor nested lists of shape \[3\]"),
        ("text", r"inputs\[1\]: value is neither one number"),
    ],
)
def test_a_value_that_does_not_fit_its_shape_is_refused(tmp_path: Path, value: str, message: str) -> None:
    save(tmp_path, [node("Tile", "x n")], inputs={"x": [1, 2, 3], "n": [3]}, integers=("n",))
    workload = tmp_path / "w.yaml"
    workload.write_text(
        "name: w\nmodel: model.onnx\ninputs: [{name: x, shape: [1, 2, 3]}, "
        f"{{name: n, shape: [3], dtype: int64, value: {value}}}]\n"
    )
    with pytest.raises(FileError, match=message):
        load_workload(workload, cache=False)


def test_a_value_says_a_shape(tmp_path: Path) -> None:
    save(tmp_path, [node("Tile", "x n")], inputs={"x": [1, 2, 3], "n": [3]}, integers=("n",))
    workload = tmp_path / "w.yaml"
    workload.write_text(
        "name: w\nmodel: model.onnx\ninputs: [{name: x, shape: [1, 2, 3]}, "
        "{name: n, shape: [3], dtype: int64, value: [5, 1, 2]}]\n"
    )
    assert load_workload(workload, cache=False).layers[0].output_bytes == 60


def test_only_onnx_inputs_take_a_value(tmp_path: Path) -> None:
    workload = tmp_path / "w.yaml"
    workload.write_text(
        "name: w\nmodel: mensa_sim.workload.models.small_cnn:SmallCNN\ninputs: [{shape: [1, 3, 8, 8], value: 1}]\n"
    )
    with pytest.raises(FileError, match="inputs: a callable takes no value"):
        load_workload(workload, cache=False)
