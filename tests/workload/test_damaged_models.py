"""Damaged ONNX and TFLite files: each is read, or refused in one line that names the file; none is followed outside."""

import builtins
import random
from pathlib import Path
from typing import Any

import pytest
from limited import limited
from model_damage import edited, flipped, whole
from onnx_files import helper, node, onnx, save, weights
from tflite_files import Net

from mensa_sim.errors import MensaError, TraceError
from mensa_sim.workload.load import load_workload

SECONDS = 10


def attempt(path: Path) -> bool:
    """Whether a file is read; what is wrong with any other is said as it should be."""
    try:
        with limited(SECONDS):
            load_workload(path, cache=False)
    except MensaError as error:
        message = str(error).replace(str(path), path.name)
        assert path.name in message
        assert message.isprintable()
        assert len(message) < 300
        return False
    return True


def small_tflite(path: Path) -> bytes:
    """Layers with and without options, casts, a recurrent one, a part and a pad."""
    net = Net()
    x = net.tensor("x", (1, 8, 8, 3))
    ones = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    widths = net.constant("widths", [[0, 0], [1, 1], [1, 1], [0, 0]], kind="int32")
    wide = net.add("PAD", [x, widths], (1, 10, 10, 3), "PadOptions")
    image = net.add(
        "CONV_2D", [wide, net.weight("w", 4, 3, 3, 3), net.weight("b", 4)], (1, 8, 8, 4), "Conv2DOptions", **ones
    )
    cast = net.add("QUANTIZE", [image], (1, 8, 8, 4), "QuantizeOptions", kind="int8")
    back = net.add("DEQUANTIZE", [cast], (1, 8, 8, 4))
    rows = net.add("RESHAPE", [back, net.constant("shape", [1, 8, 32], kind="int32")], (1, 8, 32), "ReshapeOptions")
    gates = [net.weight(f"{half}{gate}", 5, size) for half, size in (("i", 32), ("h", 5)) for gate in range(4)]
    states = [net.tensor(name, (1, 5), variable=True) for name in ("h", "c")]
    inputs = [rows, *gates, *[-1] * 9, *states]
    steps = net.add("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, (1, 8, 5), "UnidirectionalSequenceLSTMOptions")
    begin, size = (net.constant(name, value, kind="int32") for name, value in (("at", [0, 7, 0]), ("of", [1, 1, 5])))
    last = net.add("SLICE", [steps, begin, size], (1, 1, 5), "SliceOptions")
    y = net.add("SOFTMAX", [last], (1, 1, 5), "SoftmaxOptions", Beta=1.0)
    return net.save(path, [x], [y]).read_bytes()


def outcomes(folder: Path, suffix: str, seeds: range) -> list[bool]:
    """What became of each damaged copy of one good file."""
    path = folder / f"model.{suffix}"
    good = whole().SerializeToString() if suffix == "onnx" else small_tflite(path)
    path.write_bytes(good)
    assert attempt(path), "the file is good before it is damaged"
    found = []
    for seed in seeds:
        rng = random.Random(seed)
        edits = suffix == "onnx" and rng.random() < 0.6
        path.write_bytes(edited(good, rng) if edits else flipped(good, rng))
        found.append(attempt(path))
    return found


@pytest.mark.parametrize(("suffix", "count"), [("onnx", 100), ("tflite", 250)])
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path, suffix: str, count: int) -> None:
    found = outcomes(tmp_path, suffix, range(count))
    assert any(found)
    assert not all(found)


@pytest.mark.fuzz
@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize("part", range(8))
def test_many_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path, suffix: str, part: int) -> None:
    first = 1000 + 2500 * part
    assert not all(outcomes(tmp_path, suffix, range(first, first + 2500)))


