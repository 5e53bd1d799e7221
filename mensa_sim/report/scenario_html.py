"""report.html of a scenario: latency of each stream, energy by component, load."""

import plotly.graph_objects as go

from mensa_sim.report.page import COLOURS, figure_block, heading, page, paragraph, provenance_block, table_block
from mensa_sim.report.quantities import energy_text, percent_text, time_text
from mensa_sim.study.scenario import ScenarioResult, ScenarioSystemResult
from mensa_sim.units import PS_PER_MS

PERCENTILES = ("p50", "p95", "p99", "max")


def scenario_html(result: ScenarioResult) -> str:
    """The report of a scenario as one HTML page."""
    main = result.main
    return page(
        f"{main.workload} on {main.system}",
        (
            paragraph(_headline(result)),
            figure_block("latency", latency_figure(main)),
            figure_block("load", load_figure(result)),
            heading("Streams"),
            _stream_table(main),
            provenance_block(result.versions, result.inputs),
        ),
    )


def _headline(result: ScenarioResult) -> str:
    main, baseline = result.main, result.baseline
    text = (
        f"{time_text(main.metrics.end_ps)} of time at a mean power of {main.metrics.mean_power_mw:.3g} mW "
        f"({baseline.system}: {baseline.metrics.mean_power_mw:.3g} mW). Scheduler {main.scheduler}, policy "
        f"{main.policy}, seed {main.seed}."
    )
    overloaded = [name for name, stream in main.metrics.streams.items() if stream.overloaded]
    return text + (f" Overloaded, the backlog grows: {', '.join(overloaded)}." if overloaded else "")


def latency_figure(main: ScenarioSystemResult) -> go.Figure:
    """Latency percentiles of each stream on a logarithmic axis."""
    figure = go.Figure()
    streams = {name: stream for name, stream in main.metrics.streams.items() if stream.finished}
    for index, percentile in enumerate(PERCENTILES):
        values = [getattr(stream, f"{percentile}_ps") / PS_PER_MS for stream in streams.values()]
        figure.add_trace(
            go.Bar(
                name=percentile,
                x=[name.replace("<", "&lt;") for name in streams],
                y=values,
                marker={"color": COLOURS[index]},
                hovertemplate="%{x}<br>%{fullData.name}: %{y:.4g} ms<extra></extra>",
            )
        )
    figure.update_layout(
        barmode="group",
        title={"text": _latency_finding(main)},
        xaxis={"title": {"text": "stream"}},
        yaxis={"title": {"text": "latency (ms)"}, "type": "log"},
        legend={"title": {"text": "percentile"}},
        template="none",
    )
    return figure


def _latency_finding(main: ScenarioSystemResult) -> str:
    misses = {name: stream.deadline_misses for name, stream in main.metrics.streams.items() if stream.deadline_misses}
    if not misses:
        return "no deadline is missed"
    worst = max(misses, key=misses.__getitem__)
    requests = main.metrics.streams[worst].requests
    return f"{worst} misses {misses[worst]} of {requests} deadlines".replace("<", "&lt;")


def load_figure(result: ScenarioResult) -> go.Figure:
    """The share of time in which each accelerator was busy and of bandwidth that each channel used."""
    metrics = result.main.metrics
    loads = {name: load.busy_share for name, load in metrics.accelerators.items()}
    loads |= {name: channel.utilization for name, channel in metrics.channels.items()}
    busiest = max(loads, key=loads.__getitem__)
    figure = go.Figure(
        go.Bar(
            x=[name.replace("<", "&lt;") for name in loads],
            y=[100 * share for share in loads.values()],
            marker={"color": COLOURS[0]},
            hovertemplate="%{x}: %{y:.3g} %<extra></extra>",
        )
    )
    figure.update_layout(
        title={"text": f"{busiest} is the busiest resource, {percent_text(loads[busiest])}".replace("<", "&lt;")},
        xaxis={"title": {"text": "accelerator, memory or link"}},
        yaxis={"title": {"text": "share of time or bandwidth (%)"}, "rangemode": "tozero"},
        template="none",
    )
    return figure


def _stream_table(main: ScenarioSystemResult) -> str:
    header = ("stream", "requests", "p50", "p99", "deadline misses", "energy per inference")
    rows = [
        (
            name,
            str(stream.requests),
            "-" if stream.p50_ps is None else time_text(stream.p50_ps),
            "-" if stream.p99_ps is None else time_text(stream.p99_ps),
            str(stream.deadline_misses),
            "-" if stream.energy_per_inference_pj is None else energy_text(stream.energy_per_inference_pj),
        )
        for name, stream in main.metrics.streams.items()
    ]
    return table_block(header, rows, numeric=header[1:])
