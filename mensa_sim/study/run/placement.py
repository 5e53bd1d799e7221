"""Placing a graph on a system: priced, turned into a problem, scheduled.

How, is as the call says, else as the system's own file says, else by the defaults.
"""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from mensa_sim.cost.measured.cost import TIMINGS_MODES, TimingsMode
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.cost.table import CostTable
from mensa_sim.errors import InfeasibleError, UsageError
from mensa_sim.flow import DEFAULT_FLOW, LAYERS, FlowName, flow_named
from mensa_sim.hardware.static_energy import static_power
from mensa_sim.hardware.system import Scheduling, System
from mensa_sim.lookup import lookup, unknown_name
from mensa_sim.objective import DEFAULT_OBJECTIVE, objective_named
from mensa_sim.records import dataclass
from mensa_sim.schedule.files import read_schedule
from mensa_sim.schedule.from_graph import problem_of
from mensa_sim.schedule.policies.at_home import OptimumAtHome
from mensa_sim.schedule.policies.optimal import beside, exact_serial
from mensa_sim.schedule.policies.own import OwnScheduler
from mensa_sim.schedule.policies.registry import SCHEDULERS, SINGLE, options_of, schedule
from mensa_sim.schedule.problem import Execution, Problem
from mensa_sim.schedule.schedule import Schedule, schedule_of, unit_assignment, unit_order
from mensa_sim.schedule.tiles.floor import with_floor
from mensa_sim.schedule.tiles.multicast import with_multicast
from mensa_sim.schedule.tiles.split import splits_in, with_splits
from mensa_sim.simulate.record.spans import TotalsRecorder
from mensa_sim.study.request.fields import ScheduledRequest
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.run.request import PlaceRequest, RunRequest
from mensa_sim.units import ms_to_ps
from mensa_sim.workload.families.clusters import read_families
from mensa_sim.workload.families.paper import families_of
from mensa_sim.workload.graph import LayerGraph

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a schedule is to minimise, how, and under which constraints.

    A scheduler minimises the objective as it predicts it: of an inference that finds empty buffers. What is simulated
    before it is chosen, as data plans are and the schedules beside an optimum, is compared by `steady`.
    """

    scheduler: str | OwnScheduler = "mensa"
    """The name of a scheduler, or a function that is one."""
    objective: str = DEFAULT_OBJECTIVE
    deadline_ps: int | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    """Options of the scheduler, e.g. the thresholds of `mensa`."""
    pins: Mapping[str, str] = field(default_factory=dict)
    """Layer to the accelerator that it must run on."""
    schedule_file: Path | None = None
    """A schedule to take as it stands, instead of asking a scheduler."""
    families_file: Path | None = None
    """Families to judge layers by, instead of the paper's."""
    execution: Execution = "serial"
    """Whether a predicted latency runs layer after layer, or lets branches overlap on different accelerators."""
    flow: FlowName = LAYERS
    """How data flows between layers; what a user asks for has the system's, or the default, instead of the poorest."""
    timings: TimingsMode = "fit"
    """Whether a measured accelerator may use fits where its table has no such kernel."""
    steady: bool = False
    """Whether a steady inference is asked for, as of a stream or of steps that follow others, or the first one, whose
    figures a run prints; of what is equal in that the other decides. Whoever judges by a steady state asks for it; that
    beside a run's first inference is of the same schedule."""

    def __post_init__(self) -> None:
        objective_named(self.objective)
        flow_named(self.flow)


Stacked = dict[Hashable, list["Placement"]]
"""What is found of a problem's layers in stacks, by the schedule that they were sought around."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Placement:
    """A graph's costs on a system, the problem they make, and the schedule that was found."""

    costs: CostTable
    problem: Problem
    families: Mapping[str, int]
    """Layer to family, for the layers that have one."""
    schedule: Schedule
    goal: Goal
    """What was asked for, the flow of data between layers included, which is planned later."""
    best: Schedule | None = None
    """The optimum that proved the schedule's bound, where it was sought beside it."""
    alone: CostTable | None = None
    """What layers cost by themselves, where `costs` says what some do in stacks."""
    predicted: CostTable | None = None
    """What the problem takes layers to cost, where its sum has neither `alone` nor `costs`: pieces, as what all of them
    read is read once, and stacks that were placed as such."""
    at_home: OptimumAtHome | None = None
    """What is predicted least with tensors at home, where rivals of the optimum were sought beside it."""
    tried: int = 0
    """Schedules of which it was the best when simulated; 0 where a scheduler's own answer stands."""
    of_all: int = 0
    """Assignments of which none simulates better: all that there are, each tried or bounded from below; 0 where some
    are neither."""
    recorded: Callable[[], TotalsRecorder] | None = None
    """A first inference and a steady one, where its data plan was chosen by what they take."""
    whole: "Placement | None" = None
    """The placement of whole layers, where some of this one's are in pieces."""
    made: Provenance = field(default_factory=Provenance)
    """Where it is what was asked for: the command that explains its layers, its files."""

    def __repr__(self) -> str:
        return f"<Placement: {self.costs.graph.name} on {self.costs.system.name} by {self.schedule.scheduler}>"


