"""The period of a stream: loads worked by hand, and the optimum by exhaustive search."""

from dataclasses import replace
from itertools import product

import pytest
from chains import chain, unit
from hypothesis import HealthCheck, given, settings
from random_problems import problems

from mensa_sim.hardware.routes import Leg, Route
from mensa_sim.schedule.policies.throughput import loads_ps, throughput
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.together import joined
from mensa_sim.schedule.unit import Option, Refusal, Unit


@pytest.mark.parametrize("memory_bound", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(max_units=6))
def test_no_assignment_has_a_shorter_period(memory_bound: bool, problem: Problem) -> None:
    problem = all_on_memory(problem) if memory_bound else problem
    places = product(*(unit.allowed for unit in problem.units))
    best = min(max(loads_ps(problem, assignment).values()) for assignment in places)
    found = throughput(problem)
    assert best <= found.value <= best * (1 + 1e-5)
    assert found.bound is not None
    assert best * (1 - 1e-5) <= found.bound <= best


def all_on_memory(problem: Problem) -> Problem:
    """The problem with every unit reading and writing as long as it runs."""

    def busy(option: Option | Refusal) -> Option | Refusal:
        return replace(option, memory_ps=option.latency_ps) if isinstance(option, Option) else option

    units = tuple(replace(piece, options=tuple(busy(option) for option in piece.options)) for piece in problem.units)
    return replace(problem, units=units)


def test_a_problem_that_comes_so_often_takes_so_often_its_times_energies_and_bytes() -> None:
    option = Option(latency_ps=100, energy_pj=8.0, compute_ps=60, memory_ps=40, outside_ps=20)
    each = chain(
        *(Unit(name=name, layers=(name,), options=(option, option)) for name in "ab"), sizes_bytes=(10,), host_ps=12
    )
    whole = joined([each, each], [0.5, 2.0])
    shares = {"0/a": 0.5, "0/b": 0.5, "1/a": 2.0, "1/b": 2.0}
    assert whole.host_ps == 12 * 0.5 + 12 * 2
    assert [tensor.size_bytes for tensor in whole.tensors] == [10 * 0.5, 10 * 2]
    for piece in whole.units:
        found, share = piece.option(0), shares[piece.name]
        times = (found.latency_ps, found.busy_ps, found.compute_ps, found.memory_ps, found.outside_ps)
        assert times == tuple(share * time for time in (100, 80, 60, 40, 20))
        assert found.energy_pj == share * 8


def test_the_load_of_a_stream_is_spread_over_the_accelerators() -> None:
    problem = chain(*(unit(f"u{i}", 100, 100) for i in range(4)), memories=("m0", "m0"))
    found = throughput(problem)
    assert found.value == 200
    assert found.objective == "period"
    assert found.gap == pytest.approx(0, abs=1e-5)


def test_a_copy_keeps_both_memories_and_the_link_busy() -> None:
    stages = tuple(
        Leg(resource=name, bandwidth_bytes_per_s=rate, pj_per_byte={component: 1.0})
        for name, component, rate in (("m0", "memory", 1e12), ("m0-m1", "link", 5e11), ("m1", "memory", 2e12))
    )
    problem = chain(unit("a", 10, 10), unit("b", 20, 30), routes={pair: Route(legs=stages) for pair in PAIRS})
    loads = {"near": 10, "far": 30, "memory m0": 100, "link m0-m1": 200, "memory m1": 50}
    assert loads_ps(problem, [0, 1]) == loads
    assert set(throughput(problem).assignment.values()) == {"near"}


PAIRS = (("m0", "m1"), ("m1", "m0"))


def test_two_accelerators_beside_one_memory_share_its_channel() -> None:
    option = replace(unit("u", 100, 100).option(0), memory_ps=80)
    units = tuple(replace(unit(f"u{i}", 1, 1), options=(option, option)) for i in range(4))
    found = throughput(chain(*units, memories=("m0", "m0")))
    assert found.value == 4 * 80
    assert found.gap == pytest.approx(0, abs=1e-5)
    assert "memory m0 sets the period" in found.reasons["u0"]
