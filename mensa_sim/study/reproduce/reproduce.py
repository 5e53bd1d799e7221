"""The claim, checked: 24 models on the paper's systems, beside the paper's figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mensa_sim.hardware.files import system_files
from mensa_sim.hardware.system import System
from mensa_sim.records import dataclass
from mensa_sim.study.reproduce.experiments.experiment import LARGE_BUFFER
from mensa_sim.study.reproduce.experiments.named import EXPERIMENTS, main_cases, with_prices
from mensa_sim.study.reproduce.findings import Agreement, Deviation, agreements, deviations, with_alternatives
from mensa_sim.study.reproduce.paper import chosen_models, paper_figures
from mensa_sim.study.reproduce.populations import (
    DrawnFigure,
    DrawnStatistic,
    drawn_figures,
    drawn_statistics,
    drawn_tasks,
)
from mensa_sim.study.reproduce.request import SYSTEMS, ReproduceRequest
from mensa_sim.study.reproduce.statements import statements
from mensa_sim.study.reproduce.table import Row, Runs, as_ran, row_of
from mensa_sim.study.reproduce.taken import taken_of
from mensa_sim.study.reproduce.workers import (
    FinishedModels,
    ModelOutcomes,
    ModelTask,
    forget_systems,
    run_models,
    system_of,
)
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.workload.load import workload_files
from mensa_sim.workload.model_kinds import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceResult(Provenance):
    """The paper's figures beside ours, what was run for them, and why they differ where they do."""

    rows: tuple[Row, ...]
    deviations: tuple[Deviation, ...]
    agreements: tuple[Agreement, ...]
    """Under every set of choices that was run."""
    statements: tuple[str, ...]
    runs: Runs
    drawn: Mapping[str, DrawnFigure]
    """The figures by name on drawn populations."""
    statistics: tuple[DrawnStatistic, ...]
    """What those were drawn to have."""

    @property
    def missing(self) -> tuple[Row, ...]:
        """Figures that were not computed, each with its reason."""
        return tuple(row for row in self.rows if row.ours is None)


def reproduce(request: ReproduceRequest) -> ReproduceResult:
    """Run every case of the study; the same result on any number of processes.

    With an output folder each model is kept there as soon as it is done, until the results are written: a run that was
    killed goes on where it was.
    """
    forget_systems()
    models = chosen_models(tuple(request.models))
    taken = taken_of(request, (*SYSTEMS, LARGE_BUFFER))
    cases = (*main_cases(taken), *(case for experiment in EXPERIMENTS for case in experiment.cases(taken)))
    files = study_files(models, (*SYSTEMS, LARGE_BUFFER))
    finished = None if request.output is None else FinishedModels(Path(request.output), files)
    populations = request.drawn_populations
    drawn = drawn_tasks(populations, taken)
    tasks = [ModelTask(model=model, cases=cases) for model in models]
    ran = run_models([*tasks, *drawn], request.jobs, request.progress, finished)
    runs = Runs(models=with_prices(ran[: len(tasks)], taken), taken=taken)
    by_seed: dict[int, list[ModelOutcomes]] = {seed: [] for seed in range(populations)}
    for task, outcomes in zip(drawn, ran[len(tasks) :], strict=True):
        by_seed[task.seed or 0].append(outcomes)
    figures = paper_figures()

    def system_named(name: str) -> System:
        return system_of(name, taken.on(name))

    rows = tuple(as_ran(with_alternatives(row_of(figure, runs, system_named), runs), models) for figure in figures)
    return ReproduceResult(
        rows=rows,
        deviations=deviations(rows, runs),
        agreements=agreements(rows, runs),
        statements=statements(runs) if models == MODELS else (),
        runs=runs,
        drawn=drawn_figures(figures, by_seed, system_named),
        statistics=drawn_statistics(populations),
        **made_of("reproduce", request, files),
    )


def study_files(models: Sequence[str], systems: Sequence[str]) -> tuple[Path, ...]:
    """Every file that a study's outcomes depend on: workloads with their models' sources, systems with their specs."""
    return (
        *(file for model in models for file in workload_files(model)),
        *(file for system in systems for file in system_files(system)),
    )