def place(
    graph: LayerGraph, system: System, goal: Goal, memo: PriceMemo | None = None, *, bounded: bool = True
) -> Placement:
    """Price every layer on every accelerator and schedule, beside a bound unless none is asked for.

    `memo` carries prices between systems.
    """
    splits = () if goal.schedule_file is None else splits_in(goal.schedule_file, graph)
    whole = graph
    if splits:
        graph, goal = with_splits(graph, splits), replace(goal, execution="parallel")
    costs, problem = price_problem(graph, system, goal, memo)
    LOGGER.info("%s: scheduling %d units on %s", graph.name, len(problem.units), system.name)
    if goal.schedule_file is None:
        return placed_in(problem, costs, goal, bounded=bounded)
    given = read_schedule(goal.schedule_file, problem)
    if not splits:
        return placed_in(problem, costs, goal, given)
    predicted = with_multicast(costs, given.assignment, splits)
    problem = problem_at(predicted, goal)
    base = price(whole, system, goal.objective, memo, goal.timings)
    given = with_floor(read_schedule(goal.schedule_file, problem), base, problem)
    return replace(placed_in(problem, costs, goal, given), predicted=predicted)


def placed_in(
    problem: Problem, costs: CostTable, goal: Goal, given: Schedule | None = None, *, bounded: bool = True
) -> Placement:
    """The placement that the goal's scheduler finds for a problem, or that of a given schedule."""
    found = _found(problem, goal) if given is None else given
    best = exact_serial(problem) if bounded and found.bound is None else None
    if best is not None:
        found = beside(found, best)
    costs = in_order_of(costs, found)
    families = families_under(costs.graph, goal)
    return Placement(costs=costs, problem=problem, families=families, schedule=found, best=best, goal=goal)


def _found(problem: Problem, goal: Goal) -> Schedule:
    """What the goal's scheduler answers; whether that keeps a deadline is not known before it is simulated.

    The fastest where the best is to keep one that no prediction does which has all tensors come from memory.
    """
    free = replace(problem, deadline_ps=None)
    if goal.scheduler != "optimal" or problem.deadline_ps is None:
        return schedule(free, goal.scheduler, **goal.options)
    try:
        return schedule(problem, goal.scheduler, **goal.options)
    except InfeasibleError:
        fastest = schedule(replace(free, objective="latency"), goal.scheduler, **goal.options)
        units, order = unit_assignment(problem, fastest), unit_order(problem, fastest)
        return replace(schedule_of(problem, fastest.scheduler, units, order=order), reasons=fastest.reasons)


def in_order_of(costs: CostTable, found: Schedule) -> CostTable:
    """The costs of the graph whose layers stand in the schedule's order, so that they are simulated in it."""
    graph = costs.graph
    if found.order == tuple(layer.name for layer in graph.layers):
        return costs
    return replace(costs, graph=replace(graph, layers=tuple(graph[name] for name in found.order)))


def families_under(graph: LayerGraph, goal: Goal) -> Mapping[str, int]:
    """The family of each layer that has one: the paper's, or those of the goal's file."""
    return families_of(graph) if goal.families_file is None else families_of(graph, read_families(goal.families_file))


def price_problem(
    graph: LayerGraph, system: System, goal: Goal, memo: PriceMemo | None = None
) -> tuple[CostTable, Problem]:
    """The costs of every layer on every accelerator, and the problem of placing them."""
    LOGGER.info("%s: pricing %d layers on %s", graph.name, len(graph.layers), system.name)
    costs = price(graph, system, goal.objective, memo, goal.timings)
    return costs, problem_at(costs, goal)


