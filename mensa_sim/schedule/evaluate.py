"""What an assignment is predicted to take: one function for every scheduler."""

from collections.abc import Sequence
from dataclasses import field
from functools import cached_property

from mensa_sim.records import dataclass
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.sharing import check_order, run_together


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Latency and dynamic energy of an assignment, with every tensor through memory where `evaluate` has made it.

    `serial_ps` and `dynamic_pj` may be those with tensors at home (`homes/placed.py`).
    """

    problem: Problem = field(repr=False, compare=False)
    assignment: Sequence[int] = field(repr=False)
    """The accelerator of each unit, by index."""
    order: Sequence[int] = field(repr=False)
    """The order in which each accelerator takes its units."""
    serial_ps: int
    """Layer after layer: every latency and every copy between memories, added up, after what a host takes."""
    dynamic_pj: float

    @cached_property
    def _together(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Asked for where branches may overlap, as seldom as that is what is made small."""
        return run_together(self.problem, self.assignment, self.order)

    @property
    def parallel_ps(self) -> int:
        """Branches overlap: each unit starts when its inputs have arrived and its accelerator is free, in order, and
        shares memories and links with what runs beside it."""
        return max(self._together[1])

    @property
    def starts_ps(self) -> tuple[int, ...]:
        """When each unit starts if branches overlap."""
        return self._together[0]

    @property
    def latency_ps(self) -> int:
        """The one of the two that the problem's `execution` names: what is meant by predicted."""
        return self.serial_ps if self.problem.execution == "serial" else self.parallel_ps

    @property
    def energy_pj(self) -> float:
        """Dynamic energy, and the static power of the whole system over that latency."""
        return self.problem.total_pj(self.dynamic_pj, self.latency_ps)

    @property
    def value(self) -> float:
        """What the objective makes of it."""
        return self.problem.value(self.dynamic_pj, self.latency_ps)


def evaluate(problem: Problem, assignment: Sequence[int], order: Sequence[int] | None = None) -> Prediction:
    """Predict latency and energy of units on accelerators, by index.

    `order` is the order in which each accelerator takes its units, topological; that of the problem if none is given.
    A copy waits for nothing but its producer: it delays the readers in that memory and occupies no accelerator.
    Raises `ValueError` for an order that takes a reader before its producer, or leaves a unit out, and
    `InfeasibleError` for a unit where it cannot run.
    """
    order = tuple(range(len(problem.units)) if order is None else order)
    check_order(problem, order)
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
    return Prediction(
        problem=problem, assignment=tuple(assignment), order=order, serial_ps=serial_ps, dynamic_pj=dynamic_pj
    )
