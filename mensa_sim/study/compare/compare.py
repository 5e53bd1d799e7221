"""One workload, several or one scenario, on several systems side by side, the first of them the baseline."""

from collections.abc import Mapping
from dataclasses import field, fields, replace
from statistics import geometric_mean

from mensa_sim.arguments import checked
from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.compare.systems import FlagDifference, SideBySide, flag_differences, systems_compared
from mensa_sim.study.generation.answer import Answer
from mensa_sim.study.generation.generation import Answered
from mensa_sim.study.request.command import command_of, made_of
from mensa_sim.study.run.given import generation_given, graph_given, system_files_given, workload_files_given
from mensa_sim.study.run.provenance import Provenance, input_hashes
from mensa_sim.study.run.result import Ratios, SystemResult, Took, objective_of, ratios
from mensa_sim.study.run.run import answered
from mensa_sim.study.scenario.placing import without_places
from mensa_sim.study.scenario.scenario import ScenarioSystemResult, scenario_given, scenario_on
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareResult(SideBySide[SystemResult]):
    """A workload on several systems, in the order asked for."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By system, of a workload that generates."""
    differences: tuple[FlagDifference, ...] = ()
    """Abilities that some of the systems have and others have not."""

    @checked
    def whole(self, name: str) -> Took:
        """What a system is judged by: its answer where the workload generates, else its inference."""
        return self.answers.get(name) or lookup(self.systems, name, "system")

    @checked
    def ratios(self, name: str) -> Ratios:
        """A system against the first; above 1 is better."""
        return ratios(self.whole(name), self.whole(self.baseline))


def compare(request: CompareRequest) -> CompareResult:
    """The workload on each system."""
    sides = systems_compared(request)
    work = generation_given(request.workload, allow_code=request.allow_code) or graph_given(request)
    memo, seed = shared_memo(cache=request.cache), request.seed or 0

    def on(name: str, system: System, *, beside_best: bool = False) -> Answered:
        return answered(work, system, sides.goals[name], memo, seed=seed, beside_best=beside_best)

    whole = {name: on(name, system, beside_best=True) for name, system in sides.systems.items()}
    found = {name: each.step for name, each in whole.items()}
    answers = {name: each.answer for name, each in whole.items() if each.answer is not None}
    differences = flag_differences(
        sides.systems,
        {**found, **answers},
        lambda name, system: on(name, system).whole,
        {name: goal.objective for name, goal in sides.goals.items()},
        work if isinstance(work, LayerGraph) else None,
    )
    return CompareResult(
        differences=differences,
        workload=next(iter(found.values())).workload,
        scheduler=sides.scheduler,
        objective=sides.objective,
        systems=found,
        answers=answers,
        changes=sides.changes,
        **made_of("compare", request, (*workload_files_given(request.workload), *system_files_given(*request.systems))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCompareResult(SideBySide[ScenarioSystemResult]):
    """A scenario on several systems, in the order asked for."""

    places_left_out: bool = False
    """Whether the file has pins or schedules: they are of one system, and hold on none here."""

    @property
    def ranking(self) -> tuple[str, ...]:
        """The systems, those first that miss the fewest deadlines, then those that take the least energy."""

        def key(name: str) -> tuple[int, float]:
            energy_pj = self.systems[name].energy_per_inference_pj
            return self.systems[name].deadline_misses, float("inf") if energy_pj is None else energy_pj

        return tuple(sorted(self.systems, key=key))


def compare_scenario(request: CompareRequest) -> ScenarioCompareResult:
    """The scenario on each system, every stream placed anew there."""
    if request.inputs is not None:
        raise UsageError("inputs are for one workload; name workloads in the scenario's file that hold their inputs")
    sides = systems_compared(request)
    given = scenario_given(request, request.seed)
    scenario = without_places(given.scenario)
    memo = shared_memo(cache=request.cache)
    return ScenarioCompareResult(
        workload=scenario.name,
        scheduler=sides.scheduler,
        objective=sides.objective,
        systems={
            name: scenario_on(
                scenario, given.graphs, system, sides.goals[name], generations=given.generations, memo=memo
            )
            for name, system in sides.systems.items()
        },
        changes=sides.changes,
        places_left_out=scenario != given.scenario,
        **made_of("compare", request, (*given.files, *system_files_given(*request.systems))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralResult(Provenance):
    """Several workloads on the same systems."""

    parts: Mapping[str, CompareResult]
    """By the workload's name, in the order asked for."""

    @property
    def systems(self) -> tuple[str, ...]:
        """What they are called; the first is the baseline."""
        return tuple(next(iter(self.parts.values())).systems)

    @property
    def product(self) -> str:
        """The objective that systems are ranked by: the first one's."""
        part = next(iter(self.parts.values()))
        return part.systems[part.baseline].objective

    @checked
    def gains(self, system: str) -> dict[str, float]:
        """By workload, how many times less of the objective a system needs than the baseline."""
        return {
            name: objective_of(part.whole(part.baseline), self.product) / objective_of(part.whole(system), self.product)
            for name, part in self.parts.items()
        }

    @checked
    def mean_gain(self, system: str) -> float:
        """The geometric mean of these, which no choice of the baseline changes the ranking of."""
        return geometric_mean(self.gains(system).values())

    @checked
    def mean_ratios(self, system: str) -> Ratios:
        """The geometric means of the workloads' ratios against the baseline; above 1 is better."""
        found = [part.ratios(system) for part in self.parts.values()]
        names = [field.name for field in fields(Ratios)]
        return Ratios(**{name: geometric_mean(getattr(each, name) for each in found) for name in names})

    @property
    def ranking(self) -> tuple[str, ...]:
        """The systems, the best over all workloads first."""
        return tuple(sorted(self.systems, key=lambda name: -self.mean_gain(name)))


def compare_several(request: CompareRequest) -> SeveralResult:
    """Each workload on each system."""
    parts: dict[str, CompareResult] = {}
    for workload in request.workloads:
        part = compare(replace(request, workload=workload))
        if part.workload in parts:
            raise UsageError(f"workloads: two are called {part.workload}")
        parts[part.workload] = part
    first = next(iter(parts.values()))
    return SeveralResult(
        parts=parts,
        versions=first.versions,
        inputs=input_hashes(
            [
                *(file for workload in request.workloads for file in workload_files_given(workload)),
                *system_files_given(*request.systems),
            ]
        ),
        choices=first.choices,
        command=command_of("compare", request),
    )
