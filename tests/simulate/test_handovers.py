"""What goes from memory to memory, predicted by the scheduler and moved by the simulation: the same bytes."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from simulation_problems import (
    accelerator,
    assignments,
    chain,
    cost,
    costs_of,
    layer,
    link,
    memory,
    system,
    systems,
    table,
)

from mensa_sim.cost.table import CostTable
from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.inference import energy_by_component
from mensa_sim.workload.graph import Edge, LayerGraph

MB = 10**6


def predicted(graph: LayerGraph, costs: CostTable, assignment: dict[str, str]) -> Prediction:
    """What the scheduler says of an assignment, layer after layer."""
    names = [placed.name for placed in costs.system.accelerators]
    problem = problem_of(graph, costs.system, costs, static_mw=0.0)
    return evaluate(problem, [names.index(assignment[unit.layers[0]]) for unit in problem.units])


def fan(output_bytes: int, slices: dict[str, int]) -> tuple[LayerGraph, CostTable, dict[str, str]]:
    """A layer on one memory, and on another one readers of so many bytes of its output."""
    layers = (layer("source", output_bytes=output_bytes), *(layer(name) for name in slices))
    edges = tuple(Edge(producer="source", consumer=name, size_bytes=size) for name, size in slices.items())
    graph = LayerGraph(name="fan", layers=layers, edges=edges)
    platform = system(
        [accelerator("one", "ram"), accelerator("two", "stack")],
        {"ram": memory(), "stack": memory()},
        [link("ram", "stack")],
    )
    on = {each.name: "one" if each.name == "source" else "two" for each in layers}
    return graph, table(graph, platform, [cost(name, on[name], compute=1000) for name in on]), on


def moved_bytes(graph: LayerGraph, costs: CostTable, assignment: dict[str, str]) -> int:
    timeline = simulate(graph, costs, assignment)
    return sum(span.size_bytes for span in timeline.spans if span.resource == "ram-stack")


def test_slices_that_overlap_cross_as_the_whole_once_in_prediction_and_simulation() -> None:
    case = fan(10 * MB, {"left": 6 * MB, "right": 6 * MB})
    assert moved_bytes(*case) == 10 * MB
    timeline = simulate(*case)
    assert timeline.end_ps == predicted(*case).latency_ps == 3 * 10 * MB * 1000 + 100 + 3 * 1000 * 1000


def test_slices_that_need_not_overlap_cross_one_by_one_and_the_whole_once_for_all_its_readers() -> None:
    assert moved_bytes(*fan(10 * MB, {"left": 6 * MB, "right": 4 * MB})) == 10 * MB
    assert moved_bytes(*fan(10 * MB, {"left": 3 * MB, "right": 4 * MB})) == 7 * MB
    assert moved_bytes(*fan(10 * MB, {"left": 10 * MB, "right": 10 * MB, "last": MB})) == 11 * MB


def test_a_copy_crosses_the_ways_that_the_link_joins_whatever_way_its_maker_has() -> None:
    memories = {"ram": memory(), "banks": replace(memory(efficiency=0.5), port_of="ram"), "stack": memory()}
    makers = [accelerator("one", "ram"), accelerator("beside", "banks")]
    times_ps = set()
    for order in (makers, makers[::-1]):
        platform = system([*order, accelerator("two", "stack")], memories, [link("ram", "stack")])
        graph = chain(layer("source", output_bytes=MB), layer("reader"))
        costs = [cost("source", maker.name, compute=1000) for maker in makers] + [cost("reader", "two", compute=1000)]
        for maker in makers:
            case = graph, table(graph, platform, costs), {"source": maker.name, "reader": "two"}
            assert simulate(*case).end_ps == predicted(*case).latency_ps
            times_ps.add(simulate(*case).end_ps)
    assert times_ps == {2 * 1000 * 1000 + 3 * 1000 * MB + 100}


@st.composite
def sliced(draw: st.DrawFn) -> tuple[LayerGraph, CostTable, dict[str, str]]:
    """Layers that read parts of what others made, which may overlap, on a drawn system."""
    count = draw(st.integers(2, 6))
    layers = [layer(f"l{index}", output_bytes=draw(st.integers(0, 1000))) for index in range(count)]
    edges = []
    for reader in range(1, count):
        for producer in draw(st.sets(st.integers(0, reader - 1), min_size=1, max_size=3)):
            size = draw(st.integers(0, layers[producer].output_bytes))
            edges.append(Edge(producer=f"l{producer}", consumer=f"l{reader}", size_bytes=size))
    graph = LayerGraph(name="net", layers=tuple(layers), edges=tuple(edges))
    platform = systems(draw)
    return graph, costs_of(draw, graph, platform), assignments(draw, graph, platform)


@given(sliced())
def test_prediction_and_simulation_agree_on_energy_and_the_prediction_is_never_faster(
    case: tuple[LayerGraph, CostTable, dict[str, str]],
) -> None:
    timeline = simulate(*case)
    expected = predicted(*case)
    energy_pj = math.fsum(energy_by_component(timeline.spans).values())
    assert math.isclose(energy_pj, expected.dynamic_pj, rel_tol=1e-12)
    assert timeline.end_ps <= expected.serial_ps + len(timeline.spans)
