"""Operators that the standard defines by others cost what those do; what a model shows beside results is made."""

from pathlib import Path

import numpy as np
import pytest
from onnx_files import Shape, imported, node, onnx, weights

from mensa_sim.errors import TraceError


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 27, reason="this onnx does not know the operator")
def test_a_causal_convolution_multiplies_as_the_padded_one(tmp_path: Path) -> None:
    inputs: dict[str, Shape] = {"x": [1, 4, 9]}
    constants = {"w": weights(4, 1, 3)}
    (alone,) = imported(
        tmp_path, [node("CausalConvWithState", "x w", "y state")], inputs=inputs, constants=constants, opset=27
    ).layers[-1:]
    padded = node("Conv", "x w", "y", group=4, pads=[2, 0])
    (expected,) = imported(tmp_path, [padded], inputs=inputs, constants=constants).layers
    assert (alone.macs, alone.parameter_bytes) == (expected.macs, expected.parameter_bytes) == (4 * 9 * 3, 12)


def test_an_operator_is_its_definition(tmp_path: Path) -> None:
    """A loss by its likelihoods: the definition gathers one of each row, and averages."""
    graph = imported(
        tmp_path,
        [node("NegativeLogLikelihoodLoss", "x target", reduction="mean")],
        inputs={"x": [3, 5], "target": [3]},
        integers=("target",),
    )
    assert graph.coverage.unsupported == 0
    assert sum(layer.vector_ops for layer in graph.layers) > 0


def test_statistics_that_the_model_shows_are_written(tmp_path: Path) -> None:
    constants = {"s": weights(16), "b": weights(16)}
    plain, shown = (
        imported(
            tmp_path,
            [node("LayerNormalization", "x s b", "y mean deviation")],
            inputs={"x": [6, 16]},
            outputs=outputs,
            constants=constants,
        ).layers[0]
        for outputs in (("y",), ("y", "mean", "deviation"))
    )
    assert shown.output_bytes - plain.output_bytes == 2 * 6


def test_the_mask_of_a_dropout_is_ones(tmp_path: Path) -> None:
    nodes = [node("Dropout", "x", "z mask"), node("Relu", "z"), node("Not", "mask", "dropped")]
    (layer,) = imported(tmp_path, nodes, inputs={"x": [6, 16]}, outputs=("y", "dropped"), opset=13).layers
    assert layer.operator == "relu"


def test_a_norm_in_training_mode_is_refused(tmp_path: Path) -> None:
    constants = {name: np.ones(4, np.float32) for name in ("s", "b", "m", "v")}
    training = node("BatchNormalization", "x s b m v", "y mean var", training_mode=1)
    with pytest.raises(TraceError, match="is in training mode; export it for inference"):
        imported(tmp_path, [training], inputs={"x": [1, 4, 3, 3]}, constants=constants)


def test_sequences_of_their_own_lengths_step_as_padded_ones(tmp_path: Path) -> None:
    constants = {"w": weights(1, 16, 6), "r": weights(1, 16, 4)}
    inputs: dict[str, Shape] = {"x": [5, 2, 6], "n": [2]}
    padded, ragged = (
        imported(
            tmp_path,
            [node("LSTM", names, hidden_size=4)],
            inputs=inputs,
            constants=constants,
            integers=("n",),
        ).layers
        for names in ("x w r", "x w r _ n")
    )
    assert [(e.macs, e.steps) for e in ragged] == [(e.macs, e.steps) for e in padded]


def test_what_a_node_is_not_asked_for_has_no_shape(tmp_path: Path) -> None:
    constants = {"w": weights(1, 16, 6), "r": weights(1, 16, 4), "n": np.array([5, 5])}
    last = onnx.helper.make_node("LSTM", ["x", "w", "r", "", "n"], ["", "y"], hidden_size=4)
    graph = imported(tmp_path, [last], inputs={"x": [5, 2, 6]}, constants=constants)
    assert graph.macs == 5 * 2 * 16 * 10


def test_a_first_state_is_turned_with_the_sequences_that_have_the_batch_first(tmp_path: Path) -> None:
    constants = {"w": weights(2, 16, 6), "r": weights(2, 16, 4)}
    first, second = (
        imported(
            tmp_path,
            [node("LSTM", "x w r _ _ h", hidden_size=4, direction="bidirectional", layout=layout)],
            inputs={"x": [3, 5, 6] if layout else [5, 3, 6], "h": [3, 2, 4] if layout else [2, 3, 4]},
            constants=constants,
        ).layers
        for layout in (1, 0)
    )
    assert [(e.macs, e.input_bytes, e.output_bytes) for e in first] == [
        (e.macs, e.input_bytes, e.output_bytes) for e in second
    ]


@pytest.mark.parametrize("directions", [1, 2])
def test_peepholes_are_read_by_the_cell_update_and_take_a_product_and_a_sum_a_gate(
    directions: int, tmp_path: Path
) -> None:
    constants = {"w": weights(directions, 16, 6), "r": weights(directions, 16, 4), "p": weights(directions, 12)}
    ways = "bidirectional" if directions == 2 else "forward"
    plain, seeing = (
        imported(
            tmp_path,
            [node("LSTM", names, hidden_size=4, direction=ways)],
            inputs={"x": [5, 2, 6]},
            constants=constants,
        ).layers
        for names in ("x w r", "x w r _ _ _ _ p")
    )
    assert [each.macs for each in seeing] == [each.macs for each in plain]
    for before, after in zip(plain, seeing, strict=True):
        update = after.operator == "cell_update"
        assert after.vector_ops - before.vector_ops == update * 3 * 2 * 5 * 2 * 4
        assert after.parameter_bytes - before.parameter_bytes == update * 12
