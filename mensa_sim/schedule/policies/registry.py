"""The schedulers by name, and the one call that runs any of them."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.lookup import lookup, unknown_name
from mensa_sim.schedule.policies.heft import heft, heft_at_home
from mensa_sim.schedule.policies.mensa import mensa
from mensa_sim.schedule.policies.optimal import missed, optimal
from mensa_sim.schedule.policies.own import OwnScheduler, own_schedule
from mensa_sim.schedule.policies.pareto import pareto
from mensa_sim.schedule.policies.simple import first, greedy, greedy_at_home, single
from mensa_sim.schedule.policies.throughput import throughput
from mensa_sim.schedule.problem import Problem, require_runnable
from mensa_sim.schedule.schedule import Schedule

Scheduler = Callable[..., Schedule]

SINGLE = "single:"
"""Prefix of the scheduler that puts everything on the accelerator named after it."""

SCHEDULERS: Mapping[str, Scheduler] = MappingProxyType(
    {
        "first": first,
        "greedy": greedy,
        "mensa": mensa,
        "heft": heft,
        "optimal": optimal,
        "pareto": pareto,
        "throughput": throughput,
    }
)


AT_HOME: Mapping[str, Callable[[Problem, CostTable], Schedule]] = MappingProxyType(
    {"greedy": greedy_at_home, "heft": heft_at_home}
)
"""Those that answer again for a flow in which tensors may be at home: they see what was placed before."""


def options_of(scheduler: object) -> tuple[str, ...]:
    """The options that a scheduler takes by its name; none for one that does not exist or is bound to an accelerator.

    >>> options_of("mensa")
    ('mac_ratio', 'reuse_threshold')
    """
    return _keywords(SCHEDULERS[scheduler]) if isinstance(scheduler, str) and scheduler in SCHEDULERS else ()


@cache
def _keywords(scheduler: Scheduler) -> tuple[str, ...]:
    parameters = inspect.signature(scheduler).parameters.values()
    return tuple(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


def schedule(problem: Problem, name: str | OwnScheduler, **options: float) -> Schedule:
    """Run the scheduler of that name (`single:NAME` for one accelerator), or a function, with its options.

    Raises `UnknownNameError` for a name or an option that does not exist, `InfeasibleError` where nothing can be
    scheduled.
    """
    if not isinstance(name, str):
        own = own_schedule(problem, name, options)
        _check_deadline(problem, own)
        return own
    if name.startswith(SINGLE):
        _check_options(name, single, options)
        alone = single(problem, name.removeprefix(SINGLE))
        _check_deadline(problem, alone)
        return alone
    scheduler = lookup(SCHEDULERS, name, f"scheduler (or {SINGLE}NAME)")
    _check_options(name, scheduler, options)
    require_runnable(problem)
    found = scheduler(problem, **options)
    _check_deadline(problem, found)
    return found


def _check_deadline(problem: Problem, found: Schedule) -> None:
    if problem.deadline_ps is not None and found.prediction.latency_ps > problem.deadline_ps:
        raise missed(problem.name, found.scheduler, found.prediction.latency_ps, problem.deadline_ps)


def _check_options(name: str, scheduler: Scheduler, options: Mapping[str, float]) -> None:
    known = _keywords(scheduler)
    for option, value in options.items():
        if option not in known:
            raise unknown_name(option, known, f"option of scheduler {name}")
        if not isinstance(value, int | float):
            raise UsageError(f"scheduler {name}: {option} is {value!r}, must be a number")
