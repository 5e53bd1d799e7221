"""report.html of an exploration: the front, every design on parallel axes, and which parameters matter."""

import html
import json
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from mensa_sim.report.explore_axes import axis
from mensa_sim.report.explore_files import design_folder
from mensa_sim.report.explore_parallel import parallel_figure
from mensa_sim.report.explore_tables import columns, finding_text, metric_text, outcome_text
from mensa_sim.report.page import COLOURS, figure_block, heading, page, paragraph, provenance_block, table_block
from mensa_sim.report.quantities import percent_text
from mensa_sim.study.explore_result import DesignResult, ExploreResult

CLICK = """
for (const name of %s) {
  document.getElementById(name).on("plotly_click", (event) => {
    const shown = designs[event.points[0].customdata];
    if (!shown) return;
    const panel = document.getElementById("design");
    panel.replaceChildren();
    for (const [name, value] of shown) {
      const row = panel.insertRow();
      row.insertCell().textContent = name;
      row.insertCell().textContent = value;
    }
  });
}
"""


def explore_html(result: ExploreResult) -> str:
    """The report of an exploration as one page; texts from files are escaped."""
    figures = dict(_fronts(result))
    blocks = [
        paragraph(outcome_text(result)),
        *(paragraph(finding_text(reference, result)) for reference in result.references),
        *(paragraph(f"{name} could not be run: {error}") for name, error in result.reference_failures.items()),
        paragraph(_reading(result)),
    ]
    for name, figure in figures.items():
        blocks.append(figure_block(name, figure))
    blocks += [
        heading("The design that was clicked"),
        '<table id="design"><tbody><tr><td>Click a point in a figure above.</td></tr></tbody></table>',
        _script(result, list(figures)),
        heading("All designs"),
        figure_block("parallel", parallel_figure(result)),
        heading("Which parameters matter"),
        paragraph(
            "Share of the variance of each objective's logarithm that a parameter explains alone (adjusted correlation "
            "ratio); what parameters do only together is not in it. An adaptive sampler looks mostly at good designs, "
            "so its shares say what matters among those."
        ),
        figure_block("importance", importance_figure(result)),
        heading("The front"),
        _front_table(result),
        *_failures(result),
        provenance_block(result.versions, result.inputs),
    ]
    return page(f"Exploration of {result.space.file.name}", blocks)


def _reading(result: ExploreResult) -> str:
    file = result.space.file
    over = {"mean": "arithmetic mean", "geometric_mean": "geometric mean", "worst": "worst"}[file.over]
    count = len(file.workloads)
    of = f"the {over} over {count} workloads" if count > 1 else f"one inference of {file.workloads[0]}"
    return (
        f"Each value is {of}, unless its name says otherwise. Sampler {file.sampler.name}, seed {file.sampler.seed}. "
        f"Area is that of MACs, registers, buffers and vector units, without wiring and control. "
        f"Conditions: {'; '.join(file.conditions) or 'none'}."
    )


def _fronts(result: ExploreResult) -> list[tuple[str, go.Figure]]:
    """The first objective against every other one, and against the area where that is known."""
    names = [objective.name for objective in result.objectives]
    others = names[1:]
    if "area_mm2" not in names and all("area_mm2" in design.metrics for design in result.designs):
        others.append("area_mm2")
    return [(f"front{place}", front_figure(result, names[0], other)) for place, other in enumerate(others or names)]


