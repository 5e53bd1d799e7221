"""Streams on a pool of equal accelerators: each schedule with its load where the others leave most time."""

from collections.abc import Mapping, Sequence

from mensa_sim.schedule.policies.throughput import loads_ps
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, judged_as, schedule_of, unit_assignment, unit_order


def spread_over(
    pools: Sequence[Sequence[str]], problems: Sequence[Problem], schedules: Sequence[Schedule], shares: Sequence[float]
) -> list[Schedule]:
    """The schedules with equal accelerators exchanged, so that the busiest of a pool is as little busy as comes easily.

    One after another, the part of it that keeps an accelerator busiest goes to the member with the least load so far:
    at most a third longer than the best there is where each has a part on one member (Graham, SIAM J. Appl. Math. 17,
    1969, for the longest first). What a unit is pinned to stays. `shares` are inferences of each beside one of the
    first.
    """
    loads: dict[str, float] = {}
    found: dict[int, Schedule] = {}

    def own_ps(place: int) -> Mapping[str, float]:
        problem, schedule = problems[place], schedules[place]
        loaded = loads_ps(problem, unit_assignment(problem, schedule))
        return {name: loaded[name] * shares[place] for name in problem.accelerators}

    each_ps = [own_ps(place) for place in range(len(problems))]
    for place in sorted(range(len(problems)), key=lambda place: -max(each_ps[place].values())):
        problem, mine = problems[place], each_ps[place]
        to = {name: name for name in problem.accelerators}
        pinned = {problem.accelerators[unit.pin] for unit in problem.units if unit.pin is not None}
        for pool in pools:
            free = [name for name in pool if name not in pinned]
            busiest = sorted(free, key=lambda name: (-mine[name], pool.index(name)))
            least = sorted(free, key=lambda name: (loads.get(name, 0.0), pool.index(name)))
            to |= dict(zip(busiest, least, strict=True))
        for name, load in mine.items():
            loads[to[name]] = loads.get(to[name], 0.0) + load
        found[place] = _moved(problem, schedules[place], to)
    return [found[place] for place in range(len(problems))]


def _moved(problem: Problem, schedule: Schedule, to: Mapping[str, str]) -> Schedule:
    if all(name == other for name, other in to.items()):
        return schedule
    where = [problem.accelerators.index(to[schedule.assignment[unit.layers[0]]]) for unit in problem.units]
    reasons = [_reason(schedule, unit.layers[0], to) for unit in problem.units]
    order = unit_order(problem, schedule)
    return judged_as(schedule_of(problem, schedule.scheduler, where, order=order, reasons=reasons), schedule)


def _reason(schedule: Schedule, layer: str, to: Mapping[str, str]) -> str:
    name, reason = schedule.assignment[layer], schedule.reasons.get(layer, "")
    return reason if to[name] == name else f"{to[name]} equals {name} and has less to do for other streams ({reason})"
