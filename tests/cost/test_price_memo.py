"""Prices carried from one system to the next are those that a fresh pricing gives, and only what is new is priced."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from mensa_sim.cost.prices import price as price_module
from mensa_sim.cost.prices.kept import KeptPrices
from mensa_sim.cost.prices.memo import NO_PRICE, PriceMemo, shape_of
from mensa_sim.cost.prices.price import price, price_ahead
from mensa_sim.cost.prices.repriced import Contests
from mensa_sim.cost.table import MADE_OF_ALL, AcceleratorCosts
from mensa_sim.errors import MensaError
from mensa_sim.hardware.files import load_system
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter


def a_layer(name: str, channels: int) -> Layer:
    return Layer(
        name=name,
        operator="linear",
        nest=LoopNest(K=channels, C=16),
        parameters=(Parameter(name=f"{name}.weight", size_bytes=16 * channels),),
        parameter_bits=8,
        activation_bits=8,
        input_bytes=16,
        output_bytes=channels,
    )


GRAPH = LayerGraph(name="small", layers=(a_layer("first", 8), a_layer("second", 24), a_layer("third", 8)), edges=())


def test_equal_pairs_are_priced_once_across_systems_and_nothing_changes() -> None:
    memo = PriceMemo()
    plain = load_system("mensa_g")
    slower = load_system("mensa_g", overrides=["accelerators.pascal.clock_hz=1000000000"])
    assert price(GRAPH, plain, memo=memo) == price(GRAPH, plain)
    assert memo.priced == 2 * 3
    assert price(GRAPH, slower, memo=memo) == price(GRAPH, slower)
    assert memo.priced == 2 * 3 + 2
    price(GRAPH, plain, memo=memo)
    assert memo.priced == 2 * 3 + 2


def test_whatever_a_price_depends_on_is_priced_anew() -> None:
    memo = PriceMemo()
    system = load_system("edge_tpu")
    price(GRAPH, system, memo=memo)
    changes = (
        ["memories.lpddr4.bandwidth_bytes_per_s=1000000000"],
        ["technology.mac_pj_8_bit=1.5"],
        ["accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes=65536"],
    )
    for number, overrides in enumerate(changes, start=2):
        changed = load_system("edge_tpu", overrides=overrides)
        assert price(GRAPH, changed, memo=memo) == price(GRAPH, changed)
        assert memo.priced == 2 * number
    price(GRAPH, system, "latency", memo)
    assert memo.priced == 2 * (len(changes) + 2)


@pytest.mark.parametrize("room", [2**20, 1])
def test_at_other_speeds_nothing_is_searched_again_and_a_full_memory_changes_no_price(room: int) -> None:
    memo = PriceMemo(contests=Contests(room))
    for clock_hz, bandwidth, objective in ((10**6, 10**9, "edp"), (10**9, 10**7, "edp"), (10**9, 10**11, "latency")):
        fields = f"accelerators.edge_tpu.clock_hz={clock_hz}", f"memories.lpddr4.bandwidth_bytes_per_s={bandwidth}"
        system = load_system("edge_tpu", overrides=fields)
        assert price(GRAPH, system, objective, memo) == price(GRAPH, system, objective)
    assert memo.priced == 2


def test_systems_that_differ_elsewhere_share_an_accelerators_costs_and_what_is_made_of_them() -> None:
    memo, made = PriceMemo(), []
    link = "links.0.bandwidth_bytes_per_s=1000000000"
    systems = [load_system("mensa_g", overrides=each) for each in ([], [link], ["memories.stacked.efficiency=0.5"])]
    for system in systems:
        costs = price(GRAPH, system, memo=memo)
        assert costs == price(GRAPH, system)
        for name in ("pascal", "pavlov"):
            costs.made_once(name, "made", lambda name=name: made.append(name))
        costs.made_of_all("made", lambda: made.append("all"))
    assert made == ["pascal", "pavlov", "all", "pavlov", "all"]


def test_of_all_costs_of_a_system_so_many_things_are_kept_and_none_for_the_graph_in_another_order() -> None:
    costs, made = price(GRAPH, load_system("mensa_g")), []
    for key in (*range(MADE_OF_ALL + 1), 0, MADE_OF_ALL):
        costs.made_of_all(key, lambda key=key: made.append(key))
    assert made == [*range(MADE_OF_ALL + 1), 0]
    turned = replace(costs, graph=replace(GRAPH, layers=GRAPH.layers[::-1]))
    assert [turned.made_of_all("names", lambda each=each: each) for each in ("a", "b")] == ["a", "b"]


def test_graphs_that_are_priced_together_ahead_cost_what_each_does_and_nothing_is_priced_again() -> None:
    other = replace(GRAPH, name="other", layers=(*GRAPH.layers, a_layer("fourth", 40)))
    memo, system = PriceMemo(), load_system("mensa_g")
    price_ahead([GRAPH, other], system, "edp", memo)
    assert memo.priced == 3 * 3
    for graph in (GRAPH, other):
        assert price(graph, system, memo=memo) == price(graph, system)
    price_ahead([GRAPH, other], system, "edp", memo)
    assert memo.priced == 3 * 3


def test_pricing_ahead_leaves_what_is_wrong_to_who_asks_for_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise MensaError("no room")

    monkeypatch.setattr(price_module, "known_or_priced", refuse)
    price_ahead([GRAPH], load_system("mensa_g"), "edp", memo := PriceMemo())
    with pytest.raises(MensaError, match="no room"):
        price(GRAPH, load_system("mensa_g"), memo=memo)


def test_of_other_costs_everything_is_made_anew() -> None:
    costs = price(GRAPH, load_system("edge_tpu"))
    other = costs.with_costs({}, None)
    assert [table.made_once("edge_tpu", "size", lambda t=table: len(t.costs)) for table in (costs, other)] == [24, 0]


def test_costs_of_so_many_layers_are_shared_and_the_oldest_leave_first() -> None:
    columns = PriceMemo(layers=7).columns
    for key in ("first", "second", "first", "third"):
        if columns.get(key) is None:
            columns.put(key, AcceleratorCosts(graph=GRAPH, costs={}, refusals={}))
    assert [key for key in ("first", "second", "third") if columns.get(key)] == ["first", "third"]
    short = PriceMemo(layers=2).columns
    short.put("long", AcceleratorCosts(graph=GRAPH, costs={}, refusals={}))
    assert "long" not in short


def test_a_file_shares_prices_and_a_full_memory_forgets_none_of_them(tmp_path: Path) -> None:
    system = load_system("mensa_g")
    first, second = (PriceMemo(KeptPrices(tmp_path / "prices"), pairs=1) for _ in range(2))
    expected = price(GRAPH, system)
    assert price(GRAPH, system, memo=first) == expected
    assert price(GRAPH, system, memo=second) == expected
    assert (first.priced, second.priced) == (6, 0)


def test_a_file_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memo = PriceMemo(KeptPrices(tmp_path / "file" / "prices"))
    system = load_system("edge_tpu")
    assert price(GRAPH, system, memo=memo) == price(GRAPH, system)


@pytest.mark.parametrize("shared", [False, True])
def test_the_table_lists_pairs_in_the_order_of_the_system_and_the_graph(tmp_path: Path, shared: bool) -> None:
    table = price(GRAPH, load_system("mensa_g"), memo=PriceMemo(KeptPrices(tmp_path / "prices") if shared else None))
    names = list(dict.fromkeys((accelerator, layer) for layer, accelerator, _ in table.costs))
    expected = [(a, layer.name) for a in ("pascal", "pavlov", "jacquard") for layer in GRAPH.layers]
    assert names == expected
    assert all(cost.layer == layer for (layer, _, _), cost in table.costs.items())


def test_a_refusal_is_remembered_with_its_reason() -> None:
    memo = PriceMemo()
    system = load_system("edge_tpu", overrides=['accelerators.edge_tpu.refuses=["linear"]'])
    first, again = price(GRAPH, system, memo=memo), price(GRAPH, system, memo=memo)
    assert first == again
    assert set(first.refusals) == {(layer.name, "edge_tpu") for layer in GRAPH.layers}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOfTomorrow(Layer):
    """A layer with a field that nobody has told the memo of."""

    sparsity: float = 0.0


def test_layers_that_differ_in_a_field_nobody_excused_have_prices_of_their_own() -> None:
    known = {each.name: getattr(a_layer("first", 8), each.name) for each in fields(Layer)}
    dense, sparse = LayerOfTomorrow(**known), LayerOfTomorrow(**known, sparsity=0.5)
    assert shape_of(dense) != shape_of(sparse)


def test_what_a_layer_is_called_and_tied_to_makes_no_price_of_its_own() -> None:
    assert {each.name for each in fields(Layer)} >= NO_PRICE
    layer = a_layer("first", 8)
    other = replace(layer, name="second", source="trunk.2", group="cell", gate="forget", fused=("relu",))
    other = replace(other, parameters=(Parameter(name="second.weight", size_bytes=layer.parameter_bytes),))
    assert shape_of(layer) == shape_of(other)
    more = replace(layer, parameters=(*layer.parameters, Parameter(name="bias", size_bytes=32)))
    assert shape_of(layer) != shape_of(more)
