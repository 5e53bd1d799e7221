"""summary.json and swings.csv of a sensitivity study, and the tables that the command prints."""

from collections.abc import Iterable

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked
from mensa_sim.report.page.output_folder import provenance_summary
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


def runs_text(result: SensitivityResult) -> str:
    """How much was run, in plain words."""
    searched = ", ".join(f"{change:.1%} ({name})" for name, change in result.searched.items())
    return (
        f"{result.simulated} simulations of a model on a system, and {result.repriced} evaluations that only change "
        f"prices on the mappings of a run. Mappings searched anew at the far end of a price move a headline by "
        f"{searched}. Joint: {len(result.draws)} runs of drawn choices times {result.prices} draws of all prices and "
        f"of the mix of models, seed {result.seed}."
    )


def sensitivity_tables(result: SensitivityResult) -> RenderableType:
    """Everything that the command prints."""
    return Group(_intervals(result), "", runs_text(result), *_lines(result))


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
