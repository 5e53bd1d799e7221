"""The best schedule with tensors at home, as far as none of those competes with another for room."""

from collections.abc import Collection, Sequence

from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.elimination import TooWideError
from mensa_sim.schedule.exact.front import Front
from mensa_sim.schedule.exact.weighted import Candidate
from mensa_sim.schedule.homes.placed import AtHomeSolver, InModes, Lies
from mensa_sim.schedule.policies.optimal import best_on
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, unit_assignment


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimumAtHome:
    """What is predicted least with tensors at home, and what others take beside it."""

    solver: AtHomeSolver
    best: Candidate
    bound: float
    """No schedule's objective is predicted below."""

    def of(self, schedule: Schedule) -> InModes:
        """A schedule in the modes that are best for it, by what a pJ and a ps more add to the least objective."""
        return self.solver.minimise(*self._weights, unit_assignment(self.solver.problem, schedule))

    def without(self, lies: Collection[Lies], assignment: Sequence[int | None] = ()) -> InModes:
        """The best, by the same, where those tensors do not lie there; of some units' assignment."""
        return self.solver.minimise(*self._weights, assignment, lies)

    def weighted(self, found: InModes) -> float:
        """What an answer adds to the objective, by the same."""
        return found.weighted(*self._weights)

    @property
    def _weights(self) -> tuple[float, float]:
        least = self.best.prediction
        return self.solver.problem.rates(least.dynamic_pj, least.latency_ps)


def optimum_at_home(problem: Problem, costs: CostTable) -> OptimumAtHome | None:
    """The optimum of a problem with tensors at home; none where its graph is too wide to prove one."""
    try:
        solver = AtHomeSolver(problem, costs)
    except TooWideError:
        return None
    best, bound = best_on(problem, Front(solver))
    return OptimumAtHome(solver=solver, best=best, bound=bound)
