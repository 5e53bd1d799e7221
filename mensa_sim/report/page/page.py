"""The HTML page that every report is: one file that opens offline, plotly's script packed inside once."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mensa_sim.io.json_text import json_line
from mensa_sim.report.page.figure import Drawn, Figure, unbroken
from mensa_sim.report.page.packed import packed_plotly
from mensa_sim.report.page.sheet import Sheet

SIGNIFICANT_DIGITS = 7
"""Of the numbers in a figure: more than any screen shows, after zooming too."""


SEARCHED_ROWS = 20
_BREAKS = re.compile(r"(?<=\w)([._])(?=\w)")
"""Where the name of a field may be broken at the head of a column."""
_OPTION = re.compile(r"(?<!\S)--[\w-]+")
"""Of a command: broken nowhere."""


def page(title: str, blocks: Sequence[str]) -> str:
    """A whole page from blocks of HTML; the title is escaped here, the blocks by whoever made them."""
    folder = Path(__file__).parent
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    body = "\n".join((heading(title, level=1), *blocks))
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f'<style>\n{style}</style>\n<script id="packed" type="text/plain">{packed_plotly()}</script>\n'
        f"<script>\n{script}</script>\n</head>\n"
        f'<body>\n<nav class="controls"><button id="theme" title="light or dark">◐</button></nav>\n{body}\n'
        "</body></html>\n"
    )


def heading(text: str, *, level: int = 2) -> str:
    """A heading, escaped."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph, escaped; `kind` is its class: `lead` or `note`."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def list_block(texts: Sequence[str]) -> str:
    """A list, escaped."""
    return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in texts) + "</ul>"


def figure_block(
    name: str, figure: Figure, *, note: str = "", height_rem: float | None = None, wide: bool = False
) -> str:
    """A figure under an identifier that is unique on the page; its title stands above it as text that can wrap.

    A title that was escaped for plotly, or was not, is escaped exactly once.

    `note` says what a reader must know to read it, such as that data were thinned out; `wide` takes the whole width.
    """
    layout = {key: value for key, value in figure["layout"].items() if key != "title"}
    title = figure["layout"]["title"]["text"]
    caption = f"<figcaption>{html.escape(html.unescape(unbroken(title)))}</figcaption>" if title else ""
    style = f' style="height: {height_rem:g}rem"' if height_rem else ""
    return (
        f'<figure{" class=wide" if wide else ""}>{caption}<div id="{name}" class="figure"{style}></div>'
        f"{paragraph(note, kind='note') if note else ''}</figure>\n"
        f"<script>draw({json_line(name)}, {script_json({'data': figure['data'], 'layout': layout})});</script>"
    )


def drawn_block(figures: dict[str, Drawn], *names: str, small: bool = False) -> str:
    """The figures of those names that there are, side by side on a wide screen; empty where there is none.

    `small` ones stand side by side on a narrow screen too.
    """
    chosen = {name: figures[name] for name in names if name in figures}
    blocks = [
        figure_block(name, each.figure, note=each.note, wide=each.wide, height_rem=each.height_rem)
        for name, each in chosen.items()
    ]
    kinds = "figures small" if small else "figures"
    return f'<div class="{kinds}">\n' + "\n".join(blocks) + "\n</div>" if blocks else ""


def beside_block(*blocks: str) -> str:
    """Parts of a page side by side."""
    return '<div class="beside">\n' + "\n".join(f"<section>{block}</section>" for block in blocks) + "\n</div>"


def script_json(value: object) -> str:
    """JSON that may stand in a script element, whatever its texts hold; what is not a finite number is null."""
    return json_line(_shortened(value)).replace("<", "\\u003c")


def _shortened(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    return value


def table_block(
    header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = (), *, name: str | None = None
) -> str:
    """A table, escaped, that a click on a column's head sorts; columns named in `numeric` are aligned to the right.

    With a `name`, its identifier, it is a long one (of more than `SEARCHED_ROWS`, a choice): it scrolls below its head,
    and can be searched.
    """

    def cell(tag: str, column: str, text: str) -> str:
        kinds = [*(["number"] if column in numeric else []), *(["sortable"] if tag == "th" and column else [])]
        kind = f' class="{" ".join(kinds)}"' if kinds else ""
        shown = html.escape(text) if tag == "td" else _BREAKS.sub(r"\1<wbr>", html.escape(text))
        return f"<{tag}{kind}>{shown}</{tag}>"

    head = "".join(cell("th", column, column) for column in header)
    lines = ["".join(cell("td", column, text) for column, text in zip(header, row, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    table = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
    if name is None:
        return f'<div class="scroll"><table>{table}</div>'
    search = f'<p class="controls"><input type="search" data-table="{name}" placeholder="search {len(rows)} rows"></p>'
    return f'{search}\n<div class="scroll tall"><table id="{name}">{table}</div>'


def sheet_block(sheet: Sheet, name: str = "") -> str:
    """A terminal's table, on a page; where it is a long one, under its identifier `name`, which may be empty."""
    titles = [column.title for column in sheet.columns]
    long = name if name and len(sheet.rows) > SEARCHED_ROWS else None
    return table_block(titles, sheet.rows, [column.title for column in sheet.columns if column.figures], name=long)


def low_block(table: str) -> str:
    """A long table that few read, in little room: it scrolls."""
    return f'<div class="low">{table}</div>'


def provenance_block(versions: Mapping[str, str], inputs: Mapping[str, str], command: str) -> str:
    """The command that makes the result again, versions, and the hash of every input file."""
    blocks = [heading("Versions", level=3) + table_block(("name", "version"), tuple(versions.items()))]
    if inputs:
        blocks.append(heading("Inputs", level=3) + low_block(table_block(("file", "SHA-256"), tuple(inputs.items()))))
    whole = _OPTION.sub(r"<span>\g<0></span>", html.escape(command))
    shown = f"<pre>{whole}</pre>" if command else ""
    return "\n".join((heading("How to reproduce"), shown, beside_block(*blocks)))
