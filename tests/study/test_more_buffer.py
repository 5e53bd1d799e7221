"""A larger parameter buffer makes no inference slower, and a parameter that fits stays beside another layer's tiles."""

from itertools import pairwise
from pathlib import Path

import pytest

from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.schedule.files import read_schedule, schedule_yaml
from mensa_sim.simulate.inference import simulate_in_turn
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.plan.residency import pin
from mensa_sim.study.run.flows import with_data_plan
from mensa_sim.study.run.placement import Goal, Placement, place
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import Edge, LayerGraph
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.load import load_workload


def with_buffer(kib: int) -> System:
    return load_system("edge_tpu", [f"accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes={kib * 1024}"])


def dense(side: int) -> LayerGraph:
    """Two square matrices, one after the other, of which either nearly fills half of a buffer of 4 MiB."""
    layers = tuple(
        Layer(
            name=name,
            operator="linear",
            nest=LoopNest(K=side, C=side),
            parameters=(Parameter(name=f"{name}.weight", size_bytes=side * side),),
            input_bytes=side,
            output_bytes=side,
        )
        for name in ("a", "b")
    )
    return LayerGraph(name="dense", layers=layers, edges=(Edge(producer="a", consumer="b", size_bytes=side),))


def placed(graph: LayerGraph, system: System) -> Placement:
    return with_data_plan(place(graph, system, Goal(scheduler="single:edge_tpu", objective="energy")), "layers", FULL)


def test_a_larger_parameter_buffer_makes_a_recurrent_model_no_slower() -> None:
    """Above 1 MiB all parameters begin to stay; the room kept for them must not keep them from coming early."""
    graph = load_workload("keyboard_cifg")
    found = []
    for kib in (512, 1024, 1536, 2048, 4096):
        result = evaluate(graph, with_buffer(kib), Goal(scheduler="single:edge_tpu", objective="latency"))
        found.append((result.latency_ps, result.steady.latency_ps))
    for (first, later), (first_with_more, later_with_more) in pairwise(found):
        assert first_with_more <= first
        assert later_with_more <= later
    assert found[-1][0] < found[0][0]


def test_a_larger_parameter_buffer_makes_a_steady_network_no_slower() -> None:
    """What saves the most bytes is not what saves the most time beside parameters that come early."""
    graph = load_workload("mobilenet_v2")
    found = [
        evaluate(graph, with_buffer(kib), Goal(scheduler="single:edge_tpu", objective="latency")).steady.latency_ps
        for kib in (1024, 1536, 2048)
    ]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("side", [1400, 1500, 1900])
def test_as_many_of_two_matrices_stay_as_the_buffer_holds(side: int) -> None:
    """Beside a matrix that stays the other one streams through what is left, however large a tile it would like."""
    placement = placed(dense(side), load_system("edge_tpu"))
    costs, found = placement.costs, placement.schedule
    turns = simulate_in_turn(costs.graph, costs, found.assignment, FULL, 2, data=found.data)
    read = [sum(span.size_bytes for span in turn.spans if span.resource == "lpddr4") for turn in turns]
    stay = min(2, 4 * 1024**2 // side**2)
    assert read[0] - read[1] == stay * side**2


def test_what_stays_and_what_streams_beside_it_fit_the_buffer() -> None:
    placement = placed(dense(1500), load_system("edge_tpu"))
    costs, found = placement.costs, placement.schedule
    plan = make_plan(costs.graph, costs, found.assignment, FULL, data=found.data)
    pinned = pin([plan], costs.system, costs.system.accelerators[0].name, "best-value")
    stays = {index for _, index in pinned.units}
    tiles = [unit.variants.streamed.parameter_bytes for unit in plan.units if unit.index not in stays]
    assert pinned.size_bytes == 1500**2
    assert 0 < max(tiles) <= 4 * 1024**2 - pinned.size_bytes


def test_what_stays_is_read_back_from_a_schedules_file(tmp_path: Path) -> None:
    placement = placed(dense(1500), load_system("edge_tpu"))
    path = tmp_path / "schedule.yaml"
    path.write_text(schedule_yaml(placement.problem, placement.schedule))
    again = read_schedule(path, placement.problem)
    assert again.data == placement.schedule.data
    path.write_text(path.read_text().replace("layers: [a]", "layers: [a, b]"))
    both = read_schedule(path, placement.problem).data
    with pytest.raises(UsageError, match="do not fit beside what streams"):
        simulate_in_turn(placement.costs.graph, placement.costs, again.assignment, FULL, 1, data=both)
