"""The command line: parses, calls the api, prints or writes what comes back, turns errors into a line."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from mensa_sim.cli import explain as cli_explain
from mensa_sim.cli import explore as cli_explore
from mensa_sim.cli import files as cli_files
from mensa_sim.cli import measure as cli_measure
from mensa_sim.cli import reproduce as cli_reproduce
from mensa_sim.cli import validate as cli_validate
from mensa_sim.cli.options import (
    AsJson,
    Objective,
    Output,
    Overrides,
    Pins,
    Quiet,
    Scheduler,
    SchedulerOptions,
    SystemName,
    Timings,
    Workload,
    add,
    names_of,
    numbers,
    pairs,
    show,
    show_results,
    write,
)
from mensa_sim.cli.spelling import SPELLED
from mensa_sim.errors import MensaError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulator of heterogeneous edge accelerators and their scheduler.",
)

Baseline = Annotated[
    str, typer.Option(help="System that the ratios are taken against.", autocompletion=names_of("systems"))
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of whatever is random; default 0, or the scenario's.")]
DeadlineMs = Annotated[float | None, typer.Option(help="Latency that the schedule must not exceed.")]
ScheduleFile = Annotated[Path | None, typer.Option("--schedule", help="Take this schedule.yaml as it stands.")]
FamiliesFile = Annotated[Path | None, typer.Option("--families", help="Judge layers by these families.")]
Parallel = Annotated[bool, typer.Option("--parallel", help="Let branches overlap in what the scheduler predicts.")]
Plain = Annotated[bool, typer.Option("--plain", help="No prefetch, nothing stays on chip between layers.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Let the workload name code outside the shipped models.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a model with unsupported operators.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]


@app.callback()
def options() -> None:
    """Options of every command."""


def run(
    workload: Workload,
    system: SystemName = "mensa_g",
    scheduler: Scheduler = None,
    objective: Objective = None,
    baseline: Baseline = "edge_tpu",
    seed: Seed = None,
    output: Output = None,
    overrides: Overrides = [],  # noqa: B006
    options: SchedulerOptions = [],  # noqa: B006
    pins: Pins = [],  # noqa: B006
    deadline_ms: DeadlineMs = None,
    schedule: ScheduleFile = None,
    families: FamiliesFile = None,
    parallel: Parallel = False,
    timings: Timings = "fit",
    plain: Plain = False,
    allow_code: AllowCode = False,
    strict: Strict = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Schedule and simulate a workload or a scenario on a system, beside a baseline."""
    from mensa_sim.api import session as api
    from mensa_sim.report.page.output_folder import refuse_foreign, write_folder

    if output is not None:
        refuse_foreign(output, force=force)
    common: dict[str, Any] = {
        "system": system,
        "scheduler": scheduler,
        "objective": objective,
        "baseline": baseline,
        "overrides": overrides,
        "options": numbers("--option", options),
        "timings": timings,
        "allow_code": allow_code,
        "strict": strict,
        "cache": not no_cache,
    }
    if api.is_scenario(workload):
        _refuse_for_scenarios(
            {
                "--pin": pins,
                "--deadline-ms": deadline_ms is not None,
                "--schedule": schedule,
                "--families": families,
                "--parallel": parallel,
                "--plain": plain,
            }
        )
        result: api.Run | api.ScenarioRun = api.run_scenario(workload, seed=seed, **common)
    else:
        result = api.run(
            workload,
            seed=seed or 0,
            pins=pairs("--pin", pins),
            deadline_ms=deadline_ms,
            schedule=schedule,
            families=families,
            parallel=parallel,
            on_chip=api.PLAIN if plain else api.FULL,
            **common,
        )
    folder = output or Path("results") / f"{result.main.workload}-{result.main.system}"
    files = result.files()
    write_folder(folder, files, force=force)
    if as_json:
        write(files["summary.json"])
    elif not quiet:
        show(result.table())
        show_results(folder, files)


def _refuse_for_scenarios(given: dict[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} is for one workload; a scenario says its own in its file")


def trace(
    workload: Workload,
    allow_code: AllowCode = False,
    strict: Strict = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a layer.")] = False,
) -> None:
    """Show the layers of a workload: MACs, bytes, reuse, coverage."""
    from mensa_sim.api import session as api
    from mensa_sim.report.trace import layers

    if as_json and as_csv:
        raise UsageError("--json and --csv: give one of the two")
    graph = api.trace(workload, allow_code=allow_code, strict=strict, cache=not no_cache)
    if as_json:
        write(layers.trace_json(graph))
    elif as_csv:
        write(layers.trace_csv(graph))
    else:
        show(layers.trace_tables(graph))


add(app, run)
add(app, trace)
cli_files.register(app)
cli_explain.register(app)
cli_explore.register(app)
cli_validate.register(app)
cli_measure.register(app)
cli_reproduce.register(app)


def _exit_code(call: Callable[[], object]) -> int:
    try:
        call()
        sys.stdout.flush()
    except MensaError as error:
        sys.stderr.write(f"mensa-sim: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("mensa-sim: interrupted\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def main() -> None:
    """Entry point of the `mensa-sim` script; exit codes 0, 1 (the run failed), 2 (bad usage or input)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELLED)
    sys.exit(_exit_code(lambda: app(prog_name="mensa-sim")))
