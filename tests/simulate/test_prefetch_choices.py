"""What a prefetch brings, for whom, and how much of it fits."""

from dataclasses import replace

import pytest
from simulation_problems import accelerator, chain, cost, everything_on, layer, system, table

from mensa_sim.cost.layer_cost import Residency
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.scenario.arrivals import Trace
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.workload.graph import Edge, LayerGraph


@pytest.mark.parametrize(("early", "end_ns"), [(8, 21), (10, 21), (12, 23)])
def test_the_head_waits_for_no_more_than_what_has_not_come_early(early: int, end_ns: int) -> None:
    """b reads 4 bytes before it computes for 11 cycles beside 6 more; while a computes, `early` bytes can come."""
    graph = chain(layer("a"), layer("b", parameter_bytes=10))
    costs = [
        cost("a", "acc", compute=early),
        cost("b", "acc", compute=11, head=4, body=6, weight=10),
    ]
    platform = system([accelerator("acc", parameter_buffer=100)])
    timeline = simulate(graph, table(graph, platform, costs), everything_on(graph, "acc"), Options(prefetch=True))
    prefetched = [span.size_bytes for span in timeline.spans if span.kind == "prefetch"]
    assert prefetched == [min(early, 10)]
    assert timeline.end_ps == end_ns * 1000


def test_parameters_that_stay_leave_less_room_for_those_that_come_early() -> None:
    """Of 26 bytes 8 stay and 4 are in use: 14 of the next layer's 18 have room while it waits for 50 cycles."""
    graph = chain(*(layer(name, parameter_bytes=size) for name, size in (("p", 8), ("a", 4), ("b", 18))))
    streamed = [cost(name, "acc", compute=50, body=size, weight=size) for name, size in (("p", 8), ("a", 4), ("b", 18))]
    resident = cost("p", "acc", compute=50, residency=Residency(parameters=True))
    costs = table(graph, system([accelerator("acc", parameter_buffer=26)]), [*streamed, resident])
    options = Options(prefetch=True, parameters="first-fit")
    turns = simulate_in_turn(graph, costs, everything_on(graph, "acc"), options, inferences=2)
    early = [(span.layer, span.size_bytes) for span in turns[1].spans if span.kind == "prefetch"]
    assert early == [("a", 4), ("b", 14)]


def test_what_comes_early_leaves_room_for_parameters_that_come_to_stay() -> None:
    """Both layers stream in tiles of 2, but at the end of p all its 20 bytes are in the 40 of the buffer."""
    graph = chain(layer("p", parameter_bytes=20), layer("b", parameter_bytes=30))
    streamed = [cost(name, "acc", compute=100, body=size, weight=size) for name, size in (("p", 20), ("b", 30))]
    tiled = [replace(each, buffered_bytes={"parameter": 2}) for each in streamed]
    resident = cost("p", "acc", compute=100, residency=Residency(parameters=True))
    costs = table(graph, system([accelerator("acc", parameter_buffer=40)]), [*tiled, resident])
    options = Options(prefetch=True, parameters="first-fit")
    timeline = simulate(graph, costs, everything_on(graph, "acc"), options)
    (early,) = [span.size_bytes for span in timeline.spans if span.kind == "prefetch"]
    assert 0 < early <= 40 - 20


@pytest.mark.parametrize(("priority", "next_layer"), [(1, "u"), (0, "c")])
def test_what_comes_early_is_for_the_unit_that_goes_next(priority: int, next_layer: str) -> None:
    """b follows a, whose output stays; behind b comes the urgent request that has arrived meanwhile, else c."""
    graph = chain(layer("a", output_bytes=5), layer("b", output_bytes=5), layer("c", parameter_bytes=9))
    entries = [cost("a", "acc", compute=10), cost("a", "acc", compute=10, residency=Residency(output=True))]
    for residency in (Residency(), Residency(input=True), Residency(output=True), Residency(input=True, output=True)):
        entries.append(cost("b", "acc", compute=50, body=20 - 10 * residency.input, residency=residency))
        entries.append(cost("c", "acc", compute=10, body=9, weight=9, residency=residency))
    costs = table(graph, system([accelerator("acc", activation_buffer=100, parameter_buffer=100)]), entries)
    other = chain(layer("u", parameter_bytes=7), name="urgent")
    urgent = table(other, costs.system, [cost("u", "acc", compute=10, body=7, weight=7)])
    workloads = {
        "net": Scheduled(graph=graph, costs=costs, assignment=everything_on(graph, "acc")),
        "urgent": Scheduled(graph=other, costs=urgent, assignment={"u": "acc"}),
    }
    streams = (
        Stream(name="net", workload="net", arrivals=Trace(times_ps=(0,))),
        Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(1000,)), priority=priority),
    )
    options = Options(prefetch=True, activations=True)
    scenario = Scenario(name="s", streams=streams, policy="priority", options=options)
    timeline = simulate_scenario(scenario, workloads, leakage_mw={"acc": {}}).timeline
    assert [span.layer for span in timeline.spans if span.resource == "acc"][1] == "b"
    during_b = [span for span in timeline.spans if span.kind == "prefetch" and span.start_ps == 10_000]
    assert [span.layer for span in during_b] == [next_layer]


def test_a_request_is_served_while_anything_works_on_it() -> None:
    """a takes 10 cycles and c behind it 3; beside them b takes 4 and d behind it 8: 13 of service, none of waiting."""
    times = {"a": 10, "b": 4, "c": 3, "d": 8}
    places = {"a": "one", "b": "two", "c": "one", "d": "two"}
    edges = (Edge(producer="a", consumer="c", size_bytes=0), Edge(producer="b", consumer="d", size_bytes=0))
    graph = LayerGraph(name="net", layers=tuple(layer(name) for name in times), edges=edges)
    costs = [cost(name, places[name], compute=cycles) for name, cycles in times.items()]
    platform = system([accelerator("one"), accelerator("two")])
    workload = Scheduled(graph=graph, costs=table(graph, platform, costs), assignment=places)
    stream = Stream(name="s", workload="net", arrivals=Trace(times_ps=(0,)))
    found = simulate_scenario(
        Scenario(name="s", streams=(stream,)), {"net": workload}, leakage_mw={"one": {}, "two": {}}
    ).metrics.streams["s"]
    assert (found.mean_service_ps, found.mean_queueing_ps) == (13_000, 0)


@pytest.mark.parametrize(("deadline_ps", "misses"), [(10_000, 0), (9_999, 1)])
def test_a_request_whose_deadline_is_the_end_of_the_run_has_not_missed_it(deadline_ps: int, misses: int) -> None:
    graph = chain(layer("a"))
    costs = table(graph, system([accelerator("acc")]), [cost("a", "acc", compute=20)])
    stream = Stream(name="s", workload="net", arrivals=Trace(times_ps=(0,)), deadline_ps=deadline_ps)
    scenario = Scenario(name="s", streams=(stream,), duration_ps=10_000)
    workload = Scheduled(graph=graph, costs=costs, assignment={"a": "acc"})
    found = simulate_scenario(scenario, {"net": workload}, leakage_mw={"acc": {}}).metrics.streams["s"]
    assert (found.finished, found.deadline_misses) == (0, misses)
