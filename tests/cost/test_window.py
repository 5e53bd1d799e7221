"""Distinct input positions of tiles, counted in two ways."""

from collections import Counter
from dataclasses import replace
from itertools import product
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.window import Window, window_histogram, window_of
from mensa_sim.workload.layer import LoopNest

SIZES = {"OY": st.integers(1, 16), "OX": st.integers(1, 9), "FY": st.integers(1, 4), "FX": st.integers(1, 5)}


@st.composite
def images(draw: st.DrawFn) -> LoopNest:
    """A window of any stride and dilation over an input that is padded, exact, or has unused rows; high ones too."""
    sizes = {name: draw(numbers) for name, numbers in SIZES.items()}
    steps = {name: draw(st.integers(1, 3)) for name in ("stride_y", "stride_x", "dilation_y", "dilation_x")}
    input_size = {}
    for axis, name in (("y", "input_height"), ("x", "input_width")):
        outputs, taps = sizes[f"O{axis.upper()}"], sizes[f"F{axis.upper()}"]
        reach = steps[f"stride_{axis}"] * (outputs - 1) + steps[f"dilation_{axis}"] * (taps - 1) + 1
        input_size[name] = max(1, reach + draw(st.integers(-7, 2)))
    return LoopNest(**sizes, **steps, **input_size)


def looked_at(window: Window, tile: tuple[tuple[str, int], ...], nest: LoopNest) -> tuple[list[int], list[int], int]:
    """Tile sizes, how many tiles have each, and the first one's, from a look at every output, tap and channel."""
    y, x = window.y, window.x
    tiles = product(*(range(0, whole(nest, dim), extent) for dim, extent in tile))
    read: dict[tuple[int, ...], set[tuple[int, ...]]] = {begins: set() for begins in tiles}
    for oy, ox, fy, fx, c in product(*(range(getattr(nest, name)) for name in (*SIZES, "C"))):
        at = {"OY": oy, "OX": ox, "FY": fy, "FX": fx, "C": c}
        row, column = y.stride * oy + y.dilation * fy - y.padding, x.stride * ox + x.dilation * fx - x.padding
        if 0 <= row < y.size and 0 <= column < x.size:
            begins = []
            for dim, extent in tile:
                index = 0
                for member in reversed(dim.split("*")):
                    index = index * getattr(nest, member) + at[member]
                begins.append(index // extent * extent)
            read[tuple(begins)].add((c, row, column))
    counted = sorted(Counter(map(len, read.values())).items())
    return [size for size, _ in counted], [count for _, count in counted], len(read[(0,) * len(tile)])


def whole(nest: LoopNest, dim: str) -> int:
    """The size of a dim or of a flattened product."""
    return prod(getattr(nest, member) for member in dim.split("*"))


@given(
    nest=images(),
    channels=st.integers(1, 5),
    dims=st.tuples(
        st.sampled_from(["OX*OY", "OY*OX", "OY OX"]),
        st.sampled_from(["FX*FY", "FY*FX", "FY FX", "C*FX*FY", "C*FY*FX"]),
    ),
    data=st.data(),
)
@settings(max_examples=400, deadline=None)
def test_closed_forms_see_what_looking_at_every_position_does(
    nest: LoopNest, channels: int, dims: tuple[str, str], data: st.DataObject
) -> None:
    if dims[1].startswith("C"):
        nest = replace(nest, C=channels)
    loops = [dim for each in dims for dim in each.split()]
    tile = tuple((dim, data.draw(st.integers(1, whole(nest, dim)), label=dim)) for dim in loops)
    window = window_of(nest, loops)
    found = window_histogram(window, tile)
    assert (list(found.values), list(found.counts), found.first) == looked_at(window, tile, nest)


def test_a_tap_that_reads_nothing_but_padding_counts_nothing() -> None:
    nest = LoopNest(OY=2, OX=2, FX=3, stride_x=2, input_height=2, input_width=1)
    tile = (("OX*OY", 3), ("FY", 1), ("FX", 1))
    window = window_of(nest)
    found = window_histogram(window, tile)
    assert 0 in found.values
    assert (list(found.values), list(found.counts), found.first) == looked_at(window, tile, nest)


def test_a_large_filter_whose_many_tiles_see_different_parts_of_the_padding_is_counted_in_arrays() -> None:
    nest, tile = LoopNest(OY=60, FY=51, input_height=60), (("OY", 3), ("OX", 1), ("FY", 2), ("FX", 1))
    window = window_of(nest)
    found = window_histogram(window, tile)
    assert (list(found.values), list(found.counts), found.first) == looked_at(window, tile, nest)


def test_a_long_signal_is_counted_without_a_look_at_each_of_its_samples() -> None:
    """Tiles of three outputs at stride two and five taps: nine samples each, but seven at both padded ends."""
    outputs = 3 * 10**12
    window = window_of(LoopNest(OX=outputs, FX=5, stride_x=2, input_width=2 * outputs - 1))
    found = window_histogram(window, (("OY", 1), ("OX", 3), ("FY", 1), ("FX", 5)))
    assert dict(zip(found.values, found.counts, strict=True)) == {7: 2, 9: outputs // 3 - 2}
    assert found.first == 7
