"""Running a scenario: streams of requests of several workloads on one system."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup
from mensa_sim.records import dataclass
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.metrics.scenario import ScenarioMetrics, scenario_metrics
from mensa_sim.simulate.plan.copies import Copy, Crossing
from mensa_sim.simulate.plan.options import Options
from mensa_sim.simulate.plan.plan import Plan, make_plan, with_copies
from mensa_sim.simulate.record.recorder import Recorders
from mensa_sim.simulate.record.slowest import SlowestRecorder
from mensa_sim.simulate.record.spans import DEFAULT_MAX_SPANS, SpanRecorder
from mensa_sim.simulate.record.tally import Tally
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.simulate.scenario.source import NO_PROMPT, Plans, RequestSource
from mensa_sim.workload.graph import LayerGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A workload with its costs, the accelerator of each layer, and where tensors live between layers."""

    graph: LayerGraph
    costs: CostTable
    assignment: Mapping[str, str]
    data: DataPlan = LAYER_BY_LAYER


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Bytes that leave for another memory when a layer has ended, and that nothing of its own inference waits for."""

    layer: str
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkPhases:
    """What the conversations of a stream run: prompts by their tokens, steps by how many are joined and the context."""

    prompts: Mapping[int, Scheduled]
    steps: Mapping[tuple[int, int], Scheduled]
    carried: Mapping[int, tuple[Carried, ...]]
    """By prompt, the keys and values that go to where the steps read them."""

    @property
    def all(self) -> tuple[Scheduled, ...]:
        """Prompts and steps."""
        return (*self.prompts.values(), *self.steps.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedScenario:
    """What a run of a scenario gives: its metrics, over all that happened, and the spans that were kept."""

    metrics: ScenarioMetrics
    timeline: Timeline
    most_at_once: Mapping[str, int]
    """By stream, the most requests that were on their way at once."""


def simulate_scenario(
    scenario: Scenario,
    workloads: Mapping[str, Scheduled],
    *,
    max_spans: int = DEFAULT_MAX_SPANS,
    by_stream: Mapping[str, Scheduled] | None = None,
    phases: Mapping[str, TalkPhases] | None = None,
    leakage_mw: Mapping[str, Mapping[str, float]] | None = None,
) -> SimulatedScenario:
    """Run a scenario; `workloads` holds those that its streams name, all on one system.

    `by_stream` holds what a stream runs instead of its workload as it stands there, `phases` what streams of
    conversations run; streams with one and the same `Scheduled` share what stays on chip. With `max_spans` 0 no span
    is kept, and memory does not grow with time; the metrics are the same. `leakage_mw` is the leakage by component of
    each accelerator, by default that of its technology. Raises `UsageError` where no request arrives or one takes no
    time.
    """
    by_stream, phases = by_stream or {}, phases or {}
    runs = {
        stream.name: by_stream[stream.name]
        if stream.name in by_stream
        else lookup(workloads, stream.workload, "workload of the scenario")
        for stream in scenario.streams
        if stream.name not in phases
    }
    system = _system(scenario, [*runs.values(), *(each for one in phases.values() for each in one.all)])
    plans = {
        **{name: Plans(prompts={NO_PROMPT: plan}) for name, plan in _plans(scenario, runs).items()},
        **{name: _plans_of_phases(name, each, scenario.options) for name, each in phases.items()},
    }
    distinct = list({id(plan): plan for own in plans.values() for plan in own.all}.values())
    middle_ps = None if scenario.duration_ps is None else scenario.duration_ps // 2
    tally = Tally(system, tuple(name for stream in scenario.streams for name in stream.names), middle_ps)
    spans = SpanRecorder(max_spans) if max_spans else None
    slowest = SlowestRecorder()
    recorder = Recorders(tally, spans, slowest) if spans else tally
    engine = Engine(system, distinct, scenario.options, recorder)
    sources = {
        stream.name: RequestSource(engine, scenario, index, plans[stream.name])
        for index, stream in enumerate(scenario.streams)
    }
    by_name = {name: sources[stream.name] for stream in scenario.streams for name in stream.names}
    engine.on_end = lambda request: by_name[request.stream].ended(request)
    for source in sources.values():
        source.begin()
    engine.run(scenario.duration_ps)
    end_ps = scenario.duration_ps or max(source.last_end_ps for source in sources.values())
    if not any(source.arrived for source in sources.values()):
        raise UsageError(f"scenario {scenario.name}: no request arrives before its end")
    if not end_ps:
        raise UsageError(f"scenario {scenario.name}: its inferences take no time, so nothing can be said per second")
    backlogs = {name: backlog for source in sources.values() for name, backlog in source.backlog(end_ps).items()}
    unfinished = [request for source in sources.values() for request in source.live.values()]
    for request in unfinished:
        request.stop(end_ps)
    return SimulatedScenario(
        metrics=scenario_metrics(tally, system, end_ps, backlogs, leakage_mw),
        timeline=replace(spans.timeline(unfinished), slowest=slowest.found()) if spans else Timeline(spans=()),
        most_at_once={name: source.most_at_once for name, source in sources.items()},
    )


def _plans(scenario: Scenario, runs: Mapping[str, Scheduled]) -> dict[str, Plan]:
    """By stream; a workload that is placed in several ways has a plan for each, with names of their own."""
    found: dict[str, Plan] = {}
    known: dict[int, Plan] = {}
    for stream, each in runs.items():
        if id(each) not in known:
            graph, options = each.graph, scenario.options
            taken = graph.name in {plan.name for plan in known.values()}
            name = f"{graph.name} of {stream}" if taken else graph.name
            known[id(each)] = make_plan(graph, each.costs, each.assignment, options, name=name, data=each.data)
        found[stream] = known[id(each)]
    return found


def _plans_of_phases(stream: str, phases: TalkPhases, options: Options) -> Plans:
    """A plan for each prompt and each step that is priced; their names say whose they are, and how long."""

    def plan(kind: str, tokens: int, each: Scheduled) -> Plan:
        name = f"{each.graph.name} of {stream}, {kind} {tokens}"
        model = f"model of {stream}"
        return make_plan(each.graph, each.costs, each.assignment, options, name=name, model=model, data=each.data)

    prompts = {}
    for tokens, each in phases.prompts.items():
        made = plan("prompt", tokens, each)
        unit_of = {layer: unit.index for unit in made.units for layer in unit.layers}
        copies = [
            Copy(layer=moved.layer, crossings=moved.crossings, after=(unit_of[moved.layer],))
            for moved in phases.carried.get(tokens, ())
        ]
        prompts[tokens] = with_copies(made, copies)
    return Plans(
        prompts=prompts,
        steps={
            (batch, context): plan("context" if batch == 1 else f"{batch} joined, context", context, each)
            for (batch, context), each in phases.steps.items()
        },
    )


def _system(scenario: Scenario, runs: Sequence[Scheduled]) -> System:
    systems = [each.costs.system for each in runs]
    for system in systems:
        if system != systems[0]:
            raise UsageError(
                f"scenario {scenario.name}: its workloads were costed on different systems, "
                f"{systems[0].name} and {system.name}"
            )
    return systems[0]
