"""The figures of a result for notebooks, as plotly's own objects."""

from collections.abc import Mapping
from typing import TypeAlias

import plotly.graph_objects as go

from mensa_sim.report.page.figure import Drawn, title_lines

PlotlyFigure: TypeAlias = go.Figure
"""What a notebook shows; plotly has its types in `plotly-stubs`."""


def figures(drawn: Mapping[str, Drawn]) -> dict[str, PlotlyFigure]:
    """Figures by name, in the order of the report."""
    found = {}
    for name, each in drawn.items():
        layout = {**NOTEBOOK, **each.figure["layout"], "title": {"text": title_lines(each.figure)}}
        found[name] = go.Figure({**each.figure, "layout": layout})
    return found


_BELOW = {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.01, "x": 0, "traceorder": "normal"}
NOTEBOOK = {"legend": _BELOW, "template": "plotly_white"}
"""A page writes the title above the figure and the legend where the title would be; a notebook has both in one."""
