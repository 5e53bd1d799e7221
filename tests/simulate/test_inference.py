"""One inference: worked by hand, against the analytical sum, and invariants over random problems."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from simulation_problems import (
    accelerator,
    chain,
    cost,
    everything_on,
    layer,
    link,
    memory,
    problems,
    system,
    table,
)

from mensa_sim.errors import InfeasibleError, UnknownNameError, UsageError
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.inference import energy_by_component
from mensa_sim.units import transfer_ps
from mensa_sim.workload.graph import Edge, LayerGraph


def times(timeline, resource):
    return [(s.layer, s.kind, s.start_ps, s.end_ps) for s in timeline.spans if s.resource == resource]


def test_head_body_and_tail_follow_each_other_as_worked_by_hand():
    graph = chain(layer("a"), layer("b"))
    platform = system([accelerator("acc")])
    costs = table(
        graph,
        platform,
        [cost("a", "acc", compute=5, head=2, body=3, tail=1), cost("b", "acc", compute=1, body=4, overlap=False)],
    )
    timeline = simulate(graph, costs, everything_on(graph, "acc"))
    assert times(timeline, "acc") == [
        ("a", "layer", 0, 8000),
        ("b", "layer", 8000, 13000),
    ]
    assert times(timeline, "ram") == [
        ("a", "head", 0, 2000),
        ("a", "body", 2000, 5000),
        ("a", "tail", 7000, 8000),
        ("b", "body", 8000, 12000),
    ]


def test_branches_run_in_parallel_and_equal_memory_bound_ones_take_twice_as_long():
    graph = LayerGraph(name="net", layers=(layer("a"), layer("b")), edges=())
    platform = system([accelerator("one"), accelerator("two")])
    costs = table(graph, platform, [cost("a", "one", compute=1, body=1000), cost("b", "two", compute=1, body=1000)])
    timeline = simulate(graph, costs, {"a": "one", "b": "two"})
    assert timeline.end_ps == 2 * costs.latency_ps("a", "one")
    assert {span.end_ps for span in timeline.spans} == {2_000_000}


def test_a_tensor_for_another_memory_is_read_carried_and_written_once():
    layers = (layer("a", output_bytes=10), layer("b"), layer("c"), layer("d"))
    edges = tuple(Edge(producer="a", consumer=name, size_bytes=10) for name in "bcd")
    graph = LayerGraph(name="net", layers=layers, edges=edges)
    platform = system(
        [accelerator("near", "ram"), accelerator("far", "stack")],
        {"ram": memory(), "stack": memory(10**10)},
        [link("ram", "stack", bandwidth_bytes_per_s=5 * 10**9, latency_ps=70)],
    )
    costs = table(
        graph, platform, [cost("a", "near", compute=1), *(cost(n, "far", compute=1) for n in "bc"), cost("d", "near")]
    )
    timeline = simulate(graph, costs, {"a": "near", "b": "far", "c": "far", "d": "near"})
    moves = [(s.resource, s.start_ps, s.end_ps, s.size_bytes) for s in timeline.spans if s.kind == "transfer"]
    assert moves == [("ram", 1000, 11000, 10), ("ram-stack", 11000, 13070, 10), ("stack", 13070, 14070, 10)]
    assert times(timeline, "far") == [("b", "layer", 14070, 15070), ("c", "layer", 15070, 16070)]
    assert times(timeline, "near")[1] == ("d", "layer", 1000, 1000)
    assert energy_by_component(s for s in timeline.spans if s.kind == "transfer") == {
        "link": 8 * 10 * 0.5,
        "memory": 8 * 10 * (1.0 + 2.0),
    }


def test_a_recurrent_group_occupies_its_accelerator_without_a_break():
    """A layer that is ready meanwhile and earlier in graph order waits until the group has ended."""
    layers = (layer("x"), layer("g1", group="g"), layer("y"), layer("g2", group="g"))
    edges = (Edge(producer="x", consumer="y", size_bytes=1), Edge(producer="g1", consumer="g2", size_bytes=1))
    graph = LayerGraph(name="net", layers=layers, edges=edges)
    platform = system([accelerator("acc"), accelerator("other")])
    costs = table(
        graph,
        platform,
        [cost("x", "other", compute=1), *(cost(name, "acc", compute=10) for name in ("g1", "y", "g2"))],
    )
    timeline = simulate(graph, costs, {"x": "other", "g1": "acc", "y": "acc", "g2": "acc"})
    assert [name for name, *_ in times(timeline, "acc")] == ["g1", "g2", "y"]


@pytest.mark.parametrize("busy", [0, 10])
def test_units_that_become_ready_at_one_instant_go_in_graph_order(busy):
    """a ends before b in the order of events, but c, which waits for b, stands before d; e may end just then too."""
    layers = tuple(layer(name) for name in "abcde")
    edges = (Edge(producer="a", consumer="d", size_bytes=1), Edge(producer="b", consumer="c", size_bytes=1))
    graph = LayerGraph(name="net", layers=layers, edges=edges)
    platform = system([accelerator(name) for name in ("one", "two", "three")])
    where = {"a": "one", "b": "two", "c": "three", "d": "three", "e": "three"}
    cycles = {"a": 10, "b": 10, "c": 1, "d": 1, "e": busy}
    costs = table(graph, platform, [cost(name, where[name], compute=cycles[name]) for name in "abcde"])
    timeline = simulate(graph, costs, where)
    assert [name for name, *_ in times(timeline, "three")] == ["e", "c", "d"]


@given(problems())
def test_one_accelerator_takes_exactly_the_analytical_sum(problem):
    graph, costs, _ = problem
    name = costs.system.accelerators[0].name
    timeline = simulate(graph, costs, everything_on(graph, name))
    assert timeline.end_ps == sum(costs.latency_ps(each.name, name) for each in graph.layers)


@given(problems())
def test_each_layer_runs_once_after_what_it_reads_on_an_accelerator_that_does_nothing_else(problem):
    graph, costs, assignment = problem
    timeline = simulate(graph, costs, assignment)
    for each in graph.layers:
        bodies = [s for s in timeline.spans if s.layer == each.name and s.resource == assignment[each.name]]
        assert [s.kind for s in bodies] == ["layer"]
        begin = min(s.start_ps for s in bodies)
        for producer in graph.predecessors(each.name):
            if graph[producer].group is None or graph[producer].group != each.group:
                ends = [s.end_ps for s in timeline.spans if s.layer == producer and s.resource == assignment[producer]]
                assert max(ends) <= begin
    for placed in costs.system.accelerators:
        busy = [s for s in timeline.spans if s.resource == placed.name]
        assert all(one.end_ps <= other.start_ps for one, other in pairwise(busy))


@given(problems())
def test_energy_of_spans_is_that_of_layers_and_copies_to_the_last_bit(problem):
    graph, costs, assignment = problem
    timeline = simulate(graph, costs, assignment)
    for component in ("mac", "memory"):
        spans = [s.energy_pj.get(component, 0.0) for s in timeline.spans if s.kind != "transfer"]
        layers = [costs.cost(each.name, assignment[each.name]).dynamic_pj[component] for each in graph.layers]
        assert math.fsum(spans) == math.fsum(layers)
    size = sum(s.size_bytes for s in timeline.spans if s.kind == "transfer" and "-" in s.resource)
    assert energy_by_component(s for s in timeline.spans if s.kind == "transfer").get("link", 0.0) == size * 8 * 0.5


@given(problems())
def test_latency_lies_between_the_critical_path_and_the_serial_sum(problem):
    """Ends at whole picoseconds may lose less than one for each change of a share."""
    graph, costs, assignment = problem
    platform = costs.system
    timeline = simulate(graph, costs, assignment)
    ready: dict[str, int] = {}
    serial = 0
    for each in graph.layers:
        own = costs.latency_ps(each.name, assignment[each.name])
        before = [ready[p] for p in graph.predecessors(each.name)]
        ready[each.name] = max(before, default=0) + own
        serial += own
        there = {platform.storage_of(assignment[c]): [] for c in graph.successors(each.name)}
        for consumer in graph.successors(each.name):
            there[platform.storage_of(assignment[consumer])].append(consumer)
        home = platform.storage_of(assignment[each.name])
        for name, consumers in there.items():
            size = max((graph.edge_bytes(each.name, consumer) for consumer in consumers), default=0)
            if name != home and size:
                wire = platform.link_between(home, name)
                serial += wire.latency_ps + transfer_ps(size, wire.bandwidth_bytes_per_s)
                serial += sum(transfer_ps(size, platform.memories[m].effective_bytes_per_s) for m in (home, name))
    assert max(ready.values()) <= timeline.end_ps <= serial + len(timeline.spans)


@given(problems())
def test_the_same_problem_gives_the_same_timeline(problem):
    assert simulate(*problem) == simulate(*problem)


def test_a_missing_link_says_which_layers_need_it():
    graph = chain(layer("a", output_bytes=1), layer("b"))
    platform = system([accelerator("one", "ram"), accelerator("two", "stack")], {"ram": memory(), "stack": memory()})
    costs = table(graph, platform, [cost("a", "one"), cost("b", "two")])
    with pytest.raises(InfeasibleError, match=r"no link joins .* ram and stack, so nothing .* from one to two"):
        simulate(graph, costs, {"a": "one", "b": "two"})


def test_a_group_on_two_accelerators_is_refused():
    graph = chain(layer("a", group="g"), layer("b", group="g"))
    platform = system([accelerator("one"), accelerator("two")])
    costs = table(graph, platform, [cost("a", "one"), cost("b", "two")])
    with pytest.raises(InfeasibleError, match="group g is split over one, two"):
        simulate(graph, costs, {"a": "one", "b": "two"})


def test_a_group_that_waits_for_itself_through_another_layer_is_refused():
    graph = chain(layer("a", group="g"), layer("b"), layer("c", group="g"))
    platform = system([accelerator("one")])
    costs = table(graph, platform, [cost(name, "one") for name in "abc"])
    with pytest.raises(InfeasibleError, match="cannot run as one piece"):
        simulate(graph, costs, everything_on(graph, "one"))


def test_an_assignment_that_does_not_fit_is_refused_by_name():
    graph = chain(layer("a"), layer("b"))
    platform = system([accelerator("one")])
    costs = table(graph, platform, [cost("a", "one")])
    with pytest.raises(UsageError, match="no accelerator to layer 'b'"):
        simulate(graph, costs, {"a": "one"})
    with pytest.raises(UnknownNameError, match="unknown accelerator for layer 'b' 'two'"):
        simulate(graph, costs, {"a": "one", "b": "two"})
    with pytest.raises(UnknownNameError, match="unknown layer in the schedule of net 'c'"):
        simulate(graph, costs, {"a": "one", "b": "one", "c": "one"})
    with pytest.raises(InfeasibleError, match="one cannot run b: no cost given"):
        simulate(graph, costs, {"a": "one", "b": "one"})
