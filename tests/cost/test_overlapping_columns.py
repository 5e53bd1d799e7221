"""Transposed convolutions whose columns overlap, against a walk that spreads out every input position by hand."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.nest import count_nest
from mensa_sim.cost.counts.ways import Precision, ways
from mensa_sim.cost.layer_cost import LayerCost, Residency
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.moved import Fed, moved_cost
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.hardware.files import load_accelerator, load_system
from mensa_sim.hardware.routes import Leg, Route
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.operators.convolution import Phases, Spread, overlapping, phases

EDGE_TPU = load_system("edge_tpu")
Position = tuple[int, int]


def made_by(place: Position, axes: tuple[Spread, Spread], padding: int) -> set[Position]:
    """The outputs to which an input position adds."""
    each = [
        [
            at
            for tap in range(axis.taps)
            if 0 <= (at := axis.stride * own + axis.dilation * tap - padding) < axis.outputs
        ]
        for own, axis in zip(place, axes, strict=True)
    ]
    return set(product(*each))


def most_waiting(axes: tuple[Spread, Spread], padding: int, tile: tuple[int, int]) -> int:
    """Sums that wait between two tiles, not counting those of the next one, at most; tiles go along rows."""
    rows, columns = axes
    left = Counter(
        at for place in product(range(rows.inputs), range(columns.inputs)) for at in made_by(place, axes, padding)
    )
    begun: set[Position] = set()
    most = 0
    tiles = [
        [
            (y, x)
            for y in range(top, min(top + tile[0], rows.inputs))
            for x in range(begin, min(begin + tile[1], columns.inputs))
        ]
        for top in range(0, rows.inputs, tile[0])
        for begin in range(0, columns.inputs, tile[1])
    ]
    for own, following in zip(tiles, [*tiles[1:], []], strict=True):
        for place in own:
            for at in made_by(place, axes, padding):
                left[at] -= 1
                begun.add(at)
        soon = {at for place in following for at in made_by(place, axes, padding)}
        most = max(most, sum(left[at] > 0 and at not in soon for at in begun))
    return most


@st.composite
def geometries(draw: st.DrawFn) -> tuple[tuple[Spread, Spread], int]:
    padding, axes = draw(st.integers(0, 1)), []
    for _ in range(2):
        inputs, taps = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        outputs = stride * (inputs - 1) + dilation * (taps - 1) + 1 - 2 * padding
        assume(outputs > 0)
        axes.append(Spread(inputs=inputs, outputs=outputs, taps=taps, stride=stride, dilation=dilation))
    return (axes[0], axes[1]), padding


def made_of(axes: tuple[Spread, Spread]) -> Phases:
    rows, columns = axes
    undilated = rows.dilation == columns.dilation == 1
    return phases((rows.taps, columns.taps), (rows.stride, columns.stride), undilated=undilated)


def layer_of(axes: tuple[Spread, Spread], channels: int = 3, inputs: int = 2) -> Layer:
    rows, columns = axes
    made = made_of(axes)
    taps = dict(zip(("FY", "FX"), made.taps, strict=True))
    nest = LoopNest(
        K=channels * made.positions,
        C=inputs,
        OY=rows.inputs,
        OX=columns.inputs,
        input_height=rows.inputs,
        input_width=columns.inputs,
        **taps,
    )
    elements, read = channels * rows.outputs * columns.outputs, inputs * rows.inputs * columns.inputs
    return Layer(
        name="up",
        operator="conv_transpose2d",
        nest=nest,
        output_channels=channels,
        parameters=(Parameter(name="w", size_bytes=nest.weight_elements),),
        input_bytes=read,
        model_input_bytes=read,
        output_bytes=elements,
        model_output_bytes=elements,
        **overlapping(made, nest, axes, channels=channels, elements=elements),
    )


def cost_of(layer: Layer, room_bytes: int, residency: Residency) -> LayerCost | str:
    """On an Edge TPU with so much room for activations."""
    (placed,) = EDGE_TPU.accelerators
    small = replace(placed, spec=with_room(placed.array, {"activation_buffer": room_bytes}))
    graph = LayerGraph(name="g", layers=(layer,), edges=())
    table = price(graph, replace(EDGE_TPU, accelerators=(small,)))
    return table.refusals.get((layer.name, "edge_tpu")) or table.cost(layer.name, "edge_tpu", residency)


@given(drawn=geometries(), tile=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_no_more_sums_wait_than_there_is_room_for(
    drawn: tuple[tuple[Spread, Spread], int], tile: tuple[int, int]
) -> None:
    axes, padding = drawn
    layer = layer_of(axes)
    if made_of(axes).overlap:
        assert 3 * most_waiting(axes, padding, tile) <= layer.waiting_elements


@pytest.mark.parametrize("inputs", [4, 7])
@pytest.mark.parametrize(
    ("taps", "stride", "dilation", "padding"),
    [
        *((3, 2, 1, 1), (2, 2, 1, 0), (4, 2, 1, 1), (5, 2, 1, 2), (6, 2, 1, 2), (8, 2, 1, 3), (8, 4, 1, 2)),
        *((3, 1, 1, 1), (5, 4, 1, 1), (7, 3, 1, 2), (3, 2, 2, 2), (3, 1, 3, 3)),
    ],
)
def test_a_block_of_rows_waits_for_all_rows_that_add_to_it(
    inputs: int, taps: int, stride: int, dilation: int, padding: int
) -> None:
    axis = Spread(inputs=inputs, outputs=stride * inputs, taps=taps, stride=stride, dilation=dilation)
    layer = layer_of((axis, Spread()))
    (plane,) = planes_of(LayerGraph(name="g", layers=(layer,), edges=())).values()
    (read,) = plane.reads
    blocks = np.arange(plane.rows)
    first, last = read.needs(blocks, blocks + 1)
    assert plane.rows == inputs
    made = [{(stride * place + dilation * tap - padding) // stride for tap in range(taps)} for place in range(inputs)]
    for block in blocks.tolist():
        adding = [place for place in range(inputs) if block in made[place]]
        needed = first[block], last[block] - 1
        assert needed[0] <= adding[0] <= adding[-1] <= needed[1]
        assert dilation > 1 or needed == (adding[0], adding[-1])


def test_the_sums_of_a_doubling_convolution_wait_for_a_row_and_leave_once() -> None:
    """Six by six positions of eight channels: 2,592 columns, of which 1,152 sums are left."""
    axis = Spread(inputs=6, outputs=12, taps=3, stride=2, dilation=1)
    layer = layer_of((axis, axis), channels=8)
    assert (layer.nest and layer.nest.output_elements, layer.summed_elements) == (2592, 1152)
    assert (layer.waiting_elements, layer.further_rows) == (8 * 12, 1)
    wide = replace(axis, outputs=13)
    assert most_waiting((wide, wide), 0, (1, 1)) == 13 - 3
    cost = cost_of(layer, 8192, Residency())
    assert isinstance(cost, LayerCost)
    assert (cost.memory_write_bytes, cost.memory_read_bytes) == (1152, 72 + layer.parameter_bytes)


def test_each_column_is_added_to_a_sum_as_wide_as_an_accumulator() -> None:
    """Nothing is cut off: every column but a sum's first reads it and all write it, then each sum is read to leave."""
    axis = Spread(inputs=6, outputs=13, taps=3, stride=2, dilation=1)
    layer, begun, reads = layer_of((axis, axis), channels=8), set[Position](), 0
    for place in product(range(6), repeat=2):
        columns = made_by(place, (axis, axis), 0)
        reads, begun = reads + len(columns & begun), begun | columns
    cost = cost_of(layer, 16384, Residency())
    assert isinstance(cost, LayerCost)
    (at_store,) = [line for line in cost.traffic if (line.operand, line.level) == ("output", "activation_buffer")]
    assert (at_store.write_bytes, at_store.read_bytes) == (4 * 8 * 36 * 9, 4 * 8 * (reads + len(begun)))
    assert cost.memory_write_bytes == layer.output_bytes == 8 * len(begun)


