"""The best schedule there is, with the bound that proves it or says how far it may be off.

Layer by layer: dynamic programming over the graph, or a mixed-integer program where the graph is too wide or a deadline
binds. With branches in parallel: every schedule where they are few, else a mixed-integer program that starts from every
other scheduler's answer, bounds the time without contention, and is improved unit by unit with it. A product of energy
and latency, as `edp` is, is sought along their hull (`front`).

All of this is predicted, for an inference that finds empty buffers. What is simulated beside it, and chosen where it is
better then, `study/run/rivals.py` says.
"""

from collections.abc import Sequence

from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.objective import objective_named
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.elimination import TooWideError
from mensa_sim.schedule.exact.enumeration import EverySchedule, few_schedules
from mensa_sim.schedule.exact.front import ROUNDING, Front, least_product
from mensa_sim.schedule.exact.makespan_program import MakespanProgram, Placed
from mensa_sim.schedule.exact.serial_program import SerialProgram
from mensa_sim.schedule.exact.weighted import Candidate, EliminationSolver, WeightedSolver
from mensa_sim.schedule.margins import reasons_of
from mensa_sim.schedule.policies.heft import heft
from mensa_sim.schedule.policies.mensa import mensa
from mensa_sim.schedule.policies.simple import greedy, single
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_assignment, unit_order, with_bound

_ROUNDS = 400
"""Weights asked for before the search for the least product stops with the bound it has."""


def optimal(problem: Problem, *, time_limit_s: float = 10.0) -> Schedule:
    """The optimum, or the best found within about the time limit beside the bound proved by then.

    The limit is on HiGHS; dynamic programming takes the time it takes. Raises `InfeasibleError` for a deadline that
    cannot be met.
    """
    if not time_limit_s > 0:
        raise UsageError(f"optimal: time_limit_s is {time_limit_s}, must be positive")
    front = search_front(problem, time_limit_s)
    best, bound = best_on(problem, front)
    return proved(problem, "optimal", front, best, bound)


def proved(problem: Problem, scheduler: str, front: Front, best: Candidate, bound: float) -> Schedule:
    """The schedule of a candidate beside a bound, and how that was proved."""
    schedule = schedule_of(
        problem,
        scheduler,
        best.assignment,
        order=best.order,
        reasons=reasons_of(problem, best.assignment, best.prediction),
    )
    if bound >= schedule.value * (1 - ROUNDING):
        bound = schedule.value
    proofs = list(dict.fromkeys(candidate.proof for candidate in front.candidates))
    weakest = next((proof for proof in proofs if not proof.startswith("exact")), proofs[0])
    return with_bound(schedule, bound, weakest)


def search_front(problem: Problem, time_limit_s: float) -> Front:
    """A front with the solver that fits the problem, under its deadline if that binds, and nothing asked yet."""
    arrays = Arrays(problem)
    free = _solver(arrays, time_limit_s)
    if problem.deadline_ps is None:
        return Front(free)
    fastest = free.minimise(0.0, 1.0)
    if fastest.prediction.latency_ps > problem.deadline_ps:
        raise _missed(problem, fastest)
    front = Front(free)
    unbound, _ = best_on(problem, front)
    if unbound.prediction.latency_ps <= problem.deadline_ps:
        return Front(free)
    meeting = [c for c in (*front.candidates, fastest) if c.prediction.latency_ps <= problem.deadline_ps]
    return Front(_limited(arrays, meeting, time_limit_s, problem.deadline_ps))


def _limited(arrays: Arrays, meeting: Sequence[Candidate], time_limit_s: float, deadline_ps: int) -> WeightedSolver:
    if arrays.problem.execution == "serial":
        return SerialProgram(arrays, [candidate.assignment for candidate in meeting], time_limit_s, deadline_ps)
    if few_schedules(arrays.problem):
        return EverySchedule(arrays.problem, deadline_ps)
    known = [(candidate.assignment, candidate.order) for candidate in meeting]
    return MakespanProgram(arrays, known, time_limit_s, deadline_ps)


