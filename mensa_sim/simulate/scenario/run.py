"""Running a scenario: streams of requests of several workloads on one system."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mensa_sim.cost.table import CostTable
from mensa_sim.errors import UsageError
from mensa_sim.hardware.system import System
from mensa_sim.lookup import lookup
from mensa_sim.schedule.data_plan import LAYER_BY_LAYER, DataPlan
from mensa_sim.simulate.engine.clock import Process
from mensa_sim.simulate.engine.engine import Engine
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.metrics.scenario import Backlog, ScenarioMetrics, scenario_metrics
from mensa_sim.simulate.plan.plan import Plan, make_plan
from mensa_sim.simulate.record.recorder import Recorders
from mensa_sim.simulate.record.slowest import SlowestRecorder
from mensa_sim.simulate.record.spans import DEFAULT_MAX_SPANS, SpanRecorder
from mensa_sim.simulate.record.tally import Tally
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.simulate.scenario import scenario as limits
from mensa_sim.simulate.scenario.arrivals import ClosedLoop, arrival_times
from mensa_sim.simulate.scenario.scenario import Scenario, Stream, rank
from mensa_sim.units import PS_PER_S, ps_to_seconds
from mensa_sim.workload.graph import LayerGraph

LOGGER = logging.getLogger(__name__)
TOLD_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A workload with its costs, the accelerator of each layer, and where tensors live between layers."""

    graph: LayerGraph
    costs: CostTable
    assignment: Mapping[str, str]
    data: DataPlan = LAYER_BY_LAYER


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedScenario:
    """What a run of a scenario gives: its metrics, over all that happened, and the spans that were kept."""

    metrics: ScenarioMetrics
    timeline: Timeline


