"""What an accelerator runs for several steps, and the work beside the loop nest, by hand."""

from dataclasses import replace

import pytest

from mensa_sim.cost.counts.tally import new_tally, repeats_of, vector_traffic
from mensa_sim.cost.layer_cost import STREAMED, Residency
from mensa_sim.cost.recurrent import Steps, batched, steps_of
from mensa_sim.cost.vector import vector_cycles, vector_work
from mensa_sim.hardware.files import load_accelerator
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

MATRIX = LoopNest(K=8, C=4)
IMAGE = LoopNest(K=8, C=4, OY=6, OX=6, FY=3, FX=3, input_height=8, input_width=8)


def layer(**fields: object) -> Layer:
    settings: dict[str, object] = {
        "name": "l",
        "operator": "conv2d",
        "nest": IMAGE,
        "vector_ops": 300,
        "parameters": (Parameter(name="w", size_bytes=IMAGE.weight_elements + 32),),
        "input_bytes": IMAGE.input_elements + 100,
        "output_bytes": IMAGE.output_elements,
    }
    return Layer(**{**settings, **fields})  # type: ignore[arg-type]


def test_steps_of_a_matrix_product_become_rows_and_those_of_a_window_batches() -> None:
    assert batched(MATRIX, 5) == replace(MATRIX, OX=5, input_width=5)
    assert batched(replace(IMAGE, B=2), 5) == replace(IMAGE, B=10)
    assert batched(replace(MATRIX, B=3), 5).macs == replace(MATRIX, B=3).macs * 5
    for nest in (MATRIX, IMAGE):
        assert batched(nest, 5).weight_elements == nest.weight_elements
        assert batched(nest, 5).output_elements == 5 * nest.output_elements


@pytest.mark.parametrize(("recurrent", "batches"), [(False, True), (True, False)])
def test_only_independent_steps_are_batched(recurrent: bool, batches: bool) -> None:
    pavlov = load_accelerator("pavlov")
    assert pavlov.dataflow.batch_steps
    gate = layer(nest=MATRIX, steps=5, recurrent=recurrent, group="cell" if recurrent else None)
    found = steps_of(gate, pavlov, footprint_bytes=0)
    assert found == (
        Steps(nest=batched(MATRIX, 5), steps=1, resident=False)
        if batches
        else Steps(nest=MATRIX, steps=5, resident=False)
    )


@pytest.mark.parametrize(("beyond", "stays"), [(0, True), (1, False)])
def test_parameters_stay_over_steps_where_the_whole_footprint_fits(beyond: int, stays: bool) -> None:
    edge_tpu = load_accelerator("edge_tpu")
    footprint = edge_tpu.buffer_bytes["parameter"] + beyond
    gate = layer(nest=MATRIX, steps=5, recurrent=True, group="cell")
    assert steps_of(gate, edge_tpu, footprint).resident is stays
    assert not steps_of(replace(gate, steps=1), edge_tpu, footprint).resident


def test_a_bias_and_a_residual_are_what_the_nest_does_not_read() -> None:
    work = vector_work(layer(), load_accelerator("edge_tpu"))
    assert (work.ops, work.input_bytes, work.output_bytes, work.parameter_bytes) == (300, 100, 0, 32)


def test_a_second_factor_of_activations_is_read_by_the_nest_in_every_step() -> None:
    product = layer(nest=MATRIX, parameters=(), steps=3, input_bytes=3 * (4 + 32) + 7, output_bytes=3 * 8)
    work = vector_work(product, load_accelerator("edge_tpu"))
    assert product.weights_are_activations
    assert (work.input_bytes, work.output_bytes, work.parameter_bytes) == (7, 0, 0)


def test_without_a_vector_unit_outputs_pass_the_buffer_once_more() -> None:
    accelerator = load_accelerator("edge_tpu")
    bare = replace(accelerator, vector_unit=None)
    assert vector_work(layer(), accelerator).passes_bytes == 0
    assert vector_work(layer(), bare).passes_bytes == IMAGE.output_elements
    assert vector_work(layer(vector_ops=0), bare).passes_bytes == 0
    assert vector_cycles(vector_work(layer(), bare), bare) == 0


def test_vector_operations_take_a_lane_and_a_cycle_each() -> None:
    accelerator = load_accelerator("edge_tpu")
    assert accelerator.vector_unit is not None
    lanes = accelerator.vector_unit.lanes
    for ops, cycles in ((0, 0), (1, 1), (lanes, 1), (lanes + 1, 2)):
        assert vector_cycles(vector_work(layer(vector_ops=ops), accelerator), accelerator) == cycles


@pytest.mark.parametrize(
    ("residency", "reads", "writes", "memory"),
    [
        (STREAMED, 100 + 50, 100 + 50, (100 + 32, 50)),
        (Residency(input=True), 100 + 50, 50, (32, 50)),
        (Residency(output=True), 100, 100 + 50, (100 + 32, 0)),
        (Residency(parameters=True), 100 + 50, 100 + 50, (100, 50)),
    ],
)
def test_vector_work_passes_the_activation_buffer_between_memory_and_lanes(
    residency: Residency, reads: int, writes: int, memory: tuple[int, int]
) -> None:
    """Inputs are filled and read, outputs written and drained; what stays on chip skips its way from or to memory."""
    edge_tpu = load_accelerator("edge_tpu")
    word_bytes = edge_tpu.buffer("activation").access_bits // 8
    scale = word_bytes
    softmax = layer(
        nest=None,
        operator="softmax",
        input_bytes=100 * scale,
        output_bytes=50 * scale,
        parameters=(Parameter(name="scale", size_bytes=32 * scale),),
    )
    tally = new_tally(edge_tpu)
    repeats = repeats_of(softmax, 1, residency, steps_resident=False)
    vector_traffic(tally, vector_work(softmax, edge_tpu), edge_tpu, repeats)
    port = tally.ports["activation_buffer"]
    assert (port.reads, port.writes) == (reads, writes)
    assert tally.total("memory") == tuple(8 * scale * size for size in memory)
