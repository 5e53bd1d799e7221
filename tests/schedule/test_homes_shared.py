"""Homes in memories on the chip that several accelerators share."""

import math
from dataclasses import replace
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pytest
from homes_problems import KIB, elementwise, graphs, joined
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import pool

from mensa_sim.cost.prices.price import price
from mensa_sim.errors import FileError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.io.shipped import shipped_files
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan, Home
from mensa_sim.schedule.exact.linear_program import LinearProgram, Solution
from mensa_sim.schedule.homes.plan import plan_homes
from mensa_sim.schedule.homes.shared import choose_shared, shared_tensors
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.simulate.scenario.arrivals import Trace
from mensa_sim.simulate.scenario.run import Scheduled, simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario, Stream
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

CAPACITY = 32 * KIB
TIGHT = pool(2, activation_kib=1, shared_kib=32)
"""Nothing fits an accelerator's own level."""


def handed_over() -> LayerGraph:
    layers = [elementwise("a", KIB, 8 * KIB, enters=KIB), elementwise("b", 8 * KIB, KIB, leaves=KIB)]
    return joined(layers, [("a", "b")])


def placed(graph: LayerGraph, choices) -> dict[str, str]:
    return {layer.name: f"core{choice}" for layer, choice in zip(graph.layers, choices, strict=False)}


def held(timeline: Timeline, graph: LayerGraph, homes) -> list[int]:
    """Bytes in the shared memory whenever a layer starts: from a producer's start to its last reader's end."""
    own = {(span.request, span.layer): span for span in timeline.spans if span.kind == "layer"}
    found = []
    for moment in own.values():
        lives = 0
        for request in {request for request, _ in own}:
            for home in homes:
                readers = [own[request, name].end_ps for name in graph.successors(home.tensor)]
                lives += home.size_bytes * (own[request, home.tensor].start_ps <= moment.start_ps < max(readers))
        found.append(lives)
    return found


def test_a_tensor_that_has_no_room_beside_another_is_made_once_that_is_read() -> None:
    makes = [elementwise(name, KIB, 20 * KIB, enters=KIB) for name in "ac"]
    reads = [elementwise(name, 20 * KIB, KIB, leaves=KIB) for name in "bd"]
    graph = joined([makes[0], reads[0], makes[1], reads[1]], [("a", "b"), ("c", "d")])
    homes = tuple(Home(tensor=name, home="slc", size_bytes=20 * KIB) for name in "ac")
    where = placed(graph, (0, 1, 0, 1))
    timeline = simulate(graph, price(graph, TIGHT, "energy"), where, FULL, DataPlan(flow="homes", homes=homes))
    assert max(held(timeline, graph, homes)) == 20 * KIB


def test_what_is_handed_over_in_a_shared_memory_crosses_it_and_no_dram():
    graph = handed_over()
    costs = price(graph, TIGHT, "energy")
    where = {"a": "core0", "b": "core1"}
    data = DataPlan(flow="homes", homes=plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes)
    assert data.homes == (Home(tensor="a", home="slc", size_bytes=8 * KIB),)
    before, after = (simulate(graph, costs, where, FULL, plan) for plan in (LAYER_BY_LAYER, data))
    moved = {name: sum(s.size_bytes for s in after.spans if s.resource == name) for name in ("dram", "slc")}
    assert moved == {"dram": 2 * KIB, "slc": 16 * KIB}
    dram, slc = TIGHT.memories["dram"], TIGHT.memories["slc"]

    def energy(timeline: Timeline) -> float:
        return math.fsum(pj for span in timeline.spans for pj in span.energy_pj.values())

    passes = {"read_bytes": 8 * KIB, "write_bytes": 8 * KIB}
    saved_pj = dram.transfer_pj(**passes) - slc.transfer_pj(**passes)
    assert energy(before) - energy(after) == pytest.approx(saved_pj, rel=1e-12)


