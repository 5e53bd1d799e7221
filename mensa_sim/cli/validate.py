"""The command `validate`."""

import typer

from mensa_sim.cli.options import Delivery, add
from mensa_sim.cli.results import deliver
from mensa_sim.cli.steps import counting
from mensa_sim.errors import MensaError
from mensa_sim.study.validate.request import ValidateRequest


def validate(request: ValidateRequest, told: Delivery) -> None:
    """Hold predictions against measured silicon: published figures, a reference folder, or a file of your own."""
    from mensa_sim.api import validate as api

    asked = counting(request, quiet=told.quiet or told.as_json)
    result = deliver(lambda: api.validate.of(asked), told, told.output)
    if result.failures:
        raise MensaError(f"{len(result.failures)} of {len(result.failures) + len(result.rows)} rows have no prediction")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, validate, ValidateRequest)
