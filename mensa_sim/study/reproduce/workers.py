"""Running cases of many models, one model after another or several at once in processes of their own.

A model's cases share their prices: equal pairs of layer and accelerator are priced once.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path

from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import FileError, MensaError, UsageError
from mensa_sim.hardware.files import load_system, system_data
from mensa_sim.hardware.system import System
from mensa_sim.io.files import Raw, validate
from mensa_sim.io.progress import Progress, silent
from mensa_sim.io.store import Store, digest_of
from mensa_sim.io.workers import DeadWorkerError, pool_of
from mensa_sim.records import dataclass
from mensa_sim.study.generation.outcome import MADE_ANSWERS, answer_outcome
from mensa_sim.study.reproduce.outcome import Case, KeptOutcomes, Outcome, outcome_of
from mensa_sim.study.reproduce.paper import OWN_KIND, kind_of
from mensa_sim.study.run.provenance import input_hashes, versions
from mensa_sim.workload.families.paper import Membership, memberships
from mensa_sim.workload.graph import Coverage, LayerGraph
from mensa_sim.workload.load import load_generation, load_workload
from mensa_sim.workload.model_kinds import MODELS
from mensa_sim.workload.population.draw import Population, draw_population
from mensa_sim.workload.population.statistics import Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTask:
    """A model and what to do with it."""

    model: str
    cases: tuple[Case, ...]
    seed: int | None = None
    """Of the population that the model is drawn in; none for a workload of a file."""
    draw: Choices = field(default_factory=Choices)
    """What that population is drawn from, beside the published statistics."""
    allow_code: bool = False
    """Whether the workload may name code outside the shipped models."""
    whole: bool = True
    """Whether a model that generates gives its answer; else its first step alone."""
    lenient: bool = False
    """Whether a case that cannot run is told among the failures, and ends nothing."""

    @property
    def name(self) -> str:
        """What the model is called, wherever its file lies."""
        return Path(self.model).stem


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
    failures: Mapping[str, str] = field(default_factory=dict)
    """By label and system (`LABEL on SYSTEM`), why a case of a lenient task cannot run."""
    mistakes: tuple[str, ...] = ()
    """Those of them that come of what the user wrote."""


def run_model(task: ModelTask) -> ModelOutcomes:
    """All cases of one model that are for its kind."""
    graph, kind = _graph_and_kind(task)
    memo = shared_memo()
    generation = None
    if task.whole and task.seed is None:
        generation = load_generation(task.model, allow_code=task.allow_code)
    kept = KeptOutcomes(memo.pack, graph, kind)
    if generation is not None:
        kept = KeptOutcomes(memo.pack, graph, repr((kind, generation)), made_by=MADE_ANSWERS)
    outcomes: list[Outcome] = []
    failures: dict[str, MensaError] = {}
    for case in task.cases:
        if not case.kinds or kind in case.kinds:
            try:
                system = system_of(case.system, case.overrides)
                outcome = kept.get(case, system)
                if outcome is None:
                    if generation is None:
                        outcome = outcome_of(stretched(graph, case.length), kind, case, system, memo)
                    else:
                        outcome = answer_outcome(generation, kind, case, system, memo)
                    kept.put(case, system, outcome)
                outcomes.append(outcome)
            except MensaError as error:
                if not task.lenient:
                    raise
                failures[f"{case.label} on {case.system}"] = error
    return ModelOutcomes(
        model=task.model,
        kind=kind,
        macs=graph.macs,
        parameter_bytes=graph.parameter_bytes,
        members=memberships(graph),
        coverage=graph.coverage,
        outcomes=tuple(outcomes),
        failures={where: str(error) for where, error in failures.items()},
        mistakes=tuple(where for where, error in failures.items() if isinstance(error, UsageError)),
    )


def _graph_and_kind(task: ModelTask) -> tuple[LayerGraph, str]:
    if task.seed is None:
        kind = kind_of(task.model) if task.model in MODELS else OWN_KIND
        return load_workload(task.model, allow_code=task.allow_code), kind
    drawn = {model.graph.name: model for model in population(task.seed, task.draw).models}[task.model]
    return drawn.graph, drawn.kind


@lru_cache(maxsize=8)
def population(seed: int, choices: Choices | None = None) -> Population:
    """A population, drawn once in each process."""
    return draw_population(seed, choices=choices)


@lru_cache(maxsize=512)
def system_of(name: str, overrides: tuple[str, ...]) -> System:
    """A system, read once in each process."""
    return load_system(name, overrides=overrides)


@lru_cache(maxsize=64)
def data_of_system(name: str) -> tuple[Raw, dict[str, Raw]]:
    """What a system's file says and, by name, what those of its accelerators say; read once in each process."""
    _, raw, accelerators = system_data(name)
    return raw, {each: data for each, (_, data) in accelerators.items()}