def test_a_choice_that_was_not_proved_says_by_what_share_of_all_that_homes_may_save_it_may_be_off():
    layers = [elementwise(name, KIB, 24 * KIB, enters=KIB) for name in "ab"]
    graph = joined([*layers, elementwise("c", 48 * KIB, KIB, leaves=KIB)], [("a", "c"), ("b", "c")])
    costs, where = price(graph, TIGHT, "energy"), dict.fromkeys("abc", "core0")
    none = Solution(values=np.ones(2), bound=0.0, finished=False)
    for share in (0.0, 0.25):
        with patch.object(LinearProgram, "solve", lambda *given, share=share: replace(none, bound=given[2] * share)):
            assert choose_shared(costs, where, [], frozenset(), (1.0, 0.0)) == ([], pytest.approx(1 - share))


@settings(max_examples=10, deadline=None)
@given(graphs(most_inputs=3), st.lists(st.integers(0, 1), min_size=8, max_size=8))
def test_a_shared_memory_is_never_overfull_and_every_pj_is_accounted_for(graph, choices):
    costs, where = price(graph, TIGHT, "energy"), placed(graph, choices)
    homes = plan_homes(costs, where, LAYER_BY_LAYER, (1.0, 0.0)).homes
    data = DataPlan(flow="homes", homes=homes)
    for timeline in simulate_in_turn(graph, costs, where, FULL, 2, data=data):
        assert max(held(timeline, graph, homes)) <= CAPACITY
    plan = make_plan(graph, costs, where, FULL, data=data)
    stages = [stage for unit in plan.units for stage in unit.variants.streamed.stages]
    spans = simulate(graph, costs, where, FULL, data).spans
    energy_pj = math.fsum(energy for span in spans for energy in span.energy_pj.values())
    assert energy_pj == pytest.approx(math.fsum(stage.cost.energy_pj for stage in stages), rel=1e-12)
    fed = sum(feed.size_bytes for stage in stages for feed in stage.feeds)
    assert sum(span.size_bytes for span in spans if span.resource == "slc") == fed


