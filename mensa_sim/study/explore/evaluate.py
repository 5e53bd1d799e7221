"""Evaluating one design: build it, ask the conditions, run every workload on it.

This is what a worker does, in this process, in another or on another machine: a setup that is plain data comes once, a
task is a number and a point, and an outcome goes back.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mensa_sim.cost.layer_cost import Priced
from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.cost.prices.price import price_ahead
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.hardware.system import Scheduling, System
from mensa_sim.io.store import digest_of
from mensa_sim.records import dataclass
from mensa_sim.schedule.policies.registry import SINGLE
from mensa_sim.simulate.scenario.scenario import Scenario
from mensa_sim.study.explore.metrics import hardware_metrics, needs_steady, objectives_of, run_metrics
from mensa_sim.study.explore.scenario import of_metrics, scenario_values
from mensa_sim.study.explore.study_file import DesignOutcome
from mensa_sim.study.generation.generation import answer_on
from mensa_sim.study.run.placement import Goal
from mensa_sim.study.run.run import evaluate
from mensa_sim.study.scenario.scenario import scenario_on
from mensa_sim.study.space.build import Builder
from mensa_sim.study.space.check import DesignValues
from mensa_sim.study.space.conditions import parse_condition
from mensa_sim.study.space.design import Base, Design
from mensa_sim.study.space.space import Point, Space
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph_json import graph_from_data

if TYPE_CHECKING:
    from mensa_sim.cost.prices.repriced import Contests

    Learned = tuple[Contests, Mapping[Hashable, Priced]]
    """What designs that differ in speed alone have in common, and the prices so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One design to evaluate; a negative number is a reference: -1 the first."""

    number: int
    point: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that evaluations need, as plain data."""

    space: Space
    base: Base
    references: tuple[Base, ...]
    graphs: tuple[Mapping[str, Any], ...]
    """The layer graphs of the workloads, as `graph_to_data` writes them."""
    scenarios: tuple[Scenario, ...] = ()
    stream_graphs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The layer graphs of the scenarios' workloads, by the names that the streams have for them."""
    answers: tuple[Generation | None, ...] = ()
    """The models of those workloads that generate, in their order; none of others."""
    conversations: Mapping[str, Generation] = field(default_factory=dict)
    """Likewise of the scenarios' workloads, by name."""
    cache: bool = True
    """Whether the prices that all on a machine share are used and added to."""

    def digest(self) -> str:
        """What tells one setup from another within a worker."""
        return digest_of(self)


class Evaluator:
    """Evaluates designs one after another; whatever two have in common is made once."""

    def __init__(self, setup: Setup, learned: "Learned | None" = None) -> None:
        """`learned` is what another evaluator of the setup has found."""
        from mensa_sim.cost.prices.repriced import Contests  # the search: many modules, not for who makes setups

        self._setup = setup
        self._graphs = [graph_from_data(data) for data in setup.graphs]
        self._stream_graphs = {name: graph_from_data(data) for name, data in setup.stream_graphs.items()}
        self._conditions = [parse_condition(text) for text in setup.space.file.conditions]
        self._builder = Builder()
        self._contests, known = learned or (Contests(), {})
        self._memo = shared_memo(cache=setup.cache, contests=self._contests)
        self._memo.remember(known)
        self._objectives = objectives_of(setup.space.file)

    @property
    def learned(self) -> "Learned":
        """What an evaluator of the same setup need not find again."""
        return self._contests, self._memo.known

    def outcome(self, task: Task) -> DesignOutcome:
        """What became of a design; its errors are part of the outcome, not raised."""
        mistaken = False
        try:
            return self._outcome(task)
        except MensaError as error:
            detail, mistaken = str(error), isinstance(error, UsageError)
        except Exception as error:  # one design must not stop the others, whatever is wrong with it
            detail = f"{type(error).__name__}: {error}"
        return DesignOutcome(number=task.number, point=task.point, state="failed", detail=detail, mistaken=mistaken)

    def _outcome(self, task: Task) -> DesignOutcome:
        space = self._setup.space
        if task.number < 0:
            base = self._setup.references[-task.number - 1]
            design = base.design()
        else:
            base = self._setup.base
            design = base.design(space.assignments(task.point))
        system = self._builder.system(base, design)
        hardware = hardware_metrics(system)
        if task.number >= 0:
            values = DesignValues(space, task.point, design, hardware)
            for condition in self._conditions:
                if not condition.holds(values):
                    return DesignOutcome(
                        number=task.number, point=task.point, state="excluded", hardware=hardware, detail=condition.text
                    )
        if len(self._graphs) > 1:
            price_ahead(self._graphs, system, self._goal(system, design).objective, self._memo)
        runs = tuple(self._run(graph_number, system, design) for graph_number in range(len(self._graphs)))
        scenarios = tuple(self._run_scenario(place, system, design) for place in range(len(self._setup.scenarios)))
        for objective in self._objectives:
            objective.value(hardware, runs, scenarios)
        return DesignOutcome(
            number=task.number, point=task.point, state="done", workloads=runs, scenarios=scenarios, hardware=hardware
        )

    def _run(self, graph_number: int, system: System, design: Design) -> Mapping[str, float]:
        goal, wanted = self._goal(system, design), [objective.metric for objective in self._objectives]
        generation = self._setup.answers[graph_number]
        if generation is None:
            run = partial(evaluate, self._graphs[graph_number], system, memo=self._memo, explained=False)
            result = run(goal)
            if needs_steady(wanted):
                result = replace(result, steady=run(replace(goal, steady=True)).steady)
            return run_metrics(result, wanted)
        answered = answer_on(generation, system, goal, evaluate, self._memo, explained=False)
        return run_metrics(answered.step, wanted, answered.answer)

    def _run_scenario(self, place: int, system: System, design: Design) -> Mapping[str, float]:
        scenario = self._setup.scenarios[place]
        graphs = {stream.workload: self._stream_graphs[stream.workload] for stream in scenario.streams}
        goal = self._goal(system, design)
        talks = self._setup.conversations
        result = scenario_on(scenario, graphs, system, goal, generations=talks, memo=self._memo, max_spans=0)
        wanted = of_metrics(each.metric for each in self._objectives if each.scenario in (None, place))
        return scenario_values(result, wanted)

    def _goal(self, system: System, design: Design) -> Goal:
        own = scheduling_of(design, [placed.name for placed in system.accelerators])
        return Goal(
            scheduler=own.scheduler,
            objective=own.objective,
            options=own.options,
            flow=design.flow,
            timings=self._setup.space.file.timings,
        )


def scheduling_of(design: Design, accelerators: Sequence[str]) -> Scheduling:
    """How a design is scheduled; one of a single accelerator leaves nothing to decide."""
    if len(accelerators) == 1 and not design.scheduler.startswith(SINGLE):
        return Scheduling(scheduler=f"{SINGLE}{accelerators[0]}", objective=design.objective, flow=design.flow)
    return Scheduling(scheduler=design.scheduler, objective=design.objective, options=design.options, flow=design.flow)
