"""The commands `reproduce` and `sensitivity`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mensa_sim.cli.options import AsJson, Output, Quiet, add, show, show_results, write

if TYPE_CHECKING:
    from mensa_sim.study.reproduce.workers import Progress

Models = Annotated[list[str], typer.Option("--models", help="Models or kinds (cnn, lstm, ...); repeatable. All 24.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]


def reproduce(
    models: Models = [],  # noqa: B006
    jobs: Jobs = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Run the 24 models on the paper's systems and set every figure beside the paper's.

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.report.page.output_folder import refuse_foreign, write_folder
    from mensa_sim.report.reproduce.files import models_csv, reproduce_json
    from mensa_sim.report.reproduce.page import reproduce_html
    from mensa_sim.report.reproduce.tables import reproduce_tables
    from mensa_sim.study.reproduce import reproduce as study
    from mensa_sim.study.reproduce.store import FOLDER

    request = study.ReproduceRequest(models=_names(models), jobs=jobs or os.cpu_count() or 1)
    folder = output or Path("results") / "reproduce"
    refuse_foreign(folder, (FOLDER,), force=force)
    result = study.reproduce(request, _progress(quiet=quiet or as_json), folder)
    summary = reproduce_json(result)
    contents = {"models.csv": models_csv(result), "report.html": reproduce_html(result), "summary.json": summary}
    write_folder(folder, contents, force=True)
    study.forget_finished(folder)
    if as_json:
        write(summary)
    elif not quiet:
        show(reproduce_tables(result))
        show_results(folder, contents)


def sensitivity(
    models: Models = [],  # noqa: B006
    runs: Annotated[int, typer.Option(min=1, help="Joint draws of the choices that need a run.")] = 12,
    prices: Annotated[int, typer.Option(min=1, help="Draws of all prices for each of them.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the joint draws.")] = 0,
    jobs: Jobs = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Vary every constant and stated choice, one at a time and jointly: does the conclusion survive?

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.report.page.output_folder import refuse_foreign, write_folder
    from mensa_sim.report.sensitivity.files import sensitivity_json, sensitivity_tables, swings_csv
    from mensa_sim.report.sensitivity.page import sensitivity_html
    from mensa_sim.study.reproduce.reproduce import forget_finished
    from mensa_sim.study.reproduce.store import FOLDER
    from mensa_sim.study.sensitivity import sensitivity as study

    request = study.SensitivityRequest(
        models=_names(models), jobs=jobs or os.cpu_count() or 1, runs=runs, prices=prices, seed=seed
    )
    folder = output or Path("results") / "sensitivity"
    refuse_foreign(folder, (FOLDER,), force=force)
    result = study.sensitivity(request, _progress(quiet=quiet or as_json), folder)
    summary = sensitivity_json(result)
    contents = {"report.html": sensitivity_html(result), "summary.json": summary, "swings.csv": swings_csv(result)}
    write_folder(folder, contents, force=True)
    forget_finished(folder)
    if as_json:
        write(summary)
    elif not quiet:
        show(sensitivity_tables(result))
        show_results(folder, contents)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (reproduce, sensitivity):
        add(app, command, counts=True)


def _names(models: list[str]) -> tuple[str, ...]:
    return tuple(name.strip() for entry in models for name in entry.split(",") if name.strip())


def _progress(*, quiet: bool) -> "Progress":
    """A line on a terminal that counts models; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        return lambda done, total, model: None

    def line(done: int, total: int, model: str) -> None:
        ended = "\n" if done == total else ""
        sys.stderr.write(f"\rmodels run: {done} of {total} ({model})\033[K{ended}")
        sys.stderr.flush()

    return line
