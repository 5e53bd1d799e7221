"""The tables that `mensa-sim run` prints; they fit 80 columns."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mensa_sim.report.page.changes import changes_text
from mensa_sim.report.page.console import console_table, figure_columns
from mensa_sim.report.page.products import predicted_text, product_rows
from mensa_sim.report.page.quantities import bytes_text, energy_text, engineering, percent_text, time_text
from mensa_sim.report.trace.layers import caveats_text, coverage_text
from mensa_sim.study.run.result import LayerResult, Optimality, RunResult, SystemResult, energy_components, ratios


def run_tables(result: RunResult) -> RenderableType:
    """Everything that a run prints: layers, energy, totals beside the baseline."""
    main = result.main
    return Group(
        layer_table(main),
        Text(),
        totals_table(result),
        Text(),
        optimality_text(main.optimality),
        *best_text(main, result.baseline),
        coverage_text(main.coverage, main.coverage_shares),
        *changes_text(result.changes, (main.system, result.baseline.system)),
        *caveats_text(main.caveats, result.baseline.caveats),
    )


def gap_text(found: Optimality) -> str:
    """How far a schedule is above the proven bound; a dash where none was proved.

    >>> proved = Optimality(objective="edp", value=2.0, bound=2.0, gap=0.0)
    >>> gap_text(proved), gap_text(Optimality(objective="edp", value=2.0))
    ('0 %', '-')
    """
    return "-" if found.gap is None else percent_text(found.gap) if found.gap else "0 %"


def best_text(result: SystemResult, baseline: SystemResult) -> tuple[str, ...]:
    """What the best schedule would give against the baseline; nothing where the chosen one is near it."""
    best = result.best
    if best is None:
        return ()
    ours, theirs = ratios(result, baseline), ratios(best, baseline)
    return (
        f"--scheduler {best.scheduler}: {theirs.energy_efficiency:.2f}x energy instead of "
        f"{ours.energy_efficiency:.2f}x, {theirs.latency:.2f}x latency instead of {ours.latency:.2f}x",
    )


def optimality_text(found: Optimality) -> str:
    """The predicted objective beside the simulated one and the proven bound."""
    text = f"predicted {found.objective} {predicted_text(found.objective, found.value)}"
    if found.gap is not None:
        text += f", {percent_text(found.gap)} above the proven bound" if found.gap else ", proved optimal"
    if found.simulated is not None:
        text += f"; simulated {predicted_text(found.objective, found.simulated)}"
    return text + (f" ({'; '.join(found.differs)})" if found.differs else "")


def layer_table(result: SystemResult) -> Table:
    """One row a layer: family, accelerator, time, energy, bound."""
    table = console_table(_title(result))
    table.add_column("layer", overflow="ellipsis", no_wrap=True, max_width=24)
    for column in ("family", "accelerator"):
        table.add_column(column, no_wrap=True)
    figure_columns(table, "time", "energy", "util.")
    table.add_column("bound", no_wrap=True)
    for layer in result.layers:
        table.add_row(*_layer_cells(layer))
    return table


def _title(result: SystemResult) -> str:
    return f"{result.workload} on {result.system}, scheduler {result.scheduler}, objective {result.objective}"


def _layer_cells(layer: LayerResult) -> tuple[str, ...]:
    return (
        layer.name,
        "-" if layer.family is None else str(layer.family),
        layer.accelerator,
        time_text(layer.end_ps - layer.start_ps),
        energy_text(layer.energy_pj),
        percent_text(layer.utilization) if layer.macs else "-",
        layer.bound if not (note := _note(layer)) else f"{layer.bound} ({note})",
    )


def _note(layer: LayerResult) -> str:
    """What a reader must know of a time: the operator is not supported, or it was measured, with a fit's error."""
    if not layer.supported:
        return "unsupported"
    if layer.source == "analytical":
        return ""
    return layer.source if layer.error_percent is None else f"{layer.source}, fit, {layer.error_percent:.0f} % error"


def totals_table(result: RunResult) -> Table:
    """Totals of the system and of the baseline, with the ratio where above 1 is better."""
    main, baseline, against = result.main, result.baseline, result.ratios
    table = console_table()
    table.add_column("one inference", no_wrap=True)
    figure_columns(table, main.system, f"{baseline.system} (baseline)", "ratio")
    rows: tuple[tuple[str, str, str, float | None], ...] = (
        ("latency", time_text(main.latency_ps), time_text(baseline.latency_ps), against.latency),
        (
            "throughput",
            engineering(main.throughput_inferences_per_s, "inf/s"),
            engineering(baseline.throughput_inferences_per_s, "inf/s"),
            against.throughput,
        ),
        ("energy", energy_text(main.energy_pj), energy_text(baseline.energy_pj), against.energy_efficiency),
        *((title, texts[0], texts[1], ratio) for title, texts, ratio in product_rows((main, baseline))),
        ("steady latency", time_text(main.steady.latency_ps), time_text(baseline.steady.latency_ps), None),
        ("steady energy", energy_text(main.steady.energy_pj), energy_text(baseline.steady.energy_pj), None),
        ("MAC rate", engineering(main.macs_per_s, "MAC/s"), engineering(baseline.macs_per_s, "MAC/s"), None),
        ("utilization", percent_text(main.utilization), percent_text(baseline.utilization), None),
        ("memory traffic", _traffic(main), _traffic(baseline), None),
        ("hand-offs", str(main.handoffs), str(baseline.handoffs), None),
    )
    for name, ours, theirs, ratio in rows:
        table.add_row(name, ours, theirs, "" if ratio is None else f"{ratio:.2f}x")
    table.add_section()
    for component, ours_pj, theirs_pj in _components(main, baseline):
        table.add_row(f"  energy: {component.replace('_', ' ')}", energy_text(ours_pj), energy_text(theirs_pj), "")
    return table


def _traffic(result: SystemResult) -> str:
    return bytes_text(sum(result.traffic_bytes.values()))


def _components(main: SystemResult, baseline: SystemResult) -> Iterator[tuple[str, float, float]]:
    ours, theirs = main.energy_by_component_pj, baseline.energy_by_component_pj
    for component in energy_components(main, baseline):
        yield component, ours.get(component, 0.0), theirs.get(component, 0.0)
