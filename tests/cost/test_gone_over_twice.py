"""A softmax or a norm goes over each row twice: what a walk with a level of that size reads is what is charged."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.layer_cost import STREAMED, Residency
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.prices.rooms import with_room
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

EDGE_TPU = load_system("edge_tpu")


def walk(slices: int, size: int, room: int) -> int:
    """Bytes read from memory: a pass for what a slice has in common, one to write it, through a level of so many bytes.

    A byte that comes takes the place of one that is needed later than it, or no place (Belady 1966).
    """
    asked = [(part, byte) for part in range(slices) for _ in range(2) for byte in range(size)]
    held: dict[tuple[int, int], int] = {}
    """What lies in the level, and when it is read next."""
    reads = 0
    for time, byte in enumerate(asked):
        reads += byte not in held
        held.pop(byte, None)
        again = time + size if time // size % 2 == 0 else len(asked)
        held[byte] = again
        if again == len(asked) or len(held) > room:
            del held[max(held, key=lambda each: (held[each], each))]
    return reads


def with_level(room_bytes: int) -> System:
    (placed,) = EDGE_TPU.accelerators
    return replace(
        EDGE_TPU, accelerators=(replace(placed, spec=with_room(placed.array, {"activation_buffer": room_bytes})),)
    )


def softmax(slices: int, size: int) -> LayerGraph:
    elements = slices * size
    layer = Layer(
        name="softmax",
        operator="softmax",
        vector_ops=5 * elements,
        slices=slices,
        slice_elements=size,
        input_bytes=elements,
        output_bytes=elements,
        model_input_bytes=elements,
        model_output_bytes=elements,
    )
    return LayerGraph(name="g", layers=(layer,), edges=())


@settings(max_examples=30)
@given(slices=st.integers(1, 4), size=st.integers(1, 40), room=st.integers(1, 200))
def test_what_is_read_equals_a_walk_of_both_passes(slices: int, size: int, room: int) -> None:
    elements = slices * size
    table = price(softmax(slices, size), with_level(room))
    streamed = table.cost("softmax", "edge_tpu", STREAMED)
    assert (streamed.memory_read_bytes, streamed.memory_write_bytes) == (walk(slices, size, room), elements)
    assert streamed.buffered_bytes["activation"] == min(size, room)
    kept = table.cost("softmax", "edge_tpu", Residency(output=True))
    if kept.residency.output:
        assert (kept.memory_read_bytes, kept.memory_write_bytes) == (walk(slices, size, room - elements), 0)
    on_chip = table.cost("softmax", "edge_tpu", Residency(input=True))
    if on_chip.residency.input:
        assert on_chip.memory_read_bytes == 0
    (level,) = (each for each in streamed.traffic if each.level == "activation_buffer" and each.operand == "vector")
    assert level.read_bytes == 2 * elements + elements


def test_rooms_that_are_priced_together_are_each_their_own() -> None:
    table = price(softmax(3, 40), with_level(200))
    assert table.in_room is not None
    asks = [("softmax", "edge_tpu", {"activation_buffer": room}) for room in (10, 40, 25)]
    table.in_room.expect(asks)
    for layer, accelerator, rooms in asks:
        costs = table.in_room(layer, accelerator, rooms)
        assert costs is not None
        assert costs[STREAMED].memory_read_bytes == walk(3, 40, rooms["activation_buffer"])


def test_beside_a_softmax_other_layers_cost_what_each_costs_alone() -> None:
    """One that is gone over once holds nothing in between, whoever is priced with it."""
    (slow,) = softmax(3, 40).layers
    add = replace(slow, name="add", operator="add", slices=0, slice_elements=0)
    both = price(LayerGraph(name="g", layers=(slow, add), edges=()), EDGE_TPU)
    alone = price(LayerGraph(name="g", layers=(add,), edges=()), EDGE_TPU)
    assert both.cost("add", "edge_tpu", STREAMED) == alone.cost("add", "edge_tpu", STREAMED)
    assert both.cost("add", "edge_tpu", STREAMED).buffered_bytes == {"activation": 0}
    assert both.cost("softmax", "edge_tpu", STREAMED).buffered_bytes == {"activation": 40}
