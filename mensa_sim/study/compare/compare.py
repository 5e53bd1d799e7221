"""One workload on several systems side by side, the first of them the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mensa_sim.arguments import checked
from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.hardware.overrides import HeldSetting, changes_of, held_overrides
from mensa_sim.hardware.system import System
from mensa_sim.io.at_hand import Given, file_of
from mensa_sim.lookup import lookup
from mensa_sim.names import repeated
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.study.compare.flags import FlagDifference, flag_differences
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.request.command import choices_of, command_of, override_texts
from mensa_sim.study.run.given import check_seed, graph_given, system_files_given, system_given, workload_files_given
from mensa_sim.study.run.placement import baseline_goal
from mensa_sim.study.run.provenance import Provenance, input_hashes, versions
from mensa_sim.study.run.result import Ratios, SystemResult, ratios
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.run.scheduling import goal_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult(Provenance):
    """A workload on several systems, in the order asked for."""

    workload: str
    scheduler: str
    """Of the systems with a choice; several where they differ."""
    objective: str
    systems: Mapping[str, SystemResult]
    """By the system's name, or as it was asked for where two share a name."""
    changes: tuple[HeldSetting, ...] = ()
    """Which setting holds on which systems."""
    differences: tuple[FlagDifference, ...] = ()
    """Abilities that some of the systems have and others have not."""

    @property
    def baseline(self) -> str:
        """The first system, that the ratios are taken against."""
        return next(iter(self.systems))

    @checked
    def ratios(self, name: str) -> Ratios:
        """A system against the first; above 1 is better."""
        return ratios(lookup(self.systems, name, "system"), self.systems[self.baseline])


def compare(request: CompareRequest) -> CompareResult:
    """The workload on each system; one of a single accelerator runs everything there, whatever the scheduler."""
    if len(request.systems) < 2:
        raise UsageError("--systems: name at least two systems, as in edge_tpu,mensa_g")
    if any(system in request.systems[:index] for index, system in enumerate(request.systems)):
        raise UsageError("--systems: one stands there twice")
    check_seed(request.seed)
    held = held_overrides(override_texts(request.overrides), request.systems)
    systems = [system_given(*each) for each in zip(request.systems, held, strict=True)]
    labels = _labels(request.systems, systems)
    goals = [goal_asked(request, each) for each in systems]
    own = [baseline_goal(*pair) for pair in zip(systems, goals, strict=True)]
    graph = graph_given(request)
    memo = shared_memo(cache=request.cache)
    found = {
        name: evaluate(graph, system, goal, seed=request.seed, memo=memo, beside_best=True)
        for name, system, goal in zip(labels, systems, own, strict=True)
    }
    goal_of = dict(zip(labels, own, strict=True))
    differences = flag_differences(
        dict(zip(labels, systems, strict=True)),
        found,
        lambda name, system: evaluate(graph, system, goal_of[name], seed=request.seed, memo=memo),
    )
    return CompareResult(
        differences=differences,
        workload=graph.name,
        scheduler=", ".join(dict.fromkeys(name_of(goal.scheduler) for goal in goals)),
        objective=", ".join(dict.fromkeys(goal.objective for goal in goals)),
        systems=found,
        versions=versions(),
        inputs=input_hashes([*workload_files_given(request.workload), *system_files_given(*request.systems)]),
        choices=choices_of(request),
        changes=changes_of(list(zip(labels, held, strict=True))),
        command=command_of("compare", request),
    )


def _labels(asked: Sequence[Given | System], systems: list[System]) -> list[str]:
    """What each system is called: its name, or as it was asked for where another has the same name."""
    names = [system.name for system in systems]
    labels = [
        name if isinstance(given, System) or names.count(name) == 1 else str(file_of(given))
        for given, name in zip(asked, names, strict=True)
    ]
    twice = next(iter(repeated(labels)), None)
    if twice is not None:
        raise UsageError(f"--systems: two are called {twice}; give one of them another name")
    return labels
