"""The command line: parses, calls the api, prints or writes what comes back, turns errors into a line."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, ParamSpec

import typer

from mensa_sim.errors import MensaError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

P = ParamSpec("P")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulator of heterogeneous edge accelerators and their scheduler.",
)

Workload = Annotated[str, typer.Argument(help="Workload file, or the bare name of a shipped one.")]
SystemName = Annotated[str, typer.Option("--system", help="System or accelerator: file or bare name.")]
Scheduler = Annotated[str, typer.Option(help="Scheduler: greedy, mensa, single:NAME, ...")]
Objective = Annotated[str, typer.Option(help="What the scheduler minimises: edp, latency or energy.")]
Baseline = Annotated[str, typer.Option(help="System that the ratios are taken against.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")]
Output = Annotated[Optional[Path], typer.Option(help="Folder for the results.")]  # noqa: UP045
Overrides = Annotated[list[str], typer.Option("--set", help="FIELD=VALUE on any field of the system; repeatable.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Let the workload name code outside the shipped models.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a model with unsupported operators.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]


@app.callback()
def options() -> None:
    """Options of every command."""


@app.command()
def run(
    workload: Workload,
    system: SystemName = "mensa_g",
    scheduler: Scheduler = "mensa",
    objective: Objective = "edp",
    baseline: Baseline = "edge_tpu",
    seed: Seed = 0,
    output: Output = None,
    overrides: Overrides = [],  # noqa: B006
    allow_code: AllowCode = False,
    strict: Strict = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Schedule and simulate a workload on a system, beside a baseline."""
    from mensa_sim import api
    from mensa_sim.report.summary import summary_json
    from mensa_sim.report.tables import run_tables

    result = api.run(
        workload,
        system=system,
        scheduler=scheduler,
        objective=objective,
        baseline=baseline,
        seed=seed,
        overrides=overrides,
        allow_code=allow_code,
        strict=strict,
        cache=not no_cache,
    )
    folder = output or Path("results") / f"{result.main.workload}-{result.main.system}"
    api.write_results(result, folder, force=force)
    if as_json:
        sys.stdout.write(summary_json(result))
    elif not quiet:
        _show(run_tables(result))
        _show(f"\nresults in {folder}: {', '.join(sorted(api.RESULT_FILES))}")


@app.command()
def trace(
    workload: Workload,
    allow_code: AllowCode = False,
    strict: Strict = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a layer.")] = False,
) -> None:
    """Show the layers of a workload: MACs, bytes, reuse, coverage."""
    from mensa_sim import api
    from mensa_sim.report import layers

    graph = api.trace(workload, allow_code=allow_code, strict=strict, cache=not no_cache)
    if as_json:
        sys.stdout.write(layers.trace_json(graph))
    elif as_csv:
        sys.stdout.write(layers.trace_csv(graph))
    else:
        _show(layers.trace_tables(graph))


@app.command("list")
def list_kind(
    kind: Annotated[str, typer.Argument(help="workloads, systems, accelerators, technologies, schedulers, ...")],
    as_json: AsJson = False,
) -> None:
    """List what ships."""
    import json

    from mensa_sim import api

    entries = api.list_kind(kind)
    if as_json:
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
    else:
        for entry in entries:
            sys.stdout.write(f"{entry['name']}\n")


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="workloads, systems, accelerators, technologies, ...")],
    name: Annotated[str, typer.Argument(help="The bare name.")],
) -> None:
    """Print a shipped file, to copy and change."""
    from mensa_sim import api

    sys.stdout.write(api.show(kind, name))


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="YAML files of any kind.")]) -> None:
    """Validate YAML files; every fault of every file is listed."""
    from mensa_sim import api

    faults = api.check(files)
    if faults:
        raise UsageError("\n".join(faults))
    for file in files:
        _show(f"{file}: ok")


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="workload, accelerator, system or technology.")],
) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from mensa_sim import api

    sys.stdout.write(api.schema(kind))


def _show(what: "RenderableType") -> None:
    from rich.console import Console

    Console(highlight=False).print(what, soft_wrap=isinstance(what, str), markup=False)


def _exit_code(call: Callable[[], object]) -> int:
    try:
        call()
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
    sys.exit(_exit_code(lambda: app(prog_name="mensa-sim")))
