"""What `mensa-sim compare` prints and writes of a scenario."""

from rich.console import RenderableType

from mensa_sim.io.json_text import picked, present
from mensa_sim.report.compare.side_by_side import flat_csv, marks, systems_blocks, systems_tables, systems_title
from mensa_sim.report.page.changes import changes_summary, changes_text
from mensa_sim.report.page.figure import Drawn, Figure, categories, figure, padded
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.quantities import energy_text, factor_text, percent_text, power_text, time_axis, time_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import known_text
from mensa_sim.report.run.energy import energy_figure, largest_component
from mensa_sim.report.scenario.page import remarks, streams_record
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.study.compare.compare import ScenarioCompareResult
from mensa_sim.study.scenario.scenario import ScenarioSystemResult


def scenario_compare_data(result: ScenarioCompareResult) -> dict[str, object]:
    """summary.json; an unknown value is absent."""
    return {
        **picked(result, "scenario=workload", "scheduler", "objective", "baseline"),
        "systems": _entries(result),
        **changes_summary(result.changes),
        **provenance_summary(result),
    }


def _entries(result: ScenarioCompareResult) -> list[dict[str, object]]:
    return [{"system": name, **present(_values(system))} for name, system in result.systems.items()]


def _values(system: ScenarioSystemResult) -> dict[str, object]:
    return {
        **picked(system, "scheduler", "seed", "deadline_misses", "energy_per_inference_pj"),
        **picked(system.metrics, "mean_power_mw", "overloaded", "energy_by_component_pj"),
        "streams": streams_record(system),
        "gaps": dict(system.gaps) or None,
        "area_mm2": system.area_mm2 or None,
        "caveats": list(system.caveats) or None,
    }


def _rows(result: ScenarioCompareResult) -> list[tuple[str, ...]]:
    """One row a quantity, one column a system; then each stream's slowest hundredth."""
    systems = list(result.systems.values())
    streams = systems[0].metrics.streams
    base_pj = systems[0].energy_per_inference_pj
    energies = [each.energy_per_inference_pj for each in systems]
    return [
        ("deadline misses", *(str(each.deadline_misses) for each in systems)),
        ("inferences that ended", *(str(each.finished) for each in systems)),
        ("energy per inference", *(known_text(pj, energy_text) for pj in energies)),
        ("energy efficiency", *("-" if not (base_pj and pj) else factor_text(base_pj / pj) for pj in energies)),
        ("mean power", *(power_text(each.metrics.mean_power_mw) for each in systems)),
        ("area", *(f"{each.area_mm2:.3g} mm²" if each.area_mm2 else "-" for each in systems)),
        *((f"p99 of {stream}", *(_p99_text(each, stream) for each in systems)) for stream in streams),
    ]


def _p99_text(system: ScenarioSystemResult, stream: str) -> str:
    found = system.metrics.streams[stream]
    text = known_text(found.p99_ps, time_text)
    return f"{text} (overloaded)" if found.overloaded else text


def scenario_lead(result: ScenarioCompareResult) -> str:
    """Which system serves the scenario best, and beside which."""
    best, second, *_ = result.ranking
    ours, theirs = result.systems[best], result.systems[second]
    text = (
        f"{best} serves {result.workload} best: it misses {ours.deadline_misses} deadlines of "
        f"{sum(ours.requests.values())} requests ({second}: {theirs.deadline_misses})"
    )
    if ours.energy_per_inference_pj and theirs.energy_per_inference_pj:
        gain = theirs.energy_per_inference_pj / ours.energy_per_inference_pj
        text += f", and an inference has {factor_text(gain)} the energy efficiency"
    return f"{text}. Fewer missed deadlines come first, then less energy."


def _notes(result: ScenarioCompareResult) -> list[str]:
    systems = result.systems
    left_out = ["The pins and schedules of the file are of one system: they hold on none here."]
    return [
        *(left_out if result.places_left_out else []),
        *(f"{name}, {text}" for name, system in systems.items() for text in remarks(system)),
        *changes_text(result.changes, list(systems)),
        *caveats_text(*systems.values()),
    ]


def scenario_compare_tables(result: ScenarioCompareResult) -> RenderableType:
    """The lead, the systems side by side, and what a reader must know."""
    title = f"{result.workload}; energy efficiency against {result.baseline}"
    return systems_tables(title, scenario_lead(result), list(result.systems), _rows(result), _notes(result))


def scenario_compare_figures(result: ScenarioCompareResult) -> dict[str, Drawn]:
    """By name; one that would have nothing to show is absent."""
    ended = {name: system.components_per_inference_pj for name, system in result.systems.items() if system.finished}
    if not ended:
        return {}
    least = min(ended, key=lambda name: sum(ended[name].values()))
    component, share = largest_component(ended[least])
    title = f"{least} takes the least energy for an inference; {percent_text(share)} of it goes to {component}"
    return {
        "p99": Drawn(figure=p99_figure(result)),
        "energy": Drawn(figure=energy_figure(title, ended, "an inference, mean over all streams")),
    }


def p99_figure(result: ScenarioCompareResult) -> Figure:
    """The latency that one request of a hundred exceeds, by stream, a mark for each system."""
    found = {
        name: {stream: each.p99_ps for stream, each in system.metrics.streams.items() if each.p99_ps}
        for name, system in result.systems.items()
    }
    longest = {name: max(times.values(), default=0) for name, times in found.items()}
    slowest = max(longest, key=lambda name: longest[name])
    scale, unit = time_axis(longest[slowest])
    traces = marks({name: {each: ps / scale for each, ps in times.items()} for name, times in found.items()}, unit)
    ends = time_text(longest[slowest])
    title = f"99 of 100 requests end within {ends} on {slowest}, where the slowest stream is"
    return figure(title, categories("stream"), padded(f"p99 latency ({unit})", traces, "y"), traces)


def scenario_compare_blocks(result: ScenarioCompareResult, figures: dict[str, Drawn]) -> list[str]:
    """The comparison on a page."""
    reading = (
        f"Scheduler {result.scheduler} where there is a choice, objective {result.objective}. "
        f"Energy efficiency is against {result.baseline}: above 1 is better."
    )
    return systems_blocks(scenario_lead(result), reading, list(result.systems), _rows(result), _notes(result), figures)


SCENARIO_COMPARISON = Report(
    table=scenario_compare_tables,
    figures=scenario_compare_figures,
    title=systems_title,
    blocks=scenario_compare_blocks,
    data=scenario_compare_data,
    rows=lambda result: flat_csv(_entries(result)),
)
