"""HEFT against ranks and schedules worked by hand."""

import itertools

from chains import chain, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_problems import problems

from mensa_sim.schedule.policies.heft import Timetable, _list, heft, upward_ranks
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Unit, UnitTensor


def fork() -> Problem:
    """Two branches of equal work between a source and a join."""
    units = (unit("a", 10, 30), unit("b", 500, 500), unit("c", 500, 500), unit("d", 20, 20))
    tensors = (
        UnitTensor(producer=0, readers=(1, 2), size_bytes=100),
        UnitTensor(producer=1, readers=(3,), size_bytes=100),
        UnitTensor(producer=2, readers=(3,), size_bytes=100),
    )
    return chain(*units, tensors=tensors, execution="parallel")


def test_the_upward_rank_is_mean_latency_plus_the_longest_way_out() -> None:
    copy_ps = 110 / 2
    assert upward_ranks(fork()) == [20 + copy_ps + 500 + copy_ps + 20, 500 + copy_ps + 20, 500 + copy_ps + 20, 20]


def test_branches_go_to_different_accelerators_where_copies_are_cheap() -> None:
    found = heft(fork())
    assert found.assignment == {"a": "near", "b": "near", "c": "far", "d": "far"}
    assert found.prediction.latency_ps == 10 + 110 + 500 + 20


def test_a_short_unit_takes_the_idle_gap_before_a_placed_one() -> None:
    units = (unit("a", 100, 1000), unit("b", 1000, 100), unit("short", 40, 900))
    tensors = (UnitTensor(producer=0, readers=(1,), size_bytes=100),)
    found = heft(chain(*units, tensors=tensors, execution="parallel", accelerators=("near", "far")))
    assert found.assignment == {"a": "near", "short": "near", "b": "far"}
    back = (unit("a", 1000, 10), unit("b", 300, 3000), unit("short", 40, 900))
    early = heft(chain(*back, tensors=tensors, execution="parallel"))
    assert early.order == ("a", "short", "b")
    assert early.prediction.starts_ps == (0, 120, 0)


def test_beside_the_channel_a_unit_ends_no_sooner_than_by_itself() -> None:
    """100 ps, of which it uses the channel for 20; the next one starts when it has ended."""
    alone = Option(latency_ps=100, energy_pj=1.0, phases=((100, 20),))
    units = tuple(Unit(name=name, layers=(name,), options=(alone,)) for name in "ab")
    problem = chain(*units, sizes_bytes=(0,), execution="parallel", accelerators=("near",), memories=("m0",))
    reasons = _list(problem, sharing=True).reasons
    assert [reasons[name] for name in "ab"] == [
        f"finishes earliest on near: {ps} ps after the start" for ps in (100, 200)
    ]


def test_a_unit_that_fits_an_idle_gap_exactly_takes_it() -> None:
    tensors = (UnitTensor(producer=0, readers=(1,), size_bytes=100),)
    units = (unit("a", 1000, 10), unit("b", 300, 3000), unit("exact", 120, 900))
    found = heft(chain(*units, tensors=tensors, execution="parallel"))
    assert found.prediction.starts_ps == (0, 120, 0)
    assert found.prediction.parallel_ps == 420


def parted(span: tuple[int, int], start_ps: int, finish_ps: int) -> bool:
    """Whether two units run at different times; one that takes no time runs in none of the other's."""
    return span[1] <= start_ps or finish_ps <= span[0]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from((0, 0, 1, 2, 3, 5, 8))), max_size=14))
def test_a_unit_starts_at_the_first_instant_at_which_it_runs_beside_nobody(asked: list[tuple[int, int]]) -> None:
    table, taken = Timetable(), list[tuple[int, int]]()
    for ready_ps, latency_ps in asked:
        tried = itertools.count(ready_ps)
        first = next(at for at in tried if all(parted(span, at, at + latency_ps) for span in taken))
        assert table.first_start(ready_ps, latency_ps) == first
        table.take(first, first + latency_ps)
        taken.append((first, first + latency_ps))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(max_units=5, executions=("parallel",)))
def test_the_makespan_is_no_shorter_than_the_critical_path_with_the_fastest_of_everything(problem: Problem) -> None:
    end_ps = [0] * len(problem.units)
    for index, piece in enumerate(problem.units):
        fastest = min(piece.option(accelerator).latency_ps for accelerator in piece.allowed)
        end_ps[index] = max((end_ps[t.producer] for t in problem.incoming[index]), default=0) + fastest
    assert heft(problem).prediction.parallel_ps >= max(end_ps)
