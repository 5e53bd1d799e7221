"""The commands `reproduce`, `reproduce-pim`, `near-data` and `sensitivity`."""

import typer

from mensa_sim.cli.options import Quiet, Told, add
from mensa_sim.cli.results import deliver_resumed
from mensa_sim.cli.steps import counting
from mensa_sim.study.near_data.request import NearDataRequest, ReproducePimRequest
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.sensitivity.request import SensitivityRequest


def reproduce(request: ReproduceRequest, told: Told) -> None:
    """Run the 24 models on the paper's systems and set every figure beside the paper's.

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import reproduce as api

    deliver_resumed(api.reproduce.of, request, api.folder_of("reproduce", request), told)


def sensitivity(request: SensitivityRequest, told: Told) -> None:
    """Vary every constant and stated choice, one at a time and jointly: does the conclusion survive?

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import reproduce as api

    deliver_resumed(api.sensitivity.of, request, api.folder_of("sensitivity", request), told)


def reproduce_pim(request: ReproducePimRequest) -> None:
    """Set published gains of units in the memory beside ours against the same baselines, with the reasons."""
    from mensa_sim.api import reproduce as api

    typer.echo(api.reproduce_pim.of(request).report)
    if request.output is not None:
        typer.echo(f"written to {request.output}")


def near_data(request: NearDataRequest, quiet: Quiet = False) -> None:
    """Say where units in the memory beat an NPU alone, by model, bits, context and limit of power, with intervals."""
    from mensa_sim.api import reproduce as api

    study = api.near_data.of(counting(request, quiet=quiet))
    typer.echo(study.report)
    if request.output is not None:
        typer.echo(f"written to {request.output}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    add(app, reproduce, ReproduceRequest)
    add(app, reproduce_pim, ReproducePimRequest, name="reproduce-pim")
    add(app, near_data, NearDataRequest, name="near-data")
    add(app, sensitivity, SensitivityRequest)
