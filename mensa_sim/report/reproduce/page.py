"""The report of a reproduction: one HTML page with the paper's figures redrawn and every deviation explained."""

import math

from mensa_sim.flow import HOMES, STACKS
from mensa_sim.report.page.colours import COMPONENT_LOOKS, COMPONENT_NAMES, looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, bar, figure, slanted
from mensa_sim.report.page.page import (
    beside_block,
    drawn_block,
    figure_block,
    heading,
    list_block,
    low_block,
    paragraph,
    table_block,
)
from mensa_sim.report.page.report import Report
from mensa_sim.report.reproduce.figures import (
    KINDS,
    change_figure,
    energy_roofline,
    family_figure,
    layer_scatter,
    outcomes,
    throughput_figure,
    throughput_roofline,
    utilization_figure,
)
from mensa_sim.report.reproduce.files import models_csv, reproduce_data
from mensa_sim.report.reproduce.tables import (
    CLAIMED,
    DEFINITION,
    NONE_HELD,
    PLACES,
    agreement_lines,
    claim_rows,
    closer_text,
    drawn_lines,
    drawn_text,
    held,
    lead_text,
    number_text,
    published_cells,
    ratio_text,
    reproduce_tables,
    taken_text,
)
from mensa_sim.study.reproduce.paper import SOURCE, TAGS
from mensa_sim.study.reproduce.quantities import DEFINITIONS
from mensa_sim.study.reproduce.reproduce import ReproduceResult
from mensa_sim.study.reproduce.request import SYSTEMS
from mensa_sim.study.reproduce.table import Runs
from mensa_sim.study.run.request import BASELINE
from mensa_sim.study.run.result import ENERGY_COMPONENTS


