"""report.html of a run: what it costs, where time and energy go, which layer went where and why."""

from collections.abc import Callable

from mensa_sim.objective import objective_named, product_shown
from mensa_sim.report.generation.tables import answer_cards, answer_text
from mensa_sim.report.page.cards import Card, cards_block, compared_card
from mensa_sim.report.page.changes import changes_of
from mensa_sim.report.page.figure import Drawn, most_of, others
from mensa_sim.report.page.page import drawn_block, heading, list_block, paragraph, table_block
from mensa_sim.report.page.products import objective_text
from mensa_sim.report.page.quantities import (
    bytes_text,
    energy_text,
    engineering,
    percent_text,
    power_text,
    ratio_text,
    time_text,
)
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import known_text
from mensa_sim.report.run.assumptions import run_assumptions
from mensa_sim.report.run.figures import run_figures
from mensa_sim.report.run.on_chip import KEPT, on_chip_blocks
from mensa_sim.report.run.summary import layers_csv, summary
from mensa_sim.report.run.tables import best_text, optimality_text, run_tables
from mensa_sim.report.trace.layers import caveats_text, coverage_text
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.schedule.files import schedule_yaml
from mensa_sim.study.run.result import RunResult, SystemResult

MAX_ROWS = 1000
"""Layers in the table."""
ANSWER = ("tokens", "context", "bytes", "energy_per_token")
"""The figures of an answer, where the workload generates."""
COSTS = ("energy", "utilization", "roofline", "families")
"""The figures of the first section; all others stand in the second."""


def run_blocks(result: RunResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a run."""
    main = result.main
    return [
        paragraph(_lead(result), kind="lead"),
        *_answer_blocks(result, figures),
        cards_block(_cards(result)),
        heading("Where energy and time go"),
        drawn_block(figures, *COSTS),
        heading("One inference over time"),
        drawn_block(figures, *others(figures, COSTS, ANSWER, KEPT)),
        *on_chip_blocks(main, figures),
        heading("Where each layer went, and why"),
        paragraph(_schedule_text(main)),
        *(paragraph(f"The best schedule: {text}.") for text in best_text(main, result.baseline)),
        _layer_table(main),
        heading("What was understood, and what is assumed"),
        paragraph(coverage_text(main.coverage, main.coverage_shares)),
        list_block([*changes_of(result), *run_assumptions(main), *caveats_text(*result.systems)]),
    ]


def _answer_blocks(result: RunResult, figures: dict[str, Drawn]) -> tuple[str, ...]:
    """The section of an answer, where the workload generates; what follows it is its first step."""
    if result.answer is None:
        return ()
    return (
        cards_block(answer_cards(result)),
        drawn_block(figures, *ANSWER),
        heading("The first decoding step" if result.answer.steps else "The prompt"),
    )


def _lead(result: RunResult) -> str:
    main, baseline, ratios = result.main, result.baseline, result.ratios
    if result.answer is not None:
        return answer_text(main.system, result.answer)
    text = f"One inference of {main.workload} takes {time_text(main.latency_ps)} and {energy_text(main.energy_pj)} on "
    if baseline is None or ratios is None:
        return f"{text}{main.system}, {result.alone}."
    return (
        f"{text}{main.system}: {_times(ratios.energy_efficiency, 'energy efficiency')} and "
        f"{_times(ratios.throughput, 'throughput')} of {baseline.system}."
    )


def _times(ratio: float, of: str) -> str:
    return f"{ratio_text(ratio)} times the {of}"


def _cards(result: RunResult) -> list[Card]:
    main, systems = result.main, result.systems
    product = product_shown(main.objective)
    better = systems[-1].objective_value(product) / main.objective_value(product) if result.baseline else None
    areas = [system for system in systems if system.area_mm2]
    area_more = "" if len(areas) > 1 else "without wiring and control"

    def card(label: str, text: Callable[[SystemResult], str], ratio: str = "", more: str = "") -> Card:
        against = getattr(result.ratios, ratio) if result.ratios and ratio else None
        return compared_card(label, systems, text, ratio=against, more=more)

    return [
        card("latency", lambda each: time_text(each.latency_ps), "latency"),
        card("energy", lambda each: energy_text(each.energy_pj), "energy_efficiency"),
        compared_card(
            objective_named(product).title,
            systems,
            lambda each: objective_text(product, each.objective_value(product)),
            ratio=better,
        ),
        card("inferences per second", _rate_text, "throughput", "1 / latency"),
        card("mean power", lambda each: power_text(each.mean_power_mw), more="energy / latency"),
        card("TOPS/W", lambda each: f"{each.tops_per_w:.3g}", more="two operations a MAC, over all energy"),
        card(
            "utilization while busy",
            lambda each: percent_text(each.utilization),
            more=engineering(main.macs_per_s, "MAC/s"),
        ),
        card(
            "memory traffic",
            lambda each: bytes_text(sum(each.traffic_bytes.values())),
            more=f"{main.handoffs} hand-offs",
        ),
        Card(
            label="steady state",
            value=time_text(main.steady.latency_ps),
            beside=f"{energy_text(main.steady.energy_pj)}, with parameters that the inference before left on chip",
        ),
        *(
            [compared_card("area", areas, lambda each: f"{each.area_mm2:.3g} mm²", more=area_more)]
            if main.area_mm2
            else ()
        ),
    ]


def _rate_text(system: SystemResult) -> str:
    rate = system.throughput_inferences_per_s
    return f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.3g}"


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
            known_text(layer.family, str),
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
    return note + _widest_gap(main) + table_block(header, rows, numeric=numeric, name="layers")


def _widest_gap(main: SystemResult) -> str:
    """Which layer's mapping may be furthest from the best, and what shows it level by level."""
    gaps = {layer.name: layer.mapping_gap_percent for layer in main.layers if layer.mapping_gap_percent is not None}
    if not gaps:
        return ""
    name = max(gaps, key=lambda layer: gaps[layer])
    text = (
        f"No layer's mapping lies more than {percent_text(gaps[name] / 100)} above what no mapping is below ({name})."
    )
    return paragraph(f"{text} mensa-sim explain shows what each level of memory holds under it.", kind="note")


def _schedule_and_timeline(result: RunResult) -> dict[str, str]:
    main = result.main
    title = f"{main.workload} on {main.system}"
    return {
        "schedule.yaml": schedule_yaml(main.problem, main.schedule),
        "timeline.json": perfetto_json(
            title, main.timeline, main.hardware, {main.workload: main.graph}, main.problem.static_mw
        ),
    }


INFERENCE = Report(
    table=run_tables,
    figures=run_figures,
    title=lambda result: f"{result.main.workload} on {result.main.system}",
    blocks=run_blocks,
    data=summary,
    rows=layers_csv,
    rows_file="layers.csv",
    more=_schedule_and_timeline,
)
