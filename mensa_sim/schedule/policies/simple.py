"""The two simplest schedulers: everything on one accelerator, and each unit where it alone is cheapest."""

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError
from mensa_sim.lookup import unknown_name
from mensa_sim.schedule.homes.seen import HomesSeen
from mensa_sim.schedule.problem import Problem, fault_at
from mensa_sim.schedule.schedule import Schedule, schedule_of
from mensa_sim.schedule.unit import Refusal, Unit


def single(problem: Problem, name: str) -> Schedule:
    """Everything on one accelerator; `InfeasibleError` names every unit that it cannot run or that is pinned away."""
    if name not in problem.accelerators:
        raise unknown_name(name, problem.accelerators, "accelerator")
    target = problem.accelerators.index(name)
    faults = [fault for unit in problem.units if (fault := fault_at(problem, unit, target)) is not None]
    if faults:
        raise InfeasibleError(f"{problem.name}: not everything fits on {name}: " + "; ".join(faults))
    reasons = [f"everything on {name}"] * len(problem.units)
    return schedule_of(problem, f"single:{name}", [target] * len(problem.units), reasons=reasons)


def greedy(problem: Problem) -> Schedule:
    """Each unit on the accelerator where its own objective value is lowest; transfers are ignored, ties go in order."""
    assignment = [cheapest(problem, unit) for unit in problem.units]
    reasons = [_greedy_reason(problem, unit, index) for unit, index in zip(problem.units, assignment, strict=True)]
    return schedule_of(problem, "greedy", assignment, reasons=reasons)


def greedy_at_home(problem: Problem, costs: CostTable) -> Schedule:
    """In order, each unit where it adds least to the objective if what was placed before may stay on chip for it.

    What a pJ and a ps count is known around what `greedy` places.
    """
    prediction = greedy(problem).prediction
    per_pj, per_ps = problem.rates(prediction.dynamic_pj, prediction.latency_ps)
    seen = HomesSeen(problem, costs)
    assignment, reasons = list[int](), list[str]()
    for index, unit in enumerate(problem.units):
        found = [each for place in unit.allowed for each in seen.added(index, place)]
        least = min(found, key=lambda each: per_pj * each.energy_pj + per_ps * each.latency_ps)
        seen.take(index, least.mode)
        assignment.append(least.mode.accelerator)
        beside = ", with what it reads at home" if least.mode.inputs else ""
        reasons.append("pinned" if unit.pin is not None else f"adds least to the {problem.objective} there{beside}")
    return schedule_of(problem, "greedy", assignment, reasons=reasons)


def first(problem: Problem) -> Schedule:
    """Each unit on the first accelerator of the system that runs it, as the compiler of a device places it."""
    assignment = [unit.allowed[0] for unit in problem.units]
    reasons = [_first_reason(problem, unit) for unit in problem.units]
    return schedule_of(problem, "first", assignment, reasons=reasons)


def _first_reason(problem: Problem, unit: Unit) -> str:
    if unit.pin is not None:
        return "pinned"
    passed = [
        f"{problem.accelerators[index]} refuses it ({option.reason})"
        for index, option in enumerate(unit.options[: unit.allowed[0]])
        if isinstance(option, Refusal)
    ]
    return "; ".join(passed) or "the first that can run it"


def own_value(problem: Problem, unit: Unit, accelerator: int) -> float:
    """Objective value of a unit on its own: the static power of the whole system is on while it runs."""
    option = unit.option(accelerator)
    return problem.value(option.energy_pj, option.latency_ps)


def cheapest(problem: Problem, unit: Unit) -> int:
    """The allowed accelerator with the lowest own value; the first of equals."""
    return min(unit.allowed, key=lambda index: own_value(problem, unit, index))


def _greedy_reason(problem: Problem, unit: Unit, chosen: int) -> str:
    if unit.pin is not None:
        return "pinned"
    others = [index for index in unit.allowed if index != chosen]
    if not others:
        return f"only {problem.accelerators[chosen]} can run it"
    second = min(others, key=lambda index: own_value(problem, unit, index))
    best, next_best = own_value(problem, unit, chosen), own_value(problem, unit, second)
    share = f", {next_best / best:.3g} times cheaper" if best else ""
    return f"lowest {problem.objective} on its own{share} than on {problem.accelerators[second]}"
