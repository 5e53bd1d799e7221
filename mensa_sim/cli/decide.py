"""The command `decide`."""

import typer

from mensa_sim.cli.options import Told, add
from mensa_sim.cli.results import deliver_resumed
from mensa_sim.study.decide.request import DecideRequest


def decide(request: DecideRequest, told: Told) -> None:
    """Which system is better for your workloads, by how much, how sure, and at which value does it turn?

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import decide as api

    deliver_resumed(api.decide.of, request, api.folder_of(request), told)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    add(app, decide, DecideRequest)
