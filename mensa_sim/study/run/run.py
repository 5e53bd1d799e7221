"""Running one workload on one system beside its baseline: trace, price, schedule, simulate, measure."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from mensa_sim.cost.prices.memo import PriceMemo, shared_memo
from mensa_sim.flow import IN_TILES
from mensa_sim.hardware.area import chip_area_mm2
from mensa_sim.hardware.system import System
from mensa_sim.schedule.policies.optimal import missed
from mensa_sim.schedule.schedule import Schedule
from mensa_sim.schedule.tiles.floor import floor_of
from mensa_sim.simulate.inference import simulate
from mensa_sim.simulate.metrics.inference import LayerMetrics, Metrics, metrics
from mensa_sim.simulate.plan.options import FULL, Options
from mensa_sim.simulate.record.causes import ACTIVATIONS, STACKING, Cause, CauseRecorder
from mensa_sim.simulate.record.later import Later
from mensa_sim.simulate.record.timeline import Timeline
from mensa_sim.study.generation.generation import Answered, answer_on
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.flows import data_of, with_data_plan
from mensa_sim.study.run.foreseen import Foreseen, foreseen
from mensa_sim.study.run.given import (
    generation_asked,
    graph_given,
    if_it_can,
    sides_given,
    system_files_given,
    workload_files_given,
)
from mensa_sim.study.run.inferences import inferences
from mensa_sim.study.run.on_chip import homes_of, splits_of, stacks_of
from mensa_sim.study.run.placement import Goal, Placement, goals_of, place
from mensa_sim.study.run.prediction import causes_of, reasons_to_differ, simulated_value
from mensa_sim.study.run.request import BASELINE, RunRequest
from mensa_sim.study.run.result import (
    NOTABLE_GAP,
    BestSchedule,
    LayerResult,
    Optimality,
    RunResult,
    SystemResult,
)
from mensa_sim.workload.generation.model import Generation
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer

LOGGER = logging.getLogger(__name__)


def run(request: RunRequest) -> RunResult:
    """One inference of a workload, or the answer of one that generates, on a system and on the baseline."""
    seed = request.seed or 0
    system, baseline, changes = sides_given(request)
    work = generation_asked(request) or graph_given(request)
    goal, beside = goals_of(request, system, baseline)
    memo = shared_memo(cache=request.cache)

    def on(system: System, goal: Goal, *, beside_best: bool = False) -> Answered:
        return answered(work, system, goal, memo, seed=seed, on_chip=request.on_chip, beside_best=beside_best)

    main = on(system, goal, beside_best=True)
    same = (baseline, beside) == (system, goal)
    base, alone = if_it_can(request, lambda: main if same else on(baseline, beside))
    return RunResult(
        main=main.step,
        baseline=None if base is None else base.step,
        answer=main.answer,
        baseline_answer=None if base is None else base.answer,
        alone=alone,
        changes=changes,
        **made_of(
            "run",
            request,
            (
                *workload_files_given(request.workload),
                *system_files_given(request.system, request.baseline or BASELINE),
                *(Path(file) for file in (request.schedule, request.families) if file is not None),
            ),
        ),
    )


def answered(
    work: Generation | LayerGraph,
    system: System,
    goal: Goal,
    memo: PriceMemo | None = None,
    *,
    seed: int = 0,
    on_chip: Options = FULL,
    explained: bool = True,
    beside_best: bool = False,
) -> Answered:
    """The answer of a model that generates, or one inference of any other; beside the best, the answer anyway."""
    if isinstance(work, Generation):
        return answer_on(work, system, goal, evaluate, memo, seed=seed, on_chip=on_chip, explained=explained)
    step = evaluate(
        work, system, goal, seed=seed, on_chip=on_chip, memo=memo, beside_best=beside_best, explained=explained
    )
    return Answered(answer=None, step=step)


def evaluate(
    graph: LayerGraph,
    system: System,
    goal: Goal,
    *,
    seed: int = 0,
    on_chip: Options = FULL,
    memo: PriceMemo | None = None,
    beside_best: bool = False,
    explained: bool = True,
    later: bool = False,
) -> SystemResult:
    """Place a graph on a system and simulate a first inference, and a second for the steady state.

    `later` gives the figures of the second, which finds what the first has left on chip, in place of the first's.
    `beside_best` asks what the best schedule would give, where the chosen one is far from it. Who asks for thousands
    of results needs none `explained`: no bound beside the schedule, no causes for which the simulation differs.
    """
    placed = place(graph, system, goal, memo, bounded=explained)
    placement = with_data_plan(placed, goal.flow, on_chip, goal, memo)
    costs, problem, found = placement.costs, placement.problem, placement.schedule
    graph = costs.graph
    LOGGER.info("%s: simulating on %s", graph.name, system.name)
    judged = foreseen(placement, on_chip) if explained else Foreseen(schedule=found)
    parted = STACKING if judged.costs is None else ACTIVATIONS
    watcher = CauseRecorder(costs, judged.costs or placement.predicted or placement.alone, parted)
    timeline, steady = inferences(placement, on_chip, watcher if explained else None, later=later)
    measured = metrics(timeline, system, graph)
    _check_deadline(placement, max(measured.latency_ps, steady.latency_ps))
    layers = partial(_layers, placement, measured, timeline)
    causes = causes_of(judged.schedule, problem, measured, watcher.causes, gated=system.gated) if explained else ()
    return SystemResult(
        workload=graph.name,
        system=system.name,
        scheduler=found.scheduler,
        objective=goal.objective,
        seed=seed,
        macs=graph.macs,
        parameter_bytes=graph.parameter_bytes,
        latency_ps=measured.latency_ps,
        energy_by_component_pj=measured.energy_by_component_pj,
        utilization=measured.utilization,
        traffic_bytes=measured.traffic_bytes,
        area_mm2=chip_area_mm2(system),
        accelerators=measured.accelerators,
        handoffs=measured.handoffs,
        layers=layers() if explained else Later(len(measured.layers), layers),
        caveats=costs.caveats({name: layer.accelerator for name, layer in measured.layers.items()}),
        steady=steady,
        coverage=graph.coverage,
        optimality=_optimality(placement, judged.schedule, measured, causes),
        hardware=system,
        graph=graph,
        timeline=timeline,
        problem=problem,
        schedule=judged.schedule,
        homes=homes_of(placement, measured),
        stacks=stacks_of(placement, measured),
        splits=splits_of(placement, measured),
        heard_bytes=watcher.heard_bytes,
        best=_best(placed, placement, judged.schedule.gap, goal, on_chip, memo) if beside_best else None,
    )


def _optimality(placement: Placement, judged: Schedule, measured: Metrics, causes: tuple[Cause, ...]) -> Optimality:
    """How good the schedule is, as it is predicted and as it ran, and why the two differ."""
    return Optimality(
        objective=placement.schedule.objective,
        value=judged.value,
        bound=judged.bound,
        gap=judged.gap,
        simulated=simulated_value(placement.schedule, measured),
        tried=placement.tried,
        of_all=placement.of_all,
        compared="steady" if placement.goal.steady and placement.tried else None,
        causes=causes,
        differs=reasons_to_differ(judged, measured, causes),
    )


def _check_deadline(placement: Placement, latency_ps: int) -> None:
    """`InfeasibleError` where the longer of a first and a steady inference misses the deadline."""
    problem, scheduler, least_ps = placement.problem, placement.schedule.scheduler, None
    if problem.deadline_ps is None or latency_ps <= problem.deadline_ps:
        return
    if placement.goal.scheduler == "optimal" and placement.goal.schedule_file is None:
        whole = placement.whole or placement
        _, least_ps = floor_of(whole.alone or whole.costs, whole.problem, whole=placement.goal.flow != IN_TILES)
    raise missed(problem.name, scheduler, latency_ps, problem.deadline_ps, least_ps)


def _best(
    placed: Placement, ran: Placement, gap: float | None, goal: Goal, on_chip: Options, memo: PriceMemo | None
) -> BestSchedule | None:
    """The simulated optimum, if what ran is far above its bound and a deadline does not rule the optimum out."""
    best, deadline_ps = placed.best, placed.problem.deadline_ps
    if best is None or gap is None or gap <= NOTABLE_GAP or ran.whole is not None:
        return None
    own = replace(goal, scheduler=best.scheduler, options={}, schedule_file=None)
    planned = with_data_plan(replace(placed, schedule=best, goal=own), goal.flow, on_chip, own, memo)
    costs = planned.costs
    timeline = simulate(costs.graph, costs, planned.schedule.assignment, on_chip, data_of(planned))
    measured = metrics(timeline, costs.system, costs.graph)
    if deadline_ps is not None and measured.latency_ps > deadline_ps:
        return None
    return BestSchedule(
        scheduler=best.scheduler,
        latency_ps=measured.latency_ps,
        energy_pj=sum(measured.energy_by_component_pj.values()),
        simulated=simulated_value(best, measured),
    )


def _layers(placement: Placement, measured: Metrics, timeline: Timeline) -> tuple[LayerResult, ...]:
    """The layers in the order in which they started."""
    graph = placement.costs.graph
    families = placement.families
    moved_bytes = dict.fromkeys(measured.layers, 0)
    for span in timeline.spans:
        if span.kind != "transfer" and span.resource in placement.costs.system.memories:
            moved_bytes[span.layer] += span.size_bytes
    return tuple(
        _layer(placement, graph[name], layer, families.get(name), moved_bytes[name])
        for name, layer in measured.layers.items()
    )


def _layer(
    placement: Placement, layer: Layer, measured: LayerMetrics, family: int | None, moved_bytes: int
) -> LayerResult:
    cost = placement.costs.cost(layer.name, measured.accelerator)
    memory = placement.costs.system.memory_of(measured.accelerator)
    return LayerResult(
        name=layer.name,
        operator=layer.operator,
        family=family,
        accelerator=measured.accelerator,
        start_ps=measured.start_ps,
        end_ps=measured.end_ps,
        cycles=cost.compute_cycles,
        energy_pj=measured.energy_pj,
        utilization=measured.utilization,
        bound=cost.bound(memory.effective_bytes_per_s, moved_bytes),
        source=cost.source,
        memory_bytes=moved_bytes,
        utilization_split=cost.utilization_split(measured.end_ps - measured.start_ps),
        macs=layer.macs,
        parameter_bytes=layer.parameter_bytes,
        error_percent=cost.error_percent,
        steps=layer.steps,
        supported=layer.supported,
        reason=placement.schedule.reasons.get(layer.name, ""),
        mapping_floor=cost.floor,
        mapping_gap_percent=None if cost.gap is None else 100 * cost.gap,
    )
