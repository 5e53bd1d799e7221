"""summary.json and tried.csv of a decision, and the tables that the command prints."""

from operator import attrgetter

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import json_text, picked, plain, present
from mensa_sim.objective import objective_named
from mensa_sim.report.decide.words import certainty_text, tried_text, verdict_text
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.products import objective_text
from mensa_sim.report.page.quantities import energy_text, factor_text, percent_text, setting_text, time_text
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.report.sensitivity.files import joint_record
from mensa_sim.study.decide.result import DecideResult, Tried

SHOWN_TURNS = 12
"""Turns that a terminal shows."""


def decide_json(result: DecideResult) -> str:
    """summary.json as text."""
    return json_text(decide_data(result))


def decide_data(result: DecideResult) -> dict[str, object]:
    """The decision as plain JSON values in a fixed order."""
    return {
        **picked(result, "objective", "best", "runner_up", "lead", "lead_over_worlds=interval"),
        "workloads": [{"workload": name, "share": share} for name, share in result.shares.items()],
        **picked(result, "systems=standings"),
        "measured": [present(plain(each)) for each in result.measured],
        "turns": [_tried(each) for each in result.turns],
        "tried": [_tried(each) for each in result.tried],
        **picked(result, "left_out"),
        "joint": joint_record(result),
        **picked(result, "simulated"),
        **provenance_summary(result),
    }


def _tried(tried: Tried) -> dict[str, object]:
    return {**plain(tried), "turns": tried.turns}


def tried_csv(result: DecideResult) -> str:
    """tried.csv as text: one row for each thing decided otherwise."""
    header = ("kind", "name", "systems", "taken", "setting", "lead", "best", "turns_at", "source")
    rows = ((t.kind, t.name, " ".join(t.systems), *attrgetter(*header[3:])(t)) for t in result.tried)
    return csv_text(header, rows)


TextRows = list[tuple[str, ...]]

STANDINGS = ("system", "energy efficiency", "speed", "best in", "with 95 % confidence")


def standing_header(result: DecideResult) -> tuple[str, ...]:
    """Columns of the standings."""
    return (STANDINGS[0], objective_named(result.objective).title, *STANDINGS[1:])


def standing_rows(result: DecideResult) -> TextRows:
    """Each system against the first, above 1 is better, and how often it is the best."""
    return [
        (
            each.system,
            factor_text(each.ratio),
            factor_text(each.energy_efficiency),
            factor_text(each.speed),
            f"{percent_text(each.share)} of worlds",
            f"{percent_text(each.share_low)} to {percent_text(each.share_high)}",
        )
        for each in result.standings
    ]


SINGLE_RUNS = ("workload", "share", "system", "latency", "energy", "above the bound")


def measured_header(result: DecideResult) -> tuple[str, ...]:
    """Columns of the single runs."""
    return (*SINGLE_RUNS[:-1], objective_named(result.objective).title, SINGLE_RUNS[-1])


def measured_rows(result: DecideResult) -> TextRows:
    """Every workload on every system as taken, workload by workload."""
    return [
        (
            each.workload,
            percent_text(result.shares[each.workload]),
            each.system,
            time_text(each.latency_ps),
            energy_text(each.energy_pj),
            objective_text(result.objective, each.value),
            "-" if each.gap is None else percent_text(max(0.0, each.gap)),
        )
        for name in result.shares
        for each in result.measured
        if each.workload == name
    ]


TURNS = ("what", "on", "now", "turns at", "then", "lead at the end")


def turn_rows(result: DecideResult) -> TextRows:
    """What turns the decision, the widest turns first."""
    return [
        (
            each.name,
            ", ".join(each.systems),
            setting_text(each.taken),
            setting_text(each.turns_at),
            each.best,
            factor_text(each.lead),
        )
        for each in result.turns
    ]


def decide_tables(result: DecideResult) -> RenderableType:
    """Everything that the command prints."""
    first = result.standings[0].system
    header, measured = standing_header(result), measured_header(result)
    parts: list[RenderableType] = [
        verdict_text(result),
        "",
        Sheet(
            [*texts(header[0]), *numbers(*header[1:])],
            standing_rows(result),
            title=f"mean over workloads, times better than {first}",
        ),
        "",
        Sheet([*texts(*measured[:3]), *numbers(*measured[3:])], measured_rows(result), title="one inference, as taken"),
        "",
        certainty_text(result),
        "",
        tried_text(result),
    ]
    rows = turn_rows(result)
    if rows:
        parts.append(Sheet([*texts(*TURNS[:-1]), *numbers(TURNS[-1])], rows[:SHOWN_TURNS]))
    if len(rows) > SHOWN_TURNS:
        parts.append(f"... and {len(rows) - SHOWN_TURNS} more turns; the report has all of them")
    parts += [f"left out: {each}" for each in result.left_out]
    return Group(*parts)
