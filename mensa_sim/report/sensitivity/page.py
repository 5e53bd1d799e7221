"""The report of a sensitivity study: tables, summary.json and swings.csv; a tornado for each headline, joint draws."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Group

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked
from mensa_sim.report.page.colours import BLUE, ORANGE, PAPER, VERMILION, pattern
from mensa_sim.report.page.figure import PARITY, Drawn, Figure, bar, figure, ranges, scatter
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import drawn_block, heading, paragraph, table_block
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.report.reproduce.tables import number_text
from mensa_sim.study.decide.result import DecideResult
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult
from mensa_sim.study.sensitivity.swings import Headline, Swing

LARGEST = 6
"""Choices shown for each headline on the terminal."""


def headline_name(headline: Headline) -> str:
    """A headline in words."""
    quantity, system, against = headline
    return f"{quantity.replace('_', ' ')} of {system} against {against}"


def sensitivity_data(result: SensitivityResult) -> dict[str, object]:
    """The study as plain JSON values in a fixed order."""
    return {
        "headlines": [
            {
                **dict(zip(("quantity", "system", "against"), headline, strict=True)),
                "nominal": result.nominal[headline],
                **picked(result.intervals[headline], "low", "median", "high", "share_below_one=below_one"),
                "swings": [
                    {**picked(swing, "choice", "setting"), "value": swing.values[headline]}
                    for swing in ranked(result, headline)
                ],
                "flips": [
                    {**picked(swing, "choice", "setting"), "where": swing.flips[headline]}
                    for swing in result.swings
                    if headline in swing.flips
                ],
            }
            for headline in result.headlines
        ],
        "varied": [picked(swing, "choice", "taken", "setting", "source") for swing in result.swings],
        "joint": joint_record(result),
        **picked(result, "simulated", "repriced", "searched_anew=searched", "models"),
        **provenance_summary(result),
    }


def joint_record(result: SensitivityResult | DecideResult) -> dict[str, object]:
    """What was drawn together."""
    drawn = [dict(draw.chosen) for draw in result.draws]
    return {"runs": len(drawn), **picked(result, "prices_per_run=prices", "seed"), "drawn": drawn}


def ranked(result: SensitivityResult, headline: Headline) -> list[Swing]:
    """The swings that move a headline most first; equal ones in the order of the study."""
    nominal = result.nominal[headline]
    return sorted(result.swings, key=lambda swing: -_apart(swing.values[headline], nominal))


def _apart(value: float, nominal: float) -> float:
    return max(value / nominal, nominal / value)


def swings_csv(result: SensitivityResult) -> str:
    """swings.csv as text: one row for each other way to decide a choice."""
    return csv_text(
        ("choice", "taken", "setting", *("-".join(headline) for headline in result.headlines), "source"),
        (
            (each.choice, each.taken, each.setting, *map(each.values.__getitem__, result.headlines), each.source)
            for each in result.swings
        ),
    )


def lead_text(result: SensitivityResult) -> str:
    """The finding: what stays in the joint draws, what is least sure, and which choice alone turns something."""
    least = max(
        result.headlines, key=lambda headline: (_turned(result, headline), -_apart(result.nominal[headline], 1))
    )
    most = "".join(
        f", and hangs most on {swing.choice} ({number_text(swing.values[least])} with {swing.setting})"
        for swing in ranked(result, least)[:1]
    )
    turning = list(dict.fromkeys(swing.choice for swing in result.swings if swing.flips))
    return (
        f"{_sure_text(result)}. Least sure is {headline_name(least)}: {number_text(result.nominal[least])} as taken, "
        f"it is on the other side of 1 in {_turned(result, least):.0%} of the draws{most}. "
        f"Choices that alone turn which system is better: {', '.join(turning) or 'none'}."
    )


def _turned(result: SensitivityResult, headline: Headline) -> float:
    """The share of the joint draws in which the other system is better than as taken."""
    below = result.intervals[headline].below_one
    return below if result.nominal[headline] >= 1 else 1 - below


def _sure_text(result: SensitivityResult) -> str:
    sure = sum(_turned(result, headline) <= 0.05 for headline in result.headlines)
    return f"{sure} of {len(result.headlines)} headlines stay on their side of 1 in 95 % of the joint draws"


def runs_text(result: SensitivityResult) -> str:
    """How much was run, in plain words."""
    searched = ", ".join(f"{change:.1%} ({name})" for name, change in result.searched.items())
    return (
        f"{result.simulated} simulations of a model on a system, and {result.repriced} evaluations that only change "
        f"prices on the mappings of a run. Mappings searched anew at the far end of a price move a headline by "
        f"{searched}. Joint: {len(result.draws)} runs of drawn choices times {result.prices} draws of all prices and "
        f"of the mix of models, seed {result.seed}."
    )


def _intervals(result: SensitivityResult) -> Sheet:
    rows = []
    for headline in result.headlines:
        interval = result.intervals[headline]
        values = (result.nominal[headline], interval.low, interval.median, interval.high)
        rows.append((headline_name(headline), *map(number_text, values), f"{interval.below_one:.0%}"))
    columns = [*texts("mean over models"), *numbers("as taken", "5 %", "median", "95 %", "below 1")]
    return Sheet(columns, rows, title="headlines")


def _lines(result: SensitivityResult) -> Iterable[str]:
    for headline in result.headlines:
        yield f"\n{headline_name(headline)}, {number_text(result.nominal[headline])} as taken, hangs most on:"
        for swing in ranked(result, headline)[:LARGEST]:
            yield f"  {number_text(swing.values[headline])} with {swing_text(swing)}"
        flips = [swing for swing in result.swings if headline in swing.flips]
        if not flips:
            yield "  the better system stays the better one throughout"
        for swing in flips:
            yield f"  the better system changes: {swing.choice}, {swing.flips[headline]}"


def swing_text(swing: Swing) -> str:
    """A swing in words."""
    return f"{swing.choice}: {swing.setting} (taken: {swing.taken})"


BARS = 16
"""Choices in a tornado; those that move less are in the table."""


def sensitivity_blocks(result: SensitivityResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a sensitivity study."""
    return [
        paragraph(lead_text(result), kind="lead"),
        drawn_block(figures, "intervals"),
        paragraph(runs_text(result)),
        heading("One choice at a time"),
        drawn_block(figures, *(name for name in figures if name != "intervals")),
        heading("Where the better system changes"),
        _flips(result),
        heading("Every choice"),
        _table(result),
    ]


