"""What prefetch and residency do: worked by hand, and never slower than without."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_problems import accelerator, chain, cost, everything_on, layer, system, table, tables

from mensa_sim.cost.layer_cost import STREAMED, Residency
from mensa_sim.cost.table import CostTable
from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.metrics.inference import energy_by_component, metrics
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.plan.residency import offer_of, pin
from mensa_sim.simulate.scenario.arrivals import Periodic, Trace
from mensa_sim.simulate.scenario.run import Scheduled, SimulatedScenario, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream

PREFETCH = Options(prefetch=True)
ACTIVATIONS = Options(activations=True)
INPUT, OUTPUT = Residency(input=True), Residency(output=True)
RESIDENT = Residency(parameters=True)


def bodies(timeline, resource="acc"):
    return [(s.layer, s.start_ps // 1000, s.end_ps // 1000) for s in timeline.spans if s.resource == resource]


def two_layers(first: int, second: int, compute: int = 10, buffer: int = 100, **more) -> CostTable:
    """Two layers of `compute` cycles whose parameters of so many bytes stream in beside the computation."""
    graph = chain(layer("a", parameter_bytes=first), layer("b", parameter_bytes=second))
    costs = [
        cost("a", "acc", compute=compute, body=first, weight=first, **more),
        cost("b", "acc", compute=compute, body=second, weight=second, **more),
    ]
    return table(graph, system([accelerator("acc", parameter_buffer=buffer)]), costs)


def on_acc(costs: CostTable, options: Options):
    return simulate(costs.graph, costs, everything_on(costs.graph, "acc"), options)


def test_parameters_of_the_next_layer_come_while_the_memory_is_idle():
    """a: 4 of 10 cycles streaming, so 6 bytes of b come early; the other 12 stream beside b."""
    timeline = on_acc(two_layers(4, 18), PREFETCH)
    assert bodies(timeline) == [("a", 0, 10), ("b", 10, 22)]
    moved = [(s.kind, s.layer, s.size_bytes) for s in timeline.spans if s.resource == "ram"]
    assert moved == [("body", "a", 4), ("prefetch", "b", 6), ("body", "b", 12)]


def test_a_layer_whose_parameters_all_came_early_takes_its_computation_alone():
    timeline = on_acc(two_layers(1, 9, compute=10, head=0), PREFETCH)
    assert bodies(timeline) == [("a", 0, 10), ("b", 10, 20)]
    slow = on_acc(two_layers(1, 9, compute=10, overlap=False), Options())
    fast = on_acc(two_layers(1, 9, compute=10, overlap=False), PREFETCH)
    assert (slow.end_ps, fast.end_ps) == (30_000, 21_000)


def test_prefetch_waits_for_room_in_the_parameter_buffer():
    """Beside the 4 bytes of the running layer, a buffer of 7 has room for 3."""
    timeline = on_acc(two_layers(4, 18, buffer=7), PREFETCH)
    assert [s.size_bytes for s in timeline.spans if s.kind == "prefetch"] == [3]
    assert on_acc(two_layers(4, 18, buffer=4), PREFETCH).end_ps == on_acc(two_layers(4, 18), Options()).end_ps


def staying(sizes: dict[str, int], buffer: int) -> CostTable:
    """Layers of 10 cycles after their parameters have come, all of which may stay."""
    graph = chain(*(layer(name, parameter_bytes=size) for name, size in sizes.items()))
    entries = [cost(name, "acc", compute=10, body=size, weight=size, overlap=False) for name, size in sizes.items()] + [
        cost(name, "acc", compute=10, residency=RESIDENT) for name in sizes
    ]
    return table(graph, system([accelerator("acc", parameter_buffer=buffer)]), entries)


def test_parameters_that_will_stay_come_early_into_the_room_that_is_kept_for_them():
    """A buffer that holds all, and nothing beside: of each layer but the first ten bytes come while another works."""
    full = Options(prefetch=True, parameters="best-value")
    first, later = (turn.end_ps for turn in simulate_in_turn_on_acc(staying({"a": 10, "b": 10, "c": 10}, 30), full))
    assert (first, later) == (40_000, 30_000)


def test_room_that_is_kept_for_others_may_be_used_until_they_come():
    """b stays and a does not fit beside it; in the first inference a's bytes take what is still free of b's room."""
    full = Options(prefetch=True, parameters="best-value")
    costs = staying({"z": 1, "a": 20, "b": 60}, 80)
    first, _ = (turn.end_ps for turn in simulate_in_turn_on_acc(costs, full))
    assert first == 1_000 + 10_000 + 10_000 + 10_000 + 10_000 + 50_000


def simulate_in_turn_on_acc(costs: CostTable, options: Options):
    return simulate_in_turn(costs.graph, costs, everything_on(costs.graph, "acc"), options, inferences=2)


def test_prefetch_changes_neither_bytes_nor_energy():
    plain, early = on_acc(two_layers(4, 18), Options()), on_acc(two_layers(4, 18), PREFETCH)
    assert energy_by_component(plain.spans) == energy_by_component(early.spans)
    assert sum(s.size_bytes for s in plain.spans) == sum(s.size_bytes for s in early.spans)


def kept_chain(buffer: int = 100) -> CostTable:
    """Three layers; with its input or output on chip each moves 5 bytes less for each."""
    graph = chain(layer("a", output_bytes=5), layer("b", output_bytes=5), layer("c"))
    entries = []
    for name in "abc":
        for incoming in (False, True):
            for output in (False, True):
                size = 20 - 5 * incoming - 5 * output
                residency = Residency(input=incoming, output=output)
                entries.append(cost(name, "acc", compute=1, body=size, residency=residency))
    return table(graph, system([accelerator("acc", activation_buffer=buffer)]), entries)


def test_an_output_stays_for_the_next_layer_on_the_same_accelerator():
    timeline = on_acc(kept_chain(), ACTIVATIONS)
    assert bodies(timeline) == [("a", 0, 15), ("b", 15, 25), ("c", 25, 40)]
    assert on_acc(kept_chain(), Options()).end_ps == 60_000


def test_an_output_with_a_second_reader_goes_to_memory():
    costs = kept_chain()
    edge = replace(costs.graph.edges[0], consumer="c")
    graph = replace(costs.graph, edges=(*costs.graph.edges, edge))
    timeline = on_acc(replace(costs, graph=graph), ACTIVATIONS)
    assert timeline.end_ps == 60_000


def test_a_residency_that_costs_more_time_or_is_not_the_one_asked_for_is_not_used():
    costs = kept_chain()
    lesser = {key: costs.costs[key[0], key[1], STREAMED] for key in costs.costs}
    assert on_acc(replace(costs, costs=lesser), ACTIVATIONS).end_ps == 60_000
    slow = {
        key: value if key[2] == STREAMED else replace(value, compute_cycles=30) for key, value in costs.costs.items()
    }
    assert on_acc(replace(costs, costs=slow), ACTIVATIONS).end_ps == 60_000


def test_a_request_of_higher_priority_goes_before_the_next_layer_but_one_at_the_latest():
    """At 1 ms the first layer keeps its output already, so that the second follows; then the urgent one goes."""
    costs = kept_chain()
    urgent = table(chain(layer("u"), name="urgent"), costs.system, [cost("u", "acc", compute=1)])
    workloads = {
        "net": Scheduled(graph=costs.graph, costs=costs, assignment=everything_on(costs.graph, "acc")),
        "urgent": Scheduled(graph=urgent.graph, costs=urgent, assignment={"u": "acc"}),
    }
    streams = (
        Stream(name="net", workload="net", arrivals=Trace(times_ps=(0,))),
        Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(1000,)), priority=1),
    )
    scenario = Scenario(name="s", streams=streams, policy="priority", options=ACTIVATIONS)
    timeline = simulate_scenario(scenario, workloads, leakage_mw={"acc": {}}).timeline
    assert bodies(timeline) == [("a", 0, 15), ("b", 15, 30), ("u", 30, 31), ("c", 31, 51)]


def resident_table(sizes: dict[str, int], saved: dict[str, int], buffer: int, reads: int | None = None) -> CostTable:
    """Layers whose parameters, when resident, save so many bytes of reading, of `reads` where not of all."""
    graph = chain(*(layer(name, parameter_bytes=size) for name, size in sizes.items()))
    all_reads = {name: saved[name] if reads is None else reads for name in sizes}
    entries = [cost(name, "acc", compute=1, body=all_reads[name], weight=saved[name]) for name in sizes]
    entries += [cost(name, "acc", compute=1, body=all_reads[name] - saved[name], residency=RESIDENT) for name in sizes]
    return table(graph, system([accelerator("acc", parameter_buffer=buffer)]), entries)


def pinned(costs: CostTable, policy: str, buffer: int) -> list[str]:
    plan = make_plan(costs.graph, costs, everything_on(costs.graph, "acc"), Options(parameters=policy))
    found = pin([plan], costs.system, "acc", policy)
    assert found.size_bytes <= buffer
    return [plan.units[index].layers[0] for _, index in sorted(found.units)]


@pytest.mark.parametrize(
    ("policy", "buffer", "expected"),
    [
        ("none", 100, []),
        ("first-fit", 100, ["a", "b", "c"]),
        ("first-fit", 60, ["a", "b", "c"]),
        ("first-fit", 50, ["a"]),
        ("best-value", 50, ["b"]),
        ("best-value", 40, ["b"]),
        ("best-value", 39, []),
    ],
)
def test_policies_fill_the_buffer_beside_the_largest_tile_that_still_streams(policy, buffer, expected):
    costs = resident_table({"a": 20, "b": 10, "c": 30}, {"a": 20, "b": 40, "c": 30}, buffer)
    assert pinned(costs, policy, buffer) == expected


@pytest.mark.parametrize("reads", [None, 100])
def test_the_best_value_is_what_all_of_the_buffer_saves(reads):
    """A byte of a saves twice what a byte of b does, but b saves twice as much as a; c streams 40 beside either."""
    for buffer, kept in ((85, ["b"]), (90, ["a", "b"])):
        costs = resident_table({"a": 10, "b": 40, "c": 40}, {"a": 20, "b": 40, "c": 0}, buffer, reads)
        assert pinned(costs, "best-value", buffer) == kept


def test_the_first_inference_fetches_what_later_ones_find():
    costs = resident_table({"a": 20, "b": 10}, {"a": 20, "b": 10}, buffer=30)
    turns = simulate_in_turn(
        costs.graph, costs, everything_on(costs.graph, "acc"), Options(parameters="first-fit"), inferences=3
    )
    assert [turn.end_ps for turn in turns] == [30_000, 2_000, 2_000]
    assert turns[1].spans == tuple(span._replace(request="net#1") for span in turns[2].spans)
    assert max(level.size_bytes for turn in turns for level in turn.levels) == 30


def test_a_shared_tensor_takes_its_room_once():
    tied = layer("b", parameter_bytes=20)
    tied = replace(tied, parameters=layer("a", parameter_bytes=20).parameters)
    costs = resident_table({"a": 20, "b": 20}, {"a": 20, "b": 20}, buffer=20)
    graph = chain(layer("a", parameter_bytes=20), tied)
    assert pinned(replace(costs, graph=graph), "first-fit", 20) == ["a", "b"]


SIZES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=8)


@settings(max_examples=60)
@given(SIZES, st.integers(1, 120), st.randoms())
def test_a_buffer_is_filled_with_each_that_fits_beside_those_before_it(drawn, buffer, draw):
    """Held against the definition, tried anew for each; layers with the same number share a tensor, 0 with nobody."""
    names = [f"l{place}" for place in range(len(drawn))]
    tensors = {name: f"t{shared}" if shared else name for name, (_, _, shared) in zip(names, drawn, strict=True)}
    sizes = {tensor: drawn[names.index(name)][0] for name, tensor in tensors.items()}
    costs = resident_table(
        {name: sizes[tensors[name]] for name in names},
        {name: saved for name, (_, saved, _) in zip(names, drawn, strict=True)},
        buffer,
    )
    own = [
        replace(each, parameters=(replace(each.parameters[0], name=tensors[each.name]),)) for each in costs.graph.layers
    ]
    costs = replace(costs, graph=chain(*own))
    plan = make_plan(costs.graph, costs, everything_on(costs.graph, "acc"), Options(parameters="first-fit"))
    offer = offer_of([plan], accelerator("acc", parameter_buffer=buffer))
    able = [index for _, index in offer.able]

    def fits(kept):
        held = {tensors[names[index]] for index in kept}
        lies = {index for index in able if tensors[names[index]] in held}
        tiles = [unit.variants.streamed.parameter_bytes for unit in plan.units if unit.index not in {*kept, *lies}]
        return sum(sizes[tensor] for tensor in held) + max(tiles, default=0) <= buffer

    order = draw.sample(able, len(able))
    expected = []
    for index in order:
        expected += [index] if fits([*expected, index]) else []
    assert [index for _, index in offer.fill((plan.name, index) for index in order)] == expected
    assert not offer_of([plan], accelerator("acc")).capacity_bytes


@pytest.mark.parametrize(("buffer", "early"), [(36, 6), (30, 0), (29, 9)])
def test_a_recurrent_group_that_fits_as_a_whole_leaves_the_rest_of_the_buffer(buffer, early):
    """Its 10 and 20 bytes stay from step to step in 30 or more; in less they stream, the larger layer at a time."""
    layers = (
        layer("g1", parameter_bytes=10, group="g"),
        layer("g2", parameter_bytes=20, group="g"),
        layer("b", parameter_bytes=18),
    )
    graph = chain(*layers)
    costs = [cost(each.name, "acc", compute=90, body=5, weight=5) for each in layers[:2]]
    costs.append(cost("b", "acc", compute=10, body=18, weight=18))
    platform = system([accelerator("acc", parameter_buffer=buffer)])
    timeline = on_acc(table(graph, platform, costs), PREFETCH)
    assert sum(s.size_bytes for s in timeline.spans if s.kind == "prefetch") == early


def gated(spec_of: CostTable, wake_up_ps: int, residual: float) -> CostTable:
    (placed,) = spec_of.system.accelerators
    gating = PowerGating(residual=residual, wake_up_ps=wake_up_ps, source="made up for tests")
    spec = replace(placed.spec, power_gating=gating)
    return replace(spec_of, system=replace(spec_of.system, accelerators=(replace(placed, spec=spec),)))


def test_a_gated_accelerator_leaks_less_wakes_late_and_has_forgotten_its_parameters():
    """Requests at 10 and 100: cut from 5 to 10, 30 of fetching, cut from 45 + 5 to 100, and fetching again."""
    costs = gated(resident_table({"a": 30}, {"a": 30}, buffer=30), wake_up_ps=5_000, residual=0.25)
    streams = (Stream(name="s", workload="net", arrivals=Trace(times_ps=(10_000, 100_000, 140_000))),)
    scenario = Scenario(name="s", streams=streams, options=Options(parameters="first-fit"), duration_ps=200_000)
    workloads = {"net": Scheduled(graph=costs.graph, costs=costs, assignment={"a": "acc"})}
    result = simulate_scenario(scenario, workloads, leakage_mw={"acc": {"mac": 4.0}})
    fetched = [("", 10, 15), ("a", 15, 45), ("", 100, 105), ("a", 105, 135)]
    assert bodies(result.timeline) == [*fetched, ("a", 140, 141)]
    load = result.metrics.accelerators["acc"]
    off_ps = (10 - 5 + 100 - 50 + 200 - 146) * 1000
    assert (load.off_ps, load.busy_ps) == (off_ps, 61_000)
    assert load.leakage_pj["mac"] == pytest.approx(4.0 * (200 - 0.75 * off_ps / 1000))


def test_a_gated_accelerator_leaks_less_in_a_single_inference():
    costs = gated(two_layers(4, 4), wake_up_ps=5_000, residual=0.25)
    timeline = on_acc(costs, Options())
    longer = replace(timeline, spans=(*timeline.spans, timeline.spans[0]._replace(resource="ram", end_ps=50_000)))
    result = metrics(longer, costs.system, costs.graph, {"acc": {"mac": 4.0}})
    assert result.accelerators["acc"].leakage_pj["mac"] == pytest.approx(4.0 * (25 + 0.25 * 25))


@settings(max_examples=60)
@given(tables())
def test_what_stays_on_chip_or_comes_early_never_costs_time(drawn):
    costs, options = drawn
    plain = on_acc(costs, Options()).end_ps
    assert plain == sum(costs.latency_ps(each.name, "acc") for each in costs.graph.layers)
    first, second = simulate_in_turn(costs.graph, costs, everything_on(costs.graph, "acc"), options, inferences=2)
    assert first.end_ps <= plain
    assert second.end_ps <= plain


@settings(max_examples=60)
@given(tables())
def test_buffers_never_hold_more_than_their_capacity(drawn):
    costs, options = drawn
    room = costs.system.accelerators[0].spec.buffer_bytes.get("parameter", 0)
    for turn in simulate_in_turn(costs.graph, costs, everything_on(costs.graph, "acc"), options, inferences=2):
        peak = max((level.size_bytes for level in turn.levels if level.buffer == "parameter"), default=0)
        assert peak <= room


def preempted(buffer: int) -> SimulatedScenario:
    """a and b of one request; while a runs, b is expected to follow, but a more urgent request arrives."""
    costs = two_layers(4, 18, buffer=buffer)
    urgent = table(
        chain(layer("u", parameter_bytes=20), name="urgent"),
        costs.system,
        [cost("u", "acc", compute=1, body=20, weight=20)],
    )
    workloads = {
        "net": Scheduled(graph=costs.graph, costs=costs, assignment=everything_on(costs.graph, "acc")),
        "urgent": Scheduled(graph=urgent.graph, costs=urgent, assignment={"u": "acc"}),
    }
    streams = (
        Stream(name="net", workload="net", arrivals=Trace(times_ps=(0,))),
        Stream(name="urgent", workload="urgent", arrivals=Trace(times_ps=(7000,)), priority=1),
    )
    scenario = Scenario(name="s", streams=streams, policy="priority", options=PREFETCH)
    return simulate_scenario(scenario, workloads, leakage_mw={"acc": {}})


def test_prefetched_bytes_that_nobody_used_are_paid_for():
    """The urgent request needs the room, and b streams again."""
    result = preempted(buffer=25)
    assert [s.energy_pj for s in result.timeline.spans if s.kind == "discard"] == [{"memory": 8.0 * 6}]
    assert result.metrics.energy_by_component_pj["memory"] == 8.0 * (4 + 18 + 20 + 6)
    assert result.metrics.channels["ram"].size_bytes == 4 + 18 + 20 + 6


@pytest.mark.parametrize(("buffer", "discarded"), [(38, 0), (37, 1)])
def test_prefetched_bytes_wait_beside_another_unit_where_both_have_room(buffer, discarded):
    """20 bytes of the urgent request and 18 of b."""
    result = preempted(buffer)
    assert len([s for s in result.timeline.spans if s.kind == "discard"]) == discarded
    assert (result.metrics.channels["ram"].size_bytes == 4 + 18 + 20) == (not discarded)


def test_periodic_requests_find_resident_parameters():
    costs = resident_table({"a": 30}, {"a": 30}, buffer=30)
    streams = (Stream(name="s", workload="net", arrivals=Periodic(fps=1e6, requests=5)),)
    scenario = Scenario(name="s", streams=streams, options=Options(parameters="best-value"))
    workloads = {"net": Scheduled(graph=costs.graph, costs=costs, assignment={"a": "acc"})}
    found = simulate_scenario(scenario, workloads, leakage_mw={"acc": {}}).metrics.streams["s"]
    assert (found.max_ps, found.p50_ps) == (30_000, 1_000)
