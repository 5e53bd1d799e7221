"""The command `validate`."""

from dataclasses import replace
from pathlib import Path

import typer

from mensa_sim.cli.options import AsJson, Force, Output, Quiet, add
from mensa_sim.cli.printing import show, show_results, write
from mensa_sim.cli.results import refuse_place
from mensa_sim.cli.steps import counted
from mensa_sim.errors import MensaError
from mensa_sim.study.validate.request import ValidateRequest


def validate(
    request: ValidateRequest, output: Output = None, as_json: AsJson = False, quiet: Quiet = False, force: Force = False
) -> None:
    """Hold predictions against measured silicon: published figures, a reference folder, or a file of your own."""
    from mensa_sim.api import validate as api
    from mensa_sim.report.validate.validate import validation_json, validation_tables
    from mensa_sim.study.request.command import choices_of, results_folder

    refuse_place(output, force=force)
    result = api.validate.of(replace(request, progress=counted("rows predicted", quiet=quiet or as_json)))
    data = request.data
    of = "validate" if data is None else f"validate-{Path(data).stem}"
    folder = output or results_folder(of, choices_of(request), said=("data",))
    api.write_validation(result, folder, force=force)
    constants = api.fitted_constants()
    if as_json:
        write(validation_json(result, constants))
    elif not quiet:
        show(validation_tables(result, constants))
        show_results(folder, ("report.html", "summary.json"))
    if result.failures:
        raise MensaError(f"{len(result.failures)} of {len(result.failures) + len(result.rows)} rows have no prediction")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, validate, ValidateRequest, counts=True)
