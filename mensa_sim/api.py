"""What a notebook types and the command line calls."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from mensa_sim.hardware.files import hardware_schemas
from mensa_sim.registry import lookup
from mensa_sim.report.output_folder import write_folder
from mensa_sim.schedule.registry import SCHEDULERS
from mensa_sim.shipped import FOLDERS, find, shipped_files, shipped_root
from mensa_sim.study.check import check_files
from mensa_sim.study.result import RunResult
from mensa_sim.study.run import RunRequest
from mensa_sim.study.run import run as run_request
from mensa_sim.workload.files import workload_schema
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload

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

    main = result.main
    contents = {
        "layers.csv": layers_csv(result),
        "schedule.yaml": schedule_yaml(main.problem, main.schedule),
        "report.html": report_html(result),
        "timeline.json": perfetto_json(
            main.timeline, tuple(main.accelerators), {main.workload: main.graph}, main.problem.static_mw
        ),
        "summary.json": summary_json(result),
    }
    write_folder(folder, contents, force=force)


def trace(workload: str | Path, *, allow_code: bool = False, strict: bool = False, cache: bool = True) -> LayerGraph:
    """The layer graph of a workload: a file or the bare name of a shipped one."""
    return load_workload(workload, allow_code=allow_code, strict=strict, cache=cache)


def list_kind(kind: str) -> list[dict[str, str]]:
    """Name and path of everything of a kind that ships; schedulers have no path.

    Kinds: workloads, scenarios, systems, accelerators, schedulers, technologies, spaces. An accelerator is also a
    system of its name.
    """
    if kind == "schedulers":
        return [{"name": name} for name in ("single:NAME", *SCHEDULERS)]
    lookup({**FOLDERS, "schedulers": ""}, kind, "kind")
    files = dict(shipped_files(kind))
    if kind == "systems":
        files = {**shipped_files("accelerators"), **files}
    root = shipped_root()
    return [{"name": name, "path": files[name].relative_to(root).as_posix()} for name in sorted(files)]


def show(kind: str, name: str) -> str:
    """The text of a shipped file, comments included."""
    lookup(FOLDERS, kind, "kind of file")
    return find(kind, name).read_text()


def check(files: Iterable[str | Path]) -> list[str]:
    """Every fault of YAML files of any kind; empty where all are good."""
    return check_files([Path(file) for file in files])


def schema(kind: str) -> str:
    """The JSON Schema of a kind of file as JSON text: workload, accelerator, system or technology."""
    schemas = {**hardware_schemas(), "workload": workload_schema()}
    return json.dumps(lookup(schemas, kind, "kind of file"), indent=2) + "\n"
