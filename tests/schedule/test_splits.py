"""Layers split over equal accelerators: what that takes, what is read once, and schedule files that carry it."""

import math
import random
from dataclasses import replace

import pytest
from homes_problems import elementwise, graphs, joined, pointwise
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_systems import GB, pool

import mensa_sim as ms
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.stacks.planes import planes_of
from mensa_sim.cost.tiles.pieces import SPLIT_AXES, axis_size, pieces_of
from mensa_sim.cost.tiles.rewrite import with_reads
from mensa_sim.errors import FileError
from mensa_sim.hardware.accelerator import PowerGating
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import System
from mensa_sim.schedule.data_plan import DataPlan, Split, SplitPart
from mensa_sim.schedule.exact.linear_program import TOLERANCE
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.schedule.tiles.choose import even_sizes
from mensa_sim.schedule.tiles.estimate import PoolOption, least_work, work_of
from mensa_sim.schedule.tiles.floor import Crew, floor_of, shared_ps, with_floor
from mensa_sim.schedule.tiles.split import assignment_of, with_splits
from mensa_sim.simulate.inference import simulate, simulate_in_turn
from mensa_sim.simulate.plan.options import FULL, PLAIN
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.run.tiles import in_tiles, split_placement
from mensa_sim.units import leakage_pj
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter

FOUR = pool(4, bandwidth=10_000 * GB)
"""With memory to spare."""


def one_layer(side: int = 32, inputs: int = 128, outputs: int = 256) -> LayerGraph:
    layer = pointwise("conv", side, inputs, outputs)
    sizes = {"model_input_bytes": layer.input_bytes, "model_output_bytes": layer.output_bytes}
    return joined([replace(layer, **sizes)], [])


def split(axis: str, whole: int, count: int, layer: str = "conv") -> Split:
    sizes = even_sizes(whole, count)
    return Split(
        layer=layer, axis=axis, parts=tuple(SplitPart(accelerator=f"core{n}", size=s) for n, s in enumerate(sizes))
    )


def simulated(graph: LayerGraph, system: System, splits: list[Split], runs: int = 1) -> list[Timeline]:
    cut = with_splits(graph, splits)
    where = assignment_of({layer.name: "core0" for layer in graph.layers}, splits)
    data = DataPlan(flow="tiles", splits=tuple(splits))
    return list(simulate_in_turn(cut, price(cut, system, "latency"), where, FULL, runs, data=data))


def moved(timeline: Timeline, resource: str = "dram") -> int:
    return sum(span.size_bytes for span in timeline.spans if span.resource == resource)


