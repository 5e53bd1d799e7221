"""The commands that say why: `explain` and `families`."""

from typing import Annotated

import typer

from mensa_sim.cli.options import AsJson, add
from mensa_sim.cli.printing import show, write
from mensa_sim.study.families.request import FamiliesRequest
from mensa_sim.study.run.request import PlaceRequest


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    add(app, explain, PlaceRequest)
    add(app, families, FamiliesRequest)


def explain(
    request: PlaceRequest,
    layer: Annotated[str | None, typer.Option(help="The layer to explain; without it, the moves.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a layer runs where it does and what would change it, or list the moves of a schedule."""
    from mensa_sim.api import session as api
    from mensa_sim.report.explain import explain as report

    placement = api.place.of(request)
    moves = api.moves(placement)
    if layer is None:
        _print(as_json, report.moves_json(moves), report.moves_table(moves))
    else:
        found = api.explain(placement, layer)
        _print(as_json, report.explanation_json(found, moves), report.explanation_tables(found))


def families(request: FamiliesRequest, as_json: AsJson = False) -> None:
    """Families of layers: the paper's, clusters found in the data, and which accelerator suits which."""
    from mensa_sim.api import session as api
    from mensa_sim.report.families.families import families_json, families_tables

    study = api.families.of(request)
    _print(as_json, families_json(study), families_tables(study))


def _print(as_json: bool, text: str, tables: object) -> None:
    if as_json:
        write(text)
    else:
        show(tables)
