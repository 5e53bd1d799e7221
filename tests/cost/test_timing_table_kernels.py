"""Which kernels a layer stands for."""

from mensa_sim.cost.measured.kernels import kernel_runs, kernels_of, sequence_kernel
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

GATE = LoopNest(K=16, C=16)


def gate(name: str, operator: str = "hidden_gate", *, recurrent: bool = True) -> Layer:
    group = "g" if recurrent else None
    return Layer(name=name, operator=operator, nest=GATE, steps=7, recurrent=recurrent, group=group)


def cell() -> Layer:
    return Layer(
        name="cell",
        operator="cell_update",
        vector_ops=7 * 16 * 13,
        input_bytes=7 * 128,
        output_bytes=7 * 16,
        steps=7,
        recurrent=True,
        group="g",
    )


LSTM = (*(gate(f"h{index}") for index in range(4)), cell())


def test_known_time_steps_become_rows_of_one_product() -> None:
    runs = kernel_runs(gate("i", "input_gate", recurrent=False), "float32")
    assert (runs.times, runs.kernel.macs, runs.kernel.operator) == (1, 7 * 256, "linear")
    assert runs.kernel.nest == LoopNest(K=16, C=16, OX=7, input_width=7)


def test_a_recurrent_layer_runs_one_steps_kernel_as_often_as_it_has_steps() -> None:
    runs = kernel_runs(LSTM[0], "float32")
    assert (runs.times, runs.kernel.nest) == (7, GATE)
    update = kernel_runs(cell(), "float32")
    assert (update.times, update.kernel.vector_ops, update.kernel.output_elements) == (7, 16 * 13, 16)


def test_elements_do_not_depend_on_the_bits_of_the_workload() -> None:
    for bits in (8, 16, 32):
        layer = Layer(name="a", operator="add", vector_ops=10, input_bytes=20 * bits // 8, output_bytes=10 * bits // 8)
        wide = kernel_runs(Layer(**{**_fields(layer), "activation_bits": bits}), "float32").kernel
        assert (wide.input_elements, wide.output_elements) == (20, 10)


def _fields(layer: Layer) -> dict[str, object]:
    return {name: getattr(layer, name) for name in ("name", "operator", "vector_ops", "input_bytes", "output_bytes")}


def test_a_group_is_one_fused_kernel_where_it_is_a_known_cell() -> None:
    kernel = sequence_kernel(LSTM, "float32")
    assert kernel is not None
    assert (kernel.operator, kernel.form, kernel.steps, kernel.nest) == ("lstm", "sequence", 7, GATE)
    assert sequence_kernel(LSTM[1:], "float32") == sequence_kernel(LSTM[:3] + LSTM[-1:], "float32")
    assert sequence_kernel(LSTM[:2] + LSTM[-1:], "float32") is None
    projection = Layer(name="p", operator="projection", nest=GATE, steps=7, recurrent=True, group="g")
    projected = sequence_kernel((*LSTM, projection), "float32")
    assert projected is not None
    assert projected.operator == "lstm_projected"


def test_equal_layers_are_one_kernel_and_unsupported_ones_none() -> None:
    layers = (
        Layer(name="a", operator="linear", nest=GATE, parameters=(Parameter(name="a", size_bytes=256),)),
        Layer(name="b", operator="linear", nest=GATE, parameters=(Parameter(name="b", size_bytes=256),)),
        Layer(name="c", operator="odd", input_bytes=4, output_bytes=4, supported=False),
    )
    graph = LayerGraph(name="g", layers=layers, edges=())
    kernels = kernels_of([graph, graph], ["float32", "float16"])
    assert [kernel.dtype for kernel in kernels] == ["float32", "float16"]
