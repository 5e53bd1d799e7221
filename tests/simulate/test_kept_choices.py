"""The choices of parameters that stay: none that would run otherwise than those is missing, and few run alike."""

from dataclasses import replace

import pytest

from mensa_sim.cost.layer_cost import RESIDENCIES
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.data_plan import KeptParameters
from mensa_sim.simulate.inference import run_in_turn
from mensa_sim.simulate.plan.kept import NODES, SMALLEST_ROOM, kept_choices, with_room
from mensa_sim.simulate.plan.options import FULL
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.plan.residency import most_saving, offer_of
from mensa_sim.simulate.plan.variants import variants_of
from mensa_sim.simulate.record.spans import TotalsRecorder
from mensa_sim.study.run import flows
from mensa_sim.study.run import tried as tried_plans
from mensa_sim.study.run.placement import Goal, place
from mensa_sim.workload.load import load_workload

CAPACITY_BYTES = 2**20
SYSTEM = load_system("edge_tpu", [f"accelerators.edge_tpu.levels.parameter_buffer.capacity_bytes={CAPACITY_BYTES}"])
GRAPH = load_workload("mobilenet_v1")
MEMO = PriceMemo()
COSTS = price(GRAPH, SYSTEM, memo=MEMO)
PLAN = make_plan(GRAPH, COSTS, {layer.name: "edge_tpu" for layer in GRAPH.layers}, FULL)


def in_room(room_bytes: int) -> Plan:
    return with_room(PLAN, COSTS, FULL, "edge_tpu", room_bytes)


def every_choice() -> list[KeptParameters]:
    """In each power of two and one and a half of it, what saves most beside the tiles, or as if that were all."""
    sizes = sorted({size for exponent in range(40) for size in (2**exponent, 3 * 2**exponent // 2)})
    rooms = [CAPACITY_BYTES, *(r for r in sizes if r < CAPACITY_BYTES <= r * SMALLEST_ROOM)]
    found = []
    for room_bytes in rooms:
        offer = offer_of([in_room(room_bytes)], SYSTEM.accelerators[0])
        for budget_bytes in {CAPACITY_BYTES, room_bytes if room_bytes * 2 >= CAPACITY_BYTES else CAPACITY_BYTES}:
            kept = most_saving(replace(offer, capacity_bytes=budget_bytes), NODES)
            layers = tuple(PLAN.units[index].layers[0] for _, index in sorted(kept))
            found.append(KeptParameters(accelerator="edge_tpu", layers=layers, room_bytes=room_bytes))
    return found


def ran(kept: KeptParameters) -> tuple[object, ...]:
    """Time and energy of two inferences."""
    data = PLAN.data.with_parameters(kept)
    recorder = TotalsRecorder()
    plan = make_plan(GRAPH, COSTS, dict.fromkeys((each.name for each in GRAPH.layers), "edge_tpu"), FULL, data=data)
    run_in_turn(plan, SYSTEM, FULL, 2, recorder)
    return tuple(recorder.totals)


def test_the_choices_are_all_that_run_differently_and_no_room_in_which_nothing_differs():
    choices, every = kept_choices(PLAN, COSTS, FULL, "edge_tpu"), every_choice()
    assert {ran(kept) for kept in choices} == {ran(kept) for kept in every}
    assert {type(kept.room_bytes) for kept in choices} == {int}
    assert 1 < len(choices) < len({(kept.layers, kept.room_bytes) for kept in every})


def test_layers_that_cost_the_same_have_the_same_variants_each_under_its_own_name() -> None:
    """Oracle: a table that shares nothing."""
    alone = replace(COSTS, columns={})
    names = [layer.name for layer in GRAPH.layers]
    alike = [name for name in names if COSTS.first_alike(name, "edge_tpu") != name]
    assert 4 < len(alike) < len(names) / 2
    for name in alike:
        for room_bytes in (None, CAPACITY_BYTES // 4):
            found, own = (variants_of(each, [GRAPH[name]], "edge_tpu", FULL, room_bytes) for each in (COSTS, alone))
            assert found == own
            written = [variant for variant in map(found.at, RESIDENCIES) if variant is not None]
            assert {(stage.layer, stage.cost.layer) for each in written for stage in each.stages} == {(name, name)}


def test_what_a_floor_rules_out_would_not_have_been_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, tried = place(GRAPH, SYSTEM, Goal(scheduler="single:edge_tpu"), MEMO, bounded=False), []
    monkeypatch.setattr(tried_plans, "run_in_turn", lambda *args: tried.append(args) or run_in_turn(*args))
    quick, few = flows.with_data_plan(placed, "layers", FULL), len(tried)
    monkeypatch.setattr(flows, "floor_of", lambda *_: None)
    assert flows.with_data_plan(placed, "layers", FULL).schedule.data == quick.schedule.data
    assert few < len(tried) - few
