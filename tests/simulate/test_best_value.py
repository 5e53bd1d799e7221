"""Which parameters save the most by staying: against every possible choice, and no worse than greedy where many fit."""

import tracemalloc
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.simulate.plan.best_value import Item, most_valuable


def value(items: list[Item], places: list[int]) -> int:
    return sum(items[place].value for place in places)


def fits(items: list[Item], places: list[int], capacity: int, least_tile: int) -> bool:
    """The tensors of those that stay, each once, beside the largest tile of those that do not lie there."""
    tensors = {name: size for place in places for name, size in items[place].tensors.items()}
    streams = [item.tile_bytes for item in items if not set(item.tensors) <= set(tensors)]
    return sum(tensors.values()) + max([least_tile, *streams]) <= capacity


def greedy(items: list[Item], capacity: int, least_tile: int) -> list[int]:
    kept: list[int] = []
    for place in sorted(range(len(items)), key=lambda place: -items[place].value / sum(items[place].tensors.values())):
        if fits(items, [*kept, place], capacity, least_tile):
            kept.append(place)
    return kept


@st.composite
def cases(draw):
    """Up to nine items with one or two tensors of their own or shared ones, and a capacity that some of them fill."""
    shared = {f"shared{index}": draw(st.integers(1, 30)) for index in range(2)}
    items = []
    for index in range(draw(st.integers(1, 9))):
        tensors = {f"own{index}": draw(st.integers(1, 30))} if draw(st.booleans()) else {}
        for name in sorted(draw(st.sets(st.sampled_from(sorted(shared)), max_size=1 if tensors else 2))):
            tensors[name] = shared[name]
        if not tensors:
            tensors = {f"own{index}": draw(st.integers(1, 30))}
        items.append(
            Item(
                value=draw(st.integers(1, 60)), tensors=tensors, tile_bytes=draw(st.integers(0, sum(tensors.values())))
            )
        )
    return items, draw(st.integers(1, 120)), draw(st.integers(0, 20))


@settings(max_examples=150)
@given(cases())
def test_no_choice_saves_more_than_the_one_found(case):
    items, capacity, least_tile = case
    start = greedy(items, capacity, least_tile)
    found = most_valuable(items, capacity, least_tile, start)
    assert found == sorted(set(found)) or found == start
    assert not found or fits(items, found, capacity, least_tile)
    best = max(
        value(items, places)
        for count in range(len(items) + 1)
        for places in map(list, combinations(range(len(items)), count))
        if not places or fits(items, places, capacity, least_tile)
    )
    assert value(items, found) == best


def plain(values: list[int], sizes: list[int], tiles: list[int] | None = None) -> list[Item]:
    return [
        Item(value=value, tensors={str(index): size}, tile_bytes=tiles[index] if tiles else 0)
        for index, (value, size) in enumerate(zip(values, sizes, strict=True))
    ]


def test_the_densest_first_is_not_always_best():
    items = plain([60, 100, 120], [10, 20, 30])
    assert greedy(items, 50, 0) == [0, 1]
    assert most_valuable(items, 50, 0, [0, 1]) == [1, 2]


def test_a_layer_with_a_large_tile_is_kept_although_others_are_worth_more_a_byte():
    """Beside the three small ones there is room for the large one's tile alone; kept, it needs none."""
    items = plain([30, 12, 12, 12], [40, 10, 10, 10], [30, 0, 0, 0])
    assert greedy(items, 60, 0) == [1, 2, 3]
    assert most_valuable(items, 60, 0, [1, 2, 3]) == [0, 1, 2]


def test_what_no_room_is_left_for_is_not_looked_through():
    """The best of 2**12 choices is found within 200 steps, where a bound of twice a part item takes a thousand."""
    sizes = [37, 40, 22, 39, 24, 29, 40, 13, 29, 23, 31, 18]
    items = plain([35, 44, 47, 30, 40, 28, 51, 33, 47, 54, 27, 38], sizes)
    assert value(items, most_valuable(items, 123, 0, [], max_nodes=200)) == 226


def test_the_choice_found_first_stays_where_another_one_is_only_as_good():
    items = plain([5, 5, 5], [2, 2, 2])
    assert most_valuable(items, 4, 0, [1, 2]) == [1, 2]


def test_many_sizes_that_almost_fill_a_buffer_end_soon_with_no_less_than_greedy():
    """No two sets of sizes are known to fill it exactly, so no proof comes soon."""
    sizes = [100_003 + 7919 * index**2 % 90_001 for index in range(150)]
    items = plain(sizes, sizes, [size // 20 for size in sizes])
    start = greedy(items, 4_000_000, 0)
    found = most_valuable(items, 4_000_000, 0, start)
    assert value(items, found) >= value(items, start)
    assert fits(items, found, 4_000_000, 0)


def test_a_search_among_thousands_of_units_keeps_no_copies_of_its_choices():
    items = [Item(value=1000 - index % 7, tensors={f"own{index}": 10}, tile_bytes=5) for index in range(4000)]
    tracemalloc.start()
    most_valuable(items, capacity_bytes=39_000, least_tile_bytes=0, start=[])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4000 * 4000  # a place of each chosen item in each node that waits takes four times as much


def test_equal_layers_are_counted_not_told_apart():
    """24 layers of six shapes, as networks repeat theirs: as many choices as counts of each shape, not as sets."""
    shapes = [589_952, 295_040, 147_520, 73_792, 36_896, 9_232]
    sizes = [size for size in shapes for _ in range(4)]
    capacity = 1_500_003
    reachable = {0}
    for size in sizes:
        reachable |= {total + size for total in reachable if total + size <= capacity}
    found = most_valuable(plain(sizes, sizes), capacity, 0, [], max_nodes=2000)
    assert value(plain(sizes, sizes), found) == max(reachable)
