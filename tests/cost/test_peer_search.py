"""Our search against the mappings that ZigZag found, each priced by our counts."""

from pathlib import Path

import pytest
from by_hand import assemble, price_mapping
from zigzag_layers import ENERGY, MEMORY, SPEC, PeerLayer, peer_layers
from zigzag_space import HALF_BUFFER, ORDER, SIZES, SPLIT, limits_that_exclude

from mensa_sim.cost.counts.tally import repeats_of
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.cost.vector import vector_work

OUTSIDE = {
    "features/features.12/conv/conv.2": {SIZES},
    "features/features.13/conv/conv.2": {SIZES},
    "features/features.14/conv/conv.2": {SIZES, HALF_BUFFER},
    "features/features.15/conv/conv.0/conv.0.0": {SPLIT},
    "features/features.15/conv/conv.2": {SIZES, HALF_BUFFER},
    "features/features.16/conv/conv.0/conv.0.0": {SPLIT},
    "features/features.16/conv/conv.2": {SIZES, HALF_BUFFER},
    "features/features.17/conv/conv.0/conv.0.0": {SPLIT},
    "features/features.17/conv/conv.2": {SIZES},
    "features/features.18/features.18.0": {SPLIT, ORDER},
    "classifier/classifier.1": {SPLIT, ORDER},
    "layer3/layer3.0/conv2": {SPLIT},
    "layer3/layer3.1/conv1": {SPLIT},
    "layer3/layer3.1/conv2": {SPLIT},
    "layer4/layer4.0/conv1": {HALF_BUFFER, ORDER},
    "layer4/layer4.0/conv2": {SPLIT},
    "layer4/layer4.1/conv1": {SPLIT},
    "layer4/layer4.1/conv2": {SPLIT},
    "fc": {SIZES, HALF_BUFFER},
}
"""Layers whose mapping our search does not try, and the limits that keep it out."""


@pytest.fixture(scope="module")
def layers(reference: Path) -> tuple[PeerLayer, ...]:
    return peer_layers(reference)


def _theirs(peer: PeerLayer) -> list[LayerCost]:
    """Their mapping by our counts, for every buffer tile that it could be cut into."""
    work, repeats = vector_work(peer.layer, SPEC), repeats_of(peer.layer, 1, STREAMED, steps_resident=False)
    mappings = [peer.mapping(tile) for tile in range(min(peer.buffer.values()) + 1)]
    counts = [price_mapping(peer.nest, SPEC, mapping, word_bits=MEMORY.word_bits) for mapping in mappings]
    return [assemble(peer.layer, SPEC, ENERGY, STREAMED, repeats, count, work) for count in counts]


def _ours(peer: PeerLayer, objective: str) -> LayerCost:
    steps = Steps(nest=peer.nest, steps=1, resident=False)
    found = Pricer(peer.layer, SPEC, MEMORY, ENERGY, steps, objective).cost(STREAMED)
    assert found is not None
    return found


def _latency_ps(cost: LayerCost) -> int:
    return cost.latency_ps(MEMORY.effective_bytes_per_s)


def test_the_limits_of_our_space_keep_out_the_layers_named(layers: tuple[PeerLayer, ...]) -> None:
    outside = {}
    for peer in layers:
        tiles = range(min(peer.buffer.values()) + 1)
        limits = limits_that_exclude(peer.nest, [peer.mapping(tile) for tile in tiles])
        if limits:
            outside[peer.name] = set(limits)
    assert outside == OUTSIDE


@pytest.fixture(scope="module")
def distinct(layers: tuple[PeerLayer, ...]) -> list[PeerLayer]:
    """Equal layers with equal mappings once."""
    return list({(peer.nest, peer.loops): peer for peer in layers}.values())


@pytest.fixture(scope="module")
def slower(distinct: list[PeerLayer]) -> dict[str, float]:
    """Our best latency over theirs, by layer."""
    return {
        peer.name: _latency_ps(_ours(peer, "latency")) / min(_latency_ps(cost) for cost in _theirs(peer))
        for peer in distinct
    }


def test_where_their_mapping_lies_in_our_space_our_best_is_no_slower(slower: dict[str, float]) -> None:
    inside = {name: ratio for name, ratio in slower.items() if name not in OUTSIDE}
    assert len(inside) > 30
    assert all(ratio <= 1 for ratio in inside.values()), inside


def test_the_limits_of_our_space_cost_less_than_a_thousandth_of_the_time(slower: dict[str, float]) -> None:
    outside = {name: ratio for name, ratio in slower.items() if name in OUTSIDE}
    assert len(outside) > 10
    assert max(outside.values()) < 1.001, outside


def test_our_least_energy_is_no_more_than_theirs_inside_our_space_and_out_of_it(distinct: list[PeerLayer]) -> None:
    for peer in distinct:
        assert _ours(peer, "energy").energy_pj <= (1 + 1e-9) * min(cost.energy_pj for cost in _theirs(peer)), peer.name
