"""The tables that `mensa-sim run` prints."""

from collections import Counter
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.report.generation.tables import answer_tables
from mensa_sim.report.page.changes import changes_of
from mensa_sim.report.page.products import predicted_text, product_rows
from mensa_sim.report.page.quantities import (
    BETTER,
    bytes_text,
    energy_text,
    engineering,
    factor_text,
    percent_text,
    time_text,
)
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.report.trace.layers import caveats_text, coverage_text
from mensa_sim.simulate.record.timeline import covered_ps
from mensa_sim.study.run.result import LayerResult, Optimality, RunResult, SystemResult, energy_components, ratios


def run_tables(result: RunResult) -> RenderableType:
    """Everything that a run prints: layers, energy, totals beside the baseline."""
    main = result.main
    return Group(
        *answer_tables(result),
        layer_table(main),
        Text(),
        totals_table(result),
        Text(),
        optimality_text(main.optimality),
        *homes_text(main),
        *stacks_text(main),
        *splits_text(main),
        *best_text(main, result.baseline),
        *([result.alone] if result.alone else []),
        coverage_text(main.coverage, main.coverage_shares),
        *changes_of(result),
        *caveats_text(*result.systems),
    )


def gap_text(found: Optimality) -> str:
    """How far a schedule is above the proven bound; a dash where none was proved.

    >>> proved = Optimality(objective="edp", value=2.0, bound=2.0, gap=0.0)
    >>> gap_text(proved), gap_text(Optimality(objective="edp", value=2.0))
    ('0 %', '-')
    """
    return "-" if found.gap is None else percent_text(found.gap) if found.gap else "0 %"


def homes_text(result: SystemResult) -> tuple[str, ...]:
    """What lives on chip between layers, by home, and the memory traffic that it saves; nothing where nothing does."""
    found = []
    data = result.schedule.data
    proved = f" (at most {percent_text(data.homes_gap)} above the best choice)" if data and data.homes_gap else ""
    for home in dict.fromkeys(each.home for each in result.homes):
        own = [each for each in result.homes if each.home == home]
        size_bytes, saved_bytes = sum(each.size_bytes for each in own), sum(each.saved_bytes for each in own)
        found.append(
            f"on {home} {len(own)} tensors of {bytes_text(size_bytes)} live until they are read, which saves "
            f"{bytes_text(saved_bytes)} of memory traffic{proved}"
        )
    return tuple(found)


def stacks_text(result: SystemResult) -> tuple[str, ...]:
    """How many layers ran tile by tile on each accelerator, and what that saves; nothing where none did."""
    found = []
    for name in dict.fromkeys(each.accelerator for each in result.stacks):
        own = [each for each in result.stacks if each.accelerator == name]
        alone_bytes, saved_bytes = sum(each.alone_bytes for each in own), sum(each.saved_bytes for each in own)
        found.append(
            f"on {name} {sum(len(each.layers) for each in own)} layers run tile by tile in {len(own)} "
            f"{'stack' if len(own) == 1 else 'stacks'}, which saves {bytes_text(saved_bytes)} of the "
            f"{bytes_text(alone_bytes)} that they move over memory one by one"
        )
    return tuple(found)


def splits_text(result: SystemResult) -> tuple[str, ...]:
    """Which layers ran in pieces on which accelerators, and what that saves; nothing where none did."""
    if not result.splits:
        return ()
    along = Counter(each.axis for each in result.splits)
    names = dict.fromkeys(name for each in result.splits for name in each.parts)
    took_ps = covered_ps((each.start_ps, each.end_ps) for each in result.splits)
    whole = [each.whole_ps for each in result.splits if each.whole_ps is not None]
    against = f", whole ones one after another {time_text(sum(whole))}" if len(whole) == len(result.splits) else ""
    heard = f"; what they share is read once, which saves {bytes_text(result.heard_bytes)} of memory traffic"
    return (
        f"{len(result.splits)} layers run in pieces on {', '.join(names)} "
        f"({', '.join(f'{count} by {axis}' for axis, count in along.items())}) and take {time_text(took_ps)}{against}"
        f"{heard if result.heard_bytes else ''}",
    )


