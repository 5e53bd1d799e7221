"""What may be called proved."""

import pytest
from chains import chain, unit

from mensa_sim.schedule.exact.linear_program import SOLVED, STOPPED
from mensa_sim.schedule.exact.weighted import best_of, evaluated

VALUE = 300.0
"""Latency of the better of the two candidates."""


@pytest.mark.parametrize(
    ("bound", "finished", "proof"),
    [(VALUE, True, SOLVED), (VALUE * 0.99, True, STOPPED), (VALUE, False, STOPPED), (0.0, False, STOPPED)],
)
def test_only_a_solver_that_finished_with_its_bound_at_the_value_proved_the_optimum(
    bound: float, finished: bool, proof: str
) -> None:
    problem = chain(unit("a", 300, 400), objective="latency")
    best = best_of([evaluated(problem, [1]), evaluated(problem, [0])], 0.0, 1.0, bound, finished)
    assert best.assignment == (0,)
    assert best.bound == bound
    assert best.proof == proof
