"""ONNX operators that our models do not export: what each is charged, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import imported, node, only, onnx, weights


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def sizes(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("attributes", "constants", "opset", "columns", "parts"),
    [
        ({}, {"s": numbers(2, 4)}, 17, 6, [4, 8]),
        ({}, {}, 17, 6, [6, 6]),
        ({"num_outputs": 2}, {}, 18, 7, [8, 6]),
        ({"split": [2, 4]}, {}, 11, 6, [4, 8]),
    ],
)
def test_the_parts_of_a_split_are_read_and_no_more(
    tmp_path: Path,
    attributes: dict[str, Any],
    constants: dict[str, np.ndarray],
    opset: int,
    columns: int,
    parts: list[int],
) -> None:
    nodes = [
        node("Split", "x s" if constants else "x", "a b", axis=1, **attributes),
        node("Relu", "a", "y"),
        node("Relu", "b", "z"),
    ]
    model: dict[str, Any] = {"inputs": {"x": [2, columns]}, "outputs": ("y", "z"), "constants": constants}
    graph = imported(tmp_path, nodes, opset=opset, **model)
    assert [layer.operator for layer in graph.layers] == ["relu", "relu"]
    assert [layer.input_bytes for layer in graph.layers] == parts


def test_a_tile_writes_what_it_repeats_and_one_of_itself_is_a_view(tmp_path: Path) -> None:
    copied = only(imported(tmp_path, [node("Tile", "x r")], inputs={"x": [2, 6]}, constants={"r": numbers(2, 3)}))
    assert (copied.operator, copied.input_bytes, copied.output_bytes) == ("copy", 12, 72)
    assert not imported(tmp_path, [node("Tile", "x r")], inputs={"x": [2, 6]}, constants={"r": numbers(1, 1)}).layers


@pytest.mark.parametrize(
    ("kind", "inputs", "attributes", "opset", "vector_ops"),
    [
        ("BatchNormalization", "x s b m v", {}, 17, 2 * 60),
        ("InstanceNormalization", "x s b", {}, 17, (5 + 2) * 60 + 4 * 2 * 6),
        ("GroupNormalization", "x s b", {"num_groups": 3}, 21, (5 + 2) * 60 + 4 * 2 * 3),
    ],
)
def test_a_normalisation_of_channels_counts_as_the_one_of_torch(
    tmp_path: Path, kind: str, inputs: str, attributes: dict[str, int], opset: int, vector_ops: int
) -> None:
    constants = {name: weights(6) for name in inputs.split()[1:]}
    nodes = [node(kind, inputs, **attributes)]
    layer = only(imported(tmp_path, nodes, inputs={"x": [2, 6, 5]}, constants=constants, opset=opset))
    assert layer.vector_ops == vector_ops
    assert (layer.input_bytes, layer.output_bytes, layer.parameter_bytes) == (60, 60, 12)


def test_behind_a_group_normalisation_shapes_are_known(tmp_path: Path) -> None:
    nodes = [node("GroupNormalization", "x s b", "t", num_groups=3), node("Conv", "t w")]
    constants = {"s": weights(6), "b": weights(6), "w": weights(4, 6, 1)}
    graph = imported(tmp_path, nodes, inputs={"x": [2, 6, 5]}, constants=constants, opset=21)
    assert [layer.operator for layer in graph.layers] == ["group_norm", "conv1d"]
    assert graph.macs == 2 * 5 * 6 * 4


@pytest.mark.parametrize(
    ("kind", "inputs", "opset", "vector_ops"),
    [("LayerNormalization", "x s b", 17, (5 + 2) * 24 + 4 * 4), ("RMSNormalization", "x s", 23, (3 + 1) * 24 + 4 * 4)],
)
def test_a_normalisation_of_rows_has_statistics_for_each_row(
    tmp_path: Path, kind: str, inputs: str, opset: int, vector_ops: int
) -> None:
    constants = {name: weights(6) for name in inputs.split()[1:]}
    nodes = [node(kind, inputs, axis=-1)]
    layer = only(imported(tmp_path, nodes, inputs={"x": [4, 6]}, constants=constants, opset=opset))
    assert layer.vector_ops == vector_ops


def test_the_largest_of_a_row_take_as_many_passes_as_their_number_has_bits(tmp_path: Path) -> None:
    for kept, passes in ((1, 1), (2, 1), (5, 3)):
        nodes = [node("TopK", "x k", "y i", axis=1)]
        layer = only(imported(tmp_path, nodes, inputs={"x": [4, 8]}, constants={"k": numbers(kept)}))
        assert (layer.vector_ops, layer.output_bytes) == (passes * 32, 4 * kept)


@pytest.mark.parametrize(("axis", "passes"), [(0, 3), (1, 1), (-2, 3), (None, 1)])
def test_the_largest_are_taken_along_the_axis_that_is_named_or_the_last(
    tmp_path: Path, axis: int | None, passes: int
) -> None:
    """Five of eight rows take three passes, two of the sixteen columns one."""
    nodes = [node("TopK", "x k", "y i", **({} if axis is None else {"axis": axis}))]
    kept = 5 if passes == 3 else 2
    layer = only(imported(tmp_path, nodes, inputs={"x": [8, 16]}, constants={"k": numbers(kept)}))
    assert layer.vector_ops == passes * 8 * 16


@pytest.mark.parametrize(
    ("mode", "shape", "scales", "vector_ops"),
    [
        ("nearest", [1, 2, 4, 4], sizes(1, 1, 2, 2), 0),
        ("linear", [1, 2, 4], sizes(1, 1, 2), 3 * 16),
        ("linear", [1, 2, 4, 4], sizes(1, 1, 2, 2), 7 * 128),
        ("cubic", [1, 2, 4, 4], sizes(1, 1, 2, 2), 31 * 128),
    ],
)
def test_a_resize_costs_its_taps(
    tmp_path: Path, mode: str, shape: list[int | str], scales: np.ndarray, vector_ops: int
) -> None:
    nodes = [node("Resize", "x _ s", mode=mode)]
    assert only(imported(tmp_path, nodes, inputs={"x": shape}, constants={"s": scales})).vector_ops == vector_ops


@pytest.mark.parametrize(
    ("mode", "axes", "each"), [("nearest", 2, 0), ("linear", 2, 7), ("linear", 3, 15), ("cubic", 2, 31)]
)
def test_a_grid_of_places_costs_its_taps(tmp_path: Path, mode: str, axes: int, each: int) -> None:
    nodes = [node("GridSample", "x g", mode=mode)]
    inputs = {"x": [1, 2, *[4] * axes], "g": [1, *[5] * axes, axes]}
    assert only(imported(tmp_path, nodes, inputs=inputs, opset=20)).vector_ops == each * 2 * 5**axes


def test_a_resize_to_the_same_size_is_free_and_one_of_four_axes_is_unsupported(tmp_path: Path) -> None:
    nodes = [node("Resize", "x _ s", mode="linear")]
    same = imported(tmp_path, nodes, inputs={"x": [1, 2, 4, 4]}, constants={"s": sizes(1, 1, 1, 1)})
    assert not same.layers
    four = imported(tmp_path, nodes, inputs={"x": [1, 2, 4, 4]}, constants={"s": sizes(2, 2, 2, 2)})
    assert four.coverage.unsupported_operators == ("onnx.Resize",)


@pytest.mark.parametrize(
    "constant",
    [{"value_ints": [8, 3]}, {"value": None}],
)
def test_a_constant_node_is_known_however_it_is_spelt(tmp_path: Path, constant: dict[str, Any]) -> None:
    attributes = {"value": onnx.numpy_helper.from_array(numbers(8, 3))} if "value" in constant else constant
    nodes = [node("Constant", "", "s", **attributes), node("Reshape", "x s", "t"), node("Relu", "t")]
    layer = only(imported(tmp_path, nodes, inputs={"x": [4, 6]}))
    assert (layer.operator, layer.output_bytes) == ("relu", 24)


def test_a_number_in_a_constant_node_scales_or_picks(tmp_path: Path) -> None:
    scaled = only(
        imported(tmp_path, [node("Constant", "", "s", value_float=2.0), node("Mul", "x s")], inputs={"x": [4, 6]})
    )
    assert (scaled.operator, scaled.vector_ops) == ("mul", 24)
    picked = [node("Constant", "", "i", value_int=1), node("Gather", "x i", "t", axis=0), node("Relu", "t")]
    assert only(imported(tmp_path, picked, inputs={"x": [4, 6]})).input_bytes == 6


def test_what_is_made_of_nothing_is_not_read_from_memory(tmp_path: Path) -> None:
    filled = [node("ConstantOfShape", "s", "c"), node("Add", "x c")]
    layer = only(imported(tmp_path, filled, inputs={"x": [4, 6]}, constants={"s": numbers(4, 6)}))
    assert (layer.input_bytes, layer.parameter_bytes) == (24, 0)
