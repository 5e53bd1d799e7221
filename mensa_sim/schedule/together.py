"""Several problems on one system as one: what streams ask of the same accelerators, memories and links."""

from collections.abc import Sequence
from dataclasses import replace

from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, judged_as, schedule_of, unit_assignment
from mensa_sim.schedule.unit import Option, Refusal, Unit, UnitTensor


def joined(problems: Sequence[Problem], shares: Sequence[float]) -> Problem:
    """One problem with the units of all, each as often as its share says: times, energies and sizes are scaled.

    Units and layers are renamed by the number of their problem. Right for what adds up over time, as the load of a
    resource does, and for nothing else.
    """
    first = [0]
    for problem in problems:
        first.append(first[-1] + len(problem.units))
    together = tuple(zip(problems, shares, first, range(len(problems)), strict=False))
    return replace(
        problems[0],
        name=" and ".join(dict.fromkeys(problem.name for problem in problems)),
        units=tuple(_unit(unit, share, number) for problem, share, _, number in together for unit in problem.units),
        tensors=tuple(
            _tensor(tensor, share, before) for problem, share, before, _ in together for tensor in problem.tensors
        ),
        host_ps=sum(round(problem.host_ps * share) for problem, share, _, _ in together),
    )


def parted(problems: Sequence[Problem], whole: Problem, found: Schedule) -> list[Schedule]:
    """The schedule of each problem in the one that was found for all of them."""
    assignment = unit_assignment(whole, found)
    reasons = [found.reasons.get(unit.layers[0], "") for unit in whole.units]
    schedules = []
    for problem in problems:
        count = len(problem.units)
        own = schedule_of(problem, found.scheduler, assignment[:count], reasons=reasons[:count])
        schedules.append(judged_as(own, found))
        assignment, reasons = assignment[count:], reasons[count:]
    return schedules


def _unit(unit: Unit, share: float, number: int) -> Unit:
    return replace(
        unit,
        name=f"{number}/{unit.name}",
        layers=tuple(f"{number}/{layer}" for layer in unit.layers),
        options=tuple(_option(option, share) for option in unit.options),
    )


def _option(option: Option | Refusal, share: float) -> Option | Refusal:
    if isinstance(option, Refusal):
        return option
    outside_ps = round(option.outside_ps * share)
    return Option(
        latency_ps=round(option.busy_ps * share) + outside_ps,
        energy_pj=option.energy_pj * share,
        compute_ps=round(option.compute_ps * share),
        memory_ps=round(option.memory_ps * share),
        outside_ps=outside_ps,
    )


def _tensor(tensor: UnitTensor, share: float, before: int) -> UnitTensor:
    return UnitTensor(
        producer=tensor.producer + before,
        readers=tuple(reader + before for reader in tensor.readers),
        size_bytes=round(tensor.size_bytes * share),
    )
