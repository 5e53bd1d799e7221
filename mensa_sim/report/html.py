"""report.html: one file that opens offline, figures by plotly with its script inlined once."""

import html
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from mensa_sim.report.layers import coverage_text
from mensa_sim.report.quantities import energy_text, percent_text, time_text
from mensa_sim.study.result import RunResult, SystemResult, energy_components
from mensa_sim.units import PJ_PER_MJ

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
"""Okabe and Ito's palette, safe for the colour-blind (Wong, Nature Methods 8:441, 2011)."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: 0.9rem; } td, th { padding: 0.2rem 0.8rem 0.2rem 0; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tbody tr:nth-child(odd) { background: #f4f4f4; }
.figure { width: 100%; height: 28rem; }
"""


def report_html(result: RunResult) -> str:
    """The report of a run as one HTML page; every text that came from a file is escaped."""
    main = result.main
    title = f"{main.workload} on {main.system}"
    body = "\n".join(
        (
            f"<h1>{html.escape(title)}</h1>",
            f"<p>{html.escape(_headline(result))}</p>",
            _figure("energy", energy_figure(result)),
            "<h2>Layers</h2>",
            _layer_table(main),
            "<h2>Coverage</h2>",
            f"<p>{html.escape(coverage_text(main.coverage, main.coverage_shares))}</p>",
            "<h2>How this was made</h2>",
            _provenance(result),
        )
    )
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n<body>\n{body}\n</body></html>\n"
    )


def _headline(result: RunResult) -> str:
    main, baseline, ratios = result.main, result.baseline, result.ratios
    return (
        f"One inference takes {time_text(main.latency_ps)} and {energy_text(main.energy_pj)}; "
        f"{baseline.system} takes {time_text(baseline.latency_ps)} and {energy_text(baseline.energy_pj)}. "
        f"Energy efficiency {ratios.energy_efficiency:.2f}x, throughput {ratios.throughput:.2f}x. "
        f"Scheduler {main.scheduler}, objective {main.objective}."
    )


def energy_figure(result: RunResult) -> go.Figure:
    """Energy of one inference by component, the system beside its baseline, as stacked bars."""
    systems = (result.baseline, result.main)
    components = energy_components(*systems)
    figure = go.Figure()
    for index, component in enumerate(components):
        figure.add_trace(
            go.Bar(
                name=component.replace("_", " "),
                x=[f"{system.system} ({role})" for system, role in zip(systems, ("baseline", "this run"), strict=True)],
                y=[system.energy_by_component_pj.get(component, 0.0) / PJ_PER_MJ for system in systems],
                marker={"color": COLOURS[index % len(COLOURS)], "pattern": {"shape": _pattern(index)}},
                hovertemplate="%{x}<br>%{fullData.name}: %{y:.4g} mJ<extra></extra>",
            )
        )
    figure.update_layout(
        barmode="stack",
        title={"text": _energy_finding(result)},
        xaxis={"title": {"text": "system"}},
        yaxis={"title": {"text": "energy of one inference (mJ)"}, "rangemode": "tozero"},
        template="none",
        legend={"title": {"text": "component"}},
    )
    return figure


def _pattern(index: int) -> str:
    return "" if index < len(COLOURS) else "/"


def _energy_finding(result: RunResult) -> str:
    main = result.main
    largest = max(main.energy_by_component_pj, key=main.energy_by_component_pj.__getitem__)
    share = main.energy_by_component_pj[largest] / main.energy_pj
    return html.escape(f"{largest.replace('_', ' ')} takes {percent_text(share)} of the energy on {main.system}")


def _figure(name: str, figure: go.Figure) -> str:
    specification = figure.to_json().replace("</", "<\\/")
    return (
        f'<div id="{name}" class="figure"></div>\n<script>\n{{ const figure = {specification};\n'
        f'Plotly.newPlot("{name}", figure.data, figure.layout, {{responsive: true, displaylogo: false}}); }}\n</script>'
    )


def _layer_table(main: SystemResult) -> str:
    header = ("layer", "operator", "family", "accelerator", "time", "energy", "utilization", "bound", "why there")
    rows = [
        (
            layer.name,
            layer.operator,
            "-" if layer.family is None else str(layer.family),
            layer.accelerator,
            time_text(layer.end_ps - layer.start_ps),
            energy_text(layer.energy_pj),
            percent_text(layer.utilization) if layer.macs else "-",
            layer.bound,
            layer.reason,
        )
        for layer in main.layers
    ]
    return _table(header, rows, numeric=("time", "energy", "utilization"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()) -> str:
    def cell(tag: str, column: str, text: str) -> str:
        kind = ' class="number"' if column in numeric else ""
        return f"<{tag}{kind}>{html.escape(text)}</{tag}>"

    head = "".join(cell("th", column, column) for column in header)
    lines = ["".join(cell("td", column, text) for column, text in zip(header, row, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _provenance(result: RunResult) -> str:
    return _pairs("versions", result.versions) + _pairs("inputs (SHA-256)", result.inputs)


def _pairs(title: str, values: Mapping[str, str]) -> str:
    return f"<h3>{html.escape(title)}</h3>" + _table(("name", "value"), tuple(values.items()))