def problem_at(costs: CostTable, goal: Goal, stacks: Sequence[Sequence[str]] = ()) -> Problem:
    """The problem of placing a graph at given costs, where some of its layers run as stacks."""
    graph, system = costs.graph, costs.system
    problem = problem_of(
        graph,
        system,
        costs,
        goal.objective,
        static_mw=static_power(system).total_mw,
        deadline_ps=goal.deadline_ps,
        pins=goal.pins,
        execution=goal.execution,
        families=families_under(graph, goal),
        stacks=stacks,
    )
    # The system's table speaks of the paper's families; others are placed by their lowest summed cost.
    return problem if goal.families_file is None else replace(problem, families={})


def baseline_goal(baseline: System, goal: Goal) -> Goal:
    """The goal on a baseline: one accelerator leaves no choice; pins and schedule files are of the main system."""
    names = [placed.name for placed in baseline.accelerators]
    if len(names) == 1:
        return Goal(scheduler=SINGLE + names[0], objective=goal.objective, flow=goal.flow, timings=goal.timings)
    return replace(goal, deadline_ps=None, pins={}, schedule_file=None)


DEFAULT = Scheduling()


def goal_on(
    system: System,
    *,
    scheduler: str | OwnScheduler | None = None,
    objective: str | None = None,
    options: Mapping[str, float] | None = None,
    flow: str | None = None,
    unsaid_flow: str = DEFAULT_FLOW,
) -> Goal:
    """The goal on a system; its own options hold for its own scheduler, those given on top of them.

    `unsaid_flow` is that of a study where neither the call nor the system's file says one.
    """
    own = system.scheduling or DEFAULT
    chosen = own.scheduler if scheduler is None else scheduler
    kept = own.options if chosen == own.scheduler else {}
    return Goal(
        scheduler=chosen,
        objective=own.objective if objective is None else objective,
        options={**kept, **(options or {})},
        flow=flow or own.flow or unsaid_flow,
    )


def goal_asked(request: ScheduledRequest, system: System) -> Goal:
    """The goal that a request states on a system; an unknown objective is an error."""
    goal = goal_on(
        system, scheduler=request.scheduler, objective=request.objective, options=request.options, flow=request.flow
    )
    goal = replace(goal, timings=lookup(TIMINGS_MODES, request.timings, "--timings"))
    if isinstance(request, PlaceRequest):
        goal = replace(goal, pins=request.pins)
    if isinstance(request, RunRequest):
        goal = replace(
            goal,
            deadline_ps=None if request.deadline_ms is None else _deadline_ps(request.deadline_ms),
            schedule_file=None if request.schedule is None else Path(request.schedule),
            families_file=None if request.families is None else Path(request.families),
            execution="parallel" if request.parallel else "serial",
        )
    return goal


def goals_of(request: RunRequest, system: System, baseline: System) -> tuple[Goal, Goal]:
    """The goals that a request states on the system and on the baseline, each scheduled as its file says if need be.

    Options of the scheduler hold on the baseline where that has the same scheduler.
    """
    goal, beside = goal_asked(request, system), goal_asked(request, baseline)
    if beside.scheduler != goal.scheduler:
        beside = goal_asked(replace(request, options={}), baseline)
    return goal, baseline_goal(baseline, beside)


def _deadline_ps(deadline_ms: float) -> int:
    """The deadline in ps; `UsageError` for one that is below one or not finite."""
    try:
        deadline_ps = ms_to_ps(deadline_ms)
    except ValueError as error:
        raise UsageError(f"the deadline: {error}") from error
    if deadline_ps < 1:
        raise UsageError(f"the deadline is {deadline_ms} ms, must be positive and at least a picosecond")
    return deadline_ps


def check_scheduling(system: System) -> System:
    """The system, if its file names a scheduler and options that there are; else `UsageError`."""
    own = system.scheduling
    if own is None:
        return system
    names = [f"{SINGLE}{placed.name}" for placed in system.accelerators]
    if own.scheduler not in (*SCHEDULERS, *names):
        raise UsageError(f"scheduling.scheduler: {unknown_name(own.scheduler, (*SCHEDULERS, *names), 'scheduler')}")
    known = options_of(own.scheduler)
    for option in own.options:
        if option not in known:
            raise UsageError(f"scheduling.options: {unknown_name(option, known, f'option of {own.scheduler}')}")
    return system
