"""A layer priced with part of a buffer taken: its tiles fit what is left, and an access costs what it did."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.cost.layer_cost import STREAMED, Residency
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

CONV = Layer(
    name="conv",
    operator="conv",
    nest=LoopNest(K=128, C=128, OY=28, OX=28, FY=3, FX=3, input_height=28, input_width=28),
    parameters=(Parameter(name="w", size_bytes=128 * 128 * 9),),
    input_bytes=128 * 28 * 28,
    output_bytes=128 * 28 * 28,
)


@pytest.fixture(scope="module")
def costs() -> CostTable:
    return price(LayerGraph(name="net", layers=(CONV,), edges=()), load_system("edge_tpu"), "energy")


@pytest.mark.parametrize("kib", [16, 24, 64, 256])
def test_the_tiles_fit_the_room_and_never_cost_less(costs: CostTable, kib: int) -> None:
    whole = costs.cost("conv", "edge_tpu")
    for level, buffer in (("parameter_buffer", "parameter"), ("activation_buffer", "activation")):
        assert costs.in_room is not None
        found = costs.in_room("conv", "edge_tpu", {level: kib * 1024})
        assert found is not None
        assert found[STREAMED].buffered_bytes[buffer] <= kib * 1024
        assert found[STREAMED].energy_pj >= whole.energy_pj * (1 - 1e-9)


def test_with_all_of_the_room_a_layer_costs_what_it_costs(costs: CostTable) -> None:
    assert costs.in_room is not None
    found = costs.in_room("conv", "edge_tpu", {"parameter_buffer": 4 * 1024**2, "activation_buffer": 9 * 1024**2})
    assert found == {kept: costs.cost("conv", "edge_tpu", kept) for kept in found or {}}


def test_no_residency_is_held_that_the_room_does_not_hold(costs: CostTable) -> None:
    assert costs.in_room is not None
    found = costs.in_room("conv", "edge_tpu", {"activation_buffer": 64 * 1024})
    assert found is not None
    assert found[Residency(input=True)].residency == STREAMED
    assert costs.cost("conv", "edge_tpu", Residency(input=True)).residency == Residency(input=True)


def test_a_room_without_a_tile_has_no_price(costs: CostTable) -> None:
    assert costs.in_room is not None
    assert costs.in_room("conv", "edge_tpu", {"activation_buffer": 1}) is None
    assert costs.in_room("conv", "edge_tpu", {"activation_buffer": 0}) is None


@given(rooms=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 9 * 2**20)), min_size=2, max_size=5))
@settings(max_examples=12, deadline=None)
def test_rooms_expected_together_cost_what_each_costs_when_asked_for(rooms: list[tuple[str, int]]) -> None:
    small = replace(CONV, name="a", nest=LoopNest(K=64, C=32, OY=7, OX=7), parameters=(), input_bytes=1568)
    graph = LayerGraph(name="net", layers=(small, replace(CONV, name="b")), edges=())
    system = load_system("edge_tpu")
    together, alone = price(graph, system, "energy").in_room, price(graph, system, "energy").in_room
    assert together is not None
    assert alone is not None
    asks = [(layer, "edge_tpu", {"activation_buffer": size}) for layer, size in rooms]
    together.expect(asks)
    assert [together(*ask) for ask in asks] == [alone(*ask) for ask in asks]
