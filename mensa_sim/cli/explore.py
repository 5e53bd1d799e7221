"""The commands `explore`, `compare` and `diff`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mensa_sim.cli.options import (
    AsJson,
    Objective,
    Output,
    Overrides,
    Quiet,
    Scheduler,
    Timings,
    Workload,
    add,
    names_of,
    show,
    show_results,
    write,
)

if TYPE_CHECKING:
    from mensa_sim.study.explore.explore import Progress

AllowCode = Annotated[bool, typer.Option("--allow-code", help="Let workloads name code outside the shipped models.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Trace anew and store nothing.")]


def explore(
    space: Annotated[
        str,
        typer.Argument(help="Space file, or the bare name of a shipped one.", autocompletion=names_of("spaces")),
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="Designs to run in all.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Begin no design after so many seconds.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://...")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in the results folder.")] = False,
    output: Output = None,
    overrides: Overrides = [],  # noqa: B006
    allow_code: AllowCode = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option("--force", help="Start anew where a study lies.")] = False,
) -> None:
    """Search a design space for better systems; a killed search goes on with --resume."""
    from mensa_sim.api import explore as api_explore
    from mensa_sim.report.explore.files import explore_json

    folder = output or api_explore.explore_folder(space)
    result = api_explore.explore(
        space,
        folder=folder,
        trials=trials,
        timeout_s=timeout,
        jobs=jobs or os.cpu_count() or 1,
        cluster=cluster,
        resume=resume,
        force=force,
        overrides=overrides,
        allow_code=allow_code,
        cache=not no_cache,
        progress=_progress(quiet=quiet or as_json),
    )
    if as_json:
        write(explore_json(result))
    elif not quiet:
        show(result.table())
        show_results(folder, ("designs.csv", "front/", "report.html", "study.db", "summary.json"))


def compare(
    workload: Workload,
    systems: Annotated[str, typer.Option(help="Systems side by side, the first is the baseline: edge_tpu,mensa_g.")],
    scheduler: Scheduler = None,
    objective: Objective = None,
    timings: Timings = "fit",
    seed: Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")] = 0,
    output: Output = None,
    overrides: Overrides = [],  # noqa: B006
    allow_code: AllowCode = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a model with unsupported operators.")] = False,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
) -> None:
    """Run one workload on several systems, side by side."""
    from mensa_sim.api import session as api
    from mensa_sim.report.page.output_folder import refuse_foreign, write_folder

    if output is not None:
        refuse_foreign(output, force=force)
    result = api.compare(
        workload,
        [name.strip() for name in systems.split(",") if name.strip()],
        scheduler=scheduler,
        objective=objective,
        timings=timings,
        seed=seed,
        overrides=overrides,
        allow_code=allow_code,
        strict=strict,
        cache=not no_cache,
    )
    folder = output or Path("results") / f"{result.workload}-compare"
    files = result.files()
    write_folder(folder, files, force=force)
    if as_json:
        write(files["summary.json"])
    elif not quiet:
        show(result.table())
        show_results(folder, files)


def diff(
    before: Annotated[Path, typer.Argument(help="Folder of a result, or its summary.json.")],
    after: Annotated[Path, typer.Argument(help="Folder of another result, or its summary.json.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two results, in what they were made from and in what came out."""
    from mensa_sim.api import explore as api_explore
    from mensa_sim.report.compare.compare import diff_json, diff_tables

    difference = api_explore.diff(before, after)
    if as_json:
        write(diff_json(difference))
    else:
        show(diff_tables(difference))


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    add(app, explore, counts=True)
    add(app, compare)
    add(app, diff)


def _progress(*, quiet: bool) -> "Progress":
    """A line on a terminal that counts designs; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        return lambda done, wanted: None

    def line(done: int, wanted: int | None) -> None:
        ended = "\n" if wanted is not None and done >= wanted else ""
        sys.stderr.write(f"\rdesigns run: {done}{f' of {wanted}' if wanted is not None else ''}{ended}")
        sys.stderr.flush()

    return line
