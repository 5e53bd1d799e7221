"""report.html of a run: headline, energy by component, layers and why they are where they are."""

import plotly.graph_objects as go

from mensa_sim.report.layers import coverage_text
from mensa_sim.report.page import (
    COLOURS,
    PATTERNS,
    figure_block,
    heading,
    page,
    paragraph,
    provenance_block,
    table_block,
)
from mensa_sim.report.quantities import energy_text, percent_text, time_text
from mensa_sim.study.result import RunResult, SystemResult, energy_components
from mensa_sim.units import PJ_PER_MJ


def report_html(result: RunResult) -> str:
    """The report of a run as one HTML page; every text that came from a file is escaped."""
    main = result.main
    return page(
        f"{main.workload} on {main.system}",
        (
            paragraph(_headline(result)),
            figure_block("energy", energy_figure(result)),
            heading("Layers"),
            _layer_table(main),
            heading("Coverage"),
            paragraph(coverage_text(main.coverage, main.coverage_shares)),
            provenance_block(result.versions, result.inputs),
        ),
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
                marker={"color": COLOURS[index % len(COLOURS)], "pattern": {"shape": PATTERNS[index // len(COLOURS)]}},
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


def _energy_finding(result: RunResult) -> str:
    main = result.main
    largest = max(main.energy_by_component_pj, key=main.energy_by_component_pj.__getitem__)
    share = main.energy_by_component_pj[largest] / main.energy_pj
    finding = f"{largest.replace('_', ' ')} takes {percent_text(share)} of the energy on {main.system}"
    return finding.replace("<", "&lt;")


def _layer_table(main: SystemResult) -> str:
    header = ("layer", "operator", "family", "accelerator", "time", "energy", "utilization", "bound", "why there")
    rows = [
        (
            layer.name,
            layer.operator if layer.supported else f"{layer.operator} (unsupported: traffic alone)",
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
    return table_block(header, rows, numeric=("time", "energy", "utilization"))
