"""A result as a command delivers it: the files in a folder, and its tables or its JSON on standard output."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mensa_sim.cli.printing import show, show_results, write

if TYPE_CHECKING:
    from mensa_sim.api.shown import Shown

Result = TypeVar("Result", bound="Shown")


def deliver(
    run: "Callable[[], Result]",
    output: Path | None,
    keeps: Collection[str] = (),
    *,
    as_json: bool,
    quiet: bool,
    force: bool,
) -> "Result":
    """Run a study, write its files and give it back; a folder that somebody else uses is refused before any work.

    `keeps` names what a study under way has in its folder.
    """
    from mensa_sim.report.page.output_folder import MARKER

    refuse_place(output, keeps, force=force)
    result = run()
    folder = output or result.folder
    files = result.save(folder, force=force)
    if as_json:
        write(files[MARKER])
    elif not quiet:
        show(result.table())
        show_results(folder, files)
    return result


def refuse_place(output: Path | None, keeps: Collection[str] = (), *, force: bool) -> None:
    """Refuses, before any work, a folder that cannot be written, or that somebody else uses."""
    from mensa_sim.io.atomic import refuse_unwritable
    from mensa_sim.report.page.output_folder import refuse_foreign

    if output is None:
        refuse_unwritable(Path("results"))
    else:
        refuse_foreign(output, keeps, force=force)
