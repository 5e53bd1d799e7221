"""The figures of a result for notebooks, as plotly's own objects."""

import textwrap
from collections.abc import Mapping
from typing import TypeAlias

import plotly.graph_objects as go

from mensa_sim.report.page.drawn import Drawn

PlotlyFigure: TypeAlias = go.Figure
"""What a notebook shows."""


def figures(drawn: Mapping[str, Drawn]) -> dict[str, PlotlyFigure]:
    """Figures by name, in the order of the report."""
    return {
        name: go.Figure({**each.figure, "layout": {**NOTEBOOK, **each.figure["layout"], "title": _title(each)}})
        for name, each in drawn.items()
    }


TITLE_CHARACTERS = 84
"""Of a line of a title, what a notebook's column has room for: a choice."""


def _title(each: Drawn) -> dict[str, str]:
    """The finding, in lines that are not cut."""
    return {"text": "<br>".join(textwrap.wrap(each.figure["layout"]["title"]["text"], TITLE_CHARACTERS))}


NOTEBOOK = {"legend": {"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0}, "template": "plotly_white"}
"""A page writes the title above the figure and the legend where the title would be; a notebook has both in one."""