@settings(max_examples=10, deadline=None)
@given(graphs(most_inputs=2, most_layers=6), st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_no_choice_of_shared_homes_saves_more(graph, choices):
    costs, where = price(graph, TIGHT, "energy"), placed(graph, choices)
    able = shared_tensors(graph, TIGHT, where, "slc")
    homes, gap = choose_shared(costs, where, [], frozenset(), (1.0, 0.0))

    def fits(names) -> bool:
        places = range(len(graph.layers))
        live = ([able[n].size_bytes for n in names if able[n].first <= p <= able[n].last] for p in places)
        return all(sum(sizes) <= CAPACITY for sizes in live)

    subsets = (names for count in range(len(able) + 1) for names in combinations(able, count))
    assert gap == 0.0
    dram, slc = TIGHT.memories["dram"], TIGHT.memories["slc"]

    def saves(names) -> float:
        return sum(
            dram.transfer_pj(read_bytes=reads, write_bytes=size) - slc.transfer_pj(read_bytes=reads, write_bytes=size)
            for size, reads in ((able[name].size_bytes, sum(able[name].readers.values())) for name in names)
        )

    best = max(saves(names) for names in subsets if fits(names))
    assert saves([home.tensor for home in homes]) == pytest.approx(best, rel=1e-9)


def test_an_inference_without_room_in_the_shared_memory_goes_through_dram():
    graph = joined(
        [elementwise("a", KIB, 20 * KIB, enters=KIB), elementwise("b", 20 * KIB, KIB, leaves=KIB)], [("a", "b")]
    )
    costs, where = price(graph, TIGHT, "energy"), {"a": "core0", "b": "core1"}
    homes = (Home(tensor="a", home="slc", size_bytes=20 * KIB),)
    each = Scheduled(graph=graph, costs=costs, assignment=where, data=DataPlan(flow="homes", homes=homes))
    alone = simulate(graph, costs, where, FULL, each.data)
    streams = tuple(
        Stream(name=name, workload="net", arrivals=Trace(times_ps=(at_ps,)))
        for name, at_ps in (("one", 0), ("other", alone.end_ps // 2), ("late", 10 * alone.end_ps))
    )
    run = simulate_scenario(Scenario(name="s", streams=streams, options=FULL), {"net": each})
    through = {s.request: 0 for s in run.timeline.spans}
    for span in run.timeline.spans:
        through[span.request] += span.size_bytes * (span.resource == "slc")
    assert through == {"one#0": 40 * KIB, "other#0": 0, "late#0": 40 * KIB}
    assert {name: stream.without_room for name, stream in run.metrics.streams.items()} == {
        "one": 0,
        "other": 1,
        "late": 0,
    }


def test_a_shared_memory_in_a_file_is_priced_by_its_capacity_and_checked(tmp_path):
    edge_tpu = shipped_files("accelerators")["edge_tpu"]
    text = f"""
name: with_slc
memories:
  dram: {{kind: lpddr4, bandwidth_bytes_per_s: 32000000000, efficiency: 0.75}}
  slc: {{kind: sram, bandwidth_bytes_per_s: 64000000000, efficiency: 1.0, capacity_bytes: 8388608}}
accelerators: [{{spec: {edge_tpu}, memory: dram}}]
"""
    path = tmp_path / "with_slc.yaml"
    path.write_text(text)
    slc = load_system(path).memories["slc"]
    # CACTI's line of 512 bits in 8 MiB of low operating power cells, as the technology's file has it.
    assert (slc.read_pj_per_bit, slc.write_pj_per_bit) == (206.8 / 512, 205.3 / 512)
    assert (slc.background_mw, slc.area_mm2, slc.reached_by) == (53.13, 7.122, ("edge_tpu",))
    faults = {
        "capacity_bytes: 8388608": ("word_bits: 1", "capacity_bytes is required"),
        "memory: dram}]": ("memory: slc}]", "accelerators[0].memory: slc is on the chip"),
        "efficiency: 1.0,": (
            "efficiency: 1.0, reached_by: [gpu],",
            "memories.slc.reached_by: unknown accelerator 'gpu'",
        ),
        "efficiency: 0.75": ("efficiency: 0.75, leakage_mw: 1.0", "for a memory of kind sram alone"),
    }
    for old, (new, message) in faults.items():
        path.write_text(text.replace(old, new))
        with pytest.raises(FileError) as error:
            load_system(path)
        assert message in str(error.value)


def test_a_home_in_a_memory_that_is_not_on_the_chip_is_refused():
    graph = handed_over()
    costs, where = price(graph, TIGHT, "energy"), {"a": "core0", "b": "core1"}
    data = DataPlan(flow="homes", homes=(Home(tensor="a", home="dram", size_bytes=8 * KIB),))
    with pytest.raises(UsageError, match="dram is no memory on the chip"):
        simulate(graph, costs, where, FULL, data)
    big = DataPlan(flow="homes", homes=(Home(tensor="a", home="slc", size_bytes=9 * KIB),))
    with pytest.raises(UsageError, match="a cannot live in slc with 9216 bytes"):
        simulate(graph, costs, where, FULL, big)


def test_an_array_that_waits_for_memory_waits_as_long_for_a_shared_one_that_is_as_fast() -> None:
    """Eyeriss computes beside none of its rows, wherever they come from."""
    link = {"bandwidth_bytes_per_s": 480_000_000, "efficiency": 1.0}
    memories = {"dram": {"kind": "eyeriss_dram", **link}, "slc": {"kind": "sram", "capacity_bytes": 2**20, **link}}
    eyeriss = {"spec": str(shipped_files("accelerators")["eyeriss_v1"]), "memory": "dram"}
    system = load_system({"name": "beside_slc", "memories": memories, "accelerators": [eyeriss]})
    conv = {"operator": "conv2d", "dims": {"K": 16, "C": 16, "OY": 56, "OX": 56, "FY": 3, "FX": 3}, "padding": "same"}
    layers = [{"name": "a", **conv}, {"name": "b", **conv, "inputs": ["a"]}]
    graph = load_workload({"name": "two", "layers": layers, "parameter_bits": 16, "activation_bits": 16})
    costs, assignment = price(graph, system), dict.fromkeys("ab", "eyeriss_v1")
    home = Home(tensor="a", home="slc", size_bytes=graph["a"].output_bytes)
    took = [simulate(graph, costs, assignment, FULL, data) for data in (LAYER_BY_LAYER, DataPlan(homes=(home,)))]
    assert took[1].end_ps == pytest.approx(took[0].end_ps, abs=10)
