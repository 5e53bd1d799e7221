"""A table for terminals of any width: figures are never cut and names are whole.

Where a terminal is too narrow for all columns, names and titles fold; where that is not enough, the columns that have
no room stand below in a block of their own, beside the first column again.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mensa_sim.records import dataclass

T = TypeVar("T")

LEAST_TEXT, LEAST_TITLE = 24, 14
"""Characters to which a column of text, and the title of a column of figures, may shrink: choices."""

GAP = 2
"""Between columns, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    title: str
    figures: bool
    """Figures stand to the right and are whole; text folds."""


def texts(*titles: str) -> list[Column]:
    """Columns of text."""
    return [Column(title=title, figures=False) for title in titles]


def numbers(*titles: str) -> list[Column]:
    """Columns of figures."""
    return [Column(title=title, figures=True) for title in titles]


def known_text(value: T | None, text: Callable[[T], str]) -> str:
    """A value in words, a dash where it is not known."""
    return "-" if value is None else text(value)


class Sheet:
    """Rows under columns."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
        self.columns, self.rows, self.title = columns, rows, title
        self._natural, self._least = [], []
        for place, column in enumerate(columns):
            cells, head = max((cell_len(row[place]) for row in rows), default=0), cell_len(column.title)
            self._natural.append(max(cells, head))
            self._least.append(
                max(cells, min(head, LEAST_TITLE)) if column.figures else min(max(cells, head), LEAST_TEXT)
            )

    @property
    def width(self) -> int:
        """The width at which nothing folds."""
        return sum(self._natural) + GAP * (len(self._natural) - 1)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """It takes any width, and uses no more than it needs."""
        return Measurement(1, min(self.width, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Blocks of columns for which there is room."""
        if self.title:
            yield Text(self.title, style="table.title")
        for number, places in enumerate(self._blocks(options.max_width)):
            if number:
                yield Text()
            yield self._table(places, options.max_width)

    def _blocks(self, width: int) -> Iterator[list[int]]:
        block, taken = [0], self._least[0]
        for place in range(1, len(self.columns)):
            if taken + GAP + self._least[place] > width and len(block) > 1:
                yield block
                block, taken = [0], self._least[0]
            block.append(place)
            taken += GAP + self._least[place]
        yield block

    def _widths(self, places: Sequence[int], width: int) -> dict[int, int]:
        """What each column gets: as much as it needs, the widest less where there is too little."""
        found = {place: self._natural[place] for place in places}
        over = sum(found.values()) + GAP * (len(places) - 1) - width
        while over > 0 and (able := [place for place in places if found[place] > self._least[place]]):
            found[max(able, key=found.__getitem__)] -= 1
            over -= 1
        return found

    def _table(self, places: Sequence[int], width: int) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for place, own in self._widths(places, width).items():
            column = self.columns[place]
            table.add_column(
                Text(column.title), justify="right" if column.figures else "left", width=own, overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(Text(row[place]) for place in places))
        return table


def widest(what: RenderableType) -> int:
    """The width at which no table of what is to be shown folds."""
    if isinstance(what, Sheet):
        return what.width
    return max(map(widest, what.renderables), default=0) if isinstance(what, Group) else 0
