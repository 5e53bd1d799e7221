"""Workloads written as a list of layers: sizes and bytes follow, faults come all at once."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mensa_sim.errors import FileError
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.importers.layer_list.entries import Dims, LayerEntry
from mensa_sim.workload.importers.layer_list.importer import _possible
from mensa_sim.workload.layer import LoopNest
from mensa_sim.workload.load import load_workload

HEADER = "name: listed\nparameter_bits: 8\nactivation_bits: 8\nlayers:\n"
RESIDUAL = (
    HEADER
    + """
- {name: stem, operator: convolution, dims: {K: 32, C: 3, OY: 112, OX: 112, FY: 3, FX: 3}, stride: 2, bias: true}
- {name: depthwise, operator: convolution, dims: {G: 32, OY: 112, OX: 112, FY: 3, FX: 3}, inputs: [stem]}
- {name: project, operator: convolution, dims: {K: 32, C: 32, OY: 112, OX: 112}, inputs: [depthwise]}
- {name: add, operator: elementwise, elements: 401408, inputs: [stem, project]}
- {name: pool, operator: pooling, elements: 32, vector_ops: 401408, inputs: [add]}
- {name: head, operator: linear, dims: {K: 10, C: 32}, bias: true, inputs: [pool]}
"""
)


def graph_of(folder: Path, text: str) -> LayerGraph:
    path = folder / "listed.yaml"
    path.write_text(text)
    return load_workload(path)


def faults(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(FileError) as caught:
        graph_of(folder, text)
    return caught.value.faults


def test_a_residual_network_has_the_bytes_of_its_shapes(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, RESIDUAL)
    assert [layer.name for layer in graph.layers] == ["stem", "depthwise", "project", "add", "pool", "head"]
    stem, head, add = graph["stem"], graph["head"], graph["add"]
    assert stem.macs == 32 * 3 * 112 * 112 * 9
    assert stem.parameter_bytes == 32 * 3 * 9 + 32
    assert stem.nest is not None
    assert (stem.nest.input_height, stem.nest.input_width) == (224, 224)
    assert stem.input_bytes == stem.model_input_bytes == 3 * 224 * 224
    assert stem.output_bytes == 32 * 112 * 112
    assert stem.model_output_bytes == 0
    assert graph["depthwise"].macs == 32 * 112 * 112 * 9
    assert graph["depthwise"].parameter_bytes == 32 * 9
    assert (add.input_bytes, add.output_bytes, add.vector_ops) == (2 * 401408, 401408, 401408)
    assert graph.edge_bytes("stem", "add") == 401408
    assert head.model_output_bytes == head.output_bytes == 10
    assert head.nest == LoopNest(K=10, C=32)
    assert graph.coverage.costed == 6


def test_precision_scales_bytes_and_rounds_them_up(tmp_path: Path) -> None:
    text = RESIDUAL.replace("parameter_bits: 8", "parameter_bits: 4").replace(
        "activation_bits: 8", "activation_bits: 16"
    )
    graph = graph_of(tmp_path, text)
    assert graph["stem"].parameter_bytes == (32 * 27 + 32) // 2
    assert graph["head"].parameter_bytes == (10 * 32 + 10) // 2
    assert graph["head"].input_bytes == 64
    assert graph.edge_bytes("pool", "head") == 64


def test_a_filter_takes_the_rows_of_the_layer_it_reads_where_they_are_possible(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: convolution, dims: {K: 4, C: 3, OY: 13, OX: 13, FY: 3, FX: 3}, padding: valid}
- {name: b, operator: convolution, dims: {K: 4, C: 4, OY: 7, OX: 6, FY: 3, FX: 3}, stride: 2, inputs: [a]}
- {name: c, operator: convolution, dims: {K: 8, C: 4, FY: 7, FX: 6}, inputs: [b]}
"""
    )
    graph = graph_of(tmp_path, text)
    sizes = {layer.name: (layer.nest.input_height, layer.nest.input_width) for layer in graph.layers if layer.nest}
    assert sizes == {"a": (15, 15), "b": (13, 13), "c": (7, 6)}


