"""The figures of a result for notebooks, as plotly's own objects."""

import plotly.graph_objects as go

from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.scenario.figures import scenario_figures
from mensa_sim.study.run.result import RunResult
from mensa_sim.study.scenario.scenario import ScenarioResult


def figures(result: RunResult | ScenarioResult) -> dict[str, go.Figure]:
    """Figures by name, in the order of the report; one that would have nothing to show is absent."""
    drawn = run_figures(result) if isinstance(result, RunResult) else scenario_figures(result)
    return {
        name: go.Figure({**each.figure, "layout": {**NOTEBOOK, **each.figure["layout"]}})
        for name, each in drawn.items()
    }


NOTEBOOK = {"legend": {"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0}, "template": "plotly_white"}
"""A page writes the title above the figure and the legend where the title would be; a notebook has both in one."""
