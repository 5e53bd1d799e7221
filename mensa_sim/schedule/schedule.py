"""The record that every scheduler returns: where each layer runs, in which order, how good it is and why."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import DataPlan
from mensa_sim.schedule.evaluate import Prediction, evaluate
from mensa_sim.schedule.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An accelerator per layer, by name and in order of execution, with its predicted objective value."""

    scheduler: str
    objective: str
    assignment: Mapping[str, str]
    """Layer to accelerator; its order is the order in which each accelerator takes its layers."""
    prediction: Prediction
    value: float
    """Predicted value that the scheduler minimises, in powers of pJ and ps."""
    bound: float | None = None
    """No schedule of this problem has a value below this; none where nothing was proved."""
    proof: str = ""
    """How the bound was proved, or why it is not tight."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Layer to why it stands where it stands."""
    data: DataPlan | None = None
    """Where tensors live between their producer and their readers; none: nobody has planned it yet."""

    def __post_init__(self) -> None:
        if self.bound is not None and self.bound > self.value:
            raise ValueError(f"{self.scheduler}: the bound {self.bound} is above the value {self.value}")

    @property
    def order(self) -> tuple[str, ...]:
        """Layers in order of execution."""
        return tuple(self.assignment)

    @property
    def gap(self) -> float | None:
        """At most this share above the best possible value; none without a useful bound."""
        if self.bound is None:
            return None
        if self.value == self.bound:
            return 0.0
        return self.value / self.bound - 1 if self.bound > 0 else None


def schedule_of(
    problem: Problem,
    scheduler: str,
    assignment: Sequence[int],
    *,
    order: Sequence[int] | None = None,
    reasons: Sequence[str] | None = None,
) -> Schedule:
    """The record of an assignment of units to accelerators, by index; a unit's layers share its reason.

    `order` holds every unit once. Raises `UsageError` for what does not fit the problem, `ValueError` for a reader
    before its producer and `InfeasibleError` for a unit where it cannot run.
    """
    _check_indexes(problem, assignment, order, reasons)
    prediction = evaluate(problem, assignment, order)
    placed: dict[str, str] = {}
    why: dict[str, str] = {}
    for index in order or range(len(problem.units)):
        for layer in problem.units[index].layers:
            placed[layer] = problem.accelerators[assignment[index]]
            if reasons is not None:
                why[layer] = reasons[index]
    return Schedule(
        scheduler=scheduler,
        objective=problem.objective,
        assignment=placed,
        prediction=prediction,
        value=prediction.value,
        reasons=why,
    )


def _check_indexes(
    problem: Problem, assignment: Sequence[int], order: Sequence[int] | None, reasons: Sequence[str] | None
) -> None:
    units, accelerators = len(problem.units), len(problem.accelerators)
    for name, given in (("assignment", assignment), ("reasons", reasons)):
        if given is not None and len(given) != units:
            raise UsageError(f"{name} has {len(given)} entries; the problem has {units} units")
    outside = next((index for index in assignment if not 0 <= index < accelerators), None)
    if outside is not None:
        raise UsageError(f"assignment has {outside}; accelerators are numbered from 0 to {accelerators - 1}")
    if order is not None and sorted(order) != list(range(units)):
        raise UsageError(f"order must hold each unit from 0 to {units - 1} once")


def with_bound(schedule: Schedule, bound: float, proof: str) -> Schedule:
    """The schedule beside a proved lower bound; a bound that rounding put above the value is the value."""
    return replace(schedule, bound=min(bound, schedule.value), proof=proof)


def judged_as(schedule: Schedule, other: Schedule) -> Schedule:
    """The schedule with the value and the bound of another one, of which it is a part or an equal."""
    return replace(schedule, objective=other.objective, value=other.value, bound=other.bound, proof=other.proof)


def unit_assignment(problem: Problem, schedule: Schedule) -> list[int]:
    """The accelerator of each unit of the problem, by index."""
    index = {name: number for number, name in enumerate(problem.accelerators)}
    return [index[schedule.assignment[unit.layers[0]]] for unit in problem.units]


def unit_order(problem: Problem, schedule: Schedule) -> list[int]:
    """The units of the problem in the schedule's order, by index."""
    unit_of = {layer: index for index, unit in enumerate(problem.units) for layer in unit.layers}
    return list(dict.fromkeys(unit_of[layer] for layer in schedule.assignment))
