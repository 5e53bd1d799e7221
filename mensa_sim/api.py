"""What a notebook types and the command line calls."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mensa_sim.atomic_write import write_atomically
from mensa_sim.files import json_schema
from mensa_sim.hardware.files import load_system
from mensa_sim.registry import lookup
from mensa_sim.report.output_folder import write_folder
from mensa_sim.schedule.registry import SCHEDULERS
from mensa_sim.shipped import FOLDERS, find, shipped_files, shipped_root
from mensa_sim.simulate.options import FULL, PLAIN, Options
from mensa_sim.study.check import RECORDS, check_files
from mensa_sim.study.explain import Explanation, Move
from mensa_sim.study.explain import explain as explain_layer
from mensa_sim.study.explain import moves as moves_of
from mensa_sim.study.families import FamilyStudy, study_families
from mensa_sim.study.placement import Goal, Placement, objective_named, timings_named
from mensa_sim.study.placement import place as place_graph
from mensa_sim.study.result import RunResult
from mensa_sim.study.run import run as run_request
from mensa_sim.study.run_request import RunRequest
from mensa_sim.study.scenario import ScenarioResult, is_scenario
from mensa_sim.study.scenario import run_scenario as run_scenario_request
from mensa_sim.workload.families_saved import families_yaml
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "FULL",
    "PLAIN",
    "Options",
    "RunResult",
    "ScenarioResult",
    "check",
    "explain",
    "families",
    "is_scenario",
    "list_kind",
    "moves",
    "place",
    "run",
    "run_scenario",
    "schema",
    "show",
    "tables",
    "trace",
    "write_results",
]


def run(
    workload: str | Path,
    *,
    system: str | Path = "mensa_g",
    scheduler: str = "mensa",
    objective: str = "edp",
    baseline: str | Path = "edge_tpu",
    seed: int = 0,
    overrides: Sequence[str] = (),
    pins: Mapping[str, str] | None = None,
    options: Mapping[str, float] | None = None,
    deadline_ms: float | None = None,
    schedule: str | Path | None = None,
    families: str | Path | None = None,
    parallel: bool = False,
    timings: str = "fit",
    on_chip: Options = FULL,
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> RunResult:
    """Trace, price, schedule and simulate a workload on a system, beside a baseline.

    Workload, system and baseline are files or the bare names of shipped ones. `overrides` are `FIELD=VALUE` on any
    field of the system, `pins` layer to accelerator, `options` the scheduler's own (`mac_ratio`, ...), `schedule` a
    schedule.yaml to take instead of a scheduler's, `families` a file of families, `parallel` lets branches overlap in
    the scheduler's prediction, `timings` whether measured accelerators run only `exact` kernels of their tables or also
    what a `fit` predicts, `on_chip` what the simulation prefetches and keeps on chip. Raises `UsageError` for bad input
    and `InfeasibleError` where no schedule exists.
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
            pins=pins or {},
            options=options or {},
            deadline_ms=deadline_ms,
            schedule_file=None if schedule is None else str(schedule),
            families_file=None if families is None else str(families),
            parallel=parallel,
            timings=timings,
            on_chip=on_chip,
            allow_code=allow_code,
            strict=strict,
            cache=cache,
        )
    )


def run_scenario(
    scenario: str | Path,
    *,
    system: str | Path = "mensa_g",
    scheduler: str = "mensa",
    objective: str = "edp",
    baseline: str | Path = "edge_tpu",
    seed: int | None = None,
    overrides: Sequence[str] = (),
    options: Mapping[str, float] | None = None,
    timings: str = "fit",
    allow_code: bool = False,
    strict: bool = False,
    cache: bool = True,
) -> ScenarioResult:
    """Run a scenario, several workloads with arrivals, on a system and on a baseline; `seed` replaces the file's."""
    request = RunRequest(
        workload=str(scenario),
        system=str(system),
        scheduler=scheduler,
        objective=objective,
        baseline=str(baseline),
        overrides=tuple(overrides),
        options=options or {},
        timings=timings,
        allow_code=allow_code,
        strict=strict,
        cache=cache,
    )
    return run_scenario_request(request, seed=seed)


def write_results(result: RunResult | ScenarioResult, folder: Path, *, force: bool = False) -> tuple[str, ...]:
    """Write the result files of a run into a folder, each whole or not at all; returns their names."""
    from mensa_sim.report.result_files import run_files, scenario_files

    contents = run_files(result) if isinstance(result, RunResult) else scenario_files(result)
    write_folder(folder, contents, force=force)
    return tuple(sorted(contents))


def place(
    workload: str | Path,
    *,
    system: str | Path = "mensa_g",
    scheduler: str = "mensa",
    objective: str = "edp",
    overrides: Sequence[str] = (),
    options: Mapping[str, float] | None = None,
    pins: Mapping[str, str] | None = None,
    timings: str = "fit",
    allow_code: bool = False,
    cache: bool = True,
) -> Placement:
    """Price and schedule a workload without simulating it: costs, problem and schedule."""
    goal = Goal(
        scheduler=scheduler,
        objective=objective_named(objective),
        options=options or {},
        pins=pins or {},
        timings=timings_named(timings),
    )
    graph = load_workload(workload, allow_code=allow_code, cache=cache)
    return place_graph(graph, load_system(system, overrides=overrides), goal)


def explain(placement: Placement, layer: str) -> Explanation:
    """Why a layer runs where it does: its cost everywhere, the runner-up, and what it would need to win."""
    return explain_layer(placement.problem, placement.costs, placement.schedule, layer)


def moves(placement: Placement) -> tuple[Move, ...]:
    """Every tensor that is read on another accelerator than it was made on."""
    return moves_of(placement.problem, placement.schedule)


def families(
    workloads: Sequence[str] | None = None,
    *,
    system: str = "mensa_g",
    objective: str = "edp",
    count: int | None = None,
    save: Path | None = None,
    allow_code: bool = False,
    cache: bool = True,
) -> FamilyStudy:
    """Families of the layers of workloads, by default the 24 models; `save` writes the clusters as YAML."""
    study = study_families(
        MODELS if workloads is None else workloads,
        system=system,
        objective=objective,
        count=count,
        allow_code=allow_code,
        cache=cache,
    )
    if save is not None:
        write_atomically(save, families_yaml(study.clustering.clusters))
    return study


def tables(result: RunResult | ScenarioResult) -> "RenderableType":
    """What the command line prints of a result, for `rich`."""
    from mensa_sim.report.scenario import scenario_tables
    from mensa_sim.report.tables import run_tables

    return run_tables(result) if isinstance(result, RunResult) else scenario_tables(result)


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
    """The text of a shipped file, comments included; an accelerator stands for the system of its name."""
    lookup(FOLDERS, kind, "kind of file")
    alone = kind == "systems" and name not in shipped_files(kind) and name in shipped_files("accelerators")
    return find("accelerators" if alone else kind, name).read_text()


def check(files: Iterable[str | Path]) -> list[str]:
    """Every fault of YAML files of any kind; empty where all are good."""
    return check_files([Path(file) for file in files])


def schema(kind: str) -> str:
    """The JSON Schema of a kind of file as JSON text: workload, scenario, system, accelerator, technology, ..."""
    return json.dumps(json_schema(lookup(RECORDS, kind, "kind of file")), indent=2) + "\n"
