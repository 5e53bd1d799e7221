"""The report of a sensitivity study: a tornado for each headline, and the intervals of the joint draws."""

from collections.abc import Callable, Mapping, Sequence

from mensa_sim.report.page.colours import BLUE, INK, ORANGE, VERMILION, pattern
from mensa_sim.report.page.drawn import Drawn, drawn_block
from mensa_sim.report.page.figure import Figure, bar, figure, ranges, scatter, upright
from mensa_sim.report.page.page import heading, paragraph, table_block
from mensa_sim.report.page.report import Report
from mensa_sim.report.reproduce.tables import number_text
from mensa_sim.report.sensitivity.files import (
    headline_name,
    ranked,
    runs_text,
    sensitivity_data,
    sensitivity_tables,
    swing_text,
    swings_csv,
)
from mensa_sim.study.sensitivity.sensitivity import SensitivityResult
from mensa_sim.study.sensitivity.swings import Headline

BARS = 16
"""Choices in a tornado; those that move less are in the table."""
PARITY = upright(1, color=INK, dash="dot")
"""Where both systems are as good."""


def sensitivity_blocks(result: SensitivityResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a sensitivity study."""
    return [
        paragraph(runs_text(result)),
        drawn_block(figures, "intervals"),
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
    sure = sum(result.intervals[headline].low > 1 for headline in result.headlines)
    title = f"{sure} of {len(result.headlines)} headlines stay above 1 in 95 % of the joint draws"
    x = {"title": "ratio, mean over models", "type": "log", "tickvals": [0.2, 0.5, 1, 2, 5, 10, 20]}
    return figure(title, x, {"title": "headline", "autorange": "reversed"}, traces, shapes=[PARITY])


def tornado(result: SensitivityResult, headline: Headline) -> Figure:
    """The choices that move a headline most, each from the value as taken to the other one."""
    nominal = result.nominal[headline]
    moving = [swing for swing in ranked(result, headline) if abs(swing.values[headline] / nominal - 1) > 1e-3][:BARS]
    widest = f", most on {moving[0].choice}: {number_text(moving[0].values[headline])}" if moving else ""
    title = f"{headline_name(headline)}: {number_text(nominal)} as taken{widest}"
    moved = [(f"{swing.choice}: {swing.setting}", swing.values[headline]) for swing in moving]
    x = "ratio, mean over models; the dotted line is 1"
    return from_taken(
        *(title, x, "choice: setting", nominal, moved),
        lambda values: {"customdata": values, "hovertemplate": "%{y}: %{customdata:.3g}<extra></extra>"},
    )


def from_taken(
    title: str,
    x: str,
    y: str,
    taken: float,
    moved: Sequence[tuple[str, float]],
    said: Callable[[list[float]], Mapping[str, object]],
) -> Figure:
    """Bars from a ratio as taken to what it is otherwise, by label, what moves it most first; `said` beside them."""
    traces = [
        bar(
            name=name,
            orientation="h",
            base=taken,
            x=[value - taken for _, value in own],
            y=[label for label, _ in own],
            marker={"color": colour, "pattern": pattern(shape)},
            **said([value for _, value in own]),
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
    return figure(title, x, {"title": y, **order}, traces, barmode="overlay", shapes=[PARITY])


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
    return table_block(header, [taken, *rows], numeric=header[1:-1])


SENSITIVITY = Report(
    table=sensitivity_tables,
    figures=sensitivity_figures,
    title=lambda _: "What the conclusion hangs on",
    blocks=sensitivity_blocks,
    data=sensitivity_data,
    rows=swings_csv,
    rows_file="swings.csv",
)
