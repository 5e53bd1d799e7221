"""An accelerator that a host feeds: what crosses the link when, and which parameters stay in its tiles."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation_problems import accelerator, chain, cost, layer, system, table

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.errors import UsageError
from mensa_sim.hardware.memory import HostLink
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.simulate.host_fed import ON_CHIP, host_bytes, host_fed_in_turn, is_host_fed
from mensa_sim.simulate.plan.parameter_cache import cached_parameters, copies, first_tile_bytes, stored_bytes
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

HOST = HostLink(overhead_ps=1000, in_bytes_per_s=10**9, out_bytes_per_s=2 * 10**9, output_channel_multiple=16)
STORE = ParameterStore(
    tiles=4,
    tile_bytes=256,
    channel_multiple=8,
    small_channel_multiple=2,
    input_channel_multiple=4,
    bias_bytes=4,
    depthwise_tap_bytes=2,
    bus_bytes_per_cycle=16.0,
    layer_cycles=0,
)


def weighted(name: str, nest: LoopNest) -> Layer:
    """A layer of that nest with a parameter a weight."""
    weights = Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements)
    return Layer(name=name, operator="conv2d", nest=nest, parameters=(weights,))


def timed(sizes: dict[str, int], buffer: int = 0, turn: int = 0) -> list[tuple[str, str, int, int]]:
    """Kind, layer, start and end in ns of what crosses the link and what runs, of layers with so many parameters."""
    layers = [layer(name, parameter_bytes=size) for name, size in sizes.items()]
    layers[0] = replace(layers[0], model_input_bytes=5)
    layers[-1] = replace(layers[-1], model_output_bytes=32)
    graph = chain(*layers)
    platform = replace(system([accelerator("acc", parameter_buffer=buffer)]), host=HOST)
    costs = table(
        graph,
        platform,
        [cost(name, "acc", compute=10, residency=residency) for name in sizes for residency in (STREAMED, ON_CHIP)],
    )
    timeline = host_fed_in_turn(graph, costs)[turn]
    moved = [span for span in timeline.spans if span.end_ps > span.start_ps]
    seen = [(span.resource, span.layer, span.start_ps // 1000, span.end_ps // 1000) for span in moved]
    return sorted(seen, key=lambda each: (each[2], each[0]))


def test_overhead_input_layers_and_output_follow_each_other() -> None:
    """Two channels at 1 GB/s in and 2 GB/s out: 32 bytes of output take 16 ns, 5 of input 5."""
    assert timed({"a": 0, "b": 0}) == [
        ("ram", "a", 1, 6),
        ("acc", "a", 6, 16),
        ("acc", "b", 16, 26),
        ("ram", "b", 26, 42),
    ]


def test_parameters_cross_one_layer_ahead_and_no_earlier() -> None:
    """b's come while a runs; c's wait until b has begun, though the link is idle before."""
    assert timed({"a": 3, "b": 4, "c": 20}) == [
        ("ram", "a", 1, 6),
        ("acc", "a", 6, 16),
        ("ram", "a", 6, 9),
        ("ram", "b", 9, 13),
        ("acc", "b", 16, 26),
        ("ram", "c", 16, 36),
        ("acc", "c", 26, 36),
        ("ram", "c", 36, 52),
    ]


def test_later_inferences_fetch_only_what_does_not_stay() -> None:
    first, later = (timed({"a": 30, "b": 60}, buffer=60, turn=turn) for turn in (0, 1))
    fetched = [[layer for resource, layer, *_ in turn if resource == "ram"] for turn in (first, later)]
    assert fetched == [["a", "a", "b", "b"], ["a", "a", "b"]]


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=6), room=st.integers(0, 120))
def test_as_long_as_it_fits_the_largest_layers_stay(sizes: list[int], room: int) -> None:
    layers = [layer(f"l{number}", parameter_bytes=size) for number, size in enumerate(sizes)]
    spec = accelerator("acc", parameter_buffer=room).spec
    kept = cached_parameters(layers, spec)
    assert kept.size_bytes <= room
    left = room - kept.size_bytes
    for each in layers:
        if each.name not in kept.layers and each.parameter_bytes:
            larger = [size for size in sizes if size >= each.parameter_bytes]
            assert each.parameter_bytes > left
            assert sum(larger) > room


def test_a_shared_tensor_is_kept_once_for_all_its_layers() -> None:
    one = layer("a", parameter_bytes=60)
    two = replace(layer("b", parameter_bytes=60), parameters=one.parameters)
    kept = cached_parameters([one, two], accelerator("acc", parameter_buffer=60).spec)
    assert kept.layers == {"a", "b"}


def test_channels_are_padded_as_the_tiles_store_them() -> None:
    """Three inputs take the room of four, five outputs that of six, and a bias of four bytes each."""
    assert stored_bytes(weighted("conv", LoopNest(K=5, C=3, OY=2, OX=2, FY=3, FX=3)), STORE) == 6 * (4 * 9 + 4)
    assert stored_bytes(weighted("depthwise", LoopNest(G=5, OY=2, OX=2, FY=3, FX=3)), STORE) == 5 * (9 * 2 + 4)
    assert stored_bytes(weighted("dense", LoopNest(K=9, C=8)), STORE) == 16 * (8 + 4)


def test_a_filter_bank_that_fills_no_block_is_stored_several_times_and_a_dense_layer_once() -> None:
    assert copies(LoopNest(K=2, C=3, OY=2, OX=2), STORE) == 4
    assert copies(LoopNest(K=9, C=3, OY=2, OX=2), STORE) == 1
    assert copies(LoopNest(K=2, C=3), STORE) == 1
    assert copies(LoopNest(G=8, OY=2, OX=2, FY=3, FX=3), STORE) == 1


def test_a_dense_layer_fills_whole_blocks_of_single_tiles() -> None:
    """Five blocks of eight channels over four tiles: two blocks in the fullest, each channel of 8 + 4 bytes."""
    assert first_tile_bytes(weighted("dense", LoopNest(K=40, C=8)), STORE) == 2 * 8 * (8 + 4)
    assert first_tile_bytes(weighted("conv", LoopNest(K=40, C=8, OY=2)), STORE) == 0


def test_outputs_are_padded_to_the_channels_that_the_host_reads() -> None:
    """Of 10 channels 16 are read; a layer without a nest has the channels of the one before it."""
    conv = weighted("conv", LoopNest(K=10, C=3, OY=2, OX=2))
    graph = chain(conv, replace(layer("add"), model_output_bytes=40))
    assert host_bytes(graph, HOST).output_bytes == 64
    assert host_bytes(chain(replace(layer("add"), model_output_bytes=40)), HOST).output_bytes == 48


def test_a_host_feeds_exactly_one_accelerator() -> None:
    graph = chain(layer("a"))
    pair = replace(system([accelerator("one"), accelerator("two")]), host=HOST)
    assert not is_host_fed(pair)
    with pytest.raises(UsageError, match="exactly one"):
        host_fed_in_turn(graph, table(graph, pair, [cost("a", "one")]))
