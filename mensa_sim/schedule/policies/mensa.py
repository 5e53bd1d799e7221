"""Mensa's two-phase scheduler (Boroumand et al., PACT 2021, arXiv 2109.14320).

Phase I gives each unit its ideal accelerator: that of its family. Phase II walks the units in order and decides
whether one whose ideal accelerator differs from its predecessor's is worth the hand-over. Here the predecessor of a
unit is the producer that sends it most bytes, the earliest of equals; a unit without one starts where it is ideal.
A unit that belongs to no family (no MACs or no parameters) is judged as a family of its own.
"""

from collections.abc import Sequence

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.simple import cheapest
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of
from mensa_sim.schedule.unit import Option, Unit
from mensa_sim.workload.layer import macs_per_parameter_byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When phase II pays for a hand-over."""

    mac_ratio: float = 2.0
    """Compute time on the predecessor's accelerator above this many times that on the ideal one."""
    reuse_threshold: float = 64.0
    """MAC/B below which parameters, if larger than the activations to send, settle it."""

    def __post_init__(self) -> None:
        for name in ("mac_ratio", "reuse_threshold"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"mensa: {name} is {getattr(self, name)}, must not be negative")


def mensa(problem: Problem, *, mac_ratio: float = 2.0, reuse_threshold: float = 64.0) -> Schedule:
    """Phase I and II with the given thresholds; each layer's reason says which rule decided, with its figures."""
    thresholds = Thresholds(mac_ratio=mac_ratio, reuse_threshold=reuse_threshold)
    ideals = ideal_accelerators(problem)
    assignment: list[int] = []
    reasons: list[str] = []
    for index, (ideal, why) in enumerate(ideals):
        place, reason = _place(problem, index, ideal, assignment, thresholds)
        assignment.append(place)
        reasons.append(f"{why}; {reason}")
    return schedule_of(problem, "mensa", assignment, reasons=reasons)


def ideal_accelerators(problem: Problem) -> list[tuple[int, str]]:
    """Phase I: the ideal accelerator of each unit, and why."""
    of_family = family_accelerators(problem)
    found = []
    for unit in problem.units:
        if unit.pin is not None:
            found.append((unit.pin, f"pinned to {problem.accelerators[unit.pin]}"))
        elif unit.family is None:
            best = cheapest(problem, unit)
            found.append((best, f"no family: ideal is {problem.accelerators[best]}, its cheapest"))
        elif of_family[unit.family] in unit.allowed:
            ideal = of_family[unit.family]
            found.append((ideal, f"family {unit.family}: ideal is {problem.accelerators[ideal]}"))
        else:
            best, refuser = cheapest(problem, unit), problem.accelerators[of_family[unit.family]]
            why = f"{refuser} cannot run it: ideal is {problem.accelerators[best]}, its cheapest"
            found.append((best, f"family {unit.family}: {why}"))
    return found


def family_accelerators(problem: Problem) -> dict[int, int]:
    """The accelerator of each family present: the system's, else the one with the lowest summed objective value.

    The sums run over the family's units; an accelerator that refuses some of them comes after all that refuse fewer.
    """
    members: dict[int, list[Unit]] = {}
    for unit in problem.units:
        if unit.family is not None:
            members.setdefault(unit.family, []).append(unit)
    return {
        family: problem.families[family] if family in problem.families else _cheapest_for(problem, members[family])
        for family in sorted(members)
    }


def _cheapest_for(problem: Problem, units: Sequence[Unit]) -> int:
    def rank(index: int) -> tuple[int, float]:
        options = [option for unit in units if isinstance(option := unit.options[index], Option)]
        energy_pj, latency_ps = sum(o.energy_pj for o in options), sum(o.latency_ps for o in options)
        return len(units) - len(options), problem.value(energy_pj, latency_ps)

    return min(range(len(problem.accelerators)), key=rank)


def _place(
    problem: Problem, index: int, ideal: int, assignment: Sequence[int], thresholds: Thresholds
) -> tuple[int, str]:
    """Phase II for one unit: move to the ideal accelerator, or stay on its predecessor's."""
    unit = problem.units[index]
    if unit.pin is not None:
        return ideal, "a pin is kept"
    received: dict[int, int] = {}
    for tensor in problem.incoming[index]:
        received[tensor.producer] = received.get(tensor.producer, 0) + tensor.size_bytes
    if not received:
        return ideal, "no predecessor"
    predecessor = max(received, key=lambda producer: (received[producer], -producer))
    previous = assignment[predecessor]
    if previous == ideal:
        return ideal, f"as its predecessor {problem.units[predecessor].name}"
    there, here = problem.accelerators[ideal], problem.accelerators[previous]
    if previous not in unit.allowed:
        return ideal, f"moves from {here}, which cannot run it"
    slow_ps, fast_ps = unit.option(previous).compute_ps, unit.option(ideal).compute_ps
    if slow_ps > thresholds.mac_ratio * fast_ps:
        ratio = f"{slow_ps / fast_ps:.3g} times" if fast_ps else "without compute time there,"
        return ideal, f"moves: computing on {here} takes {ratio} that on {there} (limit {thresholds.mac_ratio:g})"
    sent_bytes = sum(size for producer, size in received.items() if assignment[producer] != ideal)
    reuse = macs_per_parameter_byte(unit.macs_per_step, unit.parameter_bytes)
    sizes = f"{unit.parameter_bytes} parameter bytes against {sent_bytes} activation bytes to send"
    limit = f"MAC/B {reuse:.3g} (limit {thresholds.reuse_threshold:g})"
    if unit.parameter_bytes > sent_bytes and reuse < thresholds.reuse_threshold:
        return ideal, f"moves to {there}: {sizes}, {limit}"
    return previous, f"stays on {here}: {sizes}, {limit}"
