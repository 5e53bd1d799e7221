"""Distinct input positions of tiles, counted three ways."""

from drawn import nests
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.counts.window import _ragged_histogram, window_histogram, window_of
from mensa_sim.workload.layer import LoopNest


@given(
    nest=nests(),
    outputs=st.sampled_from(["OX*OY", "OY*OX"]),
    taps=st.sampled_from(["FX*FY", "FY*FX"]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_short_cuts_for_flattened_products_see_what_looking_at_every_position_does(
    nest: LoopNest, outputs: str, taps: str, data: st.DataObject
) -> None:
    sizes = {"OY": nest.OY, "OX": nest.OX, "FY": nest.FY, "FX": nest.FX}
    flat_outputs = data.draw(st.booleans())
    dims = [outputs, "FY", "FX"] if flat_outputs else ["OY", "OX", taps]
    whole = sizes | {outputs: nest.OY * nest.OX, taps: nest.FY * nest.FX}
    tile = tuple((dim, data.draw(st.integers(1, whole[dim]), label=dim)) for dim in dims)
    window = window_of(nest)
    short, looked = window_histogram(window, tile), _ragged_histogram(window, tile, sizes)
    assert short.values.tolist() == looked.values.tolist()
    assert short.counts.tolist() == looked.counts.tolist()
    assert short.first == looked.first


def test_a_tap_that_reads_nothing_but_padding_counts_nothing() -> None:
    nest = LoopNest(OY=2, OX=2, FX=3, stride_x=2, input_height=2, input_width=1)
    tile = (("OX*OY", 3), ("FY", 1), ("FX", 1))
    window = window_of(nest)
    short = window_histogram(window, tile)
    looked = _ragged_histogram(window, tile, {"OY": 2, "OX": 2, "FY": 1, "FX": 3})
    assert 0 in short.values
    assert short.values.tolist() == looked.values.tolist()
    assert short.counts.tolist() == looked.counts.tolist()
