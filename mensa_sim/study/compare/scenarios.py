"""One scenario on several systems side by side, the first of them the baseline."""

from dataclasses import dataclass

from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.compare.systems import SideBySide, systems_compared
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.given import system_files_given
from mensa_sim.study.scenario.placing import without_places
from mensa_sim.study.scenario.scenario import ScenarioSystemResult, scenario_given, scenario_on


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