def sensitivity_figures(result: SensitivityResult) -> dict[str, Drawn]:
    """By name: the intervals, then a tornado for each headline."""
    tornadoes = {f"tornado-{place}": Drawn(figure=tornado(result, each)) for place, each in enumerate(result.headlines)}
    note = f"Above 1 {result.headlines[0][1]} is better."
    return {"intervals": Drawn(figure=intervals_figure(result), note=note, wide=True), **tornadoes}


def intervals_figure(result: SensitivityResult) -> Figure:
    """Each headline as taken, with the middle 90 % of the joint draws."""
    names = [headline_name(headline) for headline in result.headlines]
    drawn = [result.intervals[headline] for headline in result.headlines]
    traces = [
        ranges(
            "joint draws: median, 5 to 95 %",
            names,
            [each.low for each in drawn],
            [each.high for each in drawn],
            x=[each.median for each in drawn],
            marker={"color": BLUE, "size": 10},
        ),
        scatter(
            name="as taken",
            mode="markers",
            x=[result.nominal[headline] for headline in result.headlines],
            y=names,
            marker={"color": VERMILION, "symbol": "diamond", "size": 12},
        ),
    ]
    x = {"title": "ratio, mean over models", "type": "log", "tickvals": [0.2, 0.5, 1, 2, 5, 10, 20]}
    return figure(_sure_text(result), x, {"title": "headline", "autorange": "reversed"}, traces, shapes=[PARITY])


