"""What an assignment is predicted to take: one function for every scheduler."""

from collections.abc import Sequence

from mensa_sim.records import dataclass
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.sharing import run_together


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Latency and dynamic energy of an assignment, with every tensor through memory."""

    serial_ps: int
    """Layer after layer: every latency and every copy between memories, added up, after what a host takes."""
    parallel_ps: int
    """Branches overlap: each unit starts when its inputs have arrived and its accelerator is free, in order, and shares
    memories and links with what runs beside it."""
    dynamic_pj: float
    latency_ps: int
    """The one of the two that the problem's `execution` names: what is meant by predicted."""
    energy_pj: float
    """Dynamic energy, and the static power of the whole system over that latency."""
    value: float
    """What the objective makes of it."""
    starts_ps: tuple[int, ...]
    """When each unit starts if branches overlap."""


def evaluate(problem: Problem, assignment: Sequence[int], order: Sequence[int] | None = None) -> Prediction:
    """Predict latency and energy of units on accelerators, by index.

    `order` is the order in which each accelerator takes its units, topological; that of the problem if none is given.
    A copy waits for nothing but its producer: it delays the readers in that memory and occupies no accelerator.
    """
    together = run_together(problem, assignment, order or range(len(problem.units)))
    serial_ps = problem.host_ps
    dynamic_pj = 0.0
    for unit, accelerator in zip(problem.units, assignment, strict=True):
        option = unit.option(accelerator)
        serial_ps += option.latency_ps
        dynamic_pj += option.energy_pj
    for tensor in problem.tensors:
        for copied in problem.copies(tensor, assignment.__getitem__):
            serial_ps += problem.transfer_ps(*copied)
            dynamic_pj += problem.transfer_pj(*copied)
    latency_ps = serial_ps if problem.execution == "serial" else together.makespan_ps
    return Prediction(
        serial_ps=serial_ps,
        parallel_ps=together.makespan_ps,
        dynamic_pj=dynamic_pj,
        latency_ps=latency_ps,
        energy_pj=problem.total_pj(dynamic_pj, latency_ps),
        value=problem.value(dynamic_pj, latency_ps),
        starts_ps=together.starts_ps,
    )
