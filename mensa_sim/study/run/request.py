"""What to run, and the command line that says so."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.schedule.policies.own import OwnScheduler
from mensa_sim.simulate.plan.options import FULL, PLAIN, Options
from mensa_sim.study.run.placement import Goal, baseline_goal, timings_named
from mensa_sim.study.run.provenance import portable_name
from mensa_sim.study.run.scheduling import goal_on
from mensa_sim.units import ms_to_ps
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run, by name, by path, or as an object that is at hand; the defaults are the command line's."""

    workload: str | LayerGraph
    system: str | System = "mensa_g"
    scheduler: str | OwnScheduler | None = None
    """None: as the system's file says, else mensa."""
    objective: str | None = None
    """None: as the system's file says, else edp."""
    baseline: str | System = "edge_tpu"
    seed: int = 0
    overrides: tuple[str, ...] = ()
    """`FIELD=VALUE` on any field of the system."""
    allow_code: bool = False
    strict: bool = False
    cache: bool = True
    options: Mapping[str, float] = field(default_factory=dict)
    """Options of the scheduler, e.g. the thresholds of `mensa`."""
    deadline_ms: float | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    """Layer to the accelerator that it must run on."""
    schedule_file: str | None = None
    """A schedule.yaml to take as it stands."""
    parallel: bool = False
    """Whether the scheduler's prediction lets branches overlap on different accelerators."""
    families_file: str | None = None
    """Families to judge layers by, as `mensa-sim families --save` writes them."""
    timings: str = "fit"
    """`exact`: a measured accelerator runs only what its table holds; `fit`: also what a fit to it predicts."""
    on_chip: Options = FULL
    """What the simulation may prefetch and keep on chip."""


def goals_of(request: RunRequest, system: System, baseline: System) -> tuple[Goal, Goal]:
    """The goals that a request states on the system and on the baseline, each scheduled as its file says if need be.

    Options of the scheduler hold on the baseline where that has the same scheduler.
    """
    goal, beside = _goal_on(request, system), _goal_on(request, baseline)
    if beside.scheduler != goal.scheduler:
        beside = _goal_on(replace(request, options={}), baseline)
    return goal, baseline_goal(baseline, beside)


def _goal_on(request: RunRequest, system: System) -> Goal:
    """The goal on one system; an unknown objective is an error."""
    return replace(
        goal_on(system, scheduler=request.scheduler, objective=request.objective, options=request.options),
        deadline_ps=None if request.deadline_ms is None else _deadline_ps(request.deadline_ms),
        pins=request.pins,
        schedule_file=None if request.schedule_file is None else Path(request.schedule_file),
        families_file=None if request.families_file is None else Path(request.families_file),
        execution="parallel" if request.parallel else "serial",
        timings=timings_named(request.timings),
    )


def _deadline_ps(deadline_ms: float) -> int:
    """The deadline in ps; `UsageError` for one that is below one or not finite."""
    try:
        deadline_ps = ms_to_ps(deadline_ms)
    except ValueError as error:
        raise UsageError(f"the deadline: {error}") from error
    if deadline_ps < 1:
        raise UsageError(f"the deadline is {deadline_ms} ms, must be positive and at least a picosecond")
    return deadline_ps


def command_of(request: RunRequest, *, seed: int | None = None) -> str:
    """What to type for a run or a scenario: what is not a default, without absolute paths; to be pasted into a shell.

    Empty where an object was given in place of a name: no command line can say that.

    >>> command_of(RunRequest(workload="lstm", objective="energy", pins={"lstm.cell": "pascal"}))
    'mensa-sim run lstm --objective energy --pin lstm.cell=pascal'
    """
    given = (request.workload, request.system, request.scheduler, request.baseline)
    if not all(isinstance(each, str | None) for each in given):
        return ""
    words = ["mensa-sim", "run", named(str(request.workload))]
    defaults = RunRequest(workload="")
    for name in ("system", "scheduler", "objective", "baseline", "deadline_ms", "timings"):
        value = getattr(request, name)
        if value != getattr(defaults, name):
            words += [f"--{name.replace('_', '-')}", named(str(value))]
    seed = seed if seed is not None else request.seed or None
    words += [] if seed is None else ["--seed", str(seed)]
    for option, file in (("--schedule", request.schedule_file), ("--families", request.families_file)):
        words += [] if file is None else [option, named(file)]
    for override in request.overrides:
        words += ["--set", override]
    for option, pairs in (("--option", request.options), ("--pin", request.pins)):
        for name, setting in pairs.items():
            words += [option, f"{name}={setting}"]
    flags = (
        ("--parallel", request.parallel),
        ("--plain", request.on_chip == PLAIN),
        ("--strict", request.strict),
        ("--allow-code", request.allow_code),
    )
    return shlex.join([*words, *(flag for flag, given in flags if given)])


def named(name_or_path: str) -> str:
    """A path without the folders that only one machine has; a bare name is left alone."""
    path = Path(name_or_path)
    return portable_name(path) if path.is_absolute() else name_or_path
