"""What a plan takes at least: never more than it takes, and just that where all that had room has come early."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_problems import accelerator, chain, cost, everything_on, layer, problems, system, table, tables

from mensa_sim.cost.layer_cost import Residency
from mensa_sim.cost.table import CostTable
from mensa_sim.simulate.inference import run_in_turn
from mensa_sim.simulate.plan.floor import floor_of
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import make_plan
from mensa_sim.simulate.plan.residency import POLICIES
from mensa_sim.simulate.record.spans import TotalsRecorder

Totals = list[tuple[int, float]]


def floor_and_totals(costs: CostTable, where: dict[str, str], options: Options) -> tuple[Totals, Totals]:
    """What two inferences take at least, and what they take."""
    plan, recorder = make_plan(costs.graph, costs, where, options), TotalsRecorder()
    floor = floor_of(plan, costs, options)
    assert floor is not None
    run_in_turn(plan, costs.system, options, 2, recorder)
    return floor.beside(next(iter(where.values())), None), recorder.totals


def known_and_same(costs: CostTable, where: dict[str, str], options: Options) -> tuple[bool, bool]:
    """Whether what two inferences take is known without a simulation, and whether that shows just this."""
    plan, name = make_plan(costs.graph, costs, where, options), next(iter(where.values()))
    floor, recorder = floor_of(plan, costs, options), TotalsRecorder()
    assert floor is not None
    run_in_turn(plan, costs.system, options, 2, recorder)
    known = floor.exact(name, None)
    pairs = zip(known or (), recorder.totals, strict=known is not None)
    same = all(one[0] == other[0] and one[1] == pytest.approx(other[1], rel=1e-12) for one, other in pairs)
    return known is not None, same


@settings(max_examples=40)
@given(tables())
def test_no_inference_is_below_its_floor_whatever_stays(drawn):
    costs, options = drawn
    floor, totals = floor_and_totals(costs, everything_on(costs.graph, "acc"), options)
    for (least_ps, least_pj), (time_ps, energy_pj) in zip(floor, totals, strict=True):
        assert least_ps <= time_ps
        assert least_pj <= energy_pj * (1 + 1e-12)
    if not options.prefetch:
        assert [time_ps for time_ps, _ in floor] == [time_ps for time_ps, _ in totals]


@settings(max_examples=40)
@given(problems())
def test_nor_where_accelerators_share_memories_and_hand_tensors_on(drawn):
    _, costs, where = drawn
    floor, totals = floor_and_totals(costs, where, Options(prefetch=True, parameters="best-value"))
    assert all(least_ps <= time_ps for (least_ps, _), (time_ps, _) in zip(floor, totals, strict=True))


@settings(max_examples=40)
@given(problems())
def test_units_and_copies_are_taken_after_all_that_they_wait_for(drawn):
    _, costs, where = drawn
    floor = floor_of(make_plan(costs.graph, costs, where), costs, Options())
    assert floor is not None
    place = {index: number for number, index in enumerate(floor._order)}
    assert place.keys() == floor._after.keys()
    assert all(place[before] < place[index] for index, some in floor._after.items() for before in some)


@pytest.mark.parametrize(("early", "floor_ns", "end_ns"), [(8, 19, 21), (10, 21, 21), (12, 23, 23)])
def test_it_is_what_a_chain_takes_where_all_that_has_room_comes_early(early: int, floor_ns: int, end_ns: int) -> None:
    """While a computes, `early` of b's 10 bytes can come; b computes for 11 cycles."""
    graph = chain(layer("a"), layer("b", parameter_bytes=10))
    costs = [cost("a", "acc", compute=early), cost("b", "acc", compute=11, head=4, body=6, weight=10)]
    platform = system([accelerator("acc", parameter_buffer=100)])
    asked = table(graph, platform, costs), everything_on(graph, "acc"), Options(prefetch=True)
    assert [each[0][0] for each in floor_and_totals(*asked)] == [floor_ns * 1000, end_ns * 1000]
    assert known_and_same(*asked) == (True, True)


def test_what_stays_takes_room_from_what_comes_early() -> None:
    """Of 26 bytes 8 stay and 4 are in use: once they are there, 14 of b's 18 bytes come early and 4 in its own time."""
    sizes = {"p": 8, "a": 4, "b": 18}
    graph = chain(*(layer(name, parameter_bytes=size) for name, size in sizes.items()))
    streamed = [cost(name, "acc", compute=50, body=size, weight=size, overlap=False) for name, size in sizes.items()]
    resident = cost("p", "acc", compute=50, residency=Residency(parameters=True), overlap=False)
    costs = table(graph, system([accelerator("acc", parameter_buffer=26)]), [*streamed, resident])
    options = Options(prefetch=True, parameters="first-fit")
    floor, totals = floor_and_totals(costs, everything_on(graph, "acc"), options)
    assert [time_ps for time_ps, _ in floor] == [time_ps for time_ps, _ in totals] == [162_000, 154_000]


@settings(max_examples=100)
@given(problems(), st.builds(Options, prefetch=st.booleans(), parameters=st.sampled_from(sorted(POLICIES))))
def test_a_floor_that_says_it_is_exact_is_what_a_simulation_shows(drawn, options):
    _, costs, where = drawn
    _, same = known_and_same(costs, where, options)
    assert same


@settings(max_examples=50)
@given(tables())
def test_so_it_is_where_one_accelerator_runs_all(drawn):
    costs, options = drawn
    _, same = known_and_same(costs, everything_on(costs.graph, "acc"), options)
    assert same
