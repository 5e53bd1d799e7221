"""An accelerator that a host feeds: what crosses the link when, and which parameters stay in its tiles."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation_problems import accelerator, chain, cost, everything_on, layer, link, memory, system, table

from mensa_sim.cost.fed import ON_CHIP, as_fed
from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.parameter_cache import _spread, cached_parameters, copies, dense_blocks, stored_bytes
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.host import HostLink
from mensa_sim.hardware.host_traffic import padded_output_bytes
from mensa_sim.hardware.parameter_store import ParameterStore
from mensa_sim.hardware.system import System
from mensa_sim.schedule.evaluate import evaluate
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.metrics.inference import energy_by_component
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
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
)


def weighted(name: str, nest: LoopNest) -> Layer:
    """A layer of that nest with a parameter a weight."""
    weights = Parameter(name=f"{name}.weight", size_bytes=nest.weight_elements)
    return Layer(name=name, operator="conv2d", nest=nest, parameters=(weights,))


def fed(layers: Sequence[Layer], platform: System) -> CostTable:
    """The costs of a chain whose layers take 10 cycles each."""
    found = [
        each
        for own in layers
        for placed in platform.accelerators
        for each in as_fed(
            {kept: cost(own.name, placed.name, compute=10) for kept in (STREAMED, ON_CHIP)}, own, placed.name, platform
        ).values()
    ]
    return table(chain(*layers), platform, found)


def with_ends(sizes: dict[str, int]) -> list[Layer]:
    """Layers with so many parameters, 5 bytes of input and 32 of output."""
    layers = [layer(name, parameter_bytes=size, output_bytes=8) for name, size in sizes.items()]
    layers[0] = replace(layers[0], model_input_bytes=5)
    layers[-1] = replace(layers[-1], model_output_bytes=32)
    return layers


def timed(sizes: dict[str, int], buffer: int = 0, turn: int = 0) -> list[tuple[str, str, int, int]]:
    """Resource, layer, start and end in ns of what crosses the link and what runs."""
    platform = replace(system([accelerator("acc", parameter_buffer=buffer)]), host=HOST)
    costs = fed(with_ends(sizes), platform)
    timeline = simulate_in_turn(costs.graph, costs, everything_on(costs.graph, "acc"), FULL, inferences=2)[turn]
    assert all(span.size_bytes for span in timeline.spans if span.kind == "transfer"), "what is empty does not cross"
    moved = [span for span in timeline.spans if span.end_ps > span.start_ps and span.resource != "host"]
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
    """b's come behind a's; c's wait until b has begun, though the link is idle before, and c runs beside their rest."""
    assert timed({"a": 3, "b": 4, "c": 20}) == [
        ("ram", "a", 1, 6),
        ("acc", "a", 6, 16),
        ("ram", "a", 6, 9),
        ("ram", "b", 6, 13),
        ("acc", "b", 16, 26),
        ("ram", "c", 16, 26),
        ("acc", "c", 26, 36),
        ("ram", "c", 26, 36),
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
    """Three inputs take the room of four, five outputs that of six, and a bias of four bytes each.

    One channel of each kind is not yet a depthwise filter: its input takes the room of four, its output that of two.
    """
    assert stored_bytes(weighted("one", LoopNest(OY=2, OX=2, FY=3, FX=3)), STORE) == 2 * (4 * 9 + 4)
    assert stored_bytes(weighted("conv", LoopNest(K=5, C=3, OY=2, OX=2, FY=3, FX=3)), STORE) == 6 * (4 * 9 + 4)
    assert stored_bytes(weighted("depthwise", LoopNest(G=5, OY=2, OX=2, FY=3, FX=3)), STORE) == 5 * (9 * 2 + 4)
    assert stored_bytes(weighted("dense", LoopNest(K=9, C=8)), STORE) == 16 * (8 + 4)


def test_a_filter_bank_that_fills_no_block_is_stored_several_times_and_a_dense_layer_once() -> None:
    assert copies(LoopNest(K=2, C=3, OY=2, OX=2), STORE) == 4
    assert copies(LoopNest(K=9, C=3, OY=2, OX=2), STORE) == 1
    assert copies(LoopNest(K=2, C=3), STORE) == 1
    assert copies(LoopNest(G=8, OY=2, OX=2, FY=3, FX=3), STORE) == 1


def test_a_dense_layer_lies_in_whole_blocks_and_any_other_is_spread() -> None:
    """Five blocks of eight channels, each channel of 8 + 4 bytes; less than a block is one of its own size."""
    assert dense_blocks(weighted("dense", LoopNest(K=40, C=8)), STORE) == [8 * (8 + 4)] * 5
    assert dense_blocks(weighted("few", LoopNest(K=3, C=8)), STORE) == [4 * (8 + 4)]
    assert dense_blocks(weighted("conv", LoopNest(K=40, C=8, OY=2)), STORE) == []


@given(rooms=st.lists(st.integers(0, 20), min_size=1, max_size=5), size=st.integers(0, 60))
def test_what_is_spread_takes_each_byte_from_the_tile_with_most_room(rooms: list[int], size: int) -> None:
    left = list(rooms)
    for _ in range(size):
        left[left.index(max(left))] -= 1
    found = _spread(rooms, size)
    assert (found is None) == (size > sum(rooms))
    assert found is None or sorted(found) == sorted(left)
    assert found is None or all(few <= room for few, room in zip(found, rooms, strict=True))


def tiled(store: ParameterStore) -> PeArray:
    return replace(load_system("coral_pcie").accelerators[0].array, parameter_store=store)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=1, max_size=5),
    room=st.integers(0, 400),
)
def test_balanced_blocks_leave_a_layer_out_only_where_no_tile_has_room_for_one_of_them(
    sizes: list[tuple[int, int]], room: int
) -> None:
    """Against a walk that places every block of every layer, the largest layer first, in the emptiest tile."""
    layers = [weighted(f"l{number}", LoopNest(K=k, C=c)) for number, (k, c) in enumerate(sizes)]
    store = replace(STORE, tile_bytes=max(1, room))
    free, expected = [store.tile_bytes] * 4, set()
    for each in sorted(layers, key=lambda each: -stored_bytes(each, store)):
        trial = sorted(free, reverse=True)
        for block in dense_blocks(each, store):
            trial[0] -= block
            trial.sort(reverse=True)
        if trial[-1] >= 0:
            free = trial
            expected.add(each.name)
    assert cached_parameters(layers, tiled(store)).layers == expected


