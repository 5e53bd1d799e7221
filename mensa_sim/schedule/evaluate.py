"""What an assignment is predicted to take: one function for every scheduler."""

from collections.abc import Sequence
from dataclasses import dataclass

from mensa_sim.schedule.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Latency and dynamic energy of an assignment, without contention and with every tensor through memory."""

    serial_ps: int
    """Layer after layer: every latency and every copy between memories, added up, after what a host takes."""
    parallel_ps: int
    """Branches overlap: each unit starts when its inputs have arrived and its accelerator is free, in order."""
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
    parallel_ps, starts_ps = _list_schedule(problem, assignment, order or range(len(problem.units)))
    serial_ps = problem.host_ps
    dynamic_pj = 0.0
    for unit, accelerator in zip(problem.units, assignment, strict=True):
        option = unit.option(accelerator)
        serial_ps += option.latency_ps
        dynamic_pj += option.energy_pj
    for tensor in problem.tensors:
        source = problem.memories[assignment[tensor.producer]]
        for target in dict.fromkeys(problem.memories[assignment[reader]] for reader in tensor.readers):
            serial_ps += problem.transfer_ps(tensor.size_bytes, source, target)
            dynamic_pj += problem.transfer_pj(tensor.size_bytes, source, target)
    latency_ps = serial_ps if problem.execution == "serial" else parallel_ps
    return Prediction(
        serial_ps=serial_ps,
        parallel_ps=parallel_ps,
        dynamic_pj=dynamic_pj,
        latency_ps=latency_ps,
        energy_pj=problem.total_pj(dynamic_pj, latency_ps),
        value=problem.value(dynamic_pj, latency_ps),
        starts_ps=tuple(starts_ps),
    )


def _list_schedule(problem: Problem, assignment: Sequence[int], order: Sequence[int]) -> tuple[int, list[int]]:
    """Makespan and start times; an order that takes a consumer before its producer is an error."""
    free_ps = [problem.host_ps] * len(problem.accelerators)
    starts_ps = [-1] * len(problem.units)
    finish_ps = [-1] * len(problem.units)
    for index in order:
        accelerator = assignment[index]
        start_ps = free_ps[accelerator]
        for tensor in problem.incoming[index]:
            if finish_ps[tensor.producer] < 0:
                raise ValueError(f"{problem.units[index].name} is ordered before {problem.units[tensor.producer].name}")
            source = problem.memories[assignment[tensor.producer]]
            copy_ps = problem.transfer_ps(tensor.size_bytes, source, problem.memories[accelerator])
            start_ps = max(start_ps, finish_ps[tensor.producer] + copy_ps)
        starts_ps[index] = start_ps
        finish_ps[index] = free_ps[accelerator] = start_ps + problem.units[index].option(accelerator).latency_ps
    if min(starts_ps, default=0) < 0:
        raise ValueError(f"{problem.name}: the order leaves out {problem.units[starts_ps.index(-1)].name}")
    return max(finish_ps, default=0), starts_ps
