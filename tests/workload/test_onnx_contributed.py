"""onnxruntime's fused operators cost what their parts cost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import Shape, helper, imported, weights

from mensa_sim.workload.graph import LayerGraph

ORT = "com.microsoft"


def fused(kind: str, inputs: str, *, domain: str = ORT, outputs: str = "y", **attributes: Any) -> Any:
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), domain=domain, **attributes)


def plain(kind: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def work(graph: LayerGraph) -> list[tuple[int, int, int, int, int]]:
    assert graph.coverage.unsupported == 0
    return [(e.macs, e.vector_ops, e.parameter_bytes, e.input_bytes, e.output_bytes) for e in graph.layers]


CONSTANTS = {"w": weights(16, 8), "t": weights(8, 16), "b": weights(16), "k": weights(4, 2, 3, 3), "kb": weights(4)}
CONSTANTS["f"] = weights(2)


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        (fused("BiasGelu", "x b"), [plain("Add", "x b", "a"), plain("Gelu", "a")]),
        (fused("FastGelu", "x"), [plain("Gelu", "x")]),
        (fused("QuickGelu", "x"), [plain("Sigmoid", "x", "s"), plain("Mul", "x s")]),
        (
            fused("SkipLayerNormalization", "x z b b"),
            [plain("Add", "x z", "a"), plain("LayerNormalization", "a b b")],
        ),
        (
            fused("SkipSimplifiedLayerNormalization", "x z b"),
            [plain("Add", "x z", "a"), plain("RMSNormalization", "a b")],
        ),
        (fused("SimplifiedLayerNormalization", "x b", domain="", axis=-1), [plain("RMSNormalization", "x b")]),
        (fused("FusedMatMul", "x w", alpha=0.5), [plain("MatMul", "x w")]),
        (fused("FusedMatMul", "x t", transB=1), [plain("MatMul", "x w")]),
        (
            fused("FusedConv", "i k kb", activation="Relu", pads=[1, 1, 1, 1]),
            [plain("Conv", "i k kb", "c", pads=[1, 1, 1, 1]), plain("Relu", "c")],
        ),
        (
            fused("NhwcFusedConv", "l k kb m", activation="Relu", strides=[2, 2]),
            [
                plain("Transpose", "l", "i2", perm=[0, 3, 1, 2]),
                plain("Conv", "i2 k kb", "c", strides=[2, 2]),
                plain("Transpose", "c", "c2", perm=[0, 2, 3, 1]),
                plain("Add", "c2 m", "a"),
                plain("Relu", "a"),
            ],
        ),
        (
            fused("SkipGroupNorm", "l f f l f", groups=2, activation=1, outputs="y sum"),
            [
                plain("Add", "l l", "a"),
                plain("Add", "a f", "b2"),
                plain("Transpose", "b2", "t2", perm=[0, 3, 1, 2]),
                plain("GroupNormalization", "t2 f f", "n", num_groups=2),
                plain("Swish", "n", "s"),
                plain("Transpose", "s", perm=[0, 2, 3, 1]),
            ],
        ),
        (
            fused("GroupNorm", "i f f", groups=2, channels_last=0),
            [plain("GroupNormalization", "i f f", num_groups=2)],
        ),
    ],
    ids=lambda value: value.op_type if hasattr(value, "op_type") else "",
)
def test_a_fused_operator_costs_what_its_parts_cost(tmp_path: Path, node: Any, parts: list[Any]) -> None:
    inputs: dict[str, Shape] = {"x": [3, 16], "z": [3, 16], "i": [1, 2, 6, 6], "l": [1, 7, 7, 2], "m": [1, 3, 3, 4]}
    expected = work(imported(tmp_path, parts, inputs=inputs, constants=CONSTANTS, opset=23))
    for opset in (17, 23):
        assert work(imported(tmp_path, [node], inputs=inputs, constants=CONSTANTS, opset=opset)) == expected


def test_packed_weights_have_the_bits_that_they_are_packed_at(tmp_path: Path) -> None:
    packed = np.zeros((8, 1, 8), np.uint8)
    node = fused("MatMulNBits", "x p s", K=16, N=8, bits=4, block_size=16)
    constants = {"p": packed, "s": weights(8)}
    (layer,) = imported(tmp_path, [node], inputs={"x": [3, 16]}, constants=constants).layers
    assert (layer.macs, layer.parameter_bytes, layer.element_bits("weight")) == (3 * 16 * 8, 64, 4)
    assert layer.element_bits("input") == 32, "the activations are floats, and the file says so"


def test_scales_of_groups_are_read_with_the_weights_and_those_of_channels_are_not(
    tmp_path: Path,
) -> None:
    packed = np.zeros((8, 4, 8), np.uint8)
    constants = {"p": packed, "s": weights(8, 4), "z": np.zeros((8, 2), np.uint8), "c": weights(8)}
    node = fused("MatMulNBits", "x p s z", K=64, N=8, bits=4, block_size=16)
    (layer,) = imported(tmp_path, [node], inputs={"x": [3, 64]}, constants=constants).layers
    assert layer.parameter_bytes == 64 * 8 // 2 + 8 * 4 * 4 + 8 * 4 // 2
    assert layer.weight_bytes == 64 * 8 // 2
    node = fused("MatMulNBits", "x p c", K=64, N=8, bits=4, block_size=64)
    (layer,) = imported(tmp_path, [node], inputs={"x": [3, 64]}, constants=constants).layers
    assert layer.parameter_bytes == 64 * 8 // 2


def test_a_quantised_lstm_is_the_standards_on_eight_bits(tmp_path: Path) -> None:
    """Its weights are turned, and their scales stand behind the inputs of an LSTM."""
    shape: dict[str, Shape] = {"x": [5, 1, 6]}
    plainly = plain("LSTM", "x w r b", "y", hidden_size=4)
    floats = {"w": weights(1, 16, 6), "r": weights(1, 16, 4), "b": weights(1, 32)}
    expected = imported(tmp_path, [plainly], inputs=shape, constants=floats)
    names = "x q h b _ _ _ _ s z s z"
    node = fused("DynamicQuantizeLSTM", names, outputs="y last", hidden_size=4)
    turned = {"q": np.ones((1, 6, 16), np.int8), "h": np.ones((1, 4, 16), np.int8), "b": weights(1, 32)}
    factors = {"s": weights(1), "z": np.zeros((1,), np.int8)}
    quantise, *gates = imported(tmp_path, [node], inputs=shape, constants=turned | factors).layers
    assert quantise.operator == "quantize"
    assert [(e.operator, e.macs, e.steps) for e in gates] == [(e.operator, e.macs, e.steps) for e in expected.layers]
    products = [gate for gate in gates if gate.macs]
    assert {(gate.element_bits("weight"), gate.element_bits("input")) for gate in products} == {(8, 8)}


def test_a_product_that_quantises_its_data_finds_its_range(tmp_path: Path) -> None:
    node = fused("DynamicQuantizeMatMul", "x q s")
    constants = {"q": np.ones((16, 8), np.int8), "s": np.float32(1)}
    quantise, product = imported(tmp_path, [node], inputs={"x": [3, 16]}, constants=constants).layers
    assert (quantise.operator, product.macs, product.parameter_bytes) == ("quantize", 3 * 16 * 8, 128)