def test_an_older_compiler_begins_every_layer_in_the_first_tile() -> None:
    """Two layers of one block each: together they do not fit one tile, and four tiles hold them."""
    layers = [weighted(name, LoopNest(K=8, C=8)) for name in ("a", "b")]
    first = replace(STORE, tile_bytes=8 * 12 + 95, balanced=False)
    assert cached_parameters(layers, tiled(first)).layers == {"a"}
    assert cached_parameters(layers, tiled(replace(first, balanced=True))).layers == {"a", "b"}


@pytest.mark.parametrize(("pooled", "kept"), [(0, 226), (49, 204), (2**14, 141)])
def test_parameters_leave_room_in_each_tile_for_a_map_that_is_pooled_to_a_pixel(pooled: int, kept: int) -> None:
    """Of 525,600 bytes in 16 tiles, beside 1,024 channels of 49 pixels, or of more than the tile's 192 KiB hold."""
    array = load_system("coral_usb2").devices[0].array
    square = {"OY": 8, "OX": 8, "FY": 3, "FX": 3}
    layers = [weighted(f"l{number}", LoopNest(K=64, C=64, **square)) for number in range(300)]  # 37,120 bytes each
    pool = Layer(name="pool", operator="avg_pool", input_bytes=1024 * pooled, output_bytes=1024)
    found = cached_parameters([*layers, *([pool] if pooled else [])], array)
    assert len(found.layers) == kept == 16 * (525_600 - min(1024 * (pooled + bool(pooled)), 196_608)) // 37_120
    strided = replace(pool, window=LoopNest(G=1024, OY=4, OX=4, FY=2, FX=2, stride_y=2, stride_x=2))
    assert len(cached_parameters([*layers, strided], array).layers) == 226


def test_outputs_are_padded_to_the_channels_that_the_host_reads() -> None:
    """Of 10 channels 16 are read; a layer without a nest has the channels of the one before it."""
    conv = weighted("conv", LoopNest(K=10, C=3, OY=2, OX=2))
    graph = chain(conv, replace(layer("add"), model_output_bytes=40))
    assert padded_output_bytes(graph["add"], graph, HOST.output_channel_multiple) == 64
    up = replace(conv, output_channels=10, nest=LoopNest(K=40, C=3), model_output_bytes=40)
    assert padded_output_bytes(up, chain(up), HOST.output_channel_multiple) == 64
    alone = chain(replace(layer("add"), model_output_bytes=40))
    assert padded_output_bytes(alone["add"], alone, HOST.output_channel_multiple) == 48