def forget_systems() -> None:
    """Read files anew: a user may have changed them since the study before."""
    data_of_system.cache_clear()
    system_of.cache_clear()


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
            slices=round(layer.slices * scale[layer.name]),
            input_bytes=round(layer.input_bytes * scale[layer.name]),
            output_bytes=round(layer.output_bytes * scale[layer.name]),
        )
        if layer.name in scale
        else layer
        for layer in graph.layers
    )
    edges = tuple(
        replace(
            edge,
            size_bytes=round(edge.size_bytes * min(scale[edge.producer], scale[edge.consumer]))
            if edge.producer in scale and edge.consumer in scale
            else edge.size_bytes,
        )
        for edge in graph.edges
    )
    return LayerGraph(name=graph.name, layers=layers, edges=edges, coverage=graph.coverage)


def run_models(
    tasks: Sequence[ModelTask], jobs: int, progress: Progress = silent, finished: "FinishedModels | None" = None
) -> tuple[ModelOutcomes, ...]:
    """Every task, in the order given, on so many processes; the result does not depend on how many.

    What `finished` knows is not run again, and every task that ends is kept there at once. A task that kills process
    after process is named in an error when all others are done.
    """
    done: dict[int, ModelOutcomes] = {}
    for place, task in enumerate(tasks):
        found = None if finished is None else finished.get(task)
        if found is not None:
            done[place] = found
            progress(len(done), len(tasks), task.name)
    left = [(place, task) for place, task in enumerate(tasks) if place not in done]
    deaths: list[str] = []
    with pool_of(_runner, min(jobs, len(left))) as pool:
        # Of many cases first, then what stands last in the list of models: these take longest.
        for each in sorted(left, key=lambda placed: (len(placed[1].cases), placed[0]), reverse=True):
            pool.submit(each)
        for _ in left:
            try:
                place, result = pool.wait()
            except DeadWorkerError as death:
                deaths.append(f"{death.task[1].name}: {death}")
                continue
            if finished is not None:
                finished.put(tasks[place], result)
            done[place] = result
            progress(len(done), len(tasks), tasks[place].name)
    if deaths:
        raise MensaError("\n".join(deaths))
    return tuple(done[place] for place in range(len(tasks)))


NumberedTask = tuple[int, ModelTask]
"""A task and its place among those of a study."""


def _runner() -> Callable[[NumberedTask], tuple[int, ModelOutcomes]]:
    return lambda placed: (placed[0], run_model(placed[1]))


FOLDER = "unfinished"


class FinishedModels:
    """The models finished so far, below an output folder."""

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        """`inputs` are the files that the outcomes depend on."""
        self._store = Store(folder / FOLDER)
        self._about = digest_of(input_hashes(inputs), versions(), stage="study")

    def get(self, task: ModelTask) -> ModelOutcomes | None:
        """The outcomes of a task, if a run before this one had them."""
        entry = self._entry(task)
        try:
            return validate(self._store.get_data(entry), ModelOutcomes, entry)
        except FileError:
            return None

    def put(self, task: ModelTask, outcomes: ModelOutcomes) -> None:
        """Keep the outcomes of a task, whole or not at all."""
        self._store.put_data(self._entry(task), dataclasses.asdict(outcomes))

    def clear(self) -> None:
        """Forget all of them: the study is complete and written."""
        self._store.clear()

    def _entry(self, task: ModelTask) -> str:
        return f"{task.name}-{digest_of(self._about, task)}"