def tornado(result: SensitivityResult, headline: Headline) -> Figure:
    """The choices that move a headline most, each from the value as taken to the other one."""
    nominal = result.nominal[headline]
    moving = [swing for swing in ranked(result, headline) if abs(swing.values[headline] / nominal - 1) > 1e-3][:BARS]
    widest = f", most on {moving[0].choice}: {number_text(moving[0].values[headline])}" if moving else ""
    title = f"{headline_name(headline)}: {number_text(nominal)} as taken{widest}"
    moved = [(f"{swing.choice}: {swing.setting}", swing.values[headline]) for swing in moving]
    x = "ratio, mean over models; the dotted line is 1"
    return from_taken(title, x, "choice: setting", nominal, moved, number_text)


TEXT_ROOM, EDGE = 0.15, 0.02
"""Of an axis, for the text beside the longest bar, and at its other end: choices."""


def from_taken(
    title: str, x: str, y: str, taken: float, moved: Sequence[tuple[str, float]], text: Callable[[float], str]
) -> Figure:
    """Bars from a ratio as taken to what it is otherwise, by label, what moves it most first; values at their ends."""
    traces = [
        bar(
            name=name,
            orientation="h",
            base=taken,
            x=[value - taken for _, value in own],
            y=[label for label, _ in own],
            marker={"color": colour, "pattern": pattern(shape)},
            customdata=[text(value) for _, value in own],
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )
        for name, colour, shape, own in (
            ("lower", ORANGE, "/", [each for each in moved if each[1] < taken]),
            ("higher", BLUE, "", [each for each in moved if each[1] >= taken]),
        )
    ]
    order = {
        "categoryorder": "array",
        "categoryarray": [label for label, _ in reversed(moved)],
        "tickfont": {"size": 11},
    }
    ends = [1.0, taken, *(value for _, value in moved)]
    low, high = min(ends), max(ends)
    text_left = min((value for _, value in moved if value < taken), default=taken) - TEXT_ROOM * (high - low)
    axis = {"title": x, "range": [min(low - EDGE * (high - low), text_left), high + TEXT_ROOM * (high - low)]}
    values = [
        {
            "x": value,
            "y": label,
            "text": text(value),
            "xanchor": "left" if value >= taken else "right",
            "showarrow": False,
            "font": {"size": 11},
            "bgcolor": PAPER,
            "borderpad": 0,
        }
        for label, value in moved
    ]
    return figure(title, axis, {"title": y, **order}, traces, barmode="overlay", shapes=[PARITY], annotations=values)


def _flips(result: SensitivityResult) -> str:
    rows = [
        (headline_name(headline), swing_text(swing), swing.flips[headline])
        for headline in result.headlines
        for swing in result.swings
        if headline in swing.flips
    ]
    if not rows:
        return paragraph("Nowhere in the ranges varied, one choice at a time.")
    return table_block(("headline", "choice", "where"), rows)


def _table(result: SensitivityResult) -> str:
    header = ("choice", *(headline_name(headline) for headline in result.headlines), "source")
    taken = ("as taken", *(number_text(result.nominal[headline]) for headline in result.headlines), "")
    rows = [
        (swing_text(swing), *(number_text(swing.values[headline]) for headline in result.headlines), swing.source)
        for swing in result.swings
    ]
    return table_block(header, [taken, *rows], numeric=header[1:-1], name="choices")


SENSITIVITY = Report(
    table=lambda result: Group(lead_text(result), "", _intervals(result), "", runs_text(result), *_lines(result)),
    figures=sensitivity_figures,
    title=lambda _: "What the conclusion hangs on",
    blocks=sensitivity_blocks,
    data=sensitivity_data,
    rows=swings_csv,
    rows_file="swings.csv",
)
