"""What a notebook types and the command line calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mensa_sim.errors import FileError, UsageError
from mensa_sim.registry import lookup
from mensa_sim.report.output_folder import write_folder
from mensa_sim.shipped import FOLDERS, find, shipped_files, shipped_root
from mensa_sim.study.result import RunResult
from mensa_sim.study.run import RunRequest
from mensa_sim.study.run import run as run_request
from mensa_sim.workload.graph import LayerGraph

RESULT_FILES = ("summary.json", "layers.csv", "schedule.yaml", "report.html", "timeline.json")


def run(
    workload: str | Path,
    *,
    system: str | Path = "mensa_g",
    scheduler: str = "mensa",
    objective: str = "edp",
    baseline: str | Path = "edge_tpu",
    seed: int = 0,
    overrides: Sequence[str] = (),
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> RunResult:
    """Trace, price, schedule and simulate one inference of a workload on a system, beside a baseline.

    Workload, system and baseline are files or the bare names of shipped ones. `overrides` are `FIELD=VALUE` on
    any field of the system. Raises `UsageError` for bad input and `InfeasibleError` where no schedule exists.
    """
    return run_request(
        RunRequest(
            workload=str(workload),
            system=str(system),
            scheduler=scheduler,
            objective=objective,
            baseline=str(baseline),
            seed=seed,
            overrides=tuple(overrides),
            allow_code=allow_code,
            strict=strict,
            cache=cache,
        )
    )


def write_results(result: RunResult, folder: Path, *, force: bool = False) -> None:
    """Write the five result files of a run into a folder, each whole or not at all."""
    from mensa_sim.report.html import report_html
    from mensa_sim.report.perfetto import perfetto_json
    from mensa_sim.report.summary import layers_csv, summary_json
    from mensa_sim.schedule.files import schedule_yaml

    contents = {
        "layers.csv": layers_csv(result),
        "schedule.yaml": schedule_yaml(result.main.schedule),
        "report.html": report_html(result),
        "timeline.json": perfetto_json(result.main.timeline),
        "summary.json": summary_json(result),
    }
    write_folder(folder, contents, force=force)
