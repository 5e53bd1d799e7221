"""report.html of an exploration: the front, every design on parallel axes, and which parameters matter."""

import math
from collections.abc import Mapping, Sequence

from mensa_sim.io.json_text import json_line
from mensa_sim.report.explore.files import all_of, design_folder, designs_csv, explore_summary, front_files
from mensa_sim.report.explore.parallel import parallel_figure
from mensa_sim.report.explore.tables import (
    axis,
    columns,
    explore_tables,
    finding_text,
    metric_cells,
    metric_text,
    metric_words,
    outcome_text,
    recommendation_texts,
)
from mensa_sim.report.page.colours import BLUE, COLOURS, GREY, looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, bar, categories, figure, lines, scatter, shown
from mensa_sim.report.page.page import drawn_block, heading, paragraph, script_json, table_block
from mensa_sim.report.page.quantities import percent_text, setting_text
from mensa_sim.report.page.report import Report
from mensa_sim.study.explore.result import DesignResult, ExploreResult

MAX_OTHERS = 300
"""Points off the front, each with what a click on it shows."""

CLICK = """
for (const name of %s) unpacked.then(() => {
  document.getElementById(name).on("plotly_click", (event) => {
    const shown = designs[event.points[0].customdata];
    if (!shown) return;
    const panel = document.getElementById("design");
    panel.replaceChildren();
    for (const [name, value] of shown) {
      const row = panel.insertRow();
      row.insertCell().textContent = name;
      row.insertCell().textContent = value;
    }
  });
});
"""