def reproduce_blocks(result: ReproduceResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a reproduction."""
    against = bool(held(result))
    tags = "; ".join(f"{tag}: {words}" for tag, words in TAGS.items())
    return [
        *(_opening(result) if against else (paragraph(f"{NONE_HELD} {taken_text(result)}"),)),
        *((heading("Where the systems differ"), list_block(result.statements)) if result.statements else ()),
        heading("Every figure"),
        _figures_table(result),
        *((paragraph("; ".join(drawn_lines(result)), kind="note"),) if result.drawn else ()),
        *(_distances(result) if against else ()),
        heading("The paper's figures, redrawn"),
        drawn_block(figures, *figures, small=True),
        heading("Definitions"),
        paragraph(f"{SOURCE}. {DEFINITION} Tags of the paper's figures: {tags}. {PLACES}"),
        low_block(table_block(("quantity", "means"), tuple(DEFINITIONS.items()))),
    ]


def reproduce_figures(result: ReproduceResult) -> dict[str, Drawn]:
    """By name: the paper's figures, redrawn."""
    runs = result.runs
    return {
        "throughput-roofline": Drawn(figure=throughput_roofline(runs)),
        "energy-roofline": Drawn(figure=energy_roofline(runs)),
        "energy": Drawn(figure=energy_figure(runs)),
        "layers": layer_scatter(runs),
        "families": Drawn(figure=family_figure(result)),
        "utilization": Drawn(figure=utilization_figure(runs)),
        "throughput": Drawn(figure=throughput_figure(runs)),
        "latency": Drawn(figure=latency_figure(runs)),
    }


def _opening(result: ReproduceResult) -> list[str]:
    """What the authors themselves claim, and every figure under every change."""
    return [
        paragraph(lead_text(result), kind="lead"),
        table_block(("the authors' own claims", *CLAIMED, "agrees"), claim_rows(result), numeric=CLAIMED),
        paragraph(taken_text(result)),
        figure_block("changes", change_figure(result), height_rem=42),
    ]


def _distances(result: ReproduceResult) -> list[str]:
    """What closes the distance of each figure, beside how many agree under each set of choices."""
    closes = (
        heading("What closes the distance"),
        paragraph(
            "One change each, or several together where that comes nearer, each run, priced or counted anew; none "
            "enters the headline. In brackets the share of the distance."
        ),
        _deviations(result),
    )
    agreement = (
        heading("Agreement under other choices"),
        *(paragraph(text) for text in agreement_lines(result)),
        _agreements_table(result),
    )
    return [beside_block("\n".join(closes), "\n".join(agreement))]


def _figures_table(result: ReproduceResult) -> str:
    header = (
        "figure",
        "paper",
        "tag",
        "ours",
        "ratio",
        "drawn",
        "geometric",
        "harmonic",
        "of sums",
        "steady",
        "plain",
        "optimal",
        HOMES,
        STACKS,
    )
    rows = []
    for row in result.rows:
        means = row.ours
        beside: tuple[float | None, ...] = (
            means.geometric if means else None,
            means.harmonic if means else None,
            means.totals if means else None,
            row.steady,
            row.plain,
            row.optimal,
            row.homes,
            row.stacks,
        )
        rows.append(
            (
                *published_cells(row),
                number_text(means.arithmetic) if means else row.reason,
                ratio_text(row),
                drawn_text(result.drawn.get(row.figure.name)),
                *map(number_text, beside),
            )
        )
    numeric = tuple(name for name in header if name not in {"figure", "tag"})
    return table_block(header, list(dict.fromkeys(rows)), numeric=numeric, name="every-figure")


def _deviations(result: ReproduceResult) -> str:
    blocks = []
    for deviation in result.deviations:
        row = deviation.row
        ours = number_text(row.ours.arithmetic) if row.ours else "-"
        title = (
            f"{row.figure.name}: {ours}, paper {number_text(row.figure.value)} ({row.figure.tag}); {deviation.verdict}"
        )
        lines = [closer_text(closer) for closer in deviation.closers]
        blocks += [heading(title, level=4), list_block([text for text in (*lines, deviation.note) if text])]
    return '<div class="scroll tall">\n' + "\n".join(blocks) + "\n</div>"


def _agreements_table(result: ReproduceResult) -> str:
    header = ("with", "agree", "authors' own", "gained", "lost")
    rows = [
        (each.change, str(each.agreeing), str(each.authors), "; ".join(each.gained), "; ".join(each.lost))
        for each in result.agreements
    ]
    return table_block(header, rows, numeric=("agree", "authors' own"), name="agreements")


def energy_figure(runs: Runs) -> Figure:
    """Energy by component for each kind of model and system, as a share of the baseline's energy on the same model."""
    totals: dict[tuple[str, str], dict[str, float]] = {}
    for system in SYSTEMS:
        for kind in KINDS:
            pairs = [
                (outcome, base)
                for outcome, base in zip(outcomes(runs, system), outcomes(runs, BASELINE), strict=True)
                if outcome.kind == kind
            ]
            if pairs:
                totals[kind, system] = {
                    name: math.fsum(outcome.component_pj.get(name, 0.0) / base.energy_pj for outcome, base in pairs)
                    / len(pairs)
                    for name in ENERGY_COMPONENTS
                }
    keys = [(kind, system) for kind in KINDS for system in SYSTEMS if (kind, system) in totals]
    traces: list[Trace] = [
        bar(
            name=COMPONENT_NAMES[component],
            orientation="h",
            y=[[kind for kind, _ in keys], [system for _, system in keys]],
            x=[totals[key][component] for key in keys],
            marker=COMPONENT_LOOKS[component].bar,
            hovertemplate="%{y}<br>%{x:.3g} of the Edge TPU's energy<extra>%{fullData.name}</extra>",
        )
        for component in (name for name in ENERGY_COMPONENTS if any(parts[name] for parts in totals.values()))
    ]
    sums = {key: math.fsum(parts.values()) for key, parts in totals.items()}
    mensa = ", ".join(f"{number_text(sums[kind, 'mensa_g'])} ({kind})" for kind in KINDS if (kind, "mensa_g") in sums)
    title = f"Mensa-G takes so many times the Edge TPU's energy: {mensa}"
    y = {"title": "kind of model, system", "autorange": "reversed", "tickfont": {"size": 10}, "dtick": 1}
    return figure(title, "energy over the Edge TPU's", y, traces, barmode="stack", legend={"font": {"size": 11}})


def latency_figure(runs: Runs) -> Figure:
    """Where the time goes on Mensa-G: each accelerator's busy time over the latency."""
    measured = outcomes(runs, "mensa_g")
    names = list(measured[0].accelerators) if measured else []
    traces: list[Trace] = [
        bar(
            name=name,
            x=[outcome.model for outcome in measured],
            y=[100 * outcome.accelerators[name].busy_ps / outcome.latency_ps for outcome in measured],
            marker=look.bar,
            hovertemplate="%{x}: %{y:.3g} %<extra>%{fullData.name}</extra>",
        )
        for name, look in looks(names).items()
    ]
    waiting = [
        1 - sum(share.busy_ps for share in outcome.accelerators.values()) / outcome.latency_ps for outcome in measured
    ]
    mean = math.fsum(max(0.0, share) for share in waiting) / len(waiting) if waiting else 0.0
    title = (
        f"On Mensa-G {mean:.0%} of the latency, on average, passes while no accelerator works: copies between memories"
    )
    return figure(title, slanted("model"), "busy time over latency (%)", traces, barmode="stack")


REPRODUCTION = Report(
    table=reproduce_tables,
    figures=reproduce_figures,
    title=lambda result: (
        "The Mensa paper beside mensa-sim" if held(result) else "Some models on the Mensa paper's systems"
    ),
    blocks=reproduce_blocks,
    data=reproduce_data,
    rows=models_csv,
    rows_file="models.csv",
)
