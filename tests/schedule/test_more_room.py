"""More room in the levels of an accelerator: never worse for a steady inference of whole layers that asks for that.

An access costs the same in each size here, as a larger SRAM's does not. A first inference, asked for or shown beside,
may be worse: larger tiles of parameters are waited for, and what gains in it is not taken where a steady one loses.
So may stacks, which are sought among fewer than all, and what `mensa`, `greedy` and `heft` place by their rules.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from test_richer_flows import convolution, ending, networks

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.flow import FlowName
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.objective import objective_named
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph

LEVELS = {
    "pascal": ("pascal.levels.activation_buffer", "pascal.levels.parameter_buffer"),
    "mensa_g": tuple(f"{name}.levels.activation_buffer" for name in ("pascal", "pavlov", "jacquard")),
}


def of_size(name: str, size_bytes: int) -> System:
    """A system whose levels have so many bytes, at what those of one size cost."""
    system = load_system(name, [f"accelerators.{level}.capacity_bytes={size_bytes}" for level in LEVELS[name]])
    placed = []
    for each in system.accelerators:
        technology = each.technology
        points = technology.sram[technology.sram_cell]
        of_one = tuple(point for point in points if point.capacity_bytes == points[0].capacity_bytes)
        flat = replace(technology, sram={**technology.sram, technology.sram_cell: of_one})
        placed.append(replace(each, technology=flat))
    return replace(system, accelerators=tuple(placed))


@settings(max_examples=4, deadline=None)
@given(
    networks(),
    st.sampled_from(list(LEVELS)),
    st.sampled_from(["latency", "energy", "edp"]),
    st.sampled_from(["layers", "homes"]),
    st.sampled_from([6144, 12288]),
)
def test_more_room_is_never_worse_for_a_steady_inference_of_whole_layers(
    graph: LayerGraph, name: str, objective: str, flow: FlowName, size_bytes: int
) -> None:
    goal = Goal(scheduler="optimal", objective=objective, flow=flow, steady=True)
    memo, value = PriceMemo(), objective_named(objective).value
    less, more = (evaluate(graph, of_size(name, size), goal, memo=memo) for size in (size_bytes, 2 * size_bytes))
    before, after = (value(each.steady.energy_pj, each.steady.latency_ps) for each in (less, more))
    assert after <= before * (1 + 1e-6)  # a latency is rounded to whole ps


def test_what_has_no_room_with_tensors_at_home_beside_the_parameters_that_stay_keeps_them_in_memory() -> None:
    layers = [convolution("l0", 12, 16, 16, 3, 2), *(convolution(name, 6, 16, 16, 3, 1) for name in ("l1", "l2"))]
    graph = ending(layers, [("l0", "l1"), ("l0", "l2")])
    sizes = [f"accelerators.{level}.capacity_bytes=3072" for level in (*LEVELS["pascal"], *LEVELS["mensa_g"])]
    found = evaluate(graph, load_system("mensa_g", sizes), Goal(scheduler="optimal", flow="homes", steady=True))
    assert found.schedule.data is not None