def front_figure(result: ExploreResult, y: str, x: str) -> go.Figure:
    """Every design, the front marked, and the references."""
    on_front = {design.number for design in result.front}
    figure = go.Figure()
    groups = (
        ("designs", [d for d in result.designs if d.number not in on_front], "#B0B0B0", "circle", 6),
        ("front", list(result.front), COLOURS[0], "diamond", 10),
    )
    places = {design.number: place for place, design in enumerate(result.designs)}
    for name, designs, colour, symbol, size in groups:
        figure.add_trace(
            go.Scatter(
                name=name,
                mode="markers",
                x=_values([{**d.metrics, **d.objectives} for d in designs], x),
                y=_values([{**d.metrics, **d.objectives} for d in designs], y),
                customdata=[places[design.number] for design in designs],
                text=[_hover(design, result) for design in designs],
                marker={"color": colour, "symbol": symbol, "size": size},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    for place, reference in enumerate(result.references):
        values = {**reference.metrics, **reference.objectives}
        if x in values and y in values:
            figure.add_trace(
                go.Scatter(
                    name=reference.name,
                    mode="markers+text",
                    x=_values([values], x),
                    y=_values([values], y),
                    customdata=[len(result.designs) + place],
                    text=[html.escape(reference.name)],
                    textposition="top center",
                    marker={"color": COLOURS[3 + place % 4], "symbol": "star", "size": 14},
                    hovertemplate=f"{html.escape(reference.name)}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>",
                )
            )
    figure.update_layout(
        title={"text": html.escape(f"{axis(y)[1]} against {axis(x)[1]}")},
        xaxis={"title": {"text": html.escape(axis(x)[1])}},
        yaxis={"title": {"text": html.escape(axis(y)[1])}},
        template="none",
        hovermode="closest",
    )
    return figure


def _values(rows: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [row[name] / axis(name)[0] for row in rows]


def _hover(design: DesignResult, result: ExploreResult) -> str:
    values = {**design.metrics, **design.objectives}
    metrics = [f"{name}: {metric_text(name, values[name])}" for name in columns(result) if name in values]
    lines = [f"design {design.number}", *metrics, *(f"{name}: {value}" for name, value in design.parameters.items())]
    return "<br>".join(html.escape(line) for line in lines)


def _script(result: ExploreResult, figures: Sequence[str]) -> str:
    """What a click shows: each design as pairs of text, then each reference."""
    shown = [
        [
            ["design", str(design.number)],
            *([name, str(value)] for name, value in design.parameters.items()),
            *([name, metric_text(name, value)] for name, value in {**design.metrics, **design.objectives}.items()),
        ]
        for design in result.designs
    ]
    for reference in result.references:
        values = {**reference.metrics, **reference.objectives}
        shown.append([["system", reference.name], *([name, metric_text(name, v)] for name, v in values.items())])
    data = json.dumps(shown).replace("</", "<\\/")
    return f"<script>\n{{ const designs = {data};\n{CLICK % json.dumps(list(figures))} }}\n</script>"


def importance_figure(result: ExploreResult) -> go.Figure:
    """The share of each objective's variance that each parameter explains alone."""
    figure = go.Figure()
    names = [parameter.name for parameter in reversed(result.space.parameters)]
    for place, objective in enumerate(result.objectives):
        shares = result.importance[objective.name]
        figure.add_trace(
            go.Bar(
                name=html.escape(objective.name),
                orientation="h",
                y=[html.escape(name) for name in names],
                x=[shares.get(name) for name in names],
                text=[percent_text(shares[name]) if name in shares else "" for name in names],
                marker={"color": COLOURS[place % len(COLOURS)]},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            )
        )
    figure.update_layout(
        barmode="group",
        xaxis={"title": {"text": "share of variance explained alone"}, "range": [0, 1.1]},
        yaxis={"automargin": True},
        template="none",
    )
    return figure


def _front_table(result: ExploreResult) -> str:
    names = columns(result)
    parameters = [parameter.name for parameter in result.space.parameters]
    rows = []
    for design in result.front:
        values = {**design.metrics, **design.objectives}
        cells = [metric_text(name, values[name]) if name in values else "-" for name in names]
        shown = [str(design.parameters[name]) for name in parameters]
        rows.append((str(design.number), *cells, *shown, f"{design_folder(design)}/system.yaml"))
    return table_block(("design", *names, *parameters, "file"), rows, numeric=("design", *names))


def _failures(result: ExploreResult) -> list[str]:
    failed = [outcome for outcome in result.outcomes if outcome.state == "failed"]
    if not failed:
        return []
    rows = [(str(outcome.number), outcome.detail) for outcome in failed[:50]]
    return [heading(f"Failed designs ({len(failed)})"), table_block(("design", "error"), rows)]
