"""The best schedule with tensors at home, as far as none of those competes with another for room."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.schedule.evaluate import Prediction
from mensa_sim.schedule.exact.elimination import TooWideError
from mensa_sim.schedule.exact.front import ROUNDING, Front
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
    """Of those that were found and keep the deadline; the fastest where none does."""
    bound: float
    """No schedule's objective is predicted below, whether it keeps a deadline or not."""
    weights: tuple[float, float]
    """What a pJ and a ps more add, to the objective or so that the deadline is kept."""
    late: Sequence[Candidate]
    """Better ones, predicted to miss the deadline by little, the best last."""

    def of(self, schedule: Schedule) -> InModes:
        """A schedule in the modes that are best for it, by what a pJ and a ps more add."""
        return self.solver.minimise(*self.weights, unit_assignment(self.solver.problem, schedule))

    def at_once(self, found: InModes, order: Sequence[int]) -> Prediction:
        """What it takes, its units taken in that order, where branches overlap."""
        problem = replace(found.prediction.problem, execution="parallel")
        return replace(found.prediction, problem=problem, order=tuple(order))

    def value_at_once(self, assignment: Sequence[int]) -> float:
        """The objective of an assignment where branches overlap, its units in the order of the graph."""
        return self.at_once(self.without((), assignment), range(len(assignment))).value

    def without(self, lies: Collection[Lies], assignment: Sequence[int | None] = ()) -> InModes:
        """The best, by the same, where those tensors do not lie there; of some units' assignment."""
        return self.solver.minimise(*self.weights, assignment, lies)

    def weighted(self, found: Candidate) -> float:
        """What an answer adds, by the same."""
        return found.weighted(*self.weights)


def optimum_at_home(problem: Problem, costs: CostTable) -> OptimumAtHome | None:
    """The optimum of a problem with tensors at home; none where its graph is too wide to prove one."""
    try:
        solver = AtHomeSolver(problem, costs)
    except TooWideError:
        return None
    front = Front(solver)
    best, bound = best_on(problem, front)
    weights = problem.rates(best.prediction.dynamic_pj, best.prediction.latency_ps)
    late: list[Candidate] = []
    if problem.deadline_ps is not None and best.prediction.latency_ps > problem.deadline_ps:
        best, weights, late = _in_time(front, best, problem.deadline_ps)
    return OptimumAtHome(solver=solver, best=best, bound=bound, weights=weights, late=late)


def _in_time(front: Front, slow: Candidate, deadline_ps: int) -> tuple[Candidate, tuple[float, float], list[Candidate]]:
    """The best candidate on the hull that keeps a deadline, the weights of its side there, and those beyond it.

    The search halves the hull between one that keeps it and one that does not: the weights are those at which both are
    equal.
    """
    weights = 0.0, 1.0
    best = front.ask(*weights)
    late = [slow]
    while best.prediction.latency_ps <= deadline_ps:
        in_time, beyond = best.prediction, late[-1].prediction
        if beyond.dynamic_pj >= in_time.dynamic_pj:
            break
        weights = 1.0, (in_time.dynamic_pj - beyond.dynamic_pj) / (beyond.latency_ps - in_time.latency_ps)
        found = front.ask(*weights)
        if found.weighted(*weights) >= best.weighted(*weights) * (1 - ROUNDING):
            break
        if found.prediction.latency_ps <= deadline_ps:
            best = found
        else:
            late.append(found)
    return best, weights, late
