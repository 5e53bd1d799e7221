"""The command line: parses, calls the api, prints or writes what comes back, turns errors into a line."""

import atexit
import gc
import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, TextIO

import typer

import mensa_sim
from mensa_sim.cli import explain, explore, files, measure, reproduce
from mensa_sim.cli.options import AsJson, Delivery, add
from mensa_sim.cli.printing import SPELLED, show, write
from mensa_sim.cli.results import deliver
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.study.request.fields import TraceRequest
from mensa_sim.study.run.request import RunRequest

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Simulator of heterogeneous edge accelerators and their scheduler.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        write(f"mensa-sim {mensa_sim.__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of every command."""


def run(request: RunRequest, told: Delivery) -> None:
    """Schedule and simulate a workload or a scenario on a system, beside a baseline."""
    from mensa_sim.api import session as api
    from mensa_sim.study.scenario.scenario import is_scenario

    def ran() -> api.Run | api.ScenarioRun:
        return api.run_scenario.of(request) if is_scenario(request.workload) else api.run.of(request)

    deliver(ran, told, told.output)


def trace(
    request: TraceRequest,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a layer.")] = False,
) -> None:
    """Show the layers of a workload: MACs, bytes, reuse, coverage."""
    from mensa_sim.api import session as api
    from mensa_sim.report.trace import layers

    if as_json and as_csv:
        raise UsageError("--json and --csv: give one of the two")
    graph = api.trace.of(request)
    if as_json:
        write(layers.trace_json(graph))
    elif as_csv:
        write(layers.trace_csv(graph))
    else:
        show(layers.trace_tables(graph))


add(app, run)
add(app, trace)
add(app, files.list_kind, name="list")
add(app, files.show_file, name="show")
for command in (
    *(files.check, files.schema, files.convert, explain.explain, explain.families, reproduce.decide),
    *(explore.explore, explore.compare, explore.diff, reproduce.validate),
    *(measure.measure, measure.measure_models, measure.import_timings, measure.calibrate),
    *(measure.device, measure.fit_devices),
    *(reproduce.reproduce, reproduce.reproduce_pim, reproduce.near_data, reproduce.sensitivity),
):
    add(app, command)


def _exit_code(call: Callable[[], object]) -> int:
    try:
        try:
            call()
        finally:
            sys.stdout.flush()
    except MensaError as error:
        sys.stderr.write(f"mensa-sim: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("mensa-sim: interrupted\n")
        return 130
    except OSError as error:
        if _takes_text(sys.stdout):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"mensa-sim: standard output: cannot be written: {error.strerror}\n")
        return 1
    return 0


def _takes_text(stream: TextIO) -> bool:
    """Whether one more line arrives."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return False
    return True


def main() -> None:
    """Entry point of the `mensa-sim` script; exit codes 0, 1 (the run failed), 2 (bad usage or input)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELLED)
        elif stream is None:  # whoever started us closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    # Matrices are small here and workers are processes: threads would wait on each other for most of the time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # None is used, and pydantic looks for them in the metadata of every installed distribution.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is left at the end goes with the process: to look through it for garbage is a fifth of a short command.
    atexit.register(gc.freeze)
    sys.exit(_exit_code(lambda: app(prog_name="mensa-sim")))
