"""report.html of a scenario: who meets deadlines, who waits, what it costs, and the slowest request."""

from mensa_sim.report.page.cards import Card, cards_block
from mensa_sim.report.page.changes import changes_text
from mensa_sim.report.page.drawn import drawn_block
from mensa_sim.report.page.page import heading, list_block, page, paragraph, provenance_block, table_block
from mensa_sim.report.page.quantities import energy_text, engineering, percent_text, time_text
from mensa_sim.report.run.assumptions import memory_texts
from mensa_sim.report.scenario.figures import scenario_figures
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.study.scenario.scenario import ScenarioResult, ScenarioSystemResult


def scenario_html(result: ScenarioResult) -> str:
    """The report of a scenario as one HTML page; every text that came from a file is escaped."""
    main = result.main
    figures = scenario_figures(result)
    return page(
        f"{main.workload} on {main.system}",
        (
            paragraph(_lead(result), kind="lead"),
            cards_block(_cards(result)),
            heading("Deadlines and waiting"),
            drawn_block(figures, "latency", "waiting") or paragraph("No request ended."),
            heading("Streams"),
            _stream_table(result),
            heading("Load and energy"),
            drawn_block(figures, "load", "energy"),
            heading("Around the slowest request"),
            drawn_block(figures, "timeline") or paragraph("No request ended."),
            heading("The whole run over time"),
            drawn_block(figures, "power", "bandwidth", "buffers"),
            heading("What is assumed"),
            list_block(
                [
                    *changes_text(result.changes, (main.system, result.baseline.system)),
                    *_assumptions(main),
                    *caveats_text(main.caveats, result.baseline.caveats),
                ]
            ),
            provenance_block(result.versions, result.inputs, result.command),
        ),
    )


def _lead(result: ScenarioResult) -> str:
    main, baseline = result.main, result.baseline
    requests = sum(stream.requests for stream in main.metrics.streams.values())
    text = (
        f"{requests} requests of {len(main.metrics.streams)} streams in {time_text(main.metrics.end_ps)}: "
        f"deadlines missed: {_misses(main)} ({baseline.system}: {_misses(baseline)}), mean power "
        f"{engineering(main.metrics.mean_power_mw / 1000, 'W')}."
    )
    overloaded = [name for name, stream in main.metrics.streams.items() if stream.overloaded]
    return text + (f" Overloaded, the backlog grows: {', '.join(overloaded)}." if overloaded else "")


def _misses(system: ScenarioSystemResult) -> int:
    return sum(stream.deadline_misses for stream in system.metrics.streams.values())


def _cards(result: ScenarioResult) -> list[Card]:
    main, baseline = result.main, result.baseline
    against = baseline.system
    ours, theirs = main.energy_per_inference_pj, baseline.energy_per_inference_pj
    power = (main.metrics.mean_power_mw, baseline.metrics.mean_power_mw)
    cards = [
        Card(label="deadline misses", value=str(_misses(main)), beside=f"{against}: {_misses(baseline)}"),
        Card(
            label="energy per inference",
            value="-" if ours is None else energy_text(ours),
            ratio=result.energy_efficiency,
            beside="" if theirs is None else f"{against}: {energy_text(theirs)}",
        ),
        Card(
            label="mean power",
            value=engineering(power[0] / 1000, "W"),
            ratio=power[1] / power[0],
            beside=f"{against}: {engineering(power[1] / 1000, 'W')}",
        ),
    ]
    for name, stream in main.metrics.streams.items():
        if stream.p99_ps is None:
            continue
        other = baseline.metrics.streams[name].p99_ps
        cards.append(
            Card(
                label=f"p99 of {name}",
                value=time_text(stream.p99_ps),
                ratio=other / stream.p99_ps if other else None,
                beside=f"{against}: {time_text(other) if other else '-'}",
            )
        )
    return cards


def _stream_table(result: ScenarioResult) -> str:
    numeric = ("requests", "p50", "p95", "p99", "longest", "queueing", "misses", "inf/s", "energy")
    rows = []
    for system in (result.main, result.baseline):
        for name, stream in system.metrics.streams.items():
            times = (stream.p50_ps, stream.p95_ps, stream.p99_ps, stream.max_ps)
            queued, latency = stream.mean_queueing_ps, stream.mean_latency_ps
            energy_pj = stream.energy_per_inference_pj
            rows.append(
                (
                    system.system,
                    name + (" (overloaded)" if stream.overloaded else ""),
                    str(stream.requests),
                    *("-" if time_ps is None else time_text(time_ps) for time_ps in times),
                    "-" if not latency or queued is None else percent_text(queued / latency),
                    str(stream.deadline_misses),
                    f"{stream.throughput_per_s:.3g}",
                    "-" if energy_pj is None else energy_text(energy_pj),
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
