"""The command `validate`."""

import typer

from mensa_sim.cli.options import AsJson, Export, Force, Output, Quiet, add
from mensa_sim.cli.results import deliver
from mensa_sim.cli.steps import counting
from mensa_sim.errors import MensaError
from mensa_sim.study.validate.request import ValidateRequest


def validate(
    request: ValidateRequest,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
    export: Export = None,
) -> None:
    """Hold predictions against measured silicon: published figures, a reference folder, or a file of your own."""
    from mensa_sim.api import validate as api

    asked = counting(request, quiet=quiet or as_json)
    result = deliver(
        lambda: api.validate.of(asked),
        output,
        as_json=as_json,
        quiet=quiet,
        force=force,
        export=export,
    )
    if result.failures:
        raise MensaError(f"{len(result.failures)} of {len(result.failures) + len(result.rows)} rows have no prediction")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, validate, ValidateRequest)