def explore_blocks(result: ExploreResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of an exploration."""
    fronts = [name for name in figures if name.startswith("front")]
    return [
        *(paragraph(text, kind="lead") for text in recommendation_texts(result)),
        paragraph(outcome_text(result)),
        *(paragraph(finding_text(reference, result)) for reference in result.references),
        *(paragraph(f"{name} could not be run: {error}") for name, error in result.reference_failures.items()),
        paragraph(_reading(result)),
        drawn_block(figures, *fronts),
        '<section class="clicked">',
        heading("The design that was clicked"),
        '<div class="scroll"><table id="design"><tbody><tr><td>Click a point in a figure above.</td></tr>',
        "</tbody></table></div></section>",
        _script(result, fronts),
        heading("All designs"),
        drawn_block(figures, "parallel"),
        heading("Which parameters matter"),
        paragraph(
            "Share of the variance of each objective's logarithm that a parameter explains alone (adjusted correlation "
            "ratio); what parameters do only together is not in it. An adaptive sampler looks mostly at good designs, "
            "so its shares say what matters among those."
        ),
        drawn_block(figures, "importance"),
        heading("The front"),
        _front_table(result),
        *_failures(result),
    ]


def explore_figures(result: ExploreResult) -> dict[str, Drawn]:
    """By name: the fronts, all designs, which parameters matter."""
    fronts = {name: Drawn(figure=figure, note=_thinned(result)) for name, figure in _fronts(result)}
    return {
        **fronts,
        "parallel": Drawn(figure=parallel_figure(result), wide=True),
        "importance": Drawn(figure=importance_figure(result), wide=True),
    }


def _reading(result: ExploreResult) -> str:
    file = result.space.file
    over = {"mean": "arithmetic mean", "geometric_mean": "geometric mean", "worst": "worst"}[file.over]
    zero = ", of what may be 0 the arithmetic one" if file.over == "geometric_mean" else ""
    one = {"workloads": "one inference of", "scenarios": "a run of the scenario"}
    kinds = [
        f"the {over} over {len(names)} {kind}{zero}" if len(names) > 1 else f"{one[kind]} {names[0]}"
        for kind, names in (("workloads", file.workloads), ("scenarios", file.scenarios))
        if names
    ]
    return (
        f"Each value is {', or '.join(kinds)}, unless its name says otherwise. "
        f"Sampler {file.sampler.name}, seed {file.sampler.seed}. "
        f"Area is that of MACs, registers, buffers and vector units, without wiring and control. "
        f"Conditions: {'; '.join(file.conditions) or 'none'}."
    )


def _fronts(result: ExploreResult) -> list[tuple[str, Figure]]:
    """The first objective against every other one, and against the area where that is known."""
    names = [objective.name for objective in result.objectives]
    others = names[1:]
    if "area_mm2" not in names and all("area_mm2" in design.metrics for design in result.designs):
        others.append("area_mm2")
    return [(f"front{place}", front_figure(result, names[0], other)) for place, other in enumerate(others or names)]


def drawn_designs(result: ExploreResult) -> list[DesignResult]:
    """The designs that are points of the figures: the front, and of the others up to `MAX_OTHERS`, evenly chosen."""
    on_front = {design.number for design in result.front}
    others = [design.number for design in result.designs if design.number not in on_front]
    step = max(1, -(-len(others) // MAX_OTHERS))
    chosen = on_front | set(others[::step])
    return [design for design in result.designs if design.number in chosen]


def _thinned(result: ExploreResult) -> str:
    drawn = len(drawn_designs(result))
    if drawn == len(result.designs):
        return ""
    return f"Thinned out: the front and others, {drawn} of {len(result.designs)} designs; designs.csv holds them all."


def front_figure(result: ExploreResult, y: str, x: str) -> Figure:
    """The designs, the front marked, and the references."""
    on_front = {design.number for design in result.front}
    drawn = drawn_designs(result)
    traces: list[Trace] = []
    groups = (
        ("designs", [d for d in drawn if d.number not in on_front], GREY, "circle", 6),
        ("front", list(result.front), BLUE, "diamond", 10),
    )
    places = {design.number: place for place, design in enumerate(drawn)}
    axes = {name: axis(name, [all_of(design)[name] for design in drawn]) for name in (x, y)}

    def at(values: Mapping[str, float], name: str) -> float:
        return values[name] / axes[name][0]

    for name, designs, colour, symbol, size in groups:
        traces.append(
            scatter(
                name=name,
                mode="markers",
                x=[at(all_of(design), x) for design in designs],
                y=[at(all_of(design), y) for design in designs],
                customdata=[places[design.number] for design in designs],
                text=[_hover(design, result) for design in designs],
                marker={"color": colour, "symbol": symbol, "size": size},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    colours = looks(reference.name for reference in result.references)
    drawn_at = {letter: [value for trace in traces for value in trace[letter]] for letter in "xy"}
    limits = [_limits(values) for values in drawn_at.values()]
    middle = (min(drawn_at["x"], default=0.0) + max(drawn_at["x"], default=0.0)) / 2
    for place, reference in enumerate(result.references):
        values = all_of(reference)
        if x in values and y in values:
            own = [at(values, name) for name in (x, y)]
            kept = [min(max(value, low), high) for value, (low, high) in zip(own, limits, strict=True)]
            label = shown(reference.name)
            if kept != own:
                label += f" ({metric_text(x, values[x])}, {metric_text(y, values[y])})"
            traces.append(
                scatter(
                    name=shown(reference.name),
                    mode="markers+text",
                    x=[kept[0]],
                    y=[kept[1]],
                    customdata=[len(drawn) + place],
                    text=[label],
                    textposition=f"{('top', 'bottom')[place % 2]} {'left' if kept[0] > middle else 'right'}",
                    marker={"color": colours[reference.name].colour, "symbol": _symbol(own, kept), "size": 14},
                    hovertemplate=f"{shown(reference.name)}<br>{own[0]:.4g}, {own[1]:.4g}<extra></extra>",
                )
            )
    return figure(_front_finding(result, y, x), axes[x][1], axes[y][1], traces)


REFERENCE_ROOM = 1.0
"""How far beyond the designs, in widths of what they take of an axis, a reference still has its own place: a choice."""


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Where a reference is drawn at most; a single design squeezes nobody."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    room = REFERENCE_ROOM * (high - low) or math.inf
    return low - room, high + room


def _symbol(at: Sequence[float], kept: Sequence[float]) -> str:
    """A star in its place, an arrow's head towards the place of what lies beyond the limits."""
    across = "" if at[0] == kept[0] else "right" if at[0] > kept[0] else "left"
    along = "" if at[1] == kept[1] else "up" if at[1] > kept[1] else "down"
    if across and along:
        return f"triangle-{'n' if along == 'up' else 's'}{'e' if across == 'right' else 'w'}"
    return f"triangle-{across or along}" if across or along else "star"


def _front_finding(result: ExploreResult, y: str, x: str) -> str:
    """The ends of the front in two metrics; with a reference, how the front's best design in `y` compares with it."""
    front = [all_of(design) for design in result.front]
    front = [values for values in front if x in values and y in values]
    names = [metric_words(name) for name in (y, x)]
    if not front:
        return f"No design of the front has {names[0]} and {names[1]}"
    best = {objective.name: max if objective.direction == "maximize" else min for objective in result.objectives}
    chosen = best.get(y, min)(range(len(front)), key=lambda place: front[place][y])
    text = f"Best {names[0]} on the front: {metric_text(y, front[chosen][y])} at {metric_text(x, front[chosen][x])}"
    for reference in result.references:
        values = all_of(reference)
        if values.get(x) and values.get(y):
            shares = [front[chosen][name] / values[name] for name in (y, x)]
            return f"{text}, {shares[0]:.2g} and {shares[1]:.2g} times {reference.name}'s {names[0]} and {names[1]}"
    return text


def _hover(design: DesignResult, result: ExploreResult) -> str:
    values = all_of(design)
    metrics = [f"{name}: {metric_text(name, values[name])}" for name in columns(result) if name in values]
    parameters = [f"{name}: {value}" for name, value in design.parameters.items()]
    return lines(f"design {design.number}", *metrics, *parameters)


def _script(result: ExploreResult, figures: Sequence[str]) -> str:
    """What a click shows: each design as pairs of text, then each reference."""
    pairs = [
        [
            ["design", str(design.number)],
            *([name, str(value)] for name, value in design.parameters.items()),
            *([name, metric_text(name, value)] for name, value in all_of(design).items()),
        ]
        for design in drawn_designs(result)
    ]
    for reference in result.references:
        values = all_of(reference)
        pairs.append([["system", reference.name], *([name, metric_text(name, v)] for name, v in values.items())])
    clicks = CLICK % json_line(list(figures), spaced=True)
    return f"<script>\n{{ const designs = {script_json(pairs)};\n{clicks} }}\n</script>"


def importance_figure(result: ExploreResult) -> Figure:
    """The share of each objective's variance that each parameter explains alone."""
    traces: list[Trace] = []
    names = [parameter.name for parameter in reversed(result.space.parameters)]
    for place, objective in enumerate(result.objectives):
        shares = result.importance[objective.name]
        traces.append(
            bar(
                name=shown(objective.name),
                orientation="h",
                y=[shown(name) for name in names],
                x=[shares.get(name) for name in names],
                text=[percent_text(shares[name]) if name in shares else "" for name in names],
                marker={"color": COLOURS[(4 + place) % len(COLOURS)]},
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            )
        )
    share = {"title": "share of variance explained alone (1 = all)", "range": [0, 1.1]}
    return figure(_importance_finding(result), share, categories("parameter"), traces, barmode="group")


def _importance_finding(result: ExploreResult) -> str:
    found = {(name, metric): share for metric, shares in result.importance.items() for name, share in shares.items()}
    if not found:
        return "Nothing varies enough to say which parameters matter"
    name, metric = max(found, key=found.__getitem__)
    share = percent_text(found[name, metric])
    return f"{name} explains most: {share} of the variance of {metric_words(metric)}"


def _front_table(result: ExploreResult) -> str:
    names = columns(result)
    parameters = [parameter.name for parameter in result.space.parameters]
    rows = []
    for design in result.front:
        cells = metric_cells(design, names)
        chosen = [setting_text(design.parameters[name], exact=True) for name in parameters]
        rows.append((str(design.number), *cells, *chosen, f"{design_folder(design)}/system.yaml"))
    return table_block(("design", *names, *parameters, "file"), rows, numeric=("design", *names))


def _failures(result: ExploreResult) -> list[str]:
    failed = [outcome for outcome in result.outcomes if outcome.state == "failed"]
    if not failed:
        return []
    rows = [(str(outcome.number), outcome.detail) for outcome in failed[:50]]
    return [heading(f"Failed designs ({len(failed)})"), table_block(("design", "error"), rows)]


EXPLORATION = Report(
    table=explore_tables,
    figures=explore_figures,
    title=lambda result: f"Exploration of {result.space.file.name}",
    blocks=explore_blocks,
    data=explore_summary,
    rows=designs_csv,
    rows_file="designs.csv",
    more=front_files,
)
