"""report.html of a run: what it costs, where time and energy go, which layer went where and why."""

from mensa_sim.objective import objective_named, product_shown
from mensa_sim.report.page.cards import Card, cards_block
from mensa_sim.report.page.changes import changes_text
from mensa_sim.report.page.drawn import drawn_block
from mensa_sim.report.page.figure import most_of
from mensa_sim.report.page.page import (
    heading,
    list_block,
    page,
    paragraph,
    provenance_block,
    table_block,
)
from mensa_sim.report.page.products import objective_text
from mensa_sim.report.page.quantities import bytes_text, energy_text, engineering, percent_text, time_text
from mensa_sim.report.page.tables import best_text, optimality_text
from mensa_sim.report.run.assumptions import run_assumptions
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.trace.layers import caveats_text, coverage_text
from mensa_sim.study.run.result import RunResult, SystemResult

MAX_ROWS = 1000
"""Layers in the table."""


def report_html(result: RunResult) -> str:
    """The report of a run as one HTML page; every text that came from a file is escaped."""
    main = result.main
    figures = run_figures(result)
    return page(
        f"{main.workload} on {main.system}",
        (
            paragraph(_lead(result), kind="lead"),
            cards_block(_cards(result)),
            heading("Where energy and time go"),
            drawn_block(figures, "energy", "utilization", "roofline", "families"),
            heading("One inference over time"),
            drawn_block(figures, "timeline", "bandwidth", "buffers"),
            heading("Where each layer went, and why"),
            paragraph(_schedule_text(main)),
            *(paragraph(f"The best schedule: {text}.") for text in best_text(main, result.baseline)),
            _layer_table(main),
            heading("What was understood, and what is assumed"),
            paragraph(coverage_text(main.coverage, main.coverage_shares)),
            list_block(
                [
                    *changes_text(result.changes, (main.system, result.baseline.system)),
                    *run_assumptions(main),
                    *caveats_text(main.caveats, result.baseline.caveats),
                ]
            ),
            provenance_block(result.versions, result.inputs, result.command),
        ),
    )


def _lead(result: RunResult) -> str:
    main, baseline, ratios = result.main, result.baseline, result.ratios
    return (
        f"One inference of {main.workload} takes {time_text(main.latency_ps)} and {energy_text(main.energy_pj)} on "
        f"{main.system}: {_times(ratios.energy_efficiency, 'energy efficiency')} and "
        f"{_times(ratios.throughput, 'throughput')} of {baseline.system}."
    )


def _times(ratio: float, of: str) -> str:
    return f"{ratio:.2f} times the {of}"


def _cards(result: RunResult) -> list[Card]:
    main, baseline, ratios = result.main, result.baseline, result.ratios
    against = baseline.system
    product = product_shown(main.objective)
    ours, theirs = main.objective_value(product), baseline.objective_value(product)
    rates = (main.throughput_inferences_per_s, baseline.throughput_inferences_per_s)
    traffic = (sum(main.traffic_bytes.values()), sum(baseline.traffic_bytes.values()))
    return [
        Card(
            label="latency",
            value=time_text(main.latency_ps),
            ratio=ratios.latency,
            beside=f"{against}: {time_text(baseline.latency_ps)}",
        ),
        Card(
            label="energy",
            value=energy_text(main.energy_pj),
            ratio=ratios.energy_efficiency,
            beside=f"{against}: {energy_text(baseline.energy_pj)}",
        ),
        Card(
            label=objective_named(product).title,
            value=objective_text(product, ours),
            ratio=theirs / ours,
            beside=f"{against}: {objective_text(product, theirs)}",
        ),
        Card(
            label="inferences per second",
            value=_rate_text(rates[0]),
            ratio=ratios.throughput,
            beside=f"{against}: {_rate_text(rates[1])}; 1 / latency",
        ),
        Card(
            label="utilization while busy",
            value=percent_text(main.utilization),
            beside=f"{against}: {percent_text(baseline.utilization)}; {engineering(main.macs_per_s, 'MAC/s')}",
        ),
        Card(
            label="memory traffic",
            value=bytes_text(traffic[0]),
            beside=f"{against}: {bytes_text(traffic[1])}; {main.handoffs} hand-offs",
        ),
        Card(
            label="steady state",
            value=time_text(main.steady.latency_ps),
            beside=f"{energy_text(main.steady.energy_pj)}, with parameters that the inference before left on chip",
        ),
        *([Card(label="area", value=f"{main.area_mm2:.3g} mm²", beside=_area(baseline))] if main.area_mm2 else ()),
    ]


def _rate_text(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.3g}"


def _area(baseline: SystemResult) -> str:
    return f"{baseline.system}: {baseline.area_mm2:.3g} mm²" if baseline.area_mm2 else "without wiring and control"


def _schedule_text(main: SystemResult) -> str:
    shares = ", ".join(f"{each.layers} on {name}" for name, each in main.accelerators.items())
    return (
        f"Scheduler {main.scheduler}, objective {main.objective}: {shares}; {main.handoffs} tensors change "
        f"accelerators. Optimality: {optimality_text(main.optimality)}."
    )


def _layer_table(main: SystemResult) -> str:
    numeric = ("start", "time", "energy", "utilization")
    header = ("layer", "operator", "family", "accelerator", *numeric, "bound", "why there")
    rows = [
        (
            layer.name,
            layer.operator if layer.supported else f"{layer.operator} (unsupported: traffic alone)",
            "-" if layer.family is None else str(layer.family),
            layer.accelerator,
            time_text(layer.start_ps),
            time_text(layer.end_ps - layer.start_ps),
            energy_text(layer.energy_pj),
            percent_text(layer.utilization) if layer.macs else "-",
            layer.bound,
            layer.reason,
        )
        for layer in most_of(main.layers, lambda layer: layer.end_ps - layer.start_ps, MAX_ROWS)
    ]
    note = ""
    if len(rows) < len(main.layers):
        text = f"The {len(rows)} of {len(main.layers)} layers that take most time; layers.csv holds them all."
        note = paragraph(text, kind="note")
    return note + table_block(header, rows, numeric=numeric, name="layers")
