"""The program's solver: optimum, bound, scale, and silence."""

import ctypes
import math
from unittest.mock import patch

import pytest

from mensa_sim.schedule.exact.linear_program import LinearProgram


def knapsack(scale: float = 1.0) -> LinearProgram:
    """Cover 10 with pieces of 6, 5 and 4 at costs of 7, 5 and 4: the best costs 11, the relaxation 10.2."""
    program = LinearProgram()
    columns = [program.variable(cost * scale, integral=True) for cost in (7.0, 5.0, 4.0)]
    program.row(list(zip(columns, (6.0, 5.0, 4.0), strict=True)), low=10.0)
    return program


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e15])
def test_the_optimum_is_found_at_every_scale(scale: float) -> None:
    solution = knapsack(scale).solve(10.0, known=16.0 * scale)
    assert solution.values is not None
    assert [round(value) for value in solution.values] == [1, 0, 1]
    assert solution.bound == pytest.approx(11.0 * scale, rel=1e-6)
    assert solution.finished


def test_a_known_solution_that_costs_nothing_is_the_optimum() -> None:
    solution = LinearProgram().solve(10.0, known=0.0)
    assert (solution.bound, solution.finished) == (0.0, True)


def test_where_nothing_costs_as_little_as_the_known_solution_that_is_the_best() -> None:
    """No piece is as cheap as 3.9; the solver tells so of what is below the optimum by its own tolerances, too."""
    solution = knapsack().solve(10.0, known=3.9)
    assert (solution.bound, solution.finished) == (3.9, True)


def test_a_negative_cost_is_refused_for_another_variable_might_then_cost_more_than_the_known_solution() -> None:
    program = knapsack()
    program.costs[0] = -1.0
    with pytest.raises(ValueError, match=r"costs -1\.0"):
        program.solve(10.0, known=16.0)


def test_a_program_without_any_solution_proves_nothing_about_the_known_one() -> None:
    program = knapsack()
    program.row([(0, 1.0), (1, 1.0)], low=3.0)
    solution = program.solve(10.0, known=16.0)
    assert (solution.bound, solution.finished) == (-math.inf, False)


def test_what_the_solver_prints_does_not_reach_the_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    import scipy.optimize

    solve = scipy.optimize.milp

    def chatty(*arguments: object, **options: object) -> object:
        ctypes.CDLL(None).puts(b"debug line of the library")
        return solve(*arguments, **options)

    with patch.object(scipy.optimize, "milp", chatty):
        knapsack().solve(10.0, known=16.0)
    print("ours")
    assert capfd.readouterr().out == "ours\n"
