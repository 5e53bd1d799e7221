"""onnxruntime's attention operators cost what the same attention costs in the standard's plain operators."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_files import Shape, helper, imported, weights
from test_onnx_contributed import fused, plain, work

from mensa_sim.errors import TraceError
from mensa_sim.workload.graph import LayerGraph

BATCH, LENGTH, HEADS, WIDTH = 2, 6, 4, 8
HIDDEN = HEADS * WIDTH
X: dict[str, Shape] = {name: [BATCH, LENGTH, HIDDEN] for name in "qkv"}
SHAPES = {
    "apart": np.array([0, 0, HEADS, WIDTH]),
    "whole": np.array([0, 0, HIDDEN]),
    "pair": np.array([0, 0, 2, WIDTH]),
    "five": np.array([BATCH, LENGTH, HEADS, WIDTH]),
}


def by_head(name: str, made: str, shape: str = "apart") -> list[Any]:
    """[batch, length, heads * width] by head."""
    return [plain("Reshape", f"{name} {shape}", f"{made}/a"), plain("Transpose", f"{made}/a", made, perm=[0, 2, 1, 3])]


def products(query: str, key: str, value: str, mask: str = "") -> list[Any]:
    """Scores, softmax and context of what lies by head."""
    scores = [plain("Transpose", key, "kt", perm=[0, 1, 3, 2]), plain("MatMul", f"{query} kt", "scores")]
    if mask:
        scores.append(plain("Add", f"scores {mask}", "masked"))
    return [
        *scores,
        plain("Softmax", "masked" if mask else "scores", "p"),
        plain("MatMul", f"p {value}", "c"),
        plain("Transpose", "c", "t", perm=[0, 2, 1, 3]),
        plain("Reshape", "t whole"),
    ]


def macs(graph: LayerGraph) -> list[int]:
    assert graph.coverage.unsupported == 0
    return sorted(layer.macs for layer in graph.layers if layer.macs)


def same_products(ours: LayerGraph, expected: LayerGraph) -> None:
    assert macs(ours) == macs(expected)
    for each in ("parameter_bytes", "model_input_bytes"):
        found = [sum(getattr(layer, each) for layer in graph.layers) for graph in (ours, expected)]
        assert found[0] == found[1], each


def test_heads_apart_are_scores_softmax_and_context(tmp_path: Path) -> None:
    node = fused("MultiHeadAttention", "q k v", num_heads=HEADS)
    parts = [*by_head("q", "qh"), *by_head("k", "kh"), *by_head("v", "vh"), *products("qh", "kh", "vh")]
    ours = imported(tmp_path, [node], inputs=X)
    same_products(ours, imported(tmp_path, parts, inputs=X, constants=SHAPES))
    assert macs(ours) == [BATCH * LENGTH * LENGTH * HIDDEN] * 2


@pytest.mark.parametrize("opset", [13, 17, 23])
def test_projections_in_one_product_with_its_bias(tmp_path: Path, opset: int) -> None:
    x: dict[str, Shape] = {"x": X["q"]}
    constants = {"w": weights(HIDDEN, 3 * HIDDEN), "b": weights(3 * HIDDEN)}
    ours = imported(
        tmp_path, [fused("Attention", "x w b", num_heads=HEADS)], inputs=x, constants=constants, opset=opset
    )
    parts = [
        plain("MatMul", "x w", "xw"),
        plain("Add", "xw b", "xb"),
        helper.make_node("Split", ["xb", "thirds"], ["q", "k", "v"], axis=2),
        *by_head("q", "qh"),
        *by_head("k", "kh"),
        *by_head("v", "vh"),
        *products("qh", "kh", "vh"),
    ]
    thirds = {"thirds": np.array([HIDDEN] * 3)}
    same_products(ours, imported(tmp_path, parts, inputs=x, constants=constants | SHAPES | thirds))
    assert max(macs(ours)) == BATCH * LENGTH * HIDDEN * 3 * HIDDEN


def test_heads_that_share_keys_behind_their_cache(tmp_path: Path) -> None:
    """Two of keys for four of queries, one new row behind nine; the cache grows in place."""
    past: dict[str, Shape] = {name: [BATCH, 2, 9, WIDTH] for name in ("pk", "pv")}
    new: dict[str, Shape] = {"q": [BATCH, 1, HIDDEN], "k": [BATCH, 1, 2 * WIDTH], "v": [BATCH, 1, 2 * WIDTH]}
    node = fused("GroupQueryAttention", "q k v pk pv", outputs="y nk nv", num_heads=HEADS, kv_num_heads=2)
    ours = imported(tmp_path, [node], inputs=new | past, outputs=("y", "nk", "nv"))
    standard = [
        *by_head("q", "qh"),
        *by_head("k", "kh", "pair"),
        *by_head("v", "vh", "pair"),
        helper.make_node("Attention", ["qh", "kh", "vh", "", "pk", "pv"], ["a", "nk", "nv"], is_causal=1),
        plain("Transpose", "a", "t", perm=[0, 2, 1, 3]),
        plain("Reshape", "t whole"),
    ]
    expected = imported(tmp_path, standard, inputs=new | past, outputs=("y", "nk", "nv"), constants=SHAPES, opset=23)
    assert work(ours) == work(expected)
    assert macs(ours) == [BATCH * HEADS * 10 * WIDTH] * 2


def test_all_three_in_one_tensor_are_those_apart(tmp_path: Path) -> None:
    apart = {"q": [BATCH, LENGTH, HIDDEN], "k": [BATCH, LENGTH, 2 * WIDTH], "v": [BATCH, LENGTH, 2 * WIDTH]}
    given = {"num_heads": HEADS, "kv_num_heads": 2}
    expected = macs(imported(tmp_path, [fused("GroupQueryAttention", "q k v", **given)], inputs=apart))
    packed: dict[str, Shape] = {"x": [BATCH, LENGTH, HIDDEN + 4 * WIDTH]}
    assert macs(imported(tmp_path, [fused("GroupQueryAttention", "x", **given)], inputs=packed)) == expected
    five: dict[str, Shape] = {"x": [BATCH, LENGTH, HEADS, 3, WIDTH]}
    found = imported(tmp_path, [fused("MultiHeadAttention", "x", num_heads=HEADS)], inputs=five)
    assert macs(found) == [BATCH * LENGTH * LENGTH * HIDDEN] * 2


def test_rotations_read_the_rows_of_their_tables_and_no_more(tmp_path: Path) -> None:
    tables = {"cos": weights(4096, WIDTH // 2), "sin": weights(4096, WIDTH // 2)}
    node = fused("GroupQueryAttention", "q k v _ _ _ _ cos sin", num_heads=HEADS, kv_num_heads=HEADS, do_rotary=1)
    graph = imported(tmp_path, [node], inputs=X, constants=tables)
    rotations = [layer for layer in graph.layers if "rotary_embedding" in (layer.operator, *layer.fused)]
    assert sum(layer.vector_ops for layer in rotations) >= 2 * 3 * BATCH * LENGTH * HIDDEN
    read = sum(
        layer.parameter_bytes if layer.gathered_bytes is None else layer.gathered_bytes for layer in graph.layers
    )
    assert read == 2 * BATCH * LENGTH * WIDTH // 2


def test_a_mask_and_the_future_take_an_operation_for_each_score(tmp_path: Path) -> None:
    scores = BATCH * HEADS * LENGTH * LENGTH

    def operations(node: Any) -> int:
        masks: dict[str, Shape] = {"m": [BATCH, 1, LENGTH, LENGTH]}
        graph = imported(tmp_path, [node], inputs=X | masks)
        return sum(layer.vector_ops for layer in graph.layers)

    bare = operations(fused("MultiHeadAttention", "q k v", num_heads=HEADS))
    assert operations(fused("MultiHeadAttention", "q k v _ _ m", num_heads=HEADS)) == bare + scores
    assert operations(fused("MultiHeadAttention", "q k v", num_heads=HEADS, unidirectional=1)) == bare + scores


@pytest.mark.parametrize(("kinds", "rows_a_word"), [("kinds", 2), ("_", 1)])
def test_the_tables_of_a_text_encoder_are_read_by_rows(tmp_path: Path, kinds: str, rows_a_word: int) -> None:
    tables = {"words": weights(500, 16), "places": weights(64, 16), "kinds": weights(2, 16), "g": weights(16)}
    node = fused("EmbedLayerNormalization", f"ids kinds_of words places {kinds} g g", outputs="y lengths")
    ids: dict[str, Shape] = {"ids": [BATCH, LENGTH], "kinds_of": [BATCH, LENGTH]}
    graph = imported(tmp_path, [node], inputs=ids, constants=tables, integers=("ids", "kinds_of"))
    assert graph.coverage.unsupported == 0
    gathered = sum(layer.gathered_bytes or 0 for layer in graph.layers)
    assert gathered == (rows_a_word * BATCH * LENGTH + LENGTH) * 16


def test_a_text_encoder_gives_one_length_for_each_text(tmp_path: Path) -> None:
    tables = {"words": weights(500, 16), "kinds": weights(2, 16), "g": weights(16)}
    node = fused("EmbedLayerNormalization", "ids ids words kinds kinds g g mask", outputs="y lengths")
    ids: dict[str, Shape] = {"ids": [BATCH, LENGTH], "mask": [BATCH, LENGTH]}
    model: dict[str, Any] = {"inputs": ids, "constants": tables, "integers": tuple(ids), "outputs": ("y", "lengths")}
    graph = imported(tmp_path, [node], **model)
    (lengths,) = (layer for layer in graph.layers if layer.operator == "amax")
    assert (lengths.input_bytes, lengths.model_output_bytes) == (BATCH * LENGTH * 4, BATCH * 4)


@pytest.mark.parametrize(
    "node",
    [
        fused("Attention", "q w _ _ past", num_heads=HEADS),
        fused("PackedMultiHeadAttention", "q k v", num_heads=HEADS),
        fused("DecoderMaskedMultiHeadAttention", "q k v", num_heads=HEADS),
        fused("MultiHeadAttention", "q", num_heads=HEADS),
        fused("GroupQueryAttention", "q k v", num_heads=HEADS),
    ],
    ids=lambda node: node.op_type,
)
def test_what_cannot_be_taken_apart_is_refused_by_its_name(tmp_path: Path, node: Any) -> None:
    inputs: dict[str, Shape] = X | {"past": [2, BATCH, HEADS, 3, WIDTH]}
    with pytest.raises(TraceError, match=rf"\({node.op_type}\).*shape of its output y is unknown"):
        imported(tmp_path, [node], inputs=inputs, constants={"w": weights(HIDDEN, 3 * HIDDEN)})
