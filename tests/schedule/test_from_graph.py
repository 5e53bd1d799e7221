"""From graph, system and costs to the numbers of the problem, against figures worked by hand."""

import pytest
from systems import STATIC_MW, a_cost_table, a_graph, a_system

from mensa_sim.errors import InfeasibleError, UnknownNameError
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.problem import Problem
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer


def toy(**fields: object) -> Problem:
    graph, system = a_graph(), a_system(families={1: "near", 3: "far"})
    return problem_of(graph, system, a_cost_table(graph, system), static_mw=STATIC_MW, **fields)  # type: ignore[arg-type]


def test_a_recurrent_group_is_one_unit_that_costs_the_sum_of_its_members() -> None:
    problem = toy()
    assert [unit.layers for unit in problem.units] == [("conv",), ("input",), ("hidden", "cell"), ("head",)]
    group = problem.units[2]
    assert group.name == "lstm"
    assert [group.option(a).latency_ps for a in (0, 1)] == [2_000_000, 4_000_000]
    assert [group.option(a).energy_pj for a in (0, 1)] == [20.0, 40.0]
    assert group.option(0).memory_ps == 2 * 64_000


def test_an_output_read_whole_is_one_tensor_and_a_slice_of_it_another() -> None:
    tensors = [(tensor.producer, tensor.readers, tensor.size_bytes) for tensor in toy().tensors]
    assert tensors == [(0, (2,), 10), (0, (1, 3), 4096), (1, (2,), 1000), (2, (3,), 300)]


def test_a_unit_takes_family_parameters_and_macs_of_one_step_from_its_heaviest_member() -> None:
    units = toy().units
    assert [unit.family for unit in units] == [1, 3, 3, None]
    assert [unit.parameter_bytes for unit in units] == [2304, 1_048_576, 1_048_576, 0]
    assert [unit.macs_per_step for unit in units] == [9_437_184, 1_048_576, 1_048_576, 0]


def test_a_transfer_reads_crosses_and_writes_and_is_priced_by_hand() -> None:
    problem = toy()
    assert problem.transfer_ps(4000, "dram", "stack") == 4_000_000 + 77 + 4_000_000 + 1_000_000
    assert problem.transfer_pj(4000, "dram", "stack") == 4000 * 8 * (1.0 + 0.5 + 2.0)


def test_nothing_is_paid_for_zero_bytes_or_within_one_memory() -> None:
    problem = toy()
    assert (problem.transfer_ps(0, "dram", "stack"), problem.transfer_pj(0, "dram", "stack")) == (0, 0.0)
    assert (problem.transfer_ps(4000, "stack", "stack"), problem.transfer_pj(4000, "stack", "stack")) == (0, 0.0)


def test_memories_without_a_link_are_an_error_that_names_them() -> None:
    graph, system = a_graph(), a_system(links=False)
    with pytest.raises(InfeasibleError, match="no link joins the memories dram and stack"):
        problem_of(graph, system, a_cost_table(graph, system), static_mw=STATIC_MW)


def test_a_refused_member_refuses_the_group_and_says_why() -> None:
    graph, system = a_graph(), a_system()
    costs = a_cost_table(graph, system, refused=[("hidden", "far")])
    problem = problem_of(graph, system, costs, static_mw=STATIC_MW)
    assert problem.units[2].allowed == (0,)
    with pytest.raises(InfeasibleError, match="hidden: no buffer holds one tile"):
        problem.units[2].option(1)


def test_a_layer_that_nothing_runs_is_infeasible_and_every_accelerators_reason_is_given() -> None:
    graph, system = a_graph(), a_system()
    costs = a_cost_table(graph, system, refused=[("conv", "near"), ("conv", "far")])
    with pytest.raises(InfeasibleError, match=r"no accelerator can run conv \(near: .*; far: "):
        problem_of(graph, system, costs, static_mw=STATIC_MW)


def test_a_pin_on_one_member_pins_the_group() -> None:
    assert [unit.pin for unit in toy(pins={"cell": "far"}).units] == [None, None, 1, None]


def test_pins_that_tear_a_group_apart_are_infeasible_and_named() -> None:
    with pytest.raises(InfeasibleError, match=r"group lstm .*hidden to near, cell to far"):
        toy(pins={"hidden": "near", "cell": "far"})


def test_a_pin_on_an_accelerator_that_refuses_is_infeasible() -> None:
    graph, system = a_graph(), a_system()
    costs = a_cost_table(graph, system, refused=[("conv", "far")])
    with pytest.raises(InfeasibleError, match="conv is pinned to an accelerator that cannot run it"):
        problem_of(graph, system, costs, static_mw=STATIC_MW, pins={"conv": "far"})


@pytest.mark.parametrize("pins", [{"convv": "near"}, {"conv": "nearr"}])
def test_pins_with_unknown_names_list_the_choices(pins: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        toy(pins=pins)


def test_a_group_that_data_leaves_and_enters_again_is_infeasible() -> None:
    layers = (
        Layer(name="a", operator="add", group="g"),
        Layer(name="between", operator="add"),
        Layer(name="b", operator="add", group="g"),
    )
    edges = (
        Edge(producer="a", consumer="between", size_bytes=1),
        Edge(producer="between", consumer="b", size_bytes=1),
    )
    graph, system = LayerGraph(name="loop", layers=layers, edges=edges), a_system()
    with pytest.raises(InfeasibleError, match="groups g cannot run as one piece"):
        problem_of(graph, system, a_cost_table(graph, system), static_mw=STATIC_MW)


def test_a_group_may_bear_the_name_of_a_layer() -> None:
    layers = (Layer(name="g", operator="add"), Layer(name="x", operator="add", group="g"))
    edges = (Edge(producer="g", consumer="x", size_bytes=1),)
    graph, system = LayerGraph(name="names", layers=layers, edges=edges), a_system()
    problem = problem_of(graph, system, a_cost_table(graph, system), static_mw=STATIC_MW)
    assert [unit.layers for unit in problem.units] == [("g",), ("x",)]