@settings(max_examples=20)
@given(drawn=geometries(), room=st.integers(1, 2000), kept=st.booleans())
def test_each_sum_leaves_once_where_those_that_wait_have_room_and_else_columns_come_back(
    drawn: tuple[tuple[Spread, Spread], int], room: int, kept: bool
) -> None:
    layer = layer_of(drawn[0])
    cost = cost_of(layer, room, Residency(output=kept))
    if isinstance(cost, str) or cost.residency.output != kept:
        return
    waiting_bytes = 4 * layer.waiting_elements
    columns = layer.nest.output_elements if layer.nest else 0
    again = 4 * columns if layer.waiting_elements and waiting_bytes >= room and not kept else 0
    back = sum(line.read_bytes for line in cost.traffic if (line.operand, line.level) == ("output", "memory"))
    if back > again:  # not all channels at once: sums leave, as wide as they are, and come back
        assert cost.memory_write_bytes == back + (layer.output_bytes if again else 4 * layer.made_elements)
        return
    assert cost.memory_write_bytes == (0 if kept else layer.output_bytes + again)
    assert back == again


@pytest.mark.parametrize("word_bits", [1, 64])
def test_columns_that_leave_before_all_channels_are_added_are_as_wide_as_other_sums(word_bits: int) -> None:
    """Two tiles of 32 channels, each for three tiles of inputs: all go out three times, and come back twice."""
    spec, nest = load_accelerator("pascal"), LoopNest(K=64, C=96)
    unrolling = unroll(nest, spec)
    way = ways(spec, unrolling, Precision(adds_columns=True, output_left=0.5), word_bits)
    holds = {operand: (0,) * len(each.stops) for operand, each in way.items()}
    mapping = NestMapping(unrolling=unrolling, loops=(Loop("K", 2), Loop("C", 3)), cuts=(0,), holds=holds)
    found = count_nest(nest, spec, mapping, way).operands["output"]
    assert (found.memory_write_bits, found.memory_read_bits) == (3 * 64 * 32, 2 * 64 * 32)
    assert found.end_bits == 32 * 32


