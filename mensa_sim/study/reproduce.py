"""The claim, checked: 24 models on the paper's systems, beside the paper's figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from mensa_sim.hardware.files import system_files
from mensa_sim.shipped import find
from mensa_sim.study.paper import chosen_models, paper_figures
from mensa_sim.study.provenance import input_hashes, versions
from mensa_sim.study.reproduce_experiments import EXPERIMENTS, LARGE_BUFFER, SYSTEMS, main_cases, with_prices
from mensa_sim.study.reproduce_findings import Deviation, deviations, statements, with_alternatives
from mensa_sim.study.reproduce_table import Row, Runs, row_of
from mensa_sim.study.reproduce_workers import ModelTask, Progress, run_models, system_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceRequest:
    """Which models to run, by name or kind (all 24 by default), on how many processes."""

    models: tuple[str, ...] = ()
    jobs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceResult:
    """The paper's figures beside ours, what was run for them, and why they differ where they do."""

    rows: tuple[Row, ...]
    deviations: tuple[Deviation, ...]
    statements: tuple[str, ...]
    runs: Runs
    versions: Mapping[str, str]
    inputs: Mapping[str, str]

    @property
    def missing(self) -> tuple[Row, ...]:
        """Figures that were not computed, each with its reason."""
        return tuple(row for row in self.rows if row.ours is None)


def reproduce(request: ReproduceRequest, progress: Progress = lambda done, total, model: None) -> ReproduceResult:
    """Run every case of the study; the same result on any number of processes."""
    models = chosen_models(request.models)
    cases = (*main_cases(), *(case for experiment in EXPERIMENTS for case in experiment.cases()))
    ran = run_models([ModelTask(model=model, cases=cases) for model in models], request.jobs, progress)
    runs = Runs(models=with_prices(ran))
    rows = tuple(
        with_alternatives(row_of(figure, runs, lambda name: system_of(name, ())), runs) for figure in paper_figures()
    )
    systems = [path for name in (*SYSTEMS, LARGE_BUFFER) for path in system_files(name)]
    return ReproduceResult(
        rows=rows,
        deviations=deviations(rows, runs),
        statements=statements(runs),
        runs=runs,
        versions=versions(),
        inputs=input_hashes((*(find("workloads", model) for model in models), *systems)),
    )
