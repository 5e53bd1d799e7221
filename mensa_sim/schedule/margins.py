"""What moving one unit to another accelerator would change: the runner-up and its margin."""

from collections.abc import Sequence

from mensa_sim.records import dataclass
from mensa_sim.schedule.evaluate import Prediction
from mensa_sim.schedule.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """The best other place of one unit, all others staying where they are, layer by layer."""

    accelerator: int
    value: float
    """The objective value of the whole schedule with the unit there."""


def runner_up(problem: Problem, assignment: Sequence[int], prediction: Prediction, unit: int) -> Margin | None:
    """The best other allowed accelerator of a unit; none where there is no other."""
    here = assignment[unit]
    before = with_copies(problem, assignment, unit, here)
    found = []
    for accelerator in problem.units[unit].allowed:
        if accelerator != here:
            after = with_copies(problem, assignment, unit, accelerator)
            latency_ps = prediction.serial_ps + after[0] - before[0]
            found.append((problem.value(prediction.dynamic_pj + after[1] - before[1], latency_ps), accelerator))
    if not found:
        return None
    value, accelerator = min(found)
    return Margin(accelerator=accelerator, value=value)


def reasons_of(problem: Problem, assignment: Sequence[int], prediction: Prediction) -> list[str]:
    """Why each unit of a searched schedule stands where it stands: what moving it alone would cost."""
    return [_reason(problem, assignment, prediction, unit) for unit in range(len(problem.units))]


def _reason(problem: Problem, assignment: Sequence[int], prediction: Prediction, unit: int) -> str:
    name = problem.accelerators[assignment[unit]]
    if problem.units[unit].pin is not None:
        return "pinned"
    if problem.execution == "parallel":
        return f"{name} in the best schedule found"
    margin = runner_up(problem, assignment, prediction, unit)
    if margin is None:
        return f"only {name} can run it"
    other = problem.accelerators[margin.accelerator]
    change = margin.value / prediction.value - 1 if prediction.value else 0.0
    return f"moving it alone to {other} changes {problem.objective} by {change:+.3g} of its value"


def with_copies(problem: Problem, assignment: Sequence[int], unit: int, accelerator: int) -> tuple[int, float]:
    """Latency and energy of a unit on an accelerator and of all copies of the tensors that it makes or reads."""
    option = problem.units[unit].option(accelerator)
    latency_ps, energy_pj = option.latency_ps, option.energy_pj
    for tensor in (*problem.incoming[unit], *problem.outgoing[unit]):
        for copied in problem.copies(tensor, lambda other: accelerator if other == unit else assignment[other]):
            latency_ps += problem.transfer_ps(*copied)
            energy_pj += problem.transfer_pj(*copied)
    return latency_ps, energy_pj
