"""What list schedulers see of tensors at home: each step adds what it costs, and all that lies there has room."""

from dataclasses import replace

import pytest
from homes_problems import graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from test_placed_at_home import LINKED, MENSA, SHARING
from test_richer_flows import chain

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import System
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.homes.placed import Mode, rooms_of
from mensa_sim.schedule.homes.seen import HomesSeen
from mensa_sim.schedule.problem import Problem
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.workload.graph import LayerGraph


@settings(max_examples=30, deadline=None)
@given(graphs(most_inputs=2, most_layers=6), st.sampled_from([MENSA, LINKED, SHARING]), st.data())
def test_what_steps_add_is_what_all_take_together_and_fits(
    graph: LayerGraph, system: System, data: st.DataObject
) -> None:
    costs = price(graph, system, "energy")
    problem = problem_of(graph, system, costs, "energy", static_mw=static_power(system).total_mw)
    seen, rooms_bytes = HomesSeen(problem, costs), rooms_of(system, problem.accelerators)
    modes: dict[int, Mode] = {}
    total_ps, total_pj = 0, 0.0
    for index, unit in enumerate(problem.units):
        found = [each for place in unit.allowed for each in seen.added(index, place)]
        homes = [each for each in found if each.mode.inputs]
        chosen = data.draw(st.sampled_from(homes or found), label="added")
        total_ps, total_pj = total_ps + chosen.latency_ps, total_pj + chosen.energy_pj
        seen.take(index, chosen.mode)
        modes[index] = chosen.mode
    readers = {one: [other for other in modes if one in {t.producer for t in problem.incoming[other]}] for one in modes}
    for one, reader in [(one, own[0]) for one, own in readers.items() if len(own) == 1]:
        if one in modes[reader].inputs:
            modes[one] = seen.placed[one]
            assert modes[one].output == modes[reader].inputs[one]
    copies = {
        (t.size_bytes, t.producer, problem.memories[modes[t.producer].accelerator], problem.memories[mode.accelerator])
        for unit, mode in modes.items()
        for t in problem.incoming[unit]
        if t.producer not in mode.inputs
    }
    copied = [(size_bytes, source, target) for size_bytes, _, source, target in sorted(copies)]
    assert total_ps == sum(m.latency_ps for m in modes.values()) + sum(problem.transfer_ps(*each) for each in copied)
    all_pj = sum(m.energy_pj for m in modes.values()) + sum(problem.transfer_pj(*each) for each in copied)
    assert total_pj == pytest.approx(all_pj, rel=1e-9)
    for now in modes:
        alive = {
            (one, place)
            for reader, mode in modes.items()
            for one, place in mode.inputs.items()
            if one <= now <= readers[one][-1]
        }
        for place, room_bytes in enumerate(rooms_bytes):
            assert sum(graph.layers[one].output_bytes for one, at in alive if at == place) <= room_bytes


@pytest.mark.parametrize(
    ("scheduler", "objective", "graph"),
    [
        ("greedy", "edp", chain((8, 64, 4, 1, 1), (8, 4, 64, 3, 1))),
        ("heft", "latency", chain((8, 16, 64, 3, 1), (8, 64, 64, 3, 2))),
    ],
)
def test_a_layer_goes_where_what_it_reads_may_stay_if_that_simulates_better(
    scheduler: str, objective: str, graph: LayerGraph
) -> None:
    system, memo, goal = load_system("mensa_g"), PriceMemo(), Goal(scheduler=scheduler, objective=objective)
    layers, homes = (evaluate(graph, system, replace(goal, flow=flow), memo=memo) for flow in ("layers", "homes"))
    assert len(set(layers.schedule.assignment.values())) == 2
    assert len(set(homes.schedule.assignment.values())) == 1

    def apart(problem: Problem) -> list[str]:
        return [layers.schedule.assignment[unit.name] for unit in problem.units]

    stays = evaluate(graph, system, replace(goal, flow="homes", scheduler=apart), memo=memo)
    assert homes.objective_value(objective) < stays.objective_value(objective) * 0.99
