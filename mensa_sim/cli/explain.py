"""The commands that say why: `explain` and `families`."""

from typing import Annotated

import typer

from mensa_sim.cli.options import AsJson, Page, Paged
from mensa_sim.cli.printing import show, write
from mensa_sim.cli.results import deliver_page
from mensa_sim.errors import UsageError
from mensa_sim.io.json_text import json_text
from mensa_sim.study.families.request import FamiliesRequest
from mensa_sim.study.run.request import PlaceRequest


def explain(
    request: PlaceRequest,
    layer: Annotated[str | None, typer.Option(help="The layer to explain; without it, the moves.")] = None,
    page: Page = None,
    as_json: AsJson = False,
) -> None:
    """Say why a layer runs where it does, what its memory levels do and what would change it, or list the moves."""
    from mensa_sim.api import explanation as api
    from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
    from mensa_sim.report.explain import page as report

    if page is not None and layer is None:
        raise UsageError("--report: is the page of one layer; name it with --layer")
    if page is not None:
        refuse_unwritable_file(page)
    placement = api.place.of(request)
    moves = api.moves(placement)
    if layer is None:
        _print(as_json, report.moves_data(moves), report.moves_table(moves))
    else:
        found = api.explain(placement, layer)
        if page is not None:
            write_atomically(page, found.files()["report.html"])
        _print(as_json, report.explanation_data(found, moves), report.explanation_tables(found))


def families(request: FamiliesRequest, told: Paged) -> None:
    """Families of layers: the paper's, clusters found in the data, and which accelerator suits which."""
    from mensa_sim.api import session as api

    deliver_page(api.families.of, request, told)


def _print(as_json: bool, data: object, tables: object) -> None:
    if as_json:
        write(json_text(data))
    else:
        show(tables)
