"""Scheduling for streams: the shortest steady period between inferences, whatever one inference takes.

When inferences follow each other without a pause, the busiest resource sets the pace: an accelerator by the latencies
it is given, a memory by the traffic of its layers and copies, a link by its copies, a host by what it prepares. The
period is the largest of these loads; it is minimised by HiGHS, whose relaxation bounds it. No order can be faster than
the busiest resource is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.errors import UsageError
from mensa_sim.hardware.host import HOST
from mensa_sim.objective import PERIOD
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import SOLVED, STOPPED, TOLERANCE, chosen, tightened
from mensa_sim.schedule.exact.placement_program import PlacementProgram
from mensa_sim.schedule.policies.heft import heft
from mensa_sim.schedule.policies.mensa import mensa
from mensa_sim.schedule.policies.simple import greedy
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_assignment, with_bound


def throughput(problem: Problem, *, time_limit_s: float = 10.0) -> Schedule:
    """The assignment with the least period found in time, beside the bound on every period."""
    if not time_limit_s > 0:
        raise UsageError(f"throughput: time_limit_s is {time_limit_s}, must be positive")
    arrays = Arrays(problem)
    found = [unit_assignment(problem, other(problem)) for other in (greedy, mensa, heft)]
    known_ps = min(max(loads_ps(problem, assignment).values()) for assignment in found)
    program = _program(arrays, known_ps)
    solution = program.program.solve(time_limit_s, float(known_ps))
    if solution.values is not None:
        found.append([chosen(places, solution.values) for places in program.places])
    best = min(found, key=lambda assignment: max(loads_ps(problem, assignment).values()))
    loads = loads_ps(problem, best)
    period_ps = float(max(loads.values()))
    bound = max(0.0, tightened(solution.bound))
    closed = solution.finished and period_ps - bound <= 3 * TOLERANCE * period_ps
    reasons = [_reason(problem, loads, accelerator) for accelerator in best]
    schedule = replace(
        schedule_of(problem, "throughput", best, reasons=reasons), objective=PERIOD, value=period_ps, bound=None
    )
    return with_bound(schedule, bound, SOLVED if closed else STOPPED)


def loads_ps(problem: Problem, assignment: Sequence[int]) -> dict[str, int]:
    """How long one inference keeps each accelerator, memory and link busy."""
    loads = dict.fromkeys(problem.accelerators, 0) | ({HOST: problem.host_ps} if problem.host_ps else {})
    for unit, accelerator in zip(problem.units, assignment, strict=True):
        option = unit.option(accelerator)
        loads[problem.accelerators[accelerator]] += option.busy_ps
        memory = f"memory {problem.channel(accelerator)}"
        loads[memory] = loads.get(memory, 0) + option.memory_ps
    for tensor in problem.tensors:
        for copied in problem.copies(tensor, assignment.__getitem__):
            for resource, time_ps in _copy_loads(problem, *copied).items():
                loads[resource] = loads.get(resource, 0) + time_ps
    return loads


def _copy_loads(problem: Problem, size_bytes: int, source: str, target: str) -> dict[str, int]:
    if source == target:
        return {}
    loads: dict[str, int] = {}
    for leg in problem.routes[source, target].legs:
        kind = "link" if "link" in leg.pj_per_byte else "memory"
        resource = f"{kind} {problem.channel_of(leg.resource)}"
        loads[resource] = loads.get(resource, 0) + leg.time_ps(size_bytes)
    return loads


def _program(arrays: Arrays, known_ps: int) -> PlacementProgram:
    """Minimise the period, above the load of every resource; its only cost is in ps, and at most the known one."""
    problem = arrays.problem
    placement = PlacementProgram(arrays)
    fast_enough = [[a for a in unit.allowed if unit.option(a).busy_ps <= known_ps] for unit in problem.units]
    placement.add_units(fast_enough)
    placement.add_copies()
    work: dict[str, list[tuple[int, int]]] = {}
    for unit, options in zip(problem.units, placement.places, strict=True):
        for accelerator, column in options.items():
            option = unit.option(accelerator)
            work.setdefault(problem.accelerators[accelerator], []).append((column, option.busy_ps))
            work.setdefault(f"memory {problem.channel(accelerator)}", []).append((column, option.memory_ps))
    for (number, source, target), column in placement.copies.items():
        size_bytes = problem.tensors[arrays.tensors[number]].size_bytes
        names = arrays.memories[source], arrays.memories[target]
        for resource, time_ps in _copy_loads(problem, size_bytes, *names).items():
            work.setdefault(resource, []).append((column, time_ps))
    scale_ps = max(1, known_ps)
    period = placement.program.variable(float(scale_ps), low=problem.host_ps / scale_ps, high=math.inf)
    for terms in work.values():
        loads = [(column, -time_ps / scale_ps) for column, time_ps in terms if time_ps]
        placement.program.row([(period, 1.0), *loads], low=0.0)
    return placement


def _reason(problem: Problem, loads: Mapping[str, int], accelerator: int) -> str:
    name = problem.accelerators[accelerator]
    busiest = max(loads, key=lambda resource: loads[resource])
    return f"{name} is busy {loads[name]} ps an inference; {busiest} sets the period with {loads[busiest]} ps"
