"""Distinct input positions of tiles, counted in two ways."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.window import Window, _ragged_histogram, window_histogram, window_of
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
    """Tile sizes, how many tiles have each, and the first one's, from a look at every output and tap."""
    found = _ragged_histogram(window, tile, {name: getattr(nest, name) for name in SIZES})
    return list(found.values), list(found.counts), found.first


@given(
    nest=images(),
    dims=st.sampled_from([(o, f) for o in ("OX*OY", "OY*OX", "OY OX") for f in ("FX*FY", "FY*FX", "FY FX")]),
    data=st.data(),
)
@settings(max_examples=400, deadline=None)
def test_closed_forms_see_what_looking_at_every_position_does(
    nest: LoopNest, dims: tuple[str, str], data: st.DataObject
) -> None:
    whole = {name: getattr(nest, name) for name in SIZES}
    whole |= dict.fromkeys(("OX*OY", "OY*OX"), nest.OY * nest.OX)
    whole |= dict.fromkeys(("FX*FY", "FY*FX"), nest.FY * nest.FX)
    loops = [dim for each in dims for dim in each.split()]
    tile = tuple((dim, data.draw(st.integers(1, whole[dim]), label=dim)) for dim in loops)
    window = window_of(nest)
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
