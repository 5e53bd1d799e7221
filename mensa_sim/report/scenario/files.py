"""What a scenario's run prints and writes: streams, accelerators and channels, as tables, JSON and CSV."""

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.report.page.changes import changes_of, changes_summary
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.quantities import energy_text, engineering, factor_text, percent_text, power_text, time_text
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.report.trace.layers import caveats_text
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
        *gaps_text(result.main),
        *caveats_text(*result.systems),
    )


def gaps_text(main: ScenarioSystemResult) -> list[str]:
    """The workloads whose schedules are far from the best one."""
    return [
        f"{name}: its schedule is {percent_text(gap)} above the proven bound, which --scheduler optimal reaches"
        for name, gap in main.gaps.items()
    ]


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
    return Sheet([*texts(first), *numbers(*names, "ratio" if result.baseline else "")], rows)


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
