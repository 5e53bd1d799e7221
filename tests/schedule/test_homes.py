"""Which tensors live on chip: against every possible choice, and what a layer costs beside them."""

from itertools import combinations, pairwise

import pytest
from homes_problems import KIB, elementwise, graphs, joined, pointwise, small_system
from hypothesis import example, given, settings

from mensa_sim.cost.layer_cost import LayerCost
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.technology.sram import access_pj
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, KeptParameters
from mensa_sim.schedule.homes import plan
from mensa_sim.schedule.homes.choose import gap_above
from mensa_sim.schedule.homes.plan import order_of, plan_homes
from mensa_sim.schedule.homes.step import HomeCosts, live_at, step_of
from mensa_sim.schedule.homes.tensors import HomeTensor, tensors_of
from mensa_sim.workload.graph import LayerGraph

ENERGY = (1.0, 0.0)
"""Rates of an objective that counts energy alone."""


def everywhere(graph: LayerGraph, name: str = "edge_tpu") -> dict[str, str]:
    return {layer.name: name for layer in graph.layers}


def energy_with(costs: CostTable, chosen: list[HomeTensor]) -> float | None:
    """Of all layers beside those tensors at home; none where a layer does not fit."""
    graph, assignment = costs.graph, everywhere(costs.graph)
    live = live_at(chosen, order_of(graph, assignment))
    home_costs = HomeCosts(costs, LAYER_BY_LAYER)
    total = 0.0
    for layer in graph.layers:
        found = home_costs.best(step_of(graph, layer.name, "edge_tpu", live.get(layer.name, [])), parameters=False)
        if found is None:
            return None
        total += found.cost.energy_pj
    return total


CROWDED = joined(
    [
        *(
            elementwise(f"a{output}", read * KIB, output * KIB, enters=KIB)
            for read, output in ((4, 16), (64, 28), (1, 24))
        ),
        *(
            elementwise(f"b{read}", read * KIB, output * KIB, leaves=KIB)
            for read, output in ((16, 1), (28, 64), (24, 32))
        ),
    ],
    [(f"a{size}", f"b{size}") for size in (16, 28, 24)],
)
"""Three tensors that live at once, of which 40 KiB hold some."""


@settings(max_examples=20)
@given(graphs(most_inputs=1))
@example(CROWDED)
def test_no_choice_of_homes_costs_less_than_the_one_found(graph):
    costs = price(graph, small_system(40), "energy")
    tensors, _ = tensors_of(graph, costs.system, everywhere(graph))
    found = plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, ENERGY)
    chosen = energy_with(costs, [tensors[home.tensor] for home in found.homes])
    every = [
        energy_with(costs, list(subset))
        for count in range(len(tensors) + 1)
        for subset in combinations(tensors.values(), count)
    ]
    assert chosen == pytest.approx(min(energy for energy in every if energy is not None), rel=1e-9)
    assert found.gap <= 1e-6


@settings(max_examples=30)
@given(graphs(most_inputs=3))
def test_what_is_chosen_always_fits_and_never_costs_more_than_nothing(graph):
    costs = price(graph, small_system(40), "energy")
    tensors, _ = tensors_of(graph, costs.system, everywhere(graph))
    found = plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, ENERGY)
    chosen = energy_with(costs, [tensors[home.tensor] for home in found.homes])
    nothing = energy_with(costs, [])
    assert chosen is not None
    assert nothing is not None
    assert chosen <= nothing * (1 + 1e-9)


def test_a_residual_edge_stays_on_chip_beside_the_layers_it_jumps_over():
    layers = [
        elementwise("in", KIB, 8 * KIB, enters=KIB),
        elementwise("a", 8 * KIB, 8 * KIB),
        elementwise("b", 8 * KIB, 8 * KIB),
        elementwise("sum", 16 * KIB, 8 * KIB, leaves=8 * KIB),
    ]
    graph = joined(layers, [("in", "a"), ("a", "b"), ("b", "sum"), ("in", "sum")])
    for kib, kept in ((32, {"in", "a", "b"}), (20, {"a", "b"})):
        costs = price(graph, small_system(kib), "energy")
        found = plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, ENERGY)
        assert {home.tensor for home in found.homes} == kept or kib == 20
        assert len(found.homes) >= 2