@given(
    size=st.integers(1, 40),
    taps=st.integers(1, 7),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    padding=st.integers(0, 3),
)
def test_any_convolution_after_a_layer_reads_all_its_rows(
    tmp_path_factory: pytest.TempPathFactory, size: int, taps: int, stride: int, dilation: int, padding: int
) -> None:
    extent = (taps - 1) * dilation + 1
    padding = min(padding, (extent - 1) // 2)
    outputs = (size + 2 * padding - extent) // stride + 1
    assume(outputs >= 1)
    text = (
        HEADER
        + f"""
- {{name: a, operator: convolution, dims: {{OX: {size}, OY: {size}}}}}
- {{name: b, operator: convolution, dims: {{OX: {outputs}, OY: {outputs}, FX: {taps}, FY: {taps}}},
   stride: {stride}, dilation: {dilation}, inputs: [a]}}
"""
    )
    graph = graph_of(tmp_path_factory.getbasetemp(), text)
    assert graph["b"].input_bytes == size * size == graph.edge_bytes("a", "b")


@given(size=st.integers(1, 12), outputs=st.integers(1, 14), taps=st.integers(1, 4), stride=st.integers(1, 3))
def test_a_size_is_possible_where_some_padding_below_the_extent_makes_it(
    size: int, outputs: int, taps: int, stride: int
) -> None:
    """Against a try of every padding of both sides together."""
    entry = LayerEntry(name="c", operator="conv2d", dims=Dims(OY=outputs, OX=outputs, FY=taps, FX=taps), stride=stride)
    fitting = [(size + padding - taps) // stride + 1 for padding in range(2 * taps - 1)]
    # a filter that reaches beyond an unpadded input is taken to have an output there
    assert _possible(entry, (size, size)) == (outputs in {max(1, each) for each in fitting})


def test_gates_of_a_recurrent_layer_repeat_their_step_and_share_a_group(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: input_gate, operator: linear, dims: {K: 16, C: 8}, steps: 5, group: cell, gate: i}
- {name: hidden_gate, operator: linear, dims: {K: 16, C: 16}, steps: 5, recurrent: true, group: cell, gate: i}
- {name: update, operator: elementwise, elements: 16, vector_ops: 320, steps: 5, recurrent: true, group: cell,
   inputs: [input_gate, hidden_gate]}
"""
    )
    graph = graph_of(tmp_path, text)
    assert graph["hidden_gate"].macs == 5 * 16 * 16
    assert graph["hidden_gate"].input_bytes == 5 * 16
    assert graph["hidden_gate"].model_input_bytes == 0
    assert graph["input_gate"].model_input_bytes == 5 * 8
    assert (graph["update"].output_bytes, graph["update"].vector_ops) == (80, 320)
    assert [layer.name for layer in graph.groups["cell"]] == ["input_gate", "hidden_gate", "update"]


def test_an_operator_may_have_the_name_that_a_traced_layer_has(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: conv2d, dims: {K: 4, C: 3, OY: 8, OX: 8}}
- {name: b, operator: convolution, dims: {K: 4, C: 4, OY: 8, OX: 8}, inputs: [a]}
- {name: c, operator: addcmul, elements: 256, inputs: [b]}
"""
    )
    graph = graph_of(tmp_path, text)
    assert [layer.operator for layer in graph.layers] == ["conv2d", "conv2d", "addcmul"]
    assert graph["c"].vector_ops == 3 * 256


def test_a_matmul_reads_both_operands_and_holds_no_parameters(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: query, operator: linear, dims: {K: 64, C: 64, OX: 10}}
- {name: key, operator: linear, dims: {K: 64, C: 64, OX: 12}}
- {name: scores, operator: matmul, dims: {G: 4, K: 12, C: 16, OX: 10}, inputs: [query, key]}
"""
    )
    scores = graph_of(tmp_path, text)["scores"]
    assert scores.weights_are_activations
    assert scores.macs == 4 * 12 * 16 * 10
    assert scores.input_bytes == 640 + 768


def test_layers_that_name_one_parameter_count_it_once(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: linear, dims: {K: 8, C: 8}, parameter: shared}
- {name: b, operator: linear, dims: {K: 8, C: 8}, parameter: shared, inputs: [a]}
- {name: c, operator: embedding, elements: 8, parameter_bytes: 1000, gathered_bytes: 8}
"""
    )
    graph = graph_of(tmp_path, text)
    assert graph.parameter_bytes == 64 + 1000
    assert graph["c"].gathered_bytes == 8


