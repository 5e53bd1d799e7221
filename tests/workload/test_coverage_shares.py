"""Shares of MACs and bytes: costed and unsupported layers, adding up to everything."""

import pytest

from mensa_sim.workload.coverage import coverage_shares
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def test_beside_an_unsupported_layer_no_share_of_the_macs_is_claimed() -> None:
    weight = Parameter(name="weight", size_bytes=60)
    layers = (
        Layer(
            name="a", operator="linear", nest=LoopNest(K=6, C=10), parameters=(weight,), input_bytes=10, output_bytes=5
        ),
        Layer(name="b", operator="fft", supported=False, input_bytes=5, output_bytes=20),
    )
    shares = coverage_shares(LayerGraph(name="g", layers=layers, edges=()))
    assert shares["costed"].macs is shares["unsupported"].macs is None
    assert shares["costed"].record == {"bytes": shares["costed"].bytes}
    assert shares["unsupported"].bytes == pytest.approx(25 / 100)
    assert shares["costed"].bytes + shares["unsupported"].bytes == 1


def test_a_graph_without_work_is_wholly_costed() -> None:
    shares = coverage_shares(LayerGraph(name="g", layers=(), edges=()))
    assert (shares["costed"].macs, shares["costed"].bytes) == (1, 1)
    assert (shares["unsupported"].macs, shares["unsupported"].bytes) == (0, 0)