@pytest.mark.parametrize("axis", ["rows", "channels"])
def test_pieces_take_what_the_smaller_layer_takes_alone(axis):
    graph = one_layer()
    quarter = one_layer(outputs=64) if axis == "channels" else None
    if quarter is None:
        layer = graph.layers[0]
        nest = replace(layer.nest, OY=8, input_height=8)
        fields = {"input_bytes": layer.input_bytes // 4, "output_bytes": layer.output_bytes // 4}
        enters = {"model_input_bytes": fields["input_bytes"], "model_output_bytes": fields["output_bytes"]}
        quarter = joined([replace(layer, nest=nest, **fields, **enters)], [])
    whole = 32 if axis == "rows" else 256
    (timeline,) = simulated(graph, FOUR, [split(axis, whole, 4)])
    alone = simulate(quarter, price(quarter, FOUR, "latency"), {"conv": "core0"}, FULL)
    # Reading what all share once leaves the channel freer than four of them alone would: none is slower than one alone.
    ends = {span.end_ps for span in timeline.spans if span.kind == "layer"}
    assert max(ends) == pytest.approx(alone.end_ps, rel=0.02)
    assert len({span.resource for span in timeline.spans if span.kind == "layer"}) == 4


@pytest.mark.parametrize(("axis", "whole"), [("rows", 32), ("channels", 256)])
def test_what_all_pieces_read_crosses_the_memory_once_and_is_charged_once(axis, whole):
    graph = one_layer()
    layer = graph.layers[0]
    (timeline,) = simulated(graph, FOUR, [split(axis, whole, 4)])
    once = layer.parameter_bytes + layer.input_bytes + layer.output_bytes
    assert moved(timeline) == once
    dram = FOUR.memories["dram"]
    reads = layer.parameter_bytes + layer.input_bytes
    energy_pj = math.fsum(span.energy_pj.get("memory", 0.0) for span in timeline.spans)
    assert energy_pj == pytest.approx(dram.transfer_pj(read_bytes=reads, write_bytes=layer.output_bytes), rel=1e-9)


def test_parameters_that_stay_with_all_pieces_are_read_by_none_later():
    graph = one_layer()
    layer = graph.layers[0]
    first, steady = simulated(graph, FOUR, [split("rows", 32, 4)], runs=2)
    assert moved(first) - moved(steady) == layer.parameter_bytes


def test_pieces_on_memories_of_their_own_each_read_all():
    apart = replace(
        FOUR,
        memories={f"dram{n}": FOUR.memories["dram"] for n in range(4)},
        accelerators=tuple(replace(placed, memory=f"dram{n}") for n, placed in enumerate(FOUR.accelerators)),
    )
    graph = one_layer()
    layer = graph.layers[0]
    cut, splits = with_splits(graph, [split("rows", 32, 4)]), [split("rows", 32, 4)]
    where = assignment_of({}, splits)
    spans = simulate(cut, price(cut, apart, "latency"), where, FULL, DataPlan(flow="tiles", splits=tuple(splits))).spans
    total = sum(span.size_bytes for span in spans if span.resource.startswith("dram"))
    assert total == 4 * layer.parameter_bytes + layer.input_bytes + layer.output_bytes


def test_a_layer_alone_on_a_pool_is_split_and_a_schedule_file_carries_it(tmp_path):
    graph = one_layer(side=64)
    goal = Goal(scheduler="greedy", objective="latency", flow="tiles")
    found = evaluate(graph, FOUR, goal)
    before = evaluate(graph, FOUR, replace(goal, flow="homes"))
    assert found.latency_ps < before.latency_ps / 3
    (each,) = found.splits
    assert each.parts == dict.fromkeys(("core0", "core1", "core2", "core3"), 0.25)
    assert each.whole_ps == before.problem.units[0].option(0).latency_ps
    path = tmp_path / "schedule.yaml"
    text = schedule_yaml(found.problem, found.schedule)
    path.write_text(text)
    again = evaluate(graph, FOUR, replace(goal, schedule_file=path))
    assert (again.latency_ps, again.energy_pj) == (found.latency_ps, found.energy_pj)
    assert again.schedule.data == found.schedule.data
    assert schedule_yaml(again.problem, again.schedule) == text


def test_pieces_are_predicted_as_they_share_the_memory_and_no_cut_is_below_the_floor():
    """Two layers that the memory holds up: pieces share it, and what all of them read comes once."""
    layers = [pointwise("one", 32, 64, 256), pointwise("two", 32, 256, 64)]
    graph, slow = joined(layers, [("one", "two")]), pool(4, bandwidth=64 * GB)
    goal = Goal(scheduler="greedy", objective="latency", flow="tiles")
    placed = list(in_tiles(place(graph, slow, goal), goal, PriceMemo()))
    assert placed
    whole = placed[0].whole.costs
    for each in placed:
        data, prediction = each.schedule.data, each.schedule.prediction
        end_ps = simulate(each.costs.graph, each.costs, each.schedule.assignment, PLAIN, data).end_ps
        assert prediction.latency_ps == pytest.approx(end_ps, rel=1e-3)
        # Four arrays are not four times as fast with one memory.
        assert prediction.latency_ps > 1.2 * prediction.serial_ps / 4
        assert each.schedule.bound == pytest.approx(floor_of(whole, each.problem)[1])
        assert 0 < each.schedule.bound <= min(end_ps, each.schedule.value)
    arrays = sum(core.spec.peak_macs_per_s for core in slow.accelerators)
    # What neither enters nor leaves the model may stay on chip.
    moved_ps = sum(layer.parameter_bytes for layer in layers) * 10**12 / slow.memories["dram"].effective_bytes_per_s
    least_ps = max(graph.macs * 10**12 / arrays, moved_ps)
    assert floor_of(whole, placed[0].problem)[1] == pytest.approx(least_ps, rel=2 * TOLERANCE)


def test_what_parts_pieces_from_their_prediction_is_what_stays_on_chip_and_waiting_that_it_saves():
    layers = [pointwise("one", 32, 64, 256), pointwise("two", 32, 256, 256), pointwise("three", 32, 256, 64)]
    graph, slow = joined(layers, [("one", "two"), ("two", "three")]), pool(4, bandwidth=64 * GB)
    found = evaluate(graph, slow, Goal(scheduler="greedy", objective="latency", flow="tiles"))
    assert len(found.splits) == 3
    assert found.homes
    assert found.heard_bytes
    causes = {each.name: each.latency_ps for each in found.optimality.causes}
    assert sum(causes.values()) == found.latency_ps - found.schedule.prediction.latency_ps
    assert causes.keys() <= {"activations", "contention", "overlap", "prefetch"}
    assert causes["activations"] < 0


@settings(max_examples=8, deadline=None)
@given(graphs(most_inputs=3), st.sampled_from(["latency", "energy", "edp"]), st.integers(2, 4))
def test_no_cut_of_a_drawn_graph_is_predicted_below_the_floor(graph, objective, parts):
    goal, planes = Goal(scheduler="greedy", objective=objective, flow="tiles"), planes_of(graph)
    whole, memo = place(graph, pool(4, bandwidth=64 * GB), goal), PriceMemo()
    for axis in SPLIT_AXES:
        sizes = {layer.name: axis_size(layer, planes[layer.name], axis) for layer in graph.layers}
        cuts = [split(axis, size, parts, layer) for layer, size in sizes.items() if size > 1]
        placed = split_placement(whole, cuts, goal, memo)
        floor = placed.problem.value(*floor_of(whole.costs, placed.problem))
        assert placed.schedule.value >= floor * (1 - 1e-9)


def test_in_the_floor_of_an_energy_every_supply_that_can_be_cut_is_cut():
    gating = PowerGating(residual=0.1, wake_up_ps=0, source="a choice")
    cores = tuple(replace(each, spec=replace(each.spec, power_gating=gating)) for each in FOUR.accelerators)
    graph, gated = one_layer(side=8, inputs=16, outputs=16), replace(FOUR, accelerators=cores)
    whole = place(graph, gated, Goal(scheduler="greedy", objective="energy"))
    floor = floor_of(whole.costs, whole.problem)
    bound = with_floor(whole.schedule, whole.costs, whole.problem).bound
    leaking_mw = sum(sum(parts.values()) for parts in static_power(gated).leakage_mw.values())
    assert whole.problem.value(*floor) - bound == pytest.approx(leakage_pj(0.9 * leaking_mw, floor[1]))


@pytest.mark.parametrize("kinds", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_equal_accelerators_have_the_floor_that_the_linear_program_of_each_by_itself_finds(kinds, seed):
    draw = random.Random(seed)
    layers = [f"layer{number}" for number in range(draw.randint(1, 12))]
    memories = ["near", "far"][:kinds]
    least_ps = [{layer: (draw.uniform(0, 100), draw.uniform(0, 50)) for layer in layers} for _ in range(kinds)]
    for layer in layers[::3]:
        least_ps[-1].pop(layer) if kinds > 1 else None
    crews = [Crew(count=draw.randint(2, 4), memory=draw.choice(memories), least_ps=each) for each in least_ps]
    each_alone = [replace(crew, count=1) for crew in crews for _ in range(crew.count)]
    assert shared_ps(crews) == pytest.approx(shared_ps(each_alone), rel=3 * TOLERANCE)


def test_a_layer_that_fills_few_lanes_of_each_array_has_a_floor_of_those_and_no_cut_is_below_it():
    """16 output channels leave three quarters of 64 lanes idle, however rows and channels are cut."""
    graph = one_layer(side=16, inputs=64, outputs=16)
    whole = place(graph, FOUR, Goal(scheduler="greedy", objective="latency"))
    _, floor_ps = floor_of(whole.costs, whole.problem)
    arrays = sum(core.spec.peak_macs_per_s for core in FOUR.accelerators)
    assert floor_ps == pytest.approx(4 * graph.macs * 10**12 / arrays, rel=2 * TOLERANCE)
    for cut in (split("rows", 16, 4), split("channels", 16, 4), split("channels", 16, 2)):
        assert simulated(graph, FOUR, [cut])[0].end_ps >= floor_ps


@pytest.mark.parametrize(
    ("axes", "dims"),
    [
        (("rows", "channels"), {"K": 64, "C": 32, "FY": 3, "FX": 3}),
        (("rows", "channels"), {"K": 48, "C": 32, "stride_y": 2, "stride_x": 2, "OY": 8, "OX": 8}),
        (("rows", "groups"), {"G": 32, "FY": 5, "FX": 5}),
        (("channels",), {"K": 100, "C": 64, "OY": 1, "OX": 1, "input_height": 1, "input_width": 1}),
    ],
)
def test_no_pieces_cost_less_than_they_are_taken_to_before_they_are_priced(axes, dims):
    nest = LoopNest(**{"OY": 16, "OX": 16, "input_height": 16, "input_width": 16, **dims})
    layer = Layer(
        name="conv",
        operator="conv",
        nest=nest,
        parameters=(Parameter(name="weight", size_bytes=nest.weight_elements + nest.K * nest.G),),
        input_bytes=nest.input_elements,
        model_input_bytes=nest.input_elements,
        output_bytes=nest.output_elements,
        vector_ops=nest.output_elements,
    )
    graph = joined([layer], [])
    plane, whole = planes_of(graph)["conv"], price(graph, FOUR, "energy").cost("conv", "core0")
    assert [axis for axis in SPLIT_AXES if axis_size(layer, plane, axis) > 1] == list(axes)
    for axis in axes:
        sizes = even_sizes(axis_size(layer, plane, axis), 4)
        pieces = [with_reads(graph, {"conv": plane}, each, layer) for each in pieces_of(layer, plane, axis, sizes)]
        table = price(joined([piece.layer for piece in pieces], []), FOUR, "energy")
        least = [least_work(piece.layer, FOUR, whole, len(pieces)) for piece in pieces]
        known = [work_of(piece.layer, table.cost(piece.layer.name, "core0")) for piece in pieces]
        options = [PoolOption(axis, sizes, pieces, works, known=works is known) for works in (least, known)]
        for figure in ("on_chip_ps", "chip_pj", "parameter_bytes", "read_bytes", "written_bytes"):
            below, above = (getattr(option, figure) for option in options)
            assert 0 <= below <= above * (1 + 1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layer: conv\n", "layer: cnv\n", "splits: unknown layer 'cnv'; did you mean 'conv'?"),
        ("size: 16", "size: 17", "splits: conv has 64 rows, its parts 65"),
        ("flow: tiles", "flow: homes", "splits: the flow is homes; layers are split under tiles"),
        ("accelerator: core1,", "accelerator: core2,", "splits: conv#2 runs on core2, its part on core1"),
    ],
)
def test_a_split_that_does_not_fit_is_an_error_of_the_file(tmp_path, old, new, message):
    graph = one_layer(side=64)
    goal = Goal(scheduler="greedy", objective="latency", flow="tiles")
    found = evaluate(graph, FOUR, goal)
    assert found.splits[0].axis == "rows"
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_yaml(found.problem, found.schedule).replace(old, new, 1))
    with pytest.raises(FileError) as error:
        place(graph, FOUR, replace(goal, schedule_file=path))
    assert message in str(error.value)