def test_columns_of_rows_too_wide_for_their_sums_to_wait_leave_and_come_back() -> None:
    rows = Spread(inputs=3, outputs=6, taps=3, stride=2, dilation=1)
    layer = layer_of((rows, replace(rows, inputs=800, outputs=1600)))
    assert layer.nest is not None
    room, columns_bytes = 4 * layer.waiting_elements, 4 * layer.nest.output_elements
    beside, without = cost_of(layer, 2 * room, Residency()), cost_of(layer, room, Residency())
    assert isinstance(beside, LayerCost)
    assert isinstance(without, LayerCost)
    read_bytes = layer.input_bytes + layer.parameter_bytes
    assert (beside.memory_read_bytes, beside.memory_write_bytes) == (read_bytes, layer.output_bytes)
    assert without.memory_read_bytes == read_bytes + columns_bytes
    assert without.memory_write_bytes == layer.output_bytes + columns_bytes
    (beside_nest,) = [line for line in without.traffic if (line.operand, line.level) == ("vector", "activation_buffer")]
    assert beside_nest.write_bytes == beside_nest.read_bytes == columns_bytes + layer.output_bytes
    there, back = (
        Route(legs=(Leg(resource=name, bandwidth_bytes_per_s=1e9, pj_per_byte={}),)) for name in ("to", "from")
    )
    moved = moved_cost(without, layer, EDGE_TPU, Fed(output=(there, back)))
    assert (moved.memory_read_bytes, moved.memory_write_bytes) == (read_bytes, 0)
    crossed = {feed.resource: feed.size_bytes for feed in moved.feeds}
    assert crossed == {"to": layer.output_bytes + columns_bytes, "from": columns_bytes}
