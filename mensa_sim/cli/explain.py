"""The commands that say why: `explain` and `families`."""

from pathlib import Path
from typing import Annotated

import typer

from mensa_sim.cli.options import (
    AsJson,
    Objective,
    Overrides,
    Pins,
    Scheduler,
    SchedulerOptions,
    SystemName,
    Timings,
    Workload,
    add,
    numbers,
    one_of,
    pairs,
    show,
    write,
)

OBJECTIVES = one_of("edp", "latency", "energy")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    add(app, explain)
    add(app, families)


def explain(
    workload: Workload,
    layer: Annotated[str | None, typer.Option(help="The layer to explain; without it, the moves.")] = None,
    system: SystemName = "mensa_g",
    scheduler: Scheduler = None,
    objective: Objective = None,
    overrides: Overrides = [],  # noqa: B006
    options: SchedulerOptions = [],  # noqa: B006
    pins: Pins = [],  # noqa: B006
    timings: Timings = "fit",
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Let the workload name code of its own.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say why a layer runs where it does and what would change it, or list the moves of a schedule."""
    from mensa_sim.api import session as api
    from mensa_sim.report.explain import explain as report

    placement = api.place(
        workload,
        system=system,
        scheduler=scheduler,
        objective=objective,
        overrides=overrides,
        options=numbers("--option", options),
        pins=pairs("--pin", pins),
        timings=timings,
        allow_code=allow_code,
        cache=not no_cache,
    )
    moves = api.moves(placement)
    if layer is None:
        _print(as_json, report.moves_json(moves), report.moves_table(moves))
    else:
        found = api.explain(placement, layer)
        _print(as_json, report.explanation_json(found, moves), report.explanation_tables(found))


def families(
    workloads: Annotated[list[str] | None, typer.Argument(help="Workloads; without any, the 24 models.")] = None,
    system: SystemName = "mensa_g",
    objective: Annotated[str, typer.Option(help="edp, latency or energy.", autocompletion=OBJECTIVES)] = "edp",
    count: Annotated[int | None, typer.Option(min=2, help="Clusters; without it, as many as part best.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the clusters here, for run --families.")] = None,
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Let the workloads name code of their own.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Families of layers: the paper's, clusters found in the data, and which accelerator suits which."""
    from mensa_sim.api import session as api
    from mensa_sim.report.families.families import families_json, families_tables

    study = api.families(
        workloads or None,
        system=system,
        objective=objective,
        count=count,
        save=save,
        allow_code=allow_code,
        cache=not no_cache,
    )
    _print(as_json, families_json(study), families_tables(study))


def _print(as_json: bool, text: str, tables: object) -> None:
    if as_json:
        write(text)
    else:
        show(tables)
