"""The report of a scenario: who meets deadlines, who waits, what it costs, the slowest request; JSON and CSV."""

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.report.page.cards import Card, cards_block, compared_card
from mensa_sim.report.page.changes import changes_of, changes_summary
from mensa_sim.report.page.figure import Drawn, others
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import SEARCHED_ROWS, drawn_block, heading, list_block, paragraph, table_block
from mensa_sim.report.page.quantities import (
    BETTER,
    bytes_text,
    energy_text,
    engineering,
    factor_text,
    percent_text,
    power_text,
    time_text,
)
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.report.run.assumptions import memory_texts
from mensa_sim.report.scenario.figures import scenario_figures
from mensa_sim.report.scenario.latency import MAX_STREAMS, most_pressed
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.report.viewer.perfetto import perfetto_json
from mensa_sim.simulate.metrics.scenario import StreamMetrics
from mensa_sim.study.scenario.scenario import ScenarioResult, ScenarioSystemResult

STREAM_FIELDS = tuple(StreamMetrics.__dataclass_fields__)


def scenario_tables(result: ScenarioResult) -> RenderableType:
    """Streams of the system, then its load, then energy and power beside the baseline."""
    return Group(
        _streams(result.main),
        Text(),
        _loads(result.main),
        Text(),
        _totals(result),
        *changes_of(result),
        *([result.alone] if result.alone else []),
        *remarks(result.main),
        *caveats_text(*result.systems),
    )


def remarks(main: ScenarioSystemResult) -> list[str]:
    """The workloads whose schedules are far from the best one, and the streams whose tensors left the chip."""
    gaps = (
        f"{name}: its schedule is {percent_text(gap)} above the proven bound, which --scheduler optimal reaches"
        for name, gap in main.gaps.items()
    )
    spilled = (
        f"{name}: {bytes_text(stream.spilled_bytes)} of tensors left the chip, where other requests needed their room"
        for name, stream in main.metrics.streams.items()
        if stream.spilled_bytes
    )
    without = (
        f"{name}: {stream.without_room} of {stream.finished} inferences found too little free of the memories that "
        "accelerators share, and went through DRAM"
        for name, stream in main.metrics.streams.items()
        if stream.without_room
    )
    return [*gaps, *spilled, *without]


def _streams(main: ScenarioSystemResult) -> Sheet:
    title = f"{main.workload} on {main.system}, scheduler {main.scheduler}, policy {main.policy}, seed {main.seed}"
    columns = numbers("requests", "p50", "p95", "p99", "misses", "inf/s", "energy", "queue")
    rows = [
        (
            name + (" (overloaded)" if stream.overloaded else ""),
            str(stream.requests),
            *(known_text(ps, time_text) for ps in (stream.p50_ps, stream.p95_ps, stream.p99_ps)),
            str(stream.deadline_misses),
            f"{stream.throughput_per_s:.3g}",
            known_text(stream.energy_per_inference_pj, energy_text),
            known_text(stream.mean_queueing_ps, lambda ps: time_text(round(ps))),
        )
        for name, stream in main.metrics.streams.items()
    ]
    return Sheet([*texts("stream"), *columns], rows, title=title)


def _loads(main: ScenarioSystemResult) -> Sheet:
    rows = [
        (name, percent_text(load.busy_share), f"{percent_text(load.utilization)} of peak while busy")
        for name, load in main.metrics.accelerators.items()
    ]
    rows += [
        (name, percent_text(channel.utilization), f"{engineering(channel.size_bytes, 'B')} moved")
        for name, channel in main.metrics.channels.items()
    ]
    return Sheet([*texts("resource"), *numbers("busy", "utilization")], rows)


def _totals(result: ScenarioResult) -> Sheet:
    systems = result.systems
    energies = [each.energy_per_inference_pj for each in systems]
    ratio = "" if result.energy_efficiency is None else factor_text(result.energy_efficiency)
    rows = [
        ("mean power", *(power_text(each.metrics.mean_power_mw) for each in systems), ""),
        ("energy per inference", *(known_text(pj, energy_text) for pj in energies), ratio),
        ("deadline misses", *(str(each.deadline_misses) for each in systems), ""),
    ]
    names = [f"{each.system}{role}" for each, role in zip(systems, ("", " (baseline)"), strict=False)]
    first = f"{time_text(result.main.metrics.end_ps)} of time"
    return Sheet([*texts(first), *numbers(*names, BETTER if result.baseline else "")], rows)


def scenario_data(result: ScenarioResult) -> dict[str, object]:
    """summary.json of a scenario; an unknown value is absent."""
    main = result.main
    record = {
        **picked(main, "workload", "system", "scheduler", "objective", "policy", "seed"),
        **picked(main, "duration_ps=metrics.end_ps", "metrics.energy_pj", "energy_per_inference_pj"),
        **picked(main, "metrics.mean_power_mw", "metrics.energy_by_component_pj", "area_mm2", "metrics.overloaded"),
        "streams": streams_record(main),
        "gaps": dict(main.gaps) or None,
        "caveats": list(main.caveats) or None,
        **picked(main.metrics, "accelerators", "channels", "peak_buffer_bytes"),
        **_against(result),
        **changes_summary(result.changes),
        **provenance_summary(result),
    }
    return present(record)


def _against(result: ScenarioResult) -> dict[str, object]:
    """The baseline and the ratio against it, or why there is none."""
    baseline = result.baseline
    if baseline is None:
        return {"alone": result.alone}
    figures = {
        **picked(baseline, "system", "metrics.energy_pj", "energy_per_inference_pj", "metrics.mean_power_mw"),
        "streams": streams_record(baseline),
    }
    return {"baseline": present(figures), "ratios": present({"energy_efficiency": result.energy_efficiency})}


def streams_record(system: ScenarioSystemResult) -> dict[str, object]:
    """The figures of each stream that are known."""
    return {name: present(plain(stream)) for name, stream in system.metrics.streams.items()}


def streams_csv(result: ScenarioResult) -> str:
    """streams.csv: one row a stream and system."""
    rows = (
        (each.system, name, *(getattr(metrics, field) for field in STREAM_FIELDS))
        for each in result.systems
        for name, metrics in each.metrics.streams.items()
    )
    return csv_text(("system", "stream", *STREAM_FIELDS), rows)


WAITING, LOAD, SLOWEST = ("latency", "waiting"), ("load", "energy"), ("timeline",)
"""The figures of the sections but the last, which has all others."""


def scenario_blocks(result: ScenarioResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a scenario."""
    main = result.main
    said = (f"{text}." for text in remarks(main))
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
        list_block([*changes_of(result), *_assumptions(main), *said, *caveats_text(*result.systems)]),
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
    more = f" and {len(overloaded) - MAX_STREAMS} more" if len(overloaded) > MAX_STREAMS else ""
    names = ", ".join(overloaded[:MAX_STREAMS])
    return text + (f" Overloaded, the backlog grows: {names}{more}." if overloaded else "")


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
    return [*cards, *(_latency_card(result, name, p99) for name in most_pressed(main) if (p99 := _p99(main, name)))]


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
    long = "streams" if len(rows) > SEARCHED_ROWS else None
    return table_block(("system", "stream", *numeric), rows, numeric=numeric, name=long)


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
    title = f"{main.workload} on {main.system}"
    return {"timeline.json": perfetto_json(title, main.timeline, main.hardware, main.graphs, main.static_mw)}


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