def best_text(result: SystemResult, baseline: SystemResult | None) -> tuple[str, ...]:
    """What the best schedule would give, against the baseline if any; nothing where the chosen one is near it."""
    best = result.best
    if best is None:
        return ()
    if baseline is None:
        figures = (energy_text(best.energy_pj), energy_text(result.energy_pj))
        times = (time_text(best.latency_ps), time_text(result.latency_ps))
    else:
        now, then = ratios(result, baseline), ratios(best, baseline)
        figures = (f"{factor_text(then.energy_efficiency)} the energy efficiency", factor_text(now.energy_efficiency))
        times = (f"{factor_text(then.latency)} as fast", factor_text(now.latency))
    ours, theirs = result.optimality.simulated, best.simulated
    no_better = " (best as predicted, no better as simulated)" if ours and theirs and theirs >= ours else ""
    return (f"--scheduler {best.scheduler}: {' instead of '.join(figures)}, {' instead of '.join(times)}{no_better}",)


def optimality_text(found: Optimality) -> str:
    """The predicted objective beside the simulated one and the proven bound."""
    text = f"predicted {found.objective} {predicted_text(found.objective, found.value)}"
    if found.gap is not None:
        text += f", {percent_text(found.gap)} above the proven bound" if found.gap else ", proved the least"
    if found.simulated is not None:
        text += f"; simulated {predicted_text(found.objective, found.simulated)}"
        if found.of_all > 1:
            text += f", the least of all {found.of_all} assignments"
        elif found.tried > 1:
            text += f", the least of {found.tried} schedules near it"
        text += f" by {found.compared} inferences" if found.compared else ""
    return text + (f" ({'; '.join(found.differs)})" if found.differs else "")


def layer_table(result: SystemResult) -> Sheet:
    """One row a layer: family, accelerator, time, energy, bound."""
    columns = [*texts("layer", "family", "accelerator"), *numbers("time", "energy", "util."), *texts("bound")]
    return Sheet(columns, [_layer_cells(layer) for layer in result.layers], title=_title(result))


def _title(result: SystemResult) -> str:
    return f"{result.workload} on {result.system}, scheduler {result.scheduler}, objective {result.objective}"


def _layer_cells(layer: LayerResult) -> tuple[str, ...]:
    return (
        layer.name,
        known_text(layer.family, str),
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


def totals_table(result: RunResult) -> Sheet:
    """Totals of the system and of the baseline, and how many times better the system is."""
    systems, against = result.systems, result.ratios
    rows: list[tuple[str, ...]] = []

    def row(name: str, text: Callable[[SystemResult], str], ratio: float | None = None) -> None:
        rows.append((name, *map(text, systems), "" if ratio is None else factor_text(ratio)))

    row("latency", lambda each: time_text(each.latency_ps), against.latency if against else None)
    rate = against.throughput if against else None
    row("throughput", lambda each: engineering(each.throughput_inferences_per_s, "inf/s"), rate)
    row("energy", lambda each: energy_text(each.energy_pj), against.energy_efficiency if against else None)
    for title, values, ratio in product_rows(systems):
        rows.append((title, *values, factor_text(ratio) if against else ""))
    row("steady latency", lambda each: time_text(each.steady.latency_ps))
    row("steady energy", lambda each: energy_text(each.steady.energy_pj))
    row("MAC rate", lambda each: engineering(each.macs_per_s, "MAC/s"))
    row("utilization", lambda each: percent_text(each.utilization))
    row("memory traffic", lambda each: bytes_text(sum(each.traffic_bytes.values())))
    row("hand-offs", lambda each: str(each.handoffs))
    for component in energy_components(*systems):
        energies = [each.energy_by_component_pj.get(component, 0.0) for each in systems]
        rows.append((f"  energy: {component.replace('_', ' ')}", *map(energy_text, energies), ""))
    names = [f"{each.system}{role}" for each, role in zip(systems, ("", " (baseline)"), strict=False)]
    return Sheet([*texts("one inference"), *numbers(*names, BETTER if against else "")], rows)
