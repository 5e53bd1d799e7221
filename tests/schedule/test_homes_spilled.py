"""Tensors at home when another request needs their room: they leave for memory, are charged, and are read there."""

from dataclasses import replace

from homes_problems import KIB, elementwise, joined, small_system

from mensa_sim.cost.prices.price import price
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.scenario.arrivals import Trace
from mensa_sim.simulate.scenario.run import Scheduled, SimulatedScenario, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.workload.graph import LayerGraph

CAPACITY = 40 * KIB


def scheduled(name: str, size_kib: int, length: int) -> Scheduled:
    """A chain whose first tensor is read once more at its end, everything at home."""
    size = size_kib * KIB
    layers = [
        elementwise("l0", KIB, size, enters=KIB),
        *(elementwise(f"l{index}", size, size) for index in range(1, length)),
        elementwise("end", 2 * size, KIB, leaves=KIB),
    ]
    edges = [(f"l{index - 1}", f"l{index}") for index in range(1, length)]
    graph: LayerGraph = replace(joined(layers, [*edges, (f"l{length - 1}", "end"), ("l0", "end")]), name=name)
    costs = price(graph, small_system(40), "energy")
    on = {layer.name: "edge_tpu" for layer in graph.layers}
    homes = plan_homes(costs, on, LAYER_BY_LAYER, (1.0, 0.0)).homes
    assert len(homes) == length
    return Scheduled(graph=graph, costs=costs, assignment=on, data=DataPlan(flow="homes", homes=homes))


def run(first: Scheduled, urgent: Scheduled, at_ps: int) -> SimulatedScenario:
    streams = (
        Stream(name="first", workload="first", arrivals=Trace(times_ps=(0,))),
        Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(at_ps,)), priority=1),
    )
    scenario = Scenario(name="s", streams=streams, policy="priority", options=FULL)
    return simulate_scenario(scenario, {"first": first, "urgent": urgent})


def middle_of(each: Scheduled, layer: str) -> int:
    """When a layer is half done if nothing else runs."""
    timeline = simulate(each.graph, each.costs, each.assignment, FULL, each.data)
    span = next(span for span in timeline.spans if span.layer == layer and span.kind == "layer")
    return (span.start_ps + span.end_ps) // 2


def moved(result: SimulatedScenario, kind: str) -> int:
    return sum(span.size_bytes for span in result.timeline.spans if span.kind == kind)


def test_a_tensor_leaves_for_a_request_that_goes_first_and_is_read_back_from_memory():
    first, urgent = scheduled("first", 12, 3), scheduled("urgent", 13, 2)
    result = run(first, urgent, middle_of(first, "l1"))
    spilled = [span for span in result.timeline.spans if span.kind == "spill"]
    assert [(span.request, span.layer, span.size_bytes) for span in spilled] == [
        ("first#0", "l0", 12 * KIB),
        ("first#0", "l1", 12 * KIB),
    ]
    memory = small_system(40).memories["lpddr4"]
    assert [span.energy_pj for span in spilled] == [{"memory": memory.transfer_pj(write_bytes=12 * KIB)}] * 2
    assert [result.metrics.streams[name].spilled_bytes for name in ("first", "urgent")] == [24 * KIB, 0]
    alone = sum(
        span.size_bytes
        for each in (first, urgent)
        for span in simulate(each.graph, each.costs, each.assignment, FULL, each.data).spans
    )
    whole = sum(span.size_bytes for span in result.timeline.spans)
    # l2 reads l1 from memory, and the end both of its inputs, of which l2 never left.
    assert whole == alone + 24 * KIB + 12 * KIB + 24 * KIB
    assert max(level.size_bytes for level in result.timeline.levels if level.buffer == "activation") <= CAPACITY


def test_where_both_fit_nothing_leaves():
    first, urgent = scheduled("first", 6, 3), scheduled("urgent", 6, 2)
    result = run(first, urgent, middle_of(first, "l1"))
    assert not moved(result, "spill")
    levels = [level.size_bytes for level in result.timeline.levels if level.buffer == "activation"]
    assert 18 * KIB < max(levels) <= CAPACITY


def test_energy_of_a_run_with_spills_is_that_of_its_spans():
    first, urgent = scheduled("first", 12, 3), scheduled("urgent", 13, 2)
    result = run(first, urgent, middle_of(first, "l1"))
    found = sum(span.energy_pj.get("memory", 0.0) for span in result.timeline.spans)
    assert abs(result.metrics.energy_by_component_pj["memory"] - found) <= 1e-6 * found


def test_a_run_that_stops_within_a_spill_counts_the_bytes_that_have_passed():
    first, urgent = scheduled("first", 12, 3), scheduled("urgent", 13, 2)
    spill = next(span for span in run(first, urgent, middle_of(first, "l1")).timeline.spans if span.kind == "spill")
    streams = (
        Stream(name="first", workload="first", arrivals=Trace(times_ps=(0,))),
        Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(middle_of(first, "l1"),)), priority=1),
    )
    stop_ps = (spill.start_ps + spill.end_ps) // 2
    scenario = Scenario(name="s", streams=streams, policy="priority", options=FULL, duration_ps=stop_ps)
    result = simulate_scenario(scenario, {"first": first, "urgent": urgent})
    assert 10 * KIB <= moved(result, "spill") <= 14 * KIB
    assert result.metrics.streams["first"].spilled_bytes == moved(result, "spill")
