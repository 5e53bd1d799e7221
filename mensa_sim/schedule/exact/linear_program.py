"""A mixed-integer linear program under construction, and its solution by HiGHS through scipy.

HiGHS: Huangfu and Hall, Mathematical Programming Computation 10 (2018). It is deterministic unless a time limit cuts it
short. Costs and times are scaled to the size of the problem first, because its tolerances are absolute.
"""

import ctypes
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.records import dataclass

TOLERANCE = 1e-6
"""Relative slack left for HiGHS's own tolerances in the bounds that it proves."""

SEARCH_LIMIT_S = 600.0
"""Of the search, where other limits are meant to end it: one on time makes results depend on load. A choice."""
COST_SCALE = 1e3
"""What a known solution costs in the solver's eyes."""
SOLVED = f"exact within the solver's tolerance of {TOLERANCE:g}: mixed-integer program, HiGHS"
_INFEASIBLE = 2
"""The status of scipy's `milp` for a program that has no solution."""
STOPPED = "mixed-integer program, HiGHS stopped by the time limit or by the size of the problem"


@dataclass(frozen=True, slots=True)
class Solution:
    """Values of all variables (none without a feasible solution in time), and a proved lower bound on the objective."""

    values: Floats | None
    bound: float
    finished: bool
    """Whether it stopped because the optimum (or that there is none) was proved."""


@dataclass(slots=True)
class LinearProgram:
    """Variables by index with cost, bounds and integrality; rows `low <= sum of coefficients x variables <= high`."""

    costs: list[float] = field(default_factory=list)
    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    integral: list[bool] = field(default_factory=list)
    row_indexes: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    coefficients: list[float] = field(default_factory=list)
    row_lows: list[float] = field(default_factory=list)
    row_highs: list[float] = field(default_factory=list)

    def variable(self, cost: float = 0.0, *, low: float = 0.0, high: float = 1.0, integral: bool = False) -> int:
        """Add a variable; its index."""
        self.costs.append(cost)
        self.lows.append(low)
        self.highs.append(high)
        self.integral.append(integral)
        return len(self.costs) - 1

    def row(self, terms: Sequence[tuple[int, float]], *, low: float = -math.inf, high: float = math.inf) -> None:
        """Add a row over (variable, coefficient) pairs."""
        number = len(self.row_lows)
        for column, coefficient in terms:
            self.row_indexes.append(number)
            self.columns.append(column)
            self.coefficients.append(coefficient)
        self.row_lows.append(low)
        self.row_highs.append(high)

    def solve(self, time_limit_s: float, known: float, node_limit: int | None = None) -> Solution:
        """The least cost; without an optimum in time, or in so many nodes, the best found and the bound reached.

        `known` is the cost of a feasible solution. No variable and no cost is negative, so none may cost more than it,
        and it is the scale by which the solver's absolute tolerances become relative. Where that leaves no solution,
        the known one is the best; a program that has none in any case proves nothing. `ValueError` for a negative cost.
        """
        if min(self.costs, default=0.0) < 0:
            raise ValueError(f"a variable costs {min(self.costs)}; costs must not be negative")
        if known <= 0:
            return Solution(values=None, bound=0.0, finished=True)
        costs = np.array(self.costs) * (COST_SCALE / known)
        integral = np.array(self.integral, dtype=int)
        highs = np.minimum(self.highs, COST_SCALE * (1 + TOLERANCE) / np.maximum(costs, 1e-300))
        highs = np.maximum(np.where(integral, np.floor(highs), highs), self.lows)
        options = {"time_limit": time_limit_s, "mip_rel_gap": 1e-9}
        options |= {} if node_limit is None else {"node_limit": node_limit}
        result = self._solved(costs, highs, options)
        if result.status == _INFEASIBLE:
            sound = self._solved(np.zeros_like(costs), np.array(self.highs), options).status != _INFEASIBLE
            return Solution(values=None, bound=known if sound else -math.inf, finished=sound)
        found = result.mip_dual_bound if any(self.integral) else result.fun
        bound = -math.inf if found is None or math.isnan(found) else float(found) * known / COST_SCALE
        return Solution(values=result.x, bound=bound, finished=result.status == 0)

    def _solved(self, costs: Floats, highs: Floats, options: Mapping[str, float]) -> Any:
        """What HiGHS says of the program under other costs and upper bounds."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csc_array

        shape = len(self.row_lows), len(self.costs)
        places = np.array([self.row_indexes, self.columns], dtype=np.int32)  # scipy 1.13 takes no wider indices here
        matrix = csc_array((self.coefficients, tuple(places)), shape=shape)
        constraints = [LinearConstraint(matrix, self.row_lows, self.row_highs)] if self.row_lows else []
        with _without_chatter():
            return milp(
                costs,
                integrality=np.array(self.integral, dtype=int),
                bounds=Bounds(np.array(self.lows), highs),
                constraints=constraints,
                options=options,
            )


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep off the standard output what HiGHS prints there with its own output switched off.

    The HiGHS of scipy 1.17 holds a bare `printf` in `HighsMipSolverData::transformNewIntegerFeasibleSolution`, which no
    option reaches; `disp` is off in any case.
    """
    if os.name != "posix":
        yield
        return
    flush = ctypes.CDLL(None).fflush
    sys.stdout.flush()
    flush(None)
    kept, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        flush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(sink)


def tightened(bound: float) -> float:
    """A bound less the solver's tolerance."""
    return bound - TOLERANCE * abs(bound) if math.isfinite(bound) else -math.inf


def chosen(columns: Mapping[int, int], values: Floats) -> int:
    """The key whose binary variable is set."""
    return max(columns, key=lambda key: values[columns[key]])
