"""Pipelines of tiles over accelerators: when each starts, and what the whole takes."""

from dataclasses import replace

import pytest
from homes_problems import KIB
from shared_systems import GB, pool

from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.tiles.pipeline import pipelined
from mensa_sim.schedule.tiles.split import assignment_of, with_splits
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

SIDE = 24


def chain(stages: int, parameter_bytes: int = 0, taps: int = 1) -> LayerGraph:
    """Equal layers that make each row of what they read from it alone, or from it and its neighbours."""
    window = LoopNest(G=64, OY=SIDE, OX=SIDE, FY=taps, input_height=SIDE, input_width=SIDE)
    size = SIDE * SIDE * 64
    layers = [
        Layer(
            name=f"s{number}",
            operator="pool",
            window=window,
            vector_ops=64 * size,
            parameters=(Parameter(name=f"p{number}", size_bytes=parameter_bytes),) if parameter_bytes else (),
            input_bytes=size,
            output_bytes=size,
            model_input_bytes=0 if number else size,
            model_output_bytes=size if number == stages - 1 else 0,
        )
        for number in range(stages)
    ]
    edges = tuple(Edge(producer=f"s{n}", consumer=f"s{n + 1}", size_bytes=size) for n in range(stages - 1))
    return LayerGraph(name="chain", layers=tuple(layers), edges=edges)


def on_own(graph: LayerGraph) -> dict[str, str]:
    return {layer.name: f"core{number}" for number, layer in enumerate(graph.layers)}


def in_tiles(graph: LayerGraph, system: System, tiles: int, runs: int = 1) -> list[Timeline]:
    splits = pipelined(graph, on_own(graph), tiles)
    cut = with_splits(graph, splits)
    where = assignment_of(on_own(graph), splits)
    data = DataPlan(flow="tiles", splits=tuple(splits))
    return list(simulate_in_turn(cut, price(cut, system, "latency"), where, FULL, runs, data=data))


@pytest.mark.parametrize(("stages", "tiles"), [(2, 2), (2, 8), (3, 4), (4, 3), (4, 12)])
def test_equal_stages_take_as_many_tile_times_as_tiles_and_stages_less_one(stages, tiles):
    graph, system = chain(stages), pool(stages, bandwidth=100_000 * GB)
    (timeline,) = in_tiles(graph, system, tiles)
    work = [span for span in timeline.spans if span.kind == "layer"]
    (tile_ps,) = {span.end_ps - span.start_ps for span in work}
    assert len(work) == stages * tiles
    assert timeline.end_ps == (tiles + stages - 1) * tile_ps
    whole = simulate(graph, price(graph, system, "latency"), on_own(graph), FULL)
    assert whole.end_ps == stages * tiles * tile_ps


def test_a_tile_that_reads_its_neighbours_rows_waits_for_them():
    graph, system = chain(2, taps=3), pool(2, bandwidth=100_000 * GB)
    (timeline,) = in_tiles(graph, system, 4)
    work = {span.layer: span for span in timeline.spans if span.kind == "layer"}
    assert work["s1#1"].start_ps == work["s0#2"].end_ps
    assert work["s1#4"].start_ps == max(work["s0#4"].end_ps, work["s1#3"].end_ps)
    # A row on either side of the three cuts, twice: once for each of the two tiles that share it.
    moved = sum(span.size_bytes for span in timeline.spans if span.resource == "dram")
    assert moved == 4 * SIDE * SIDE * 64 + 2 * (2 * 3) * SIDE * 64


def test_parameters_that_stay_are_fetched_by_the_first_tile_alone():
    graph, system = chain(2, parameter_bytes=4 * KIB), pool(2, bandwidth=100_000 * GB)
    first, steady = in_tiles(graph, system, 4, runs=2)
    moved = [sum(span.size_bytes for span in each.spans if span.resource == "dram") for each in (first, steady)]
    assert moved == [4 * SIDE * SIDE * 64 + 2 * 4 * KIB, 4 * SIDE * SIDE * 64]


def test_the_flow_tiles_overlaps_layers_that_a_schedule_puts_on_two_accelerators():
    graph, system = chain(2), pool(2, bandwidth=100_000 * GB)
    unlike = replace(
        system,
        accelerators=tuple(
            replace(placed, spec=replace(placed.spec, clock_hz=placed.spec.clock_hz - number))
            for number, placed in enumerate(system.accelerators)
        ),
    )
    goal = Goal(scheduler="greedy", objective="latency", pins=on_own(graph))
    before, after = (evaluate(graph, unlike, replace(goal, flow=flow)) for flow in ("homes", "tiles"))
    assert after.latency_ps < 0.6 * before.latency_ps
    assert {split.pieces for split in after.splits} == {8}
