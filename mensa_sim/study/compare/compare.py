"""One workload on several systems side by side, the first of them the baseline."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.schedule.policies.own import OwnScheduler, name_of
from mensa_sim.study.run.given import check_seed, graph_given, system_files_given, system_given, workload_files_given
from mensa_sim.study.run.placement import baseline_goal, timings_named
from mensa_sim.study.run.provenance import input_hashes, versions
from mensa_sim.study.run.request import named
from mensa_sim.study.run.result import Ratios, SystemResult, ratios
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.run.scheduling import goal_on
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """What to compare, by name, by path, or as objects that are at hand; the defaults are the command line's."""

    workload: str | LayerGraph
    systems: tuple[str | System, ...]
    scheduler: str | OwnScheduler | None = None
    """None: each system as its file says, else mensa."""
    objective: str | None = None
    """None: each system as its file says, else edp."""
    timings: str = "fit"
    """As in a run."""
    seed: int = 0
    overrides: tuple[str, ...] = ()
    """`FIELD=VALUE` on the field of every system."""
    allow_code: bool = False
    strict: bool = False
    cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult:
    """A workload on several systems, in the order asked for."""

    workload: str
    scheduler: str
    """Of the systems with a choice; several where they differ."""
    objective: str
    systems: Mapping[str, SystemResult]
    """By the system's name, or as it was asked for where two share a name."""
    versions: Mapping[str, str]
    inputs: Mapping[str, str]
    command: str = ""
    """What to type for the same result; empty where no command line says it."""

    @property
    def baseline(self) -> str:
        """The first system, that the ratios are taken against."""
        return next(iter(self.systems))

    def ratios(self, name: str) -> Ratios:
        """A system against the first; above 1 is better."""
        return ratios(self.systems[name], self.systems[self.baseline])


def compare(request: CompareRequest) -> CompareResult:
    """The workload on each system; one of a single accelerator runs everything there, whatever the scheduler."""
    if len(request.systems) < 2:
        raise UsageError("--systems: name at least two systems, as in edge_tpu,mensa_g")
    if any(system in request.systems[:index] for index, system in enumerate(request.systems)):
        raise UsageError("--systems: one stands there twice")
    check_seed(request.seed)
    timings = timings_named(request.timings)
    systems = [system_given(system, request.overrides) for system in request.systems]
    goals = [goal_on(each, scheduler=request.scheduler, objective=request.objective) for each in systems]
    own = [replace(baseline_goal(*pair), timings=timings) for pair in zip(systems, goals, strict=True)]
    graph = graph_given(request.workload, allow_code=request.allow_code, strict=request.strict, cache=request.cache)
    memo = PriceMemo()
    found = {
        name: evaluate(graph, system, goal, seed=request.seed, memo=memo)
        for name, system, goal in zip(_labels(request.systems, systems), systems, own, strict=True)
    }
    return CompareResult(
        workload=graph.name,
        scheduler=", ".join(dict.fromkeys(name_of(goal.scheduler) for goal in goals)),
        objective=", ".join(dict.fromkeys(goal.objective for goal in goals)),
        systems=found,
        versions=versions(),
        inputs=input_hashes([*workload_files_given(request.workload), *system_files_given(*request.systems)]),
        command=_command(request),
    )


def _command(request: CompareRequest) -> str:
    given = (request.workload, *request.systems, request.scheduler or "")
    if not all(isinstance(each, str) for each in given):
        return ""
    words = ["mensa-sim", "compare", named(str(request.workload))]
    words += ["--systems", ",".join(named(str(system)) for system in request.systems)]
    for option, value in (("--scheduler", request.scheduler), ("--objective", request.objective)):
        words += [] if value is None else [option, str(value)]
    words += [] if request.timings == "fit" else ["--timings", request.timings]
    words += ["--seed", str(request.seed)] if request.seed else []
    for override in request.overrides:
        words += ["--set", override]
    flags = (("--strict", request.strict), ("--allow-code", request.allow_code))
    return shlex.join([*words, *(flag for flag, wanted in flags if wanted)])


def _labels(asked: tuple[str | System, ...], systems: list[System]) -> list[str]:
    """What each system is called: its name, or as it was asked for where another has the same name."""
    names = [system.name for system in systems]
    labels = [
        given if names.count(name) > 1 and isinstance(given, str) else name
        for given, name in zip(asked, names, strict=True)
    ]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise UsageError(f"--systems: two are called {twice}; give one of them another name")
    return labels
