"""TFLite operators that few models have: what detectors end with, and what is neither priced nor refused."""

from pathlib import Path

import numpy as np
import pytest
from tflite_files import ONES, Net, imported, only, same_work, single, tflite
from torch import nn

from mensa_sim.cost.refusals import refusal
from mensa_sim.errors import TraceError
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.tflite.importer import TFLITE_OPERATORS


def detector(folder: Path) -> LayerGraph:
    """A convolution that makes boxes and one that makes scores, of ten anchors and three classes; five are shown."""
    net = Net()
    x = net.tensor("x", (1, 5, 2, 8))
    heads = [
        net.add("CONV_2D", [x, net.weight(f"w{k}", k, 1, 1, 8)], (1, 5, 2, k), "Conv2DOptions", **ONES) for k in (4, 3)
    ]
    shapes = [net.constant(f"s{k}", [1, 10, k], kind="int32") for k in (4, 3)]
    made = [net.add("RESHAPE", [head, shape], (1, 10, k)) for head, shape, k in zip(heads, shapes, (4, 3), strict=True)]
    y = net.add("TFLite_Detection_PostProcess", [*made, net.weight("anchors", 10, 4)], (1, 5, 4))
    return imported(folder, net, [x], [y])


def test_what_follows_a_detector_is_decoding_and_selection_which_the_hosts_cpu_runs(tmp_path: Path) -> None:
    graph = detector(tmp_path)
    assert graph.coverage.unsupported == 0
    decode, classes, best = graph.layers[2:]
    assert [each.operator for each in (decode, classes, best)] == ["exp", "topk", "sort"]
    assert (decode.vector_ops, decode.parameter_bytes) == (3 * 40, 40)
    assert classes.vector_ops == 10 * 3
    assert best.vector_ops == 10 * 4 + 12 * 10 * 5  # all are sorted, and each of five is compared with all
    result = evaluate(graph, load_system("coral_usb3"), Goal(scheduler="first", objective="latency"))
    assert [result.schedule.assignment[layer.name] for layer in graph.layers] == ["coral"] * 2 + ["xeon_gold_6154"] * 3


def test_what_follows_posenet_is_the_hosts_too(tmp_path: Path) -> None:
    net = Net()
    maps = [net.tensor(name, (1, 4, 3, depth)) for name, depth in (("heat", 17), ("short", 34), ("mid", 64))]
    y = net.add("PosenetDecoderOp", maps, (1, 10, 17, 2))
    layer = only(imported(tmp_path, net, maps, [y]))
    assert layer.operator == "pose_decoder"
    assert layer.vector_ops == 9 * 4 * 3 * 17 + 2 * 7 * 10 * 17
    assert refusal(layer, load_accelerator("coral")) == "it does not run pose_decoder"


LEFT = [
    *("CONCAT_EMBEDDINGS", "CUSTOM", "DELEGATE", "EMBEDDING_LOOKUP_SPARSE", "HASHTABLE", "HASHTABLE_FIND"),
    *("HASHTABLE_IMPORT", "HASHTABLE_LOOKUP", "HASHTABLE_SIZE", "LSH_PROJECTION"),
    *("PLACEHOLDER_FOR_GREATER_OP_CODES", "REDUCE_WINDOW", "SKIP_GRAM", "UNIQUE", "WHERE"),
]
"""Of the schema, what is neither priced nor refused: text, tables, what data decides; marked by its name."""
CONTROL = {"WHILE", "IF", "CALL", "CALL_ONCE"}


def test_every_operator_of_the_schema_is_priced_refused_or_marked_by_its_name(tmp_path: Path) -> None:
    schema = {name for name in vars(tflite.BuiltinOperator) if not name.startswith("_")}
    hlo = {name for name in schema if name.startswith("STABLEHLO_")}
    assert schema - set(TFLITE_OPERATORS) - hlo - CONTROL == set(LEFT)
    graph = single(tmp_path, "SKIP_GRAM", [(1, 8)], (1, 8))
    assert graph.coverage.unsupported_operators == ("tflite.SKIP_GRAM",)
    with pytest.raises(TraceError, match=r"operator 0 \(STABLEHLO_DOT_GENERAL\) is StableHLO, .*convert"):
        single(tmp_path, "STABLEHLO_DOT_GENERAL", [(4, 8), (8, 4)], (4, 4))


@pytest.mark.parametrize(
    ("operator", "shapes", "output", "operations"),
    [
        ("COMPLEX_ABS", [(4, 8)], (4, 8), 4 * 32),
        ("UNSORTED_SEGMENT_SUM", [(6, 8)], (3, 8), 48),
        ("SEGMENT_SUM", [(6, 8)], (3, 8), 48),
        ("RFFT2D", [(2, 4, 8)], (2, 4, 5), 2 * 5 * 32 * 5 // 2),
        ("NON_MAX_SUPPRESSION_V4", [(16, 4), (16,)], (3,), 16 * 4 + 12 * 16 * 3),
        ("REAL", [(4, 8)], (4, 8), 0),
    ],
)
def test_rarer_operators_take_their_operations_on_the_vector_unit(
    tmp_path: Path, operator: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], operations: int
) -> None:
    assert only(single(tmp_path, operator, shapes, output)).vector_ops == operations


def test_a_sum_of_three_takes_two_additions_and_a_bucket_is_found_by_halving(tmp_path: Path) -> None:
    assert only(single(tmp_path, "ADD_N", [(4, 8)] * 3, (4, 8))).vector_ops == 2 * 32
    buckets = single(
        tmp_path, "BUCKETIZE", [(4, 8)], (4, 8), "BucketizeOptions", Boundaries=np.arange(4, dtype=np.float32)
    )
    assert only(buckets).vector_ops == 3 * 32  # among five buckets


def test_a_deep_transposed_convolution(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1, 3, 4, 5, 6))
    shape = net.constant("shape", [1, 6, 8, 10, 2], kind="int32")
    values = {f"Stride{axis}": 2 for axis in "DHW"} | {f"Dilation{axis}Factor": 1 for axis in "DHW"}
    inputs = [shape, net.weight("w", 2, 2, 2, 2, 6), x]
    y = net.add("CONV_3D_TRANSPOSE", inputs, (1, 6, 8, 10, 2), "Conv3DOptions", **values)
    same_work(imported(tmp_path, net, [x], [y]), nn.ConvTranspose3d(6, 2, 2, 2, bias=False), (1, 6, 3, 4, 5))
