"""report.html of a scenario: who meets deadlines, who waits, what it costs, and the slowest request."""

from mensa_sim.report.page.cards import Card, cards_block, compared_card
from mensa_sim.report.page.changes import changes_of
from mensa_sim.report.page.drawn import Drawn, drawn_block, others
from mensa_sim.report.page.page import heading, list_block, paragraph, table_block
from mensa_sim.report.page.quantities import energy_text, percent_text, power_text, time_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import known_text
from mensa_sim.report.run.assumptions import memory_texts
from mensa_sim.report.scenario.figures import scenario_figures
from mensa_sim.report.scenario.files import gaps_text, scenario_data, scenario_tables, streams_csv
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.study.scenario.scenario import ScenarioResult, ScenarioSystemResult

WAITING, LOAD, SLOWEST = ("latency", "waiting"), ("load", "energy"), ("timeline",)
"""The figures of the sections but the last, which has all others."""


def scenario_blocks(result: ScenarioResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a scenario."""
    main = result.main
    gaps = (f"{text}." for text in gaps_text(main))
    return [
        paragraph(_lead(result), kind="lead"),
        cards_block(_cards(result)),
        heading("Deadlines and waiting"),
        drawn_block(figures, *WAITING) or paragraph("No request ended."),
        heading("Streams"),
        _stream_table(result),
        heading("Load and energy"),
        drawn_block(figures, *LOAD),
        heading("Around the slowest request"),
        drawn_block(figures, *SLOWEST) or paragraph("No request ended."),
        heading("The whole run over time"),
        drawn_block(figures, *others(figures, WAITING, LOAD, SLOWEST)),
        heading("What is assumed"),
        list_block([*changes_of(result), *_assumptions(main), *gaps, *caveats_text(*result.systems)]),
    ]


def _lead(result: ScenarioResult) -> str:
    main, baseline = result.main, result.baseline
    beside = f" ({baseline.system}: {baseline.deadline_misses})" if baseline else ""
    asked = main.requests
    streams = "one stream" if len(asked) == 1 else f"{len(asked)} streams"
    text = (
        f"{sum(asked.values())} requests of {streams} in {time_text(main.metrics.end_ps)}: "
        f"deadlines missed: {main.deadline_misses}{beside}, mean power {power_text(main.metrics.mean_power_mw)}."
    )
    text += f" {result.alone[0].upper()}{result.alone[1:]}." if result.alone else ""
    overloaded = [name for name, stream in main.metrics.streams.items() if stream.overloaded]
    return text + (f" Overloaded, the backlog grows: {', '.join(overloaded)}." if overloaded else "")


def _cards(result: ScenarioResult) -> list[Card]:
    main, systems = result.main, result.systems
    cards = [
        compared_card("deadline misses", systems, lambda each: str(each.deadline_misses)),
        compared_card(
            "energy per inference",
            systems,
            lambda each: known_text(each.energy_per_inference_pj, energy_text),
            ratio=result.energy_efficiency,
        ),
        compared_card(
            "mean power",
            systems,
            lambda each: power_text(each.metrics.mean_power_mw),
            ratio=result.baseline.metrics.mean_power_mw / main.metrics.mean_power_mw if result.baseline else None,
        ),
    ]
    return [*cards, *(_latency_card(result, name, p99) for name in main.metrics.streams if (p99 := _p99(main, name)))]


def _p99(system: ScenarioSystemResult, stream: str) -> int | None:
    return system.metrics.streams[stream].p99_ps


def _latency_card(result: ScenarioResult, stream: str, p99_ps: int) -> Card:
    other = _p99(result.baseline, stream) if result.baseline else None

    def text(system: ScenarioSystemResult) -> str:
        time_ps = _p99(system, stream)
        return time_text(time_ps) if time_ps else "-"

    return compared_card(f"p99 of {stream}", result.systems, text, ratio=other / p99_ps if other else None)


def _stream_table(result: ScenarioResult) -> str:
    numeric = ("requests", "p50", "p95", "p99", "longest", "queueing", "misses", "inf/s", "energy")
    rows = []
    for system in result.systems:
        for name, stream in system.metrics.streams.items():
            times = (stream.p50_ps, stream.p95_ps, stream.p99_ps, stream.max_ps)
            queued, latency = stream.mean_queueing_ps, stream.mean_latency_ps
            rows.append(
                (
                    system.system,
                    name + (" (overloaded)" if stream.overloaded else ""),
                    str(stream.requests),
                    *(known_text(time_ps, time_text) for time_ps in times),
                    "-" if not latency or queued is None else percent_text(queued / latency),
                    str(stream.deadline_misses),
                    f"{stream.throughput_per_s:.3g}",
                    known_text(stream.energy_per_inference_pj, energy_text),
                )
            )
    return table_block(("system", "stream", *numeric), rows, numeric=numeric)


def _assumptions(main: ScenarioSystemResult) -> list[str]:
    return [
        f"Scheduler {main.scheduler}, objective {main.objective}, policy {main.policy}, seed {main.seed}.",
        "Each stream's layers are placed once, before the run; a running layer is not interrupted.",
        "Queueing is time in which nothing works on the request; waiting for a shared memory is service.",
        "A request that has not ended when the run stops counts as missed only if its deadline has passed.",
        *memory_texts(main.hardware),
    ]


def _timeline(result: ScenarioResult) -> dict[str, str]:
    main = result.main
    names = tuple(main.metrics.accelerators)
    title = f"{main.workload} on {main.system}"
    return {"timeline.json": perfetto_json(title, main.timeline, names, main.graphs, main.static_mw)}


SCENARIO_RUN = Report(
    table=scenario_tables,
    figures=scenario_figures,
    title=lambda result: f"{result.main.workload} on {result.main.system}",
    blocks=scenario_blocks,
    data=scenario_data,
    rows=streams_csv,
    rows_file="streams.csv",
    more=_timeline,
)
