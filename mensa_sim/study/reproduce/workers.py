"""Running cases of many models, one model after another or several at once in processes of their own.

A model's cases share their prices: equal pairs of layer and accelerator are priced once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.io.progress import Progress, silent
from mensa_sim.io.workers import DeadWorkerError, pool_of
from mensa_sim.study.reproduce.outcome import Case, Outcome, outcome_of
from mensa_sim.study.reproduce.paper import kind_of
from mensa_sim.workload.families.paper import Membership, memberships
from mensa_sim.workload.graph import Coverage, Edge, LayerGraph
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.population.draw import Population, draw_population


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTask:
    """A model and what to do with it."""

    model: str
    cases: tuple[Case, ...]
    seed: int | None = None
    """Of the population that the model is drawn in; none for a shipped model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutcomes:
    """A model's cases, in the order given, and its layers as the families judge them."""

    model: str
    kind: str
    macs: int
    parameter_bytes: int
    members: tuple[Membership, ...]
    coverage: Coverage
    outcomes: tuple[Outcome, ...]


def run_model(task: ModelTask) -> ModelOutcomes:
    """All cases of one model that are for its kind."""
    graph, kind = _graph_and_kind(task)
    memo = PriceMemo()
    outcomes = tuple(
        outcome_of(stretched(graph, case.length), kind, case, system_of(case.system, case.overrides), memo)
        for case in task.cases
        if not case.kinds or kind in case.kinds
    )
    return ModelOutcomes(
        model=task.model,
        kind=kind,
        macs=graph.macs,
        parameter_bytes=graph.parameter_bytes,
        members=memberships(graph),
        coverage=graph.coverage,
        outcomes=outcomes,
    )


def _graph_and_kind(task: ModelTask) -> tuple[LayerGraph, str]:
    if task.seed is None:
        return load_workload(task.model), kind_of(task.model)
    drawn = {model.graph.name: model for model in population(task.seed).models}[task.model]
    return drawn.graph, drawn.kind


@lru_cache(maxsize=8)
def population(seed: int) -> Population:
    """A population, drawn once in each process."""
    return draw_population(seed)


@lru_cache(maxsize=512)
def system_of(name: str, overrides: tuple[str, ...]) -> System:
    """A system, read once in each process."""
    return load_system(name, overrides=overrides)


def stretched(graph: LayerGraph, factor: float) -> LayerGraph:
    """The graph with the steps of every layer that takes several multiplied, to whole steps and at least one.

    What such a layer reads, writes and computes beside its nest grows in proportion. Layers that a model applies to a
    whole sequence at once (a projection of all frames) keep their size: their length is in their nest.
    """
    if factor == 1:
        return graph
    scale = {layer.name: max(1, round(layer.steps * factor)) / layer.steps for layer in graph.layers if layer.steps > 1}
    layers = tuple(
        replace(
            layer,
            steps=round(layer.steps * scale[layer.name]),
            vector_ops=round(layer.vector_ops * scale[layer.name]),
            input_bytes=round(layer.input_bytes * scale[layer.name]),
            output_bytes=round(layer.output_bytes * scale[layer.name]),
        )
        if layer.name in scale
        else layer
        for layer in graph.layers
    )
    edges = tuple(
        Edge(
            producer=edge.producer,
            consumer=edge.consumer,
            size_bytes=round(edge.size_bytes * min(scale[edge.producer], scale[edge.consumer]))
            if edge.producer in scale and edge.consumer in scale
            else edge.size_bytes,
        )
        for edge in graph.edges
    )
    return LayerGraph(name=graph.name, layers=layers, edges=edges, coverage=graph.coverage)


class Finished(Protocol):
    """Outcomes of tasks that an earlier run of the same study finished, and those of this one as they come."""

    def get(self, task: ModelTask) -> ModelOutcomes | None:
        """The outcomes of a task, if they are known."""

    def put(self, task: ModelTask, outcomes: ModelOutcomes) -> None:
        """Keep the outcomes of a task."""


def run_models(
    tasks: Sequence[ModelTask],
    jobs: int,
    progress: Progress = silent,
    finished: Finished | None = None,
) -> tuple[ModelOutcomes, ...]:
    """Every task, in the order given, on so many processes; the result does not depend on how many.

    What `finished` knows is not run again, and every task that ends is kept there at once. A task that kills process
    after process is named in an error when all others are done.
    """
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}, must be at least 1")
    done: dict[str, ModelOutcomes] = {}
    for task in tasks:
        found = None if finished is None else finished.get(task)
        if found is not None:
            done[task.model] = found
            progress(len(done), len(tasks), task.model)
    left = {task.model: task for task in tasks if task.model not in done}
    deaths: list[str] = []
    with pool_of(_runner, min(jobs, len(left))) as pool:
        for task in reversed(left.values()):  # those that take longest stand last in the list of models
            pool.submit(task)
        for _ in left:
            try:
                result = pool.wait()
            except DeadWorkerError as death:
                deaths.append(f"{death.task.model}: {death}")
                continue
            if finished is not None:
                finished.put(left[result.model], result)
            done[result.model] = result
            progress(len(done), len(tasks), result.model)
    if deaths:
        raise MensaError("\n".join(deaths))
    return tuple(done[task.model] for task in tasks)


def _runner() -> Callable[[ModelTask], ModelOutcomes]:
    return run_model
