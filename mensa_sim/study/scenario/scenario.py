"""Running a scenario: several workloads with arrivals on one system, beside its baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType

from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.flow import IN_TILES, in_whole_layers
from mensa_sim.hardware.area import chip_area_mm2
from mensa_sim.hardware.system import System
from mensa_sim.io.files import keys_of
from mensa_sim.io.shipped import find, is_file, shipped_files
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.own import name_of
from mensa_sim.schedule.pools import pools_of
from mensa_sim.simulate.metrics.scenario import ScenarioMetrics
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.record.spans import DEFAULT_MAX_SPANS
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.simulate.scenario.files import read_scenario
from mensa_sim.simulate.scenario.run import simulate_scenario
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.study.generation.generation import WHOLE_STEPS
from mensa_sim.study.request.command import made_of
from mensa_sim.study.request.fields import WorkloadRequest, options_of
from mensa_sim.study.run.flows import scheduled, with_data_plan
from mensa_sim.study.run.foreseen import foreseen
from mensa_sim.study.run.given import if_it_can, sides_given, system_files_given
from mensa_sim.study.run.placement import Goal, Placement, goals_of
from mensa_sim.study.run.request import BASELINE, RunRequest
from mensa_sim.study.run.result import NOTABLE_GAP, BesideBaseline
from mensa_sim.study.scenario.placing import (
    THROUGHPUT,
    Generations,
    conversing,
    goal_of_stream,
    pinned,
    place_streams,
    with_conversations,
    without_places,
)
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_generation, load_workload, workload_files


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioSystemResult:
    """A scenario on one system."""

    workload: str
    """The scenario's name."""
    system: str
    scheduler: str
    objective: str
    seed: int
    policy: str
    streams: tuple[str, ...]
    """Those of the scenario; the metrics have the steps of their conversations beside them."""
    metrics: ScenarioMetrics
    timeline: Timeline
    graphs: Mapping[str, LayerGraph]
    """The layer graph of each stream."""
    hardware: System
    static_mw: float
    """What the whole system draws however little it does."""
    area_mm2: float
    gaps: Mapping[str, float] = field(default_factory=dict)
    """By workload, how far its schedule is above the proven bound, where that is more than `NOTABLE_GAP`."""
    caveats: tuple[str, ...] = ()
    """As a single run has them, for the workloads of all streams."""

    @property
    def requests(self) -> Mapping[str, int]:
        """By stream, those that arrived."""
        return {name: self.metrics.streams[name].requests for name in self.streams}

    @property
    def finished(self) -> int:
        """Inferences that ended, of all streams."""
        return sum(stream.finished for stream in self.metrics.streams.values())

    @property
    def deadline_misses(self) -> int:
        """Of all streams."""
        return sum(stream.deadline_misses for stream in self.metrics.streams.values())

    @property
    def energy_per_inference_pj(self) -> float | None:
        """All energy of the run over the inferences that ended; none where none did."""
        return self.metrics.energy_pj / self.finished if self.finished else None

    @property
    def components_per_inference_pj(self) -> Mapping[str, float]:
        """The same by component; nothing where none ended."""
        energies = self.metrics.energy_by_component_pj if self.finished else {}
        return {name: energy_pj / self.finished for name, energy_pj in energies.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult(BesideBaseline[ScenarioSystemResult]):
    """A scenario beside its baseline, with what it was made from."""

    @property
    def energy_efficiency(self) -> float | None:
        """Baseline energy per finished inference over ours; above 1 is better."""
        ours = self.main.energy_per_inference_pj
        theirs = self.baseline.energy_per_inference_pj if self.baseline else None
        return theirs / ours if ours and theirs else None


WHOLE_LAYERS = "no layer runs in pieces where several streams want the accelerators: --flow tiles is taken as stacks"


def run_scenario(request: RunRequest) -> ScenarioResult:
    """Schedule every workload of the scenario that the request names; a seed replaces that of the file."""
    refuse_for_scenarios(request)
    given = scenario_given(request, request.seed)
    scenario, graphs, generations = given.scenario, given.graphs, given.generations
    system, baseline, changes = sides_given(request)
    goal, beside = goals_of(request, system, baseline)
    memo = shared_memo(cache=request.cache)
    goal = replace(goal, pins={})
    ours, theirs = pinned(scenario, graphs, request.pins), without_places(scenario)

    def on(scenario: Scenario, system: System, goal: Goal) -> ScenarioSystemResult:
        return scenario_on(scenario, graphs, system, goal, generations=generations, memo=memo)

    main = on(ours, system, goal)
    same = (theirs, baseline, beside) == (ours, system, goal)
    base, alone = if_it_can(request, lambda: main if same else on(theirs, baseline, beside))
    return ScenarioResult(
        main=main,
        baseline=base,
        alone=alone,
        changes=changes,
        **made_of("run", request, (*given.files, *system_files_given(request.system, request.baseline or BASELINE))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenScenario:
    """A scenario that a request names, with what its streams run."""

    scenario: Scenario
    graphs: Mapping[str, LayerGraph]
    """By workload."""
    generations: Generations
    files: tuple[Path, ...]
    """Whatever it was read from."""


def scenario_given(request: WorkloadRequest, seed: int | None) -> GivenScenario:
    """The scenario of a request; a seed replaces that of the file."""
    if not isinstance(request.workload, str | Path | Mapping):
        raise UsageError(f"a {type(request.workload).__name__} is no scenario; give a file, a name or a dict")
    path = find("scenarios", request.workload)
    scenario = read_scenario(path)
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    graphs = {
        stream.workload: load_workload(
            stream.workload, allow_code=request.allow_code, strict=request.strict, cache=request.cache
        )
        for stream in scenario.streams
    }
    return GivenScenario(
        scenario=scenario,
        graphs=graphs,
        generations=generations_of(scenario, allow_code=request.allow_code),
        files=(
            path,
            *(file for stream in scenario.streams for file in workload_files(stream.workload)),
            *(Path(stream.schedule) for stream in scenario.streams if stream.schedule is not None),
        ),
    )


def generations_of(scenario: Scenario, *, allow_code: bool) -> Generations:
    """The models of those workloads of a scenario that generate."""
    names = dict.fromkeys(stream.workload for stream in scenario.streams)
    found = {name: load_generation(name, allow_code=allow_code) for name in names}
    return {name: generation for name, generation in found.items() if generation is not None}


ONE_WORKLOAD: Mapping[str, str] = {
    "inputs": "name workloads in the scenario's file that hold their inputs",
    "deadline_ms": "a stream has its own in the scenario's file: deadline_ms",
    "schedule": "a stream has its own in the scenario's file: schedule",
    "prompt_tokens": "a stream has its own in the scenario's file: conversation",
    "new_tokens": "a stream has its own in the scenario's file: conversation",
    "families": "run the workloads one by one",
    "parallel": "run the workloads one by one",
    "on_chip": "a scenario's file says it: prefetch, activations, parameters",
}
"""What only a request of one workload may ask, and what to do instead."""


def refuse_for_scenarios(request: RunRequest) -> None:
    """`UsageError` where a request asks what a scenario cannot be asked."""
    for option in options_of(RunRequest):
        if option.field in ONE_WORKLOAD and getattr(request, option.field) != option.default:
            raise UsageError(f"{option.flag} is for one workload; {ONE_WORKLOAD[option.field]}")


def is_scenario(workload: object) -> bool:
    """Whether a name, a file or a dict is a scenario rather than a workload; another object at hand is none."""
    if isinstance(workload, Mapping):
        return "streams" in workload
    if not isinstance(workload, str | Path):
        return False
    if str(workload) in shipped_files("scenarios"):
        return True
    path = Path(workload)
    return path.suffix in (".yaml", ".yml") and is_file(path) and "streams" in keys_of(path)


def scenario_on(
    scenario: Scenario,
    graphs: Mapping[str, LayerGraph],
    system: System,
    goal: Goal,
    *,
    generations: Generations = MappingProxyType({}),
    memo: PriceMemo | None = None,
    max_spans: int = DEFAULT_MAX_SPANS,
) -> ScenarioSystemResult:
    """Schedule the workloads of a scenario, by name in `graphs`, and simulate it on one system.

    `generations` are those that generate: their streams are conversations. `memo` carries prices between systems;
    without spans (`max_spans` 0) the metrics are the same.
    """
    memo = PriceMemo() if memo is None else memo
    scenario = with_conversations(scenario, generations)
    on_chip = scenario.options
    talks = {
        stream.name: conversing(talk, generations[stream.workload], system, goal_of_stream(stream, goal), memo, on_chip)
        for stream in scenario.streams
        if (talk := stream.conversation) is not None
    }
    placed = _planned(place_streams(scenario, graphs, system, goal, memo), scenario, system, goal, memo)
    shared = {id(each): scheduled(each) for each in placed.values()}
    by_stream = {name: shared[id(each)] for name, each in placed.items()}
    phases = {name: each.phases for name, each in talks.items()}
    done = simulate_scenario(scenario, {}, by_stream=by_stream, phases=phases, max_spans=max_spans)
    for name, each in talks.items():
        each.refuse_too_many(f"stream {name}", system, done.most_at_once[name])
    by_phase = {
        **{name: (each,) for name, each in placed.items()},
        **{name: each.placements for name, each in talks.items()},
    }
    placements = [each for phases_placed in by_phase.values() for each in phases_placed]
    return ScenarioSystemResult(
        workload=scenario.name,
        system=system.name,
        scheduler=name_of(goal.scheduler),
        objective=goal.objective,
        seed=scenario.seed,
        policy=scenario.policy,
        streams=tuple(stream.name for stream in scenario.streams),
        metrics=done.metrics,
        timeline=done.timeline,
        graphs={
            name: each.costs.graph
            for stream in scenario.streams
            for name, each in zip(stream.names, by_phase[stream.name], strict=False)
        },
        hardware=system,
        static_mw=placements[0].problem.static_mw,
        area_mm2=chip_area_mm2(system),
        gaps=_gaps(placements, on_chip),
        caveats=_caveats(goal, placements, several=len(scenario.streams) > 1, talking=bool(talks)),
    )


def _gaps(placements: Sequence[Placement], on_chip: Options) -> dict[str, float]:
    """By workload, how far its schedule may be from the best, where that is notable."""
    bounded = (each for each in placements if each.schedule.bound is not None)
    found = {each.costs.graph.name: foreseen(each, on_chip).schedule.gap for each in bounded}
    return {name: gap for name, gap in found.items() if gap is not None and gap > NOTABLE_GAP}


def _caveats(goal: Goal, placements: Sequence[Placement], *, several: bool, talking: bool) -> tuple[str, ...]:
    """What a reader must know of all streams, each once."""
    texts = [WHOLE_LAYERS] * (goal.flow == IN_TILES and several) + [WHOLE_STEPS] * (goal.flow == IN_TILES and talking)
    for each in placements:
        texts += [f"{each.costs.graph.name}, {text}" for text in each.costs.caveats(each.schedule.assignment)]
    return tuple(dict.fromkeys(texts))


def _planned(
    placed: Mapping[str, Placement], scenario: Scenario, system: System, goal: Goal, memo: PriceMemo
) -> dict[str, Placement]:
    """The streams' placements with their data plans; those that were one stay one.

    A stream alone is planned as a run is. Of several, loads that were balanced over accelerators stay where they are;
    else a stack is placed as a layer is. Their layers stay whole: other streams want the accelerators that pieces take.
    """
    several = len(scenario.streams) > 1
    balanced = several and (goal.scheduler == THROUGHPUT or bool(pools_of(system)))
    flow = in_whole_layers(goal.flow) if several else goal.flow
    planned = {
        id(each): with_data_plan(each, flow, scenario.options, None if balanced else each.goal, memo)
        for each in placed.values()
    }
    return {name: planned[id(each)] for name, each in placed.items()}
