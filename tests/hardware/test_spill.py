"""What of a graph's activations an accelerator behind a host sends away and fetches again."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.host_traffic import host_traffic, spilled_bytes
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest


def graph(sizes: dict[str, int], edges: list[tuple[str, str]]) -> LayerGraph:
    """Layers with so many bytes of output, and who reads whom."""
    layers = tuple(Layer(name=name, operator="copy", output_bytes=size) for name, size in sizes.items())
    flows = tuple(Edge(producer=one, consumer=other, size_bytes=sizes[one]) for one, other in edges)
    return LayerGraph(name="drawn", layers=layers, edges=flows)


SKIP = graph({"a": 60, "b": 50, "c": 50, "d": 10}, [("a", "b"), ("b", "c"), ("a", "d"), ("c", "d")])
"""While c is made of b, a waits for d: 160 bytes at once."""


@pytest.mark.parametrize(("capacity", "spilled"), [(160, {}), (159, {"a": 1}), (120, {"a": 40}), (100, {"a": 60})])
def test_what_waits_leaves_as_far_as_it_must(capacity: int, spilled: dict[str, int]) -> None:
    assert spilled_bytes(SKIP, capacity) == spilled


def test_an_input_of_the_model_takes_room_too() -> None:
    """While b is made of 50 bytes that come in, a waits for c: 150 bytes at once, of outputs alone 100."""
    found = graph({"a": 60, "b": 40, "c": 0}, [("a", "c"), ("b", "c")])
    layers = [replace(each, model_input_bytes=50) if each.name == "b" else each for each in found.layers]
    assert spilled_bytes(replace(found, layers=tuple(layers)), 100) == {"a": 50}
    assert spilled_bytes(replace(found, layers=tuple(layers)), 150) == {}


def test_what_is_read_last_leaves_first() -> None:
    sizes = {"far": 30, "near": 30, "b": 30, "c": 30, "d": 30, "e": 1}
    edges = [("far", "b"), ("near", "b"), ("b", "c"), ("c", "d"), ("near", "d"), ("far", "e"), ("d", "e")]
    assert spilled_bytes(graph(sizes, edges), 100) == {"far": 20}


def test_of_one_tensor_what_is_beyond_the_memory_leaves_unless_the_next_layer_alone_reads_it() -> None:
    sizes = {"a": 70, "b": 0, "c": 90}
    assert spilled_bytes(graph(sizes, [("a", "b"), ("a", "c")]), 64) == {"a": 6}
    assert spilled_bytes(graph(sizes, [("a", "b"), ("b", "c")]), 64) == {}


def test_what_has_left_does_not_leave_again() -> None:
    """Of a, 6 bytes never have room, and the rest leaves when c is made of b."""
    sizes = {"a": 70, "b": 60, "c": 60, "d": 1}
    assert spilled_bytes(graph(sizes, [("a", "b"), ("a", "d"), ("b", "c"), ("c", "d")]), 64) == {"a": 70}


@given(sizes=st.lists(st.integers(0, 99), min_size=1, max_size=8), capacity=st.integers(50, 120))
def test_a_chain_of_tensors_never_spills(sizes: list[int], capacity: int) -> None:
    names = [f"l{number}" for number in range(len(sizes))]
    chain = graph(dict(zip(names, sizes, strict=True)), list(pairwise(names)))
    assert spilled_bytes(chain, capacity) == {}


@given(kernel=st.integers(1, 5), stride=st.integers(1, 3), dilation=st.integers(1, 2), blocks=st.integers(1, 4))
def test_of_a_chain_the_rows_leave_that_two_blocks_read(kernel: int, stride: int, dilation: int, blocks: int) -> None:
    """Oracle: the rows that any output row of a block and any of the next one read."""
    rows, reach = 12 * blocks * stride, dilation * (kernel - 1) + 1
    nest = LoopNest(OY=(rows - reach) // stride + 1, FY=kernel, stride_y=stride, dilation_y=dilation, input_height=rows)
    first, second = ([y * stride + x for y in part for x in range(reach)] for part in (range(12), range(12, 24)))
    chain = graph({"a": 10 * rows, "b": 1}, [("a", "b")])
    windowed = replace(chain, layers=(chain.layers[0], replace(chain.layers[1], nest=nest, operator="conv2d")))
    leave = 10 * (blocks - 1) * len({*first} & {*second})
    assert sum(spilled_bytes(windowed, 10 * rows // blocks).values()) == leave


@given(capacity=st.integers(50, 200), less=st.integers(0, 50))
def test_a_smaller_memory_never_spills_less(capacity: int, less: int) -> None:
    larger, smaller = (sum(spilled_bytes(SKIP, room).values()) for room in (capacity, capacity - less))
    assert larger <= smaller


def test_what_spills_crosses_both_ways_at_the_hosts_rates() -> None:
    system = load_system("coral_usb3")
    room = system.accelerators[0].spec.buffer_bytes["activation"]
    sizes = {layer.name: layer.output_bytes * room // 100 for layer in SKIP.layers}
    large = graph(sizes, [("a", "b"), ("b", "c"), ("a", "d"), ("c", "d")])
    small = replace(large, layers=tuple(replace(layer, output_bytes=1) for layer in large.layers))
    crossed, nothing = (host_traffic(each.layers, each, system, "coral") for each in (large, small))
    assert crossed is not None
    assert nothing is not None
    expected = sum(spilled_bytes(large, room).values())
    assert expected == sizes["a"]
    assert crossed.spills.size_bytes - nothing.spills.size_bytes == expected
    assert crossed.inputs.size_bytes - nothing.inputs.size_bytes == expected