def test_a_layer_may_read_a_part_of_what_is_offered_if_it_says_so(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: linear, dims: {K: 12, C: 8}}
- {name: half, operator: linear, dims: {K: 2, C: 6}, inputs: [a], input_bytes: 6}
"""
    )
    graph = graph_of(tmp_path, text)
    assert graph.edge_bytes("a", "half") == 6
    assert graph["half"].model_input_bytes == 0


def test_layers_may_stand_in_any_order(tmp_path: Path) -> None:
    lines = RESIDUAL.removeprefix(HEADER).strip().splitlines()
    forward = graph_of(tmp_path, RESIDUAL)
    backward = graph_of(tmp_path, HEADER + "\n".join(reversed(lines)))
    assert {layer.name: layer for layer in forward.layers} == {layer.name: layer for layer in backward.layers}
    assert set(forward.edges) == set(backward.edges)


def test_all_faults_of_a_list_come_at_once(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: z, operator: convolutoin, dims: {K: 3}}
- {name: a, operator: conv2d, dims: {K: 0}}
- {name: a, operator: linear, dims: {K: 4, Q: 3}, inputs: [b]}
- {name: ab, operator: linear, dims: {K: 4, OY: 3}, stride: 2, steps: 0}
- {name: e, operator: pooling, dims: {K: 3}, inputs: [e]}
- {name: f, operator: matmul, dims: {K: 3}, parameter_bytes: 4, recurrent: true}
"""
    )
    found = "\n".join(faults(tmp_path, text))
    for expected in (
        "unknown operator 'convolutoin'; did you mean 'convolution'? common ones are convolution, linear",
        "layers[1].dims: K is 0, must be at least 1",
        "layers[2].dims.Q: unknown key",
        "layers[2].name: the name 'a' is taken by layers[1]",
        "layers[2].inputs[0]: no layer is called 'b'; did you mean 'ab'?",
        "a linear has no OY, FY or FX; its rows are OX",
        "stride must be left out: only a convolution has one",
        "steps is 0, must be at least 1",
        "pooling needs elements, the size of its output; pooling needs vector_ops",
        "dims must be left out: pooling has elements instead",
        "layers[4].inputs[0]: a layer cannot read itself",
        "parameter_bytes must be left out: a matmul multiplies two activations",
        "a recurrent layer needs a group",
    ):
        assert expected in found


def test_inputs_of_another_size_than_the_layer_reads_are_all_listed(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: linear, dims: {K: 12, C: 8}}
- {name: b, operator: linear, dims: {K: 2, C: 6}, inputs: [a]}
- {name: c, operator: linear, dims: {K: 2, C: 5}, inputs: [b]}
"""
    )
    first, second = faults(tmp_path, text)
    assert first == (
        "layers[1]: inputs hold 12 bytes, but the layer reads 6 (its input is 6 x 1 x 1); mend dims, or say input_bytes"
    )
    assert second.startswith("layers[2]: inputs hold 2 bytes, but the layer reads 5")


def test_a_cycle_names_the_layers_in_it(tmp_path: Path) -> None:
    text = (
        HEADER
        + """
- {name: a, operator: elementwise, elements: 3, inputs: [b]}
- {name: b, operator: elementwise, elements: 3, inputs: [a]}
"""
    )
    assert faults(tmp_path, text) == ("layers: a, b wait for each other in a cycle",)


def test_a_layer_may_have_widths_of_its_own_and_its_bytes_follow_them(tmp_path: Path) -> None:
    """Weights of four bits, inputs of sixteen, outputs of eight as the file says of all; biases are parameters."""
    graph = graph_of(
        tmp_path,
        HEADER
        + """
