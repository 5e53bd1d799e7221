"""TFLite models that keep variables from one inference to the next, and what files of strangers hold beside layers."""

import struct
from pathlib import Path

import numpy as np
import pytest
from tflite_files import Net, imported

from mensa_sim.errors import TraceError
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload


def streaming(folder: Path, *names: str) -> LayerGraph:
    """Two convolutions' worth of the last rows kept for the next inference, by a handle each."""
    net = Net("int8")
    frame = net.tensor("frame", (1, 3, 40))
    rows, ends = frame, []
    for name in names:
        handle = net.add("VAR_HANDLE", [], (), "VarHandleOptions", kind="resource", SharedName=name)
        kept = net.add("READ_VARIABLE", [handle], (1, 2, 40))
        rows = net.add("CONCATENATION", [kept, rows], (1, 5, 40), "ConcatenationOptions", Axis=1)
        cuts = [net.constant(f"{name}{at}", value, kind="int32") for at, value in enumerate(([0, 3, 0], [1, 2, 40]))]
        last = net.add("SLICE", [rows, *cuts], (1, 2, 40), "SliceOptions")
        net.act("ASSIGN_VARIABLE", [handle, last])
        rows = net.add("RELU", [rows], (1, 5, 40))
        ends.append(rows)
        rows = net.add("SLICE", [rows, *cuts[:1], net.constant("w", [1, 3, 40], kind="int32")], (1, 3, 40))
    return imported(folder, net, [frame], ends)


def test_a_variable_is_state_that_is_read_in_place_and_copied_back(tmp_path: Path) -> None:
    graph = streaming(tmp_path, "one")
    joined, back, _ = graph.layers
    assert (joined.input_bytes, joined.output_bytes, joined.state_bytes) == (200, 200, 80)
    assert (joined.model_input_bytes, joined.parameter_bytes) == (120, 0)
    assert (back.input_bytes, back.output_bytes) == (80, 80)
    assert graph.coverage.unsupported == 0


def test_handles_of_one_name_are_one_variable_and_later_reads_see_what_was_put_there(tmp_path: Path) -> None:
    apart, same = streaming(tmp_path, "one", "two"), streaming(tmp_path, "one", "one")
    assert [layer.state_bytes for layer in apart.layers if layer.state_bytes] == [80, 80]
    assert [layer.state_bytes for layer in same.layers if layer.state_bytes] == [80]


def test_a_handle_that_nothing_makes_is_refused(tmp_path: Path) -> None:
    net = Net()
    handle = net.tensor("handle", (), kind="resource")
    made = net.add("READ_VARIABLE", [handle], (1, 4))
    with pytest.raises(TraceError, match="names a variable that no handle stands for"):
        imported(tmp_path, net, [handle], [made])


def test_a_constant_without_elements_is_the_shape_of_a_single_number(tmp_path: Path) -> None:
    net = Net()
    x = net.tensor("x", (1,))
    shape = net.constant("shape", np.zeros((0,)), kind="int32")
    single = net.add("RESHAPE", [x, shape], (), "ReshapeOptions")
    y = net.add("RELU", [single], ())
    (layer,) = imported(tmp_path, net, [x], [y]).layers
    assert (layer.operator, layer.input_bytes) == ("relu", 1)


def test_sizes_that_the_model_decides_as_it_runs_are_refused(tmp_path: Path) -> None:
    """A converter writes 1 where it knows no size: frames cut by a computed length would all be lost."""
    net = Net()
    x = net.tensor("x", (1, 1))
    framed = net.add("RESHAPE", [x, net.tensor("n", (3,), kind="int32")], (1, 1, 8), "ReshapeOptions")
    with pytest.raises(TraceError, match=r"operator 0 \(RESHAPE\) makes 8 elements of 1: its sizes are decided while"):
        imported(tmp_path, net, [x, 1], [framed])


def test_a_transposed_convolution_with_its_bias_multiplies(tmp_path: Path) -> None:
    """Each element of its input with every tap and output channel; without its strides nobody knows."""
    for given, macs in ((struct.pack("<3i", 1, 2, 2), 4 * 4 * 16 * 2 * 2 * 3), (b"", 0)):
        net = Net()
        x = net.tensor("x", (1, 4, 4, 16))
        weights = [net.weight("w", 3, 2, 2, 16), net.weight("b", 3)]
        y = net.add("Convolution2DTransposeBias", [x, *weights], (1, 8, 8, 3), custom_options=given)
        graph = load_workload(net.save(tmp_path / "model.tflite", [x], [y]), cache=False)
        assert (graph.macs, graph.coverage.unsupported) == (macs, int(not given))
