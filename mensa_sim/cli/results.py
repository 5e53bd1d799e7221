"""A result as a command delivers it: the files in a folder, and its tables or its JSON on standard output."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mensa_sim.cli.options import Filed, Paged
from mensa_sim.cli.printing import show, show_results, write
from mensa_sim.cli.steps import counting
from mensa_sim.study.request.fields import counts_of

if TYPE_CHECKING:
    from mensa_sim.api.shown import Shown

Result = TypeVar("Result", bound="Shown")


def deliver(run: "Callable[[], Result]", told: Filed, output: Path | None, keeps: Collection[str] = ()) -> "Result":
    """Run a study, write its files and give it back; a folder that somebody else uses is refused before any work.

    `keeps` names what a study under way has in its folder.
    """
    from mensa_sim.report.page.output_folder import MARKER

    refuse_place(output, keeps, force=told.force)
    formats = formats_of(told.export)
    result = run()
    folder = output or result.folder
    files = result.save(folder, force=told.force)
    if formats:
        result.export(formats, folder)
    if told.as_json:
        write(files[MARKER])
    elif not told.quiet:
        show(result.table())
        show_results(folder, (*files, *(("figures/", "tables/") if formats else ())))
    return result


def deliver_page(study: "Callable[[Any], Shown]", request: Any, told: Paged) -> None:
    """Run a study whose command writes a page where one is asked for, and count what it does."""
    from mensa_sim.io.atomic import refuse_unwritable_file, write_atomically
    from mensa_sim.report.page.output_folder import MARKER

    if told.page is not None:
        refuse_unwritable_file(told.page)
    formats = formats_of(told.export)
    silent = told.quiet or told.as_json
    result = study(counting(request, quiet=silent) if counts_of(type(request)) else request)
    files, exported = result.files(), result.folder if told.page is None else told.page.parent
    if told.page is not None:
        write_atomically(told.page, files["report.html"])
    if formats:
        result.export(formats, exported)
    if told.as_json:
        write(files[MARKER])
    elif not told.quiet:
        show(result.table())
        written = (getattr(request, "output", None), told.page, exported / "figures" if formats else None)
        for path in filter(None, written):
            show(f"written to {path}")


def deliver_resumed(study: "Callable[[Any], Result]", what: str, request: Any, told: Filed) -> None:
    """Run a study that goes on in its folder where a killed run was, by default one of `what` it is; count its work."""
    from mensa_sim.api.reproduce import Resumed
    from mensa_sim.study.request.command import choices_of, results_folder

    folder = Path(request.output or results_folder(what, choices_of(request)))
    asked = counting(replace(request, output=folder), quiet=told.quiet or told.as_json)
    deliver(lambda: study(asked), told, folder, Resumed.keeps)


def formats_of(export: str | None) -> tuple[str, ...]:
    """The formats for slides that were asked for; refused before any work where they cannot be made."""
    if export is None:
        return ()
    from mensa_sim.report.slides.export import formats_named

    return formats_named([each.strip() for each in export.split(",") if each.strip()])


def refuse_place(output: Path | None, keeps: Collection[str] = (), *, force: bool) -> None:
    """Refuses, before any work, a folder that cannot be written, or that somebody else uses."""
    from mensa_sim.io.atomic import refuse_unwritable
    from mensa_sim.report.page.output_folder import refuse_foreign

    if output is None:
        refuse_unwritable(Path("results"))
    else:
        refuse_foreign(output, keeps, force=force)