def test_among_many_layers_a_tensor_that_lives_long_has_no_home(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else each layer would stand beside all tensors that jump over it."""
    names = ["in", *(f"l{index}" for index in range(6))]
    layers = [elementwise(name, KIB, KIB, enters=KIB if name == "in" else 0) for name in names]
    layers.append(elementwise("sum", 2 * KIB, KIB, leaves=KIB))
    graph = joined(layers, [*pairwise([*names, "sum"]), ("in", "sum")])
    costs = price(graph, small_system(40), "energy")

    def at_home() -> set[str]:
        return {home.tensor for home in plan_homes(costs, everywhere(graph), LAYER_BY_LAYER, ENERGY).homes}

    assert at_home() == set(names)
    monkeypatch.setattr(plan, "ALL_LIVES_LAYERS", 7)
    monkeypatch.setattr(plan, "LONGEST_LIFE", 3)
    assert at_home() == set(names[1:])
    assert "of 1 tensors that live beside more than 3" in caplog.text


def test_a_layer_beside_tensors_of_others_is_mapped_to_what_is_left():
    graph = joined([pointwise("conv", 32, 64, 64)], [])
    costs = price(graph, small_system(256), "energy")
    home_costs = HomeCosts(costs, LAYER_BY_LAYER)
    other = HomeTensor(layer="other", home="edge_tpu", size_bytes=240 * KIB, first=0, last=2, readers={"x": 1})
    alone, beside = (
        home_costs.best(step_of(graph, "conv", "edge_tpu", live), parameters=False) for live in ([], [other])
    )
    assert alone is not None
    assert beside is not None
    assert alone.cost == costs.cost("conv", "edge_tpu")
    assert beside.beside_bytes <= 16 * KIB < alone.beside_bytes
    assert beside.cost.energy_pj >= alone.cost.energy_pj


def test_equal_layers_have_equal_costs_each_under_its_own_name():
    """The second is not priced again; one that reads from home, or with less room, is another matter."""
    layers = [pointwise(name, 32, 64, 64) for name in ("one", "two", "three")]
    graph = joined(layers, [("one", "two"), ("two", "three")])
    costs = price(graph, small_system(256), "energy")
    other = HomeTensor(layer="other", home="edge_tpu", size_bytes=240 * KIB, first=0, last=2, readers={"x": 1})
    steps = [(name, live) for live in ([], [other]) for name in ("two", "three")]
    shared = HomeCosts(costs, LAYER_BY_LAYER)
    for name, live in steps:
        step = step_of(graph, name, "edge_tpu", live)
        found = shared.best(step, parameters=False)
        assert found == HomeCosts(costs, LAYER_BY_LAYER).best(step, parameters=False)
        assert found is not None
        assert found.cost.layer == name


def test_inputs_at_home_are_read_there_and_the_others_in_memory():
    """Of two inputs one is at home: its bytes leave the memory's traffic, and the level is read instead."""
    layers = [
        elementwise("one", KIB, 8 * KIB, enters=KIB),
        elementwise("other", KIB, 24 * KIB, enters=KIB),
        elementwise("sum", 32 * KIB, 8 * KIB, leaves=8 * KIB),
    ]
    graph = joined(layers, [("one", "sum"), ("other", "sum")])
    costs = price(graph, small_system(64), "energy")
    tensors, _ = tensors_of(graph, costs.system, everywhere(graph))
    home_costs = HomeCosts(costs, LAYER_BY_LAYER)

    def read(*live: str) -> LayerCost:
        step = step_of(graph, "sum", "edge_tpu", [tensors[name] for name in live])
        found = home_costs.best(step, parameters=False)
        assert found is not None
        return found.cost

    all_in_memory, one, other, both = read(), read("one"), read("other"), read("one", "other")
    assert [each.memory_read_bytes for each in (all_in_memory, one, other, both)] == [32 * KIB, 24 * KIB, 8 * KIB, 0]
    (placed,) = costs.system.accelerators
    level = placed.array.buffer("activation")
    read_pj, _ = access_pj(placed, level)
    more_pj = one.dynamic_pj[level.component] - all_in_memory.dynamic_pj[level.component]
    assert more_pj == pytest.approx(read_pj * 8 * KIB * 8 / level.access_bits)


def test_a_tensor_without_a_home_says_why():
    layers = [
        elementwise("far", KIB, KIB, enters=KIB),
        elementwise("out", KIB, KIB, leaves=KIB),
        elementwise("big", KIB, 4096 * KIB),
        elementwise("end", 4098 * KIB, KIB, leaves=KIB),
    ]
    graph = joined(layers, [("far", "out"), ("out", "big"), ("big", "end"), ("far", "end")])
    able, refused = tensors_of(graph, small_system(40), everywhere(graph))
    assert list(able) == ["far"]
    assert refused == {
        "out": "it leaves the model",
        "big": f"its {4096 * KIB} bytes exceed the {40 * KIB} of edge_tpu",
    }
    mensa = load_system("mensa_g")
    assignment = {**everywhere(graph, "pascal"), "end": "jacquard"}
    _, refused = tensors_of(graph, mensa, assignment)
    assert refused["far"] == "it is read on jacquard too"
    _, refused = tensors_of(graph, load_system("coral_usb3"), everywhere(graph, "coral"))
    assert "a host feeds its accelerator" in refused["far"]


def test_a_choice_that_is_not_proved_says_how_far_it_may_be_from_the_best():
    assert gap_above(1.0, 1.1) == pytest.approx(0.1)
    assert gap_above(1.0, 1.0 + 1e-9) == 0.0
    assert gap_above(0.0, 0.0) == 0.0
    with pytest.raises(ValueError, match="homes_gap"):
        DataPlan(homes_gap=-0.1)


def test_what_fits_no_room_that_streaming_parameters_are_left_takes_what_it_takes():
    layers = [pointwise("a", 8, 64, 64), pointwise("b", 8, 64, 64), elementwise("c", 4 * KIB, KIB, leaves=KIB)]
    graph = joined(layers, [("a", "b"), ("b", "c")])
    costs = price(graph, small_system(40), "energy")
    narrow = DataPlan(parameters=(KeptParameters(accelerator="edge_tpu", layers=(), room_bytes=1),))
    homes = plan_homes(costs, everywhere(graph), narrow, (1.0, 0.0)).homes
    assert [home.tensor for home in homes] == ["a", "b"]
