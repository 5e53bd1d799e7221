"""The command `validate`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mensa_sim.cli.options import AsJson, Output, Quiet, add, show, show_results, write
from mensa_sim.errors import MensaError

DataFile = Annotated[
    Path | None,
    typer.Option(help="Measurement file: CSV of workload,system,metric,measured,source."),
]
Reference = Annotated[Path | None, typer.Option(help="Folder of reference data, taken beside the rest.")]


def validate(
    data: DataFile = None,
    reference: Reference = None,
    output: Output = None,
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Let workloads name code of their own.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
) -> None:
    """Hold predictions against measured silicon: published figures, a reference folder, or a file of your own."""
    from mensa_sim.api import validate as api_validate
    from mensa_sim.report.validate.validate import validation_json, validation_tables

    progress = _progress(quiet=quiet or as_json)
    result = api_validate.validate(
        data, reference=reference, allow_code=allow_code, cache=not no_cache, progress=progress
    )
    folder = output or Path("results") / ("validate" if data is None else f"validate-{data.stem}")
    api_validate.write_validation(result, folder, force=force)
    constants = api_validate.fitted_constants()
    if as_json:
        write(validation_json(result, constants))
    elif not quiet:
        show(validation_tables(result, constants))
        show_results(folder, ("report.html", "summary.json"))
    if result.failures:
        raise MensaError(f"{len(result.failures)} of {len(result.failures) + len(result.rows)} rows have no prediction")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, validate, counts=True)


def _progress(*, quiet: bool) -> Callable[[int, int], None]:
    """A line on a terminal that counts rows; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        return lambda done, wanted: None

    def line(done: int, wanted: int) -> None:
        sys.stderr.write(f"\rrows predicted: {done} of {wanted}" + ("\n" if done == wanted else ""))
        sys.stderr.flush()

    return line