def two_sticks(sizes: dict[str, int], host: HostLink, *, one_channel: bool = False) -> tuple[CostTable, dict[str, str]]:
    """Layers on two accelerators in turn, behind one host: each on its own channel, or both on one."""
    channels = {"usb_a": memory(), "usb_b": memory()}
    places = [accelerator("left", "usb_a"), accelerator("right", "usb_a" if one_channel else "usb_b")]
    platform = replace(system(places, channels, [link("usb_a", "usb_b")]), host=host)
    layers = with_ends(sizes)
    return fed(layers, platform), {each.name: ("left", "right")[index % 2] for index, each in enumerate(layers)}


@pytest.mark.parametrize("one_channel", [True, False])
def test_between_two_chips_behind_one_host_a_tensor_goes_out_and_in_again_and_the_host_prepares_once(
    one_channel: bool,
) -> None:
    """8 bytes leave at 2 GB/s and enter at 1 GB/s; between two channels they cross a link at 1 GB/s after 0.1 ns."""
    costs, on = two_sticks({"a": 0, "b": 0}, HOST, one_channel=one_channel)
    timeline = simulate(costs.graph, costs, on)
    between_ps = 8 * 500 + 8 * 1000 + (0 if one_channel else 100 + 8 * 1000)
    assert timeline.end_ps == 1000 + 5000 + 10_000 + between_ps + 10_000 + 16_000
    assert [span.end_ps for span in timeline.spans if span.kind == "host"] == [1000]


hosts = st.builds(
    HostLink,
    overhead_ps=st.integers(0, 10**6),
    in_bytes_per_s=st.sampled_from((10**9, 3 * 10**8, 7_777_777)),
    out_bytes_per_s=st.sampled_from((2 * 10**9, 10**8, 3_333_333)),
    output_channel_multiple=st.integers(1, 64),
)
SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=6).map(
    lambda found: {f"l{i}": s for i, s in enumerate(found)}
)


@given(sizes=SIZES, host=hosts, slower=hosts, one_channel=st.booleans(), options=st.sampled_from((PLAIN, FULL)))
def test_a_slower_host_is_never_faster(
    sizes: dict[str, int], host: HostLink, slower: HostLink, one_channel: bool, options: Options
) -> None:
    worse = HostLink(
        overhead_ps=max(host.overhead_ps, slower.overhead_ps),
        in_bytes_per_s=min(host.in_bytes_per_s, slower.in_bytes_per_s),
        out_bytes_per_s=min(host.out_bytes_per_s, slower.out_bytes_per_s),
        output_channel_multiple=host.output_channel_multiple,
    )
    ends = []
    for each in (host, worse):
        costs, on = two_sticks(sizes, each, one_channel=one_channel)
        ends.append([turn.end_ps for turn in simulate_in_turn(costs.graph, costs, on, options, inferences=2)])
    assert ends[0][0] <= ends[1][0]
    assert ends[0][1] <= ends[1][1]


@given(sizes=SIZES, host=hosts, one_channel=st.booleans())
def test_what_is_predicted_is_simulated_where_nothing_overlaps(
    sizes: dict[str, int], host: HostLink, one_channel: bool
) -> None:
    """A chain without prefetch; the sum of what its tensors, layers and host take, to the picosecond."""
    costs, on = two_sticks(sizes, host, one_channel=one_channel)
    problem = problem_of(costs.graph, costs.system, costs, static_mw=0.0)
    expected = evaluate(problem, [problem.accelerators.index(on[unit.name]) for unit in problem.units])
    timeline = simulate(costs.graph, costs, on)
    alone = len({*on.values()}) == 1
    assert timeline.end_ps == expected.serial_ps if alone else timeline.end_ps <= expected.serial_ps
    energy_pj = math.fsum(energy_by_component(timeline.spans).values())
    assert math.isclose(energy_pj, expected.dynamic_pj, rel_tol=1e-12)


def test_a_memory_may_not_bear_the_hosts_name() -> None:
    with pytest.raises(ValueError, match="names the host"):
        replace(system([accelerator("acc", "host")], {"host": memory()}), host=HOST)
