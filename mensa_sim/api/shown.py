"""What every result can do in a notebook besides holding its figures: show itself, save itself, become a data frame."""

import dataclasses
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mensa_sim.arguments import checked
from mensa_sim.errors import UsageError
from mensa_sim.io.atomic import write_all_atomically
from mensa_sim.lookup import lookup
from mensa_sim.report.page.output_folder import MARKER, write_folder
from mensa_sim.study.request.command import results_folder
from mensa_sim.study.run.provenance import Provenance

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import RenderableType

    from mensa_sim.report.page.plotly_figures import PlotlyFigure
    from mensa_sim.report.page.report import Report

T = TypeVar("T")


class Shown(ABC):
    """What every result can do besides holding its figures."""

    __slots__ = ()

    @property
    @abstractmethod
    def _title(self) -> str:
        """What was run on what."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the command writes it unless told otherwise: a name for what was run, and for choices of one's own."""

    shown_by: ClassVar[str]
    """The module below `report` and the name there of what shows it, which is read when it is asked for."""
    keeps: ClassVar[Collection[str]] = ()
    """What the study keeps in the folder while it is under way."""

    @property
    def _report(self) -> "Report[Any]":
        module, name = self.shown_by.split(":")
        report: Report[Any] = getattr(import_module(f"mensa_sim.report.{module}"), name)
        return report

    def table(self) -> "RenderableType":
        """The tables that the command prints, for `rich.print`; a notebook shows them by itself."""
        return self._report.table(self)

    def files(self) -> Mapping[str, str]:
        """The files that the command writes, summary.json and report.html among them: name to text."""
        return self._report.files(self)

    def summary(self) -> dict[str, Any]:
        """What summary.json holds: plain numbers in the unit of their name."""
        summary: dict[str, Any] = json.loads(self.files()[MARKER])
        return summary

    @checked
    def save(self, folder: str | Path | None = None, *, force: bool = False) -> Mapping[str, str]:
        """Writes the files into a folder, each whole or not at all, and gives them: name to text.

        Without a folder they go where the command puts them; one that holds others' files needs `force`.
        """
        files = self.files()
        write_folder(self.folder if folder is None else Path(folder), files, self.keeps, force=force)
        return files

    def to_pandas(self) -> "DataFrame":
        """The rows as a data frame: a layer, a stream, a system or a design each; units stand in the columns' names."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError("to_pandas needs pandas: pip install 'mensa-sim[pandas]'") from error
        return pandas.read_csv(io.StringIO(self._report.rows(self))).convert_dtypes()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._title}>"

    def __str__(self) -> str:
        from mensa_sim.report.page.notebook import text_of

        return text_of(self.table())

    def _repr_html_(self) -> str:
        from mensa_sim.report.page.notebook import html_of

        return html_of(self.table())

    def figures(self) -> "Mapping[str, PlotlyFigure]":
        """Every figure of report.html as a plotly figure, by name."""
        from mensa_sim.report.page.plotly_figures import figures

        return figures(self._report.figures(self))

    @checked
    def figure(self, name: str | None = None) -> "PlotlyFigure":
        """One plotly figure of report.html, by default the first; a name that is not there is answered with those."""
        figures = self.figures()
        return lookup(figures, name or next(iter(figures)), "figure")

    @checked
    def export(
        self, formats: Sequence[str] = ("svg", "png", "csv"), folder: str | Path | None = None
    ) -> Mapping[str, str | bytes]:
        """Writes every figure and table for slides, below `figures` and `tables`, and gives them: name to content.

        A figure is an svg, a png and the csv of its marks, a table of the report a csv; each says its title and units.
        The folder is that of `save` unless it is named.
        """
        from mensa_sim.report.slides.export import exported, formats_named

        page = self.files().get("report.html", "")
        files = exported(self._report.figures(self), page, formats_named(formats))
        folder = self.folder if folder is None else Path(folder)
        write_all_atomically({folder / name: content for name, content in files.items()})
        return files


class Plain(Shown, Provenance):
    """A result whose folder is named by its command and the choices that are no defaults."""

    __slots__ = ()
    command_name: ClassVar[str]

    @property
    def folder(self) -> Path:
        """A folder of the choices that are no defaults."""
        return results_folder(self.command_name, self.choices)


def with_methods(record: Any, kind: type[T]) -> T:
    """The record of a study as one that also shows and saves itself."""
    return kind(**{field.name: getattr(record, field.name) for field in dataclasses.fields(record)})