def refusal(path: Path) -> str:
    with pytest.raises(TraceError) as caught:
        load_workload(path, cache=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(folder: Path, change: Any) -> Path:
    """A product by a weight whose file was changed."""
    path = save(folder, [node("MatMul", "x w")], inputs={"x": [1, 6]}, constants={"w": weights(6, 4)})
    model = onnx.load(str(path))
    change(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


def test_data_that_does_not_fit_its_shape_is_refused_by_name(tmp_path: Path) -> None:
    def cut(graph: Any) -> None:
        graph.initializer[0].raw_data = graph.initializer[0].raw_data[:-4]

    assert "constant w of shape [6, 4] holds data for 23 elements, not 24" in refusal(changed(tmp_path, cut))


def test_an_order_of_axes_that_misses_one_is_refused_by_node(tmp_path: Path) -> None:
    """The shape that a file states is taken for what comes out."""
    path = save(tmp_path, [node("Transpose", "x", perm=[0, 0, 1])], inputs={"x": [2, 3, 4]})
    model = onnx.load(str(path))
    (output,) = model.graph.output
    output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [2, 2, 3]))
    path.write_bytes(model.SerializeToString())
    assert "[0, 0, 1] is no order of the 3 axes that it reads" in refusal(path)


def test_complex_numbers_are_held_as_pairs(tmp_path: Path) -> None:
    def retype(graph: Any) -> None:
        (weight,) = graph.initializer
        weight.ClearField("raw_data")
        weight.data_type = onnx.TensorProto.COMPLEX64
        weight.float_data.extend([0.0] * 46)

    assert "holds data for 23 elements, not 24" in refusal(changed(tmp_path, retype))


def test_a_constant_that_is_its_own_scale_is_refused_by_name(tmp_path: Path) -> None:
    path, rng = tmp_path / "model.onnx", random.Random(908210)
    rng.random()  # as `outcomes` asks whether to edit
    path.write_bytes(edited(whole().SerializeToString(), rng))
    assert "constant s is its own scale" in refusal(path)


def test_an_undefined_element_type_is_refused_by_name(tmp_path: Path) -> None:
    def retype(graph: Any) -> None:
        graph.initializer[0].data_type = 99

    assert "constant w has the undefined element type 99" in refusal(changed(tmp_path, retype))


def test_a_missing_attribute_is_refused_by_node(tmp_path: Path) -> None:
    path = save(tmp_path, [node("Einsum", "x x")], inputs={"x": [4]})
    assert "Einsum" in refusal(path)


def test_an_attribute_of_another_type_is_refused_by_node(tmp_path: Path) -> None:
    path = save(tmp_path, [node("MaxPool", "x", kernel_shape="two")], inputs={"x": [1, 1, 4, 4]})
    assert "MaxPool" in refusal(path)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Relu", "b", "a"), ("Relu", "a", "b"), ("Add", "x b", "y")], "reads what it helps to make"),
        ([("Relu", "nothing", "y")], "reads nothing, which nothing makes"),
        ([("Relu", "x", "y"), ("Neg", "x", "y")], "makes y, which is there already"),
        ([("Relu", "x", "z")], "nothing makes the output y"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(tmp_path: Path, nodes: list[tuple[str, str, str]], message: str) -> None:
    made = [node(kind, inputs, output) for kind, inputs, output in nodes]
    assert message in refusal(save(tmp_path, made, inputs={"x": [4]}))


def test_nodes_in_any_order_are_read(tmp_path: Path) -> None:
    made = [node("MatMul", "h v"), node("MatMul", "x w", "h")]
    constants = {"w": weights(6, 5), "v": weights(5, 4)}
    assert load_workload(save(tmp_path, made, inputs={"x": [1, 6]}, constants=constants), cache=False).macs == 50


def test_a_graph_without_outputs_is_refused(tmp_path: Path) -> None:
    def cut(graph: Any) -> None:
        del graph.output[:]

    assert "without outputs" in refusal(changed(tmp_path, cut))


def test_data_outside_the_folder_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\0" * 96)
    inside = tmp_path / "inside"
    inside.mkdir()

    def beside(graph: Any) -> None:
        tensor = graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "../secret.bin"

    path = changed(inside, beside)
    opened: list[str] = []
    real = builtins.open

    def watched(file: Any, *args: Any, **options: Any) -> Any:
        opened.append(str(file))
        return real(file, *args, **options)

    monkeypatch.setattr(builtins, "open", watched)
    assert load_workload(path, cache=False).parameter_bytes == 24
    assert not [name for name in opened if "secret" in name]


def test_an_equation_on_which_inference_never_ends_is_refused_before_it(tmp_path: Path) -> None:
    path = save(tmp_path, [helper.make_node("Einsum", ["x"], ["y"], equation="i!->i")], inputs={"x": [3]})
    assert "has the equation 'i!->i', which is none" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\0\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 40])
def test_what_is_no_tflite_model_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    assert "TFLite model" in refusal(path)
