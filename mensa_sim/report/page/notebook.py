"""What a command prints, as a notebook shows it: tables of its own, whatever terminal it believes to be in."""

import html
import io
from collections.abc import Iterator
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.text import Text

from mensa_sim.report.page.sheet import Sheet

TEXT_COLUMNS = 100
"""Width of a result as text."""


def text_of(what: RenderableType) -> str:
    """Tables and lines as plain text; nothing in the environment colours it."""
    console = Console(file=io.StringIO(), width=TEXT_COLUMNS, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def html_of(what: RenderableType) -> str:
    """The same as HTML, escaped, in the colours of the notebook."""
    grouped = groupby(_parts(what), key=lambda part: isinstance(part, str))
    parts = [_paragraph("\n".join(map(str, found))) if lines else "".join(map(str, found)) for lines, found in grouped]
    return f"<div>{''.join(parts)}</div>"


class _Table:
    """A table that is HTML already."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    def __str__(self) -> str:
        sheet = self._sheet
        sides = ["right" if column.figures else "left" for column in sheet.columns]
        caption = f"<b>{html.escape(sheet.title)}</b>" if sheet.title else ""
        head = "".join(_cell("th", *each) for each in zip((c.title for c in sheet.columns), sides, strict=True))
        rows = ("".join(_cell("td", *each) for each in zip(row, sides, strict=True)) for row in sheet.rows)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"{caption}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _parts(what: RenderableType) -> Iterator[str | _Table]:
    if isinstance(what, Group):
        for each in what.renderables:
            yield from _parts(each)
    elif isinstance(what, Sheet):
        yield _Table(what)
    else:
        yield what.plain if isinstance(what, Text) else what if isinstance(what, str) else text_of(what)


def _paragraph(text: str) -> str:
    """Lines as they stand; those that are empty at either end are left out."""
    text = text.strip("\n")
    return f'<p style="white-space: pre-line">{html.escape(text)}</p>' if text.strip() else ""


def _cell(tag: str, text: str, side: str) -> str:
    return f'<{tag} style="padding: 0 0.8em 0 0; text-align: {side}">{html.escape(text)}</{tag}>'
