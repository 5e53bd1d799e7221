"""TFLite files as they are deployed, read layer by layer as an independent decoder lists them."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from mensa_sim.errors import TraceError
from mensa_sim.workload.load import load_workload

pytest.importorskip("tflite", reason="the extra tflite is not installed")
REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
TABLE = REFERENCE / "models" / "tflite_int8_layers.csv"
pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the reference files lie elsewhere")

FILES = ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.75_192_quant", "mobilenet_v2_1.0_224_quant")


def listed() -> dict[str, list[dict[str, str]]]:
    rows = defaultdict(list)
    if TABLE.is_file():
        with TABLE.open() as stream:
            for row in csv.DictReader(stream):
                rows[row["file"].removesuffix(".tflite")].append(row)
    return rows


def elements(shape: str) -> int:
    product = 1
    for size in shape.split("x"):
        product *= int(size)
    return product


@pytest.mark.parametrize("name", FILES)
def test_every_layer_multiplies_and_moves_what_the_table_says(name: str) -> None:
    graph = load_workload(REFERENCE / "tflite" / f"{name}.tflite", cache=False)
    rows = [row for row in listed()[name] if int(row["macs"])]
    if not rows:
        pytest.skip("the table has no rows of this file")
    layers = [layer for layer in graph.layers if layer.nest]
    assert [layer.macs for layer in layers] == [int(row["macs"]) for row in rows]
    assert [layer.nest.weight_elements for layer in layers if layer.nest] == [
        elements(row["weight_shape"]) for row in rows
    ]
    assert [layer.output_bytes for layer in layers] == [elements(row["out_shape"]) for row in rows]
    assert [layer.input_bytes for layer in layers] == [elements(row["in_shape"]) for row in rows]
    assert graph.coverage.unsupported == 0


def test_a_recurrent_file_has_its_gates(tmp_path: Path) -> None:
    graph = load_workload(REFERENCE / "tflite" / "keras_lstm_mnist_ptq.tflite", cache=False)
    gates = 4 * 20 * (28 + 20)
    assert graph.macs == 28 * gates + 560 * 10
    assert graph.parameter_bytes == gates + 4 * 20 + 560 * 10 + 10
    hidden = [layer for layer in graph.layers if layer.operator == "hidden_gate"]
    assert [(layer.steps, layer.recurrent) for layer in hidden] == [(28, True)] * 4
    assert graph.coverage.unsupported == 0


def test_a_file_of_moves_alone_has_no_products() -> None:
    graph = load_workload(REFERENCE / "tflite" / "split_concat.tflite", cache=False)
    assert (graph.macs, graph.layers[0].output_bytes, graph.coverage.unsupported) == (0, 384, 0)


def test_the_invalid_file_is_refused_in_one_line() -> None:
    with pytest.raises(TraceError, match="tensor tensor0 lies in buffer 0 of 0"):
        load_workload(REFERENCE / "tflite" / "model_invoking_error.tflite", cache=False)
