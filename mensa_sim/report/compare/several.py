"""What `mensa-sim compare` prints and writes of several workloads."""

from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Group, RenderableType

from mensa_sim.objective import objective_named
from mensa_sim.report.compare.compare import compare_notes, compare_rows, compared_values, lead_text, system_entries
from mensa_sim.report.compare.side_by_side import flat_csv, marks
from mensa_sim.report.page.changes import changes_summary
from mensa_sim.report.page.figure import Drawn, Figure, figure, padded, slanted
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import drawn_block, heading, list_block, paragraph, sheet_block, table_block
from mensa_sim.report.page.quantities import energy_text, factor_text, time_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.report.run.tables import gap_text
from mensa_sim.study.compare.compare import SeveralResult
from mensa_sim.study.run.result import Ratios


def several_data(result: SeveralResult) -> dict[str, object]:
    """summary.json: each workload as a comparison of it alone has it, then the means."""
    first = next(iter(result.parts.values()))
    return {
        "objective": result.product,
        "baseline": first.baseline,
        "compared": [compared_values(part) for part in result.parts.values()],
        "means": [
            {"system": name, "gain": result.mean_gain(name), "ratios": asdict(result.mean_ratios(name))}
            for name in result.systems
        ],
        **changes_summary(first.changes),
        **provenance_summary(result),
    }


def _sheet(result: SeveralResult) -> Sheet:
    """One row for each workload and system; the last rows have the means of the ratios."""
    columns = (
        "time",
        "energy",
        "above the bound",
        "energy efficiency",
        "speed",
        f"gain in {objective_named(result.product).title}",
    )

    def ratio_texts(own: Ratios, gain: float) -> Iterator[str]:
        return map(factor_text, (own.energy_efficiency, own.latency, gain))

    rows = []
    for workload, part in result.parts.items():
        for name, each in part.systems.items():
            whole = part.whole(name)
            taken = (time_text(whole.latency_ps), energy_text(whole.energy_pj), gap_text(each.optimality))
            rows.append((workload, name, *taken, *ratio_texts(part.ratios(name), result.gains(name)[workload])))
    for name in result.systems:
        means = ratio_texts(result.mean_ratios(name), result.mean_gain(name))
        rows.append(("geometric mean", name, "", "", "", *means))
    title = f"one inference or answer of each; ratios are times better than {result.systems[0]}"
    return Sheet([*texts("workload", "system"), *numbers(*columns)], rows, title=title)


def several_lead(result: SeveralResult) -> str:
    """Which system is the best over all workloads, by how much over the next, and on how many."""
    best, second, *_ = result.ranking
    gains = [result.gains(name) for name in result.systems]
    wins = [each for each in result.parts if result.gains(best)[each] == max(own[each] for own in gains)]
    lead = result.mean_gain(best) / result.mean_gain(second)
    return (
        f"{best} is the best over {len(result.parts)} workloads: {factor_text(lead)} less "
        f"{objective_named(result.product).title} than {second} in the geometric mean, and the best on "
        f"{len(wins)} of them."
    )


def several_tables(result: SeveralResult) -> RenderableType:
    """The lead, a row for each workload and system, and what a reader must know."""
    notes = [f"{name}: {text}" for name, part in result.parts.items() for text in compare_notes(part)]
    return Group(several_lead(result), "", _sheet(result), *notes)


def several_figures(result: SeveralResult) -> dict[str, Drawn]:
    """By name."""
    return {"gains": Drawn(figure=gains_figure(result), wide=True)}


def gains_figure(result: SeveralResult) -> Figure:
    """How many times less of the objective than the baseline, by workload, a mark for each system."""
    baseline, *others = result.systems
    objective = objective_named(result.product).title
    traces = marks({name: result.gains(name) for name in result.systems}, "times less")
    most = max(others, key=lambda name: max(result.gains(name).values()))
    workload = max(result.parts, key=lambda each: result.gains(most)[each])
    gain = factor_text(result.gains(most)[workload])
    title = f"The most that is gained over {baseline} is {gain}, by {most} on {workload}"
    y = padded(f"times less {objective} (ratio)", traces, "y")
    return figure(title, slanted("workload"), y, traces)


def several_blocks(result: SeveralResult, figures: dict[str, Drawn]) -> Iterator[str]:
    """The means, then each workload."""
    yield paragraph(several_lead(result), kind="lead")
    yield paragraph(f"One inference or answer of each; ratios are times better than {result.systems[0]}.")
    yield sheet_block(_sheet(result))
    yield drawn_block(figures, *figures)
    for name, part in result.parts.items():
        yield heading(name)
        yield paragraph(lead_text(part))
        yield table_block(("", *part.systems), compare_rows(part), numeric=tuple(part.systems))
        yield list_block(compare_notes(part))


COMPARISONS = Report(
    table=several_tables,
    figures=several_figures,
    title=lambda result: f"{len(result.parts)} workloads on {len(result.systems)} systems",
    blocks=several_blocks,
    data=several_data,
    rows=lambda result: flat_csv(
        [{"workload": name, **each} for name, part in result.parts.items() for each in system_entries(part)]
    ),
)
