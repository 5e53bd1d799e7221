"""What a kind of result is shown by: tables, figures, files, and rows for a data frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.console import RenderableType

from mensa_sim.report.page.drawn import Drawn
from mensa_sim.report.page.output_folder import MARKER

Shows = TypeVar("Shows")
"""A kind of result."""


def _no_more(_: object) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Generic[Shows]):
    """The functions that show results of one kind."""

    table: Callable[[Shows], RenderableType]
    """What the command prints."""
    figures: Callable[[Shows], Mapping[str, Drawn]]
    """By name; one that would have nothing to show is absent."""
    page: Callable[[Shows], str]
    """report.html."""
    summary: Callable[[Shows], str]
    """summary.json."""
    rows: Callable[[Shows], str]
    """The rows of the data frame, as CSV."""
    rows_file: str | None = None
    """What their file is called, where the command writes one."""
    more: Callable[[Shows], Mapping[str, str]] = _no_more
    """What else the command writes: name to text."""

    def files(self, result: Shows) -> dict[str, str]:
        """All that the command writes: name to text."""
        rows = {} if self.rows_file is None else {self.rows_file: self.rows(result)}
        return {**rows, **self.more(result), "report.html": self.page(result), MARKER: self.summary(result)}