- {name: wide, operator: linear, dims: {K: 10, C: 32}, output_bits: 16}
- {name: narrow, operator: linear, dims: {K: 6, C: 10}, bias: true, inputs: [wide], weight_bits: 4, input_bits: 16,
   accumulator_bits: 24}
""",
    )
    narrow = graph["narrow"]
    assert (narrow.parameter_bytes, narrow.input_bytes, narrow.output_bytes) == (60 // 2 + 6, 20, 6)
    assert (narrow.weight_bytes, narrow.element_bits("input"), narrow.accumulator_bits) == (30, 16, 24)
    (fault,) = faults(tmp_path, HEADER + "- {name: a, operator: linear, dims: {K: 2, C: 2}, weight_bits: 65}\n")
    assert "weight_bits is 65, must be from 1 to 64" in fault


@pytest.mark.parametrize(("kernel", "bias"), [(3, True), (4, False), (2, True)])
def test_a_listed_transposed_convolution_is_the_traced_one(tmp_path: Path, kernel: int, bias: bool) -> None:
    """5 channels of 6 x 7 to 3 of 12 x 14, whether the stride divides the filter or not."""
    (tmp_path / "up.py").write_text(
        "from torch import nn\n\n\ndef up(kernel, bias):\n    more = {2: (0, 0), 3: (1, 1), 4: (1, 0)}[kernel]\n"
        "    return nn.ConvTranspose2d(5, 3, kernel, 2, padding=more[0], output_padding=more[1], bias=bias)\n"
    )
    (tmp_path / "traced.yaml").write_text(
        f"name: up\nmodel: up.py:up\narguments: {{kernel: {kernel}, bias: {str(bias).lower()}}}\n"
        "inputs: [{shape: [1, 5, 6, 7], dtype: float32}]\n"
    )
    (traced,) = load_workload(tmp_path / "traced.yaml", allow_code=True, cache=False).layers
    listed = graph_of(
        tmp_path,
        HEADER + f"- {{name: up, operator: transposed_convolution, bias: {str(bias).lower()}, stride: 2, "
        f"dims: {{K: 3, C: 5, OY: 12, OX: 14, FY: {kernel}, FX: {kernel}}}}}\n",
    ).layers[0]
    for field in (
        "operator",
        "nest",
        "output_channels",
        "vector_ops",
        "summed_elements",
        "waiting_elements",
        "parameter_bytes",
        "input_bytes",
        "output_bytes",
    ):
        assert getattr(listed, field) == getattr(traced, field), field
    assert bool(listed.waiting_elements) == (kernel == 3)


def test_a_listed_softmax_is_gone_over_twice_in_rows_that_divide_its_elements(tmp_path: Path) -> None:
    text = HEADER + "- {name: s, operator: softmax, elements: 30, vector_ops: 99, steps: 2, slice_elements: 10}\n"
    (layer,) = graph_of(tmp_path, text).layers
    assert (layer.slices, layer.slice_bytes) == (6, 10)
    for size in (20, 40):
        (fault,) = faults(tmp_path, text.replace("10}", f"{size}}}"))
        assert f"slice_elements is {size}, must divide elements, 30" in fault


UP = "- {name: up, operator: transposed_convolution, stride: 2, dims: {K: 3, C: 5, OY: 12, OX: 14, FY: 3, FX: 3}}\n"


def test_what_follows_a_transposed_convolution_reads_its_larger_image(tmp_path: Path) -> None:
    conv = "- {name: conv, operator: convolution, dims: {K: 2, C: 3, OY: 12, OX: 14, FY: 3, FX: 3}, inputs: [up]}\n"
    graph = graph_of(tmp_path, HEADER + UP + conv)
    assert graph.edge_bytes("up", "conv") == 3 * 12 * 14 == graph["up"].output_bytes
    refused = HEADER + UP.replace("stride: 2", "stride: 2, padding: same")
    assert "padding must be left out" in faults(tmp_path, refused)[0]
