"""One workload on several systems side by side, the first of them the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.generation.generation import Answered, answer_on
from mensa_sim.study.request.command import choices_of, command_of, override_texts
from mensa_sim.study.run.given import (
    check_seed,
    generation_given,
    graph_given,
    system_files_given,
    system_given,
    workload_files_given,
)
from mensa_sim.study.run.placement import baseline_goal
from mensa_sim.study.run.provenance import Provenance, input_hashes, versions
from mensa_sim.study.run.result import Ratios, SystemResult, Took, ratios
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
    """By the system's name, or as it was asked for where two share a name; of a workload that generates, the first
    step of its answer."""
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """Likewise, of a workload that generates."""
    changes: tuple[HeldSetting, ...] = ()
    """Which setting holds on which systems."""
    differences: tuple[FlagDifference, ...] = ()
    """Abilities that some of the systems have and others have not."""

    @property
    def baseline(self) -> str:
        """The first system, that the ratios are taken against."""
        return next(iter(self.systems))

    @checked
    def whole(self, name: str) -> Took:
        """What a system is judged by: its answer where the workload generates, else its inference."""
        return self.answers.get(name) or lookup(self.systems, name, "system")

    @checked
    def ratios(self, name: str) -> Ratios:
        """A system against the first; above 1 is better."""
        return ratios(self.whole(name), self.whole(self.baseline))


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
    generation = generation_given(request.workload, allow_code=request.allow_code)
    graph = None if generation is not None else graph_given(request)
    memo = shared_memo(cache=request.cache)
    goal_of = dict(zip(labels, own, strict=True))

    def on(name: str, system: System, *, beside_best: bool = False) -> Answered:
        if generation is not None:
            return answer_on(generation, system, goal_of[name], evaluate, memo, seed=request.seed)
        assert graph is not None
        step = evaluate(graph, system, goal_of[name], seed=request.seed, memo=memo, beside_best=beside_best)
        return Answered(answer=None, step=step)

    answered = {name: on(name, system, beside_best=True) for name, system in zip(labels, systems, strict=True)}
    found = {name: each.step for name, each in answered.items()}
    answers = {name: each.answer for name, each in answered.items() if each.answer is not None}
    differences = flag_differences(
        dict(zip(labels, systems, strict=True)),
        {**found, **answers},
        lambda name, system: on(name, system).whole,
        {name: goal.objective for name, goal in goal_of.items()},
    )
    return CompareResult(
        differences=differences,
        workload=next(iter(found.values())).workload,
        scheduler=", ".join(dict.fromkeys(name_of(goal.scheduler) for goal in goals)),
        objective=", ".join(dict.fromkeys(goal.objective for goal in goals)),
        systems=found,
        answers=answers,
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
