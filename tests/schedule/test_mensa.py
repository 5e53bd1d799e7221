"""Mensa's two phases on problems small enough to decide by hand."""

import pytest
from chains import chain, unit
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.errors import UsageError
from mensa_sim.schedule.policies.mensa import family_accelerators, mensa
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option, Refusal, Unit, UnitTensor

FAMILIES = {1: 0, 3: 1}
FIRST = unit("first", 100, 200, family=1)


def second(near_ps: int, far_ps: int, parameter_bytes: int = 0, macs_per_step: int = 0) -> Unit:
    return unit("second", near_ps, far_ps, family=3, parameter_bytes=parameter_bytes, macs_per_step=macs_per_step)


def place_of_second(problem: Problem, **options: float) -> str:
    return mensa(problem, **options).assignment["second"]


@pytest.mark.parametrize(("near_ps", "place"), [(200, "near"), (201, "far")])
def test_a_layer_moves_when_computing_where_it_is_takes_more_than_twice_as_long(near_ps: int, place: str) -> None:
    assert place_of_second(chain(FIRST, second(near_ps, 100), families=FAMILIES)) == place


@pytest.mark.parametrize(("ratio", "place"), [(1.4, "far"), (1.5, "near")])
def test_the_ratio_is_an_option(ratio: float, place: str) -> None:
    assert place_of_second(chain(FIRST, second(150, 100), families=FAMILIES), mac_ratio=ratio) == place


@pytest.mark.parametrize(("parameter_bytes", "place"), [(100, "near"), (101, "far")])
def test_a_layer_without_reuse_moves_when_its_parameters_exceed_the_activations_to_send(
    parameter_bytes: int, place: str
) -> None:
    layer = second(100, 100, parameter_bytes=parameter_bytes, macs_per_step=parameter_bytes)
    assert place_of_second(chain(FIRST, layer, families=FAMILIES)) == place


@pytest.mark.parametrize(("macs", "place"), [(64_000, "near"), (63_999, "far")])
def test_a_layer_with_reuse_of_64_stays_however_large_its_parameters(macs: int, place: str) -> None:
    layer = second(100, 100, parameter_bytes=1000, macs_per_step=macs)
    assert place_of_second(chain(FIRST, layer, families=FAMILIES)) == place


@pytest.mark.parametrize(("threshold", "place"), [(10.0, "near"), (10.5, "far")])
def test_the_reuse_threshold_is_an_option(threshold: float, place: str) -> None:
    layer = second(100, 100, parameter_bytes=1000, macs_per_step=10_000)
    assert place_of_second(chain(FIRST, layer, families=FAMILIES), reuse_threshold=threshold) == place


def test_the_first_layer_starts_where_it_is_ideal() -> None:
    assert mensa(chain(unit("first", 1, 100, family=3), families=FAMILIES)).assignment["first"] == "far"


def test_a_layer_that_stayed_is_the_predecessor_that_the_next_one_is_compared_with() -> None:
    stays = second(100, 100)
    third = unit("third", 100, 100, family=3)
    assert set(mensa(chain(FIRST, stays, third, families=FAMILIES)).assignment.values()) == {"near"}


def test_the_predecessor_is_the_producer_that_sends_most_bytes() -> None:
    other = unit("other", 100, 100, family=3)
    tensors = tuple(UnitTensor(producer=p, readers=(2,), size_bytes=size) for p, size in ((0, 7), (1, 5), (1, 5)))
    problem = chain(FIRST, other, unit("join", 100, 100, family=1), tensors=tensors, families=FAMILIES)
    assert mensa(problem).assignment["join"] == "far"


def test_of_producers_that_send_as_much_the_earliest_is_the_predecessor() -> None:
    other = unit("other", 100, 100, family=3)
    tensors = tuple(UnitTensor(producer=producer, readers=(2,), size_bytes=5) for producer in (0, 1))
    join = unit("join", 100, 100, family=3, parameter_bytes=4, macs_per_step=400)
    found = mensa(chain(FIRST, other, join, tensors=tensors, families=FAMILIES))
    assert found.assignment == {"first": "near", "other": "far", "join": "near"}


@pytest.mark.parametrize(("parameter_bytes", "place"), [(7, "near"), (8, "far")])
def test_activations_that_lie_where_the_layer_is_ideal_need_not_be_sent(parameter_bytes: int, place: str) -> None:
    other = unit("other", 100, 100, family=3)
    tensors = tuple(UnitTensor(producer=p, readers=(2,), size_bytes=size) for p, size in ((0, 7), (1, 5)))
    join = unit("join", 100, 100, family=3, parameter_bytes=parameter_bytes, macs_per_step=parameter_bytes)
    found = mensa(chain(FIRST, other, join, tensors=tensors, families=FAMILIES))
    assert found.assignment == {"first": "near", "other": "far", "join": place}


def test_a_layer_that_its_predecessors_accelerator_refuses_moves() -> None:
    options = (Refusal(reason="no"), Option(latency_ps=100, energy_pj=1.0, compute_ps=100))
    layer = Unit(name="second", layers=("second",), options=options, family=3)
    found = mensa(chain(FIRST, layer, families=FAMILIES))
    assert found.assignment["second"] == "far"
    assert "cannot run it" in found.reasons["second"]


def test_a_family_whose_accelerator_refuses_a_layer_falls_back_to_its_cheapest() -> None:
    options = (Option(latency_ps=100, energy_pj=1.0), Refusal(reason="no"))
    layer = Unit(name="first", layers=("first",), options=options, family=3)
    found = mensa(chain(layer, families=FAMILIES))
    assert found.assignment["first"] == "near"
    assert "far cannot run it" in found.reasons["first"]


def test_without_a_table_a_family_goes_where_its_summed_cost_is_lowest() -> None:
    small = unit("small", 10, 20, family=2)
    large = unit("large", 100, 50, family=2)
    alone = unit("alone", 5, 6, family=4)
    assert family_accelerators(chain(small, large, alone, objective="latency")) == {2: 1, 4: 0}


def test_an_accelerator_that_refuses_some_of_a_family_comes_after_one_that_runs_all_of_it() -> None:
    half = Unit(
        name="b", layers=("b",), options=(Refusal(reason="no"), Option(latency_ps=900, energy_pj=1.0)), family=2
    )
    assert family_accelerators(chain(unit("a", 10, 900, family=2), half, objective="latency")) == {2: 1}


def test_a_layer_without_a_family_is_a_family_of_its_own() -> None:
    assert mensa(chain(unit("pool", 30, 20), objective="latency")).assignment["pool"] == "far"


def test_each_reason_names_the_rule_and_its_figures() -> None:
    reasons = mensa(chain(FIRST, second(300, 100), families=FAMILIES)).reasons
    assert reasons["first"] == "family 1: ideal is near; no predecessor"
    assert reasons["second"] == ("family 3: ideal is far; moves: computing on near takes 3 times that on far (limit 2)")


@given(threshold=st.floats(max_value=-1e-6) | st.just(float("nan")))
def test_a_negative_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="mac_ratio"):
        mensa(chain(FIRST), mac_ratio=threshold)
