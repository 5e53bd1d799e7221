"""What a kind of result is shown by: tables, figures, files, and rows for a data frame."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from rich.console import RenderableType

from mensa_sim.io.json_text import json_text
from mensa_sim.records import dataclass
from mensa_sim.report.page.figure import Drawn
from mensa_sim.report.page.output_folder import MARKER
from mensa_sim.report.page.page import page, provenance_block
from mensa_sim.study.run.provenance import Provenance

Shows = TypeVar("Shows", bound=Provenance)
"""A kind of result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Generic[Shows]):
    """The functions that show results of one kind."""

    table: Callable[[Shows], RenderableType]
    """What the command prints."""
    figures: Callable[[Shows], dict[str, Drawn]]
    """By name; one that would have nothing to show is absent."""
    title: Callable[[Shows], str]
    """Of the page."""
    blocks: Callable[[Shows, dict[str, Drawn]], Iterable[str]]
    """What stands on the page between title and provenance, the figures included; texts from files are escaped."""
    data: Callable[[Shows], Mapping[str, object]]
    """summary.json, as plain values in a fixed order; an unknown value is absent."""
    rows: Callable[[Shows], str]
    """The rows of the data frame, as CSV."""
    rows_file: str | None = None
    """What their file is called, where the command writes one."""
    more: Callable[[Shows], Mapping[str, str]] = lambda _: {}
    """What else the command writes: name to text."""

    def page(self, result: Shows) -> str:
        """report.html."""
        made = provenance_block(result.versions, result.inputs, result.command)
        return page(self.title(result), [*self.blocks(result, self.figures(result)), made])

    def summary(self, result: Shows) -> str:
        """summary.json; `ValueError` for a number that is not finite."""
        return json_text(self.data(result))

    def files(self, result: Shows) -> dict[str, str]:
        """All that the command writes: name to text."""
        rows = {} if self.rows_file is None else {self.rows_file: self.rows(result)}
        return {**rows, **self.more(result), "report.html": self.page(result), MARKER: self.summary(result)}
