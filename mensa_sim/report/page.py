"""The HTML page that every report is: one file that opens offline, plotly's script inlined once."""

import html
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
"""Okabe and Ito's palette, safe for the colour-blind (Wong, Nature Methods 8:441, 2011)."""

PATTERNS = ("", "/", "x", ".")
"""Fill patterns that tell apart what has the same colour."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; font-size: 0.9rem; } td, th { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tbody tr:nth-child(odd) { background: #f4f4f4; }
.figure { width: 100%; height: 28rem; }
"""


def page(title: str, blocks: Sequence[str]) -> str:
    """A whole page from blocks of HTML; the title is escaped here, the blocks by whoever made them."""
    body = "\n".join((heading(title, level=1), *blocks))
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n<body>\n{body}\n</body></html>\n"
    )


def heading(text: str, *, level: int = 2) -> str:
    """A heading, escaped."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str) -> str:
    """A paragraph, escaped."""
    return f"<p>{html.escape(text)}</p>"


def figure_block(name: str, figure: go.Figure) -> str:
    """A figure under an identifier that is unique on the page."""
    specification = figure.to_json().replace("</", "<\\/")
    return (
        f'<div id="{name}" class="figure"></div>\n<script>\n{{ const figure = {specification};\n'
        f'Plotly.newPlot("{name}", figure.data, figure.layout, {{responsive: true, displaylogo: false}}); }}\n</script>'
    )


def table_block(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()) -> str:
    """A table, escaped; the columns named in `numeric` are aligned to the right."""

    def cell(tag: str, column: str, text: str) -> str:
        kind = ' class="number"' if column in numeric else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", column, column) for column in header)
    lines = ["".join(cell("td", column, text) for column, text in zip(header, row, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def provenance_block(versions: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    """Versions, and the hash of every input file."""
    return "\n".join(
        (
            heading("How this was made"),
            heading("versions", level=3),
            table_block(("name", "value"), tuple(versions.items())),
            heading("inputs (SHA-256)", level=3),
            table_block(("name", "value"), tuple(inputs.items())),
        )
    )