def _solver(arrays: Arrays, time_limit_s: float) -> WeightedSolver:
    problem = arrays.problem
    if problem.execution == "parallel" and few_schedules(problem):
        return EverySchedule(problem)
    try:
        serial: WeightedSolver = EliminationSolver(arrays)
    except TooWideError:
        serial = SerialProgram(arrays, [assignment for assignment, _ in _others(problem)], time_limit_s)
    if problem.execution == "serial":
        return serial
    known = _others(problem)
    for weights in ((0.0, 1.0), (1.0, problem.static_pj_per_ps)):
        assignment = serial.minimise(*weights).assignment
        known.append((assignment, tuple(range(len(assignment)))))
    return MakespanProgram(arrays, known, time_limit_s, least_energy_pj=serial.minimise(1.0, 0.0).bound)


def _others(problem: Problem) -> list[Placed]:
    """What every other scheduler answers: the exact ones start from it and are never worse."""
    found = known_schedules(problem)
    return [(tuple(unit_assignment(problem, other)), tuple(unit_order(problem, other))) for other in found]


def known_schedules(problem: Problem) -> list[Schedule]:
    """The answers of schedulers that prove nothing, and of each accelerator alone that can run everything."""
    alone = (each for a, each in enumerate(problem.accelerators) if all(a in unit.allowed for unit in problem.units))
    return [greedy(problem), mensa(problem), heft(problem), *(single(problem, name) for name in alone)]


def best_on(problem: Problem, front: Front) -> tuple[Candidate, float]:
    """The candidate with the least objective value, and a bound on all."""
    objective = objective_named(problem.objective)
    if objective.mixed:
        return least_product(front, problem.value, _ROUNDS)
    if objective.latency_power:
        fastest = front.ask(0.0, 1.0)
        frugal = front.ask(0.5 / (1.0 + fastest.prediction.dynamic_pj), 1.0)
        best = min(fastest, frugal, key=lambda c: (c.prediction.latency_ps, c.prediction.dynamic_pj))
        return best, objective.value(0.0, fastest.bound)
    least = front.ask(1.0, problem.static_pj_per_ps)
    return least, objective.value(least.bound, 0.0)


def _missed(problem: Problem, fastest: Candidate) -> InfeasibleError:
    return missed(problem.name, "optimal", fastest.prediction.latency_ps, problem.deadline_ps or 0, fastest.bound)


def missed(
    name: str, scheduler: str, latency_ps: int, deadline_ps: int, least_ps: float | None = None
) -> InfeasibleError:
    """A deadline that a schedule misses; with a time that none is below, one that the fastest found misses."""
    over = f"{latency_ps - deadline_ps} ps ({latency_ps / deadline_ps - 1:.1%})"
    if least_ps is None:
        return InfeasibleError(
            f"{name}: the schedule of {scheduler} takes {latency_ps} ps and misses the deadline of {deadline_ps} ps "
            f"by {over}; the scheduler `optimal` looks for one that meets it"
        )
    found, below = ("found ", f"; none below {least_ps:.0f} ps is possible") if least_ps < latency_ps else ("", "")
    verdict = "cannot be met" if least_ps > deadline_ps else "is not met"
    how = f"the fastest schedule {found}takes {latency_ps} ps, {over} more{below}"
    return InfeasibleError(f"{name}: the deadline of {deadline_ps} ps {verdict}: {how}")


def exact_serial(problem: Problem) -> Schedule | None:
    """The optimum by dynamic programming alone, the deadline left aside; none where the graph is too wide for it.

    Its bound holds for every schedule of the problem, and no clock decides anything.
    """
    if problem.execution != "serial":
        return None
    try:
        front = Front(EliminationSolver(Arrays(problem)))
    except TooWideError:
        return None
    return proved(problem, "optimal", front, *best_on(problem, front))


def beside(schedule: Schedule, best: Schedule) -> Schedule:
    """A schedule beside the bound that the optimum of the same problem proved."""
    if best.bound is None or schedule.objective != best.objective:
        return schedule
    return with_bound(schedule, best.bound, best.proof)