def simulate_scenario(
    scenario: Scenario,
    workloads: Mapping[str, Scheduled],
    *,
    max_spans: int = DEFAULT_MAX_SPANS,
    by_stream: Mapping[str, Scheduled] | None = None,
    leakage_mw: Mapping[str, Mapping[str, float]] | None = None,
) -> SimulatedScenario:
    """Run a scenario; `workloads` holds those that its streams name, all on one system.

    `by_stream` holds what a stream runs instead of its workload as it stands there; streams with one and the same
    `Scheduled` share what stays on chip. With `max_spans` 0 no span is kept, and memory does not grow with time; the
    metrics are the same. `leakage_mw` is the leakage by component of each accelerator, by default that of its
    technology. Raises `UsageError` where no request arrives or one takes no time.
    """
    runs = {
        stream.name: by_stream[stream.name]
        if by_stream and stream.name in by_stream
        else lookup(workloads, stream.workload, "workload of the scenario")
        for stream in scenario.streams
    }
    system = _system(scenario, runs)
    plans = _plans(scenario, runs)
    distinct = list({id(plan): plan for plan in plans.values()}.values())
    middle_ps = None if scenario.duration_ps is None else scenario.duration_ps // 2
    tally = Tally(system, tuple(stream.name for stream in scenario.streams), middle_ps)
    spans = SpanRecorder(max_spans) if max_spans else None
    slowest = SlowestRecorder()
    recorder = Recorders(tally, spans, slowest) if spans else tally
    engine = Engine(system, distinct, scenario.options, recorder)
    sources = {
        stream.name: _Source(engine, scenario, index, plans[stream.name])
        for index, stream in enumerate(scenario.streams)
    }
    engine.on_end = lambda request: sources[request.stream].ended(request)
    for source in sources.values():
        source.begin()
    engine.run(scenario.duration_ps)
    end_ps = scenario.duration_ps or max(source.last_end_ps for source in sources.values())
    if not any(source.arrived for source in sources.values()):
        raise UsageError(f"scenario {scenario.name}: no request arrives before its end")
    if not end_ps:
        raise UsageError(f"scenario {scenario.name}: its inferences take no time, so nothing can be said per second")
    backlogs = {name: source.backlog(end_ps) for name, source in sources.items()}
    unfinished = [request for source in sources.values() for request in source.live.values()]
    for request in unfinished:
        request.stop(end_ps)
    return SimulatedScenario(
        metrics=scenario_metrics(tally, system, end_ps, backlogs, leakage_mw),
        timeline=replace(spans.timeline(unfinished), slowest=slowest.found()) if spans else Timeline(spans=()),
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


def _system(scenario: Scenario, runs: Mapping[str, Scheduled]) -> System:
    systems = [each.costs.system for each in runs.values()]
    for system in systems:
        if system != systems[0]:
            raise UsageError(
                f"scenario {scenario.name}: its workloads were costed on different systems, "
                f"{systems[0].name} and {system.name}"
            )
    return systems[0]


MAX_WAITING = 200_000
"""Requests of one stream on their way at once: a rate that piles up more is taken for a mistake."""


class _Source:
    """Lets the requests of one stream arrive and counts them."""

    def __init__(self, engine: Engine, scenario: Scenario, index: int, plan: Plan) -> None:
        self.arrived = 0
        self.last_end_ps = 0
        self.live: dict[int, Request] = {}
        """Requests on their way, by number."""
        self._engine = engine
        self._scenario = scenario
        self._index = index
        self._plan = plan
        self._early = 0

    @property
    def _stream(self) -> Stream:
        return self._scenario.streams[self._index]

    def begin(self) -> None:
        """Start the stream."""
        arrivals = self._stream.arrivals
        if isinstance(arrivals, ClosedLoop):
            for _ in range(min(arrivals.in_flight, arrivals.requests or arrivals.in_flight)):
                self._arrive()
        else:
            seed = f"{self._scenario.seed}/{self._stream.name}"
            self._engine.clock.process(self._let_arrive(arrival_times(arrivals, seed)))

    def ended(self, request: Request) -> None:
        """A request has ended; in a closed loop the next one arrives."""
        now_ps = self._engine.clock.now_ps
        self.last_end_ps = now_ps
        del self.live[request.number]
        arrivals = self._stream.arrivals
        if isinstance(arrivals, ClosedLoop) and (arrivals.requests is None or self.arrived < arrivals.requests):
            if now_ps == request.arrival_ps:
                raise UsageError(
                    f"stream {self._stream.name}: an inference of {self._stream.workload} takes no time, "
                    "so a closed loop would never end"
                )
            self._arrive()

    def backlog(self, end_ps: int) -> Backlog:
        """What had arrived and what was left when the run stopped."""
        late = [each for each in self.live.values() if each.deadline_ps is not None and each.deadline_ps < end_ps]
        return Backlog(
            arrived=self.arrived,
            arrived_by_middle=self._early,
            missed_unfinished=len(late),
            never_started=sum(request.start_ps < 0 for request in self.live.values()),
        )

    def _let_arrive(self, times_ps: Iterator[int]) -> Process:
        clock = self._engine.clock
        for time_ps in times_ps:
            if time_ps > clock.now_ps:
                yield clock.timeout(time_ps - clock.now_ps)
            self._arrive()

    def _arrive(self) -> None:
        now_ps = self._engine.clock.now_ps
        stream, number = self._stream, self.arrived
        if number >= limits.MAX_REQUESTS:
            raise UsageError(limits.too_many(stream.name, f"more than {number}"))
        if number and not number % TOLD_EVERY:
            LOGGER.info(
                "%s: %d requests of %s in %.4g s", self._scenario.name, number, stream.name, ps_to_seconds(now_ps)
            )
        request = Request(
            self._plan,
            stream=stream.name,
            number=number,
            rank=rank(self._scenario, self._index, now_ps, number),
            arrival_ps=now_ps,
            deadline_ps=None if stream.deadline_ps is None else now_ps + stream.deadline_ps,
        )
        self.arrived += 1
        duration_ps = self._scenario.duration_ps
        if duration_ps is not None and now_ps <= duration_ps // 2:
            self._early += 1
        self.live[number] = request
        if len(self.live) > MAX_WAITING:
            raise UsageError(
                f"stream {stream.name}: {MAX_WAITING} requests wait after {now_ps / PS_PER_S:.3g} s; "
                "lower its rate or the scenario's duration"
            )
        self._engine.start(request)