def test_pieces_of_a_softmax_go_over_the_rows_of_the_whole_twice_and_of_a_sum_of_columns_make_the_whole():
    chain = joined([pointwise("conv", 12, 8, 8), elementwise("softmax", 8 * 144, 8 * 144)], [("conv", "softmax")])
    softmax = replace(chain["softmax"], operator="softmax", slices=144, slice_elements=8)
    up = replace(chain["conv"], model_input_bytes=8 * 144, output_channels=2, summed_elements=600)
    graph = replace(chain, layers=(up, softmax))
    planes = planes_of(graph)
    for layer, field, shares in ((softmax, "slices", [36, 48, 60]), (up, "summed_elements", [150, 200, 250])):
        pieces = pieces_of(layer, planes[layer.name], "rows", [3, 4, 5])
        assert [getattr(piece.layer, field) for piece in pieces] == shares


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (1, 2)])
def test_no_mapping_reads_less_than_the_rows_and_columns_that_windows_touch(kernel: int, stride: int) -> None:
    """All of 4 x 4 beside the padding, or every other row and column of 8 x 8; two channels."""
    dims = {"K": 4, "C": 2, "OY": 4, "OX": 4, "FY": kernel, "FX": kernel}
    entry = {"name": "a", "operator": "conv2d", "dims": dims, "stride": stride}
    costs = ms.place({"name": "n", "layers": [entry]}, system="pascal").costs
    (layer,) = costs.graph.layers
    assert least_work(layer, costs.system, costs.cost("a", "pascal"), 1).read_bytes == 2 * 4 * 4
