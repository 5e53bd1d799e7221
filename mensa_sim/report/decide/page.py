"""The report of a decision: in words and tables, as one page, in summary.json and tried.csv."""

from operator import attrgetter

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.lookup import both
from mensa_sim.objective import objective_named
from mensa_sim.report.decide.figures import decide_figures, world_share
from mensa_sim.report.page.figure import Drawn
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import drawn_block, heading, list_block, paragraph, sheet_block, table_block
from mensa_sim.report.page.products import objective_text
from mensa_sim.report.page.quantities import energy_text, factor_text, percent_text, setting_text, time_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.report.sensitivity.page import joint_record
from mensa_sim.study.decide.result import DecideResult, Tried

EVEN = 0.005
"""Systems nearer to each other than this are as good as each other: a choice, what a third digit shows."""


def verdict_text(result: DecideResult) -> str:
    """Which is better, by how much, and in how many worlds."""
    title = objective_named(result.objective).title
    count = len(result.shares)
    over = next(iter(result.shares)) if count == 1 else f"{count} workloads"
    if result.lead - 1 < EVEN:
        return f"{result.best} and {result.runner_up} are as good as each other on {over} in {title}."
    return (
        f"{result.best} is better than {result.runner_up} on {over}: {factor_text(result.lead)} less {title}, each "
        f"with its best schedule; it is the best in {world_share(result)} of the drawn worlds."
    )


def certainty_text(result: DecideResult) -> str:
    """How far the lead goes over the worlds, and what that rests on."""
    sure, lead = result.certain, result.interval
    low, median, high = map(factor_text, (lead.low, lead.median, lead.high))
    return (
        f"{result.worlds} worlds: {len(result.draws)} draws of the choices that need a run, each at {result.prices} "
        f"draws of all prices, seed {result.seed}. In the middle 90 % of them {result.best} is {low} to "
        f"{high} as good as the best of the others (median {median}). So few draws leave open a share of "
        f"{percent_text(sure.share_low)} to {percent_text(sure.share_high)} (95 % confidence)."
    )


def tried_text(result: DecideResult) -> str:
    """What was tried one at a time, and how much of it turns the decision."""
    names: dict[str, set[str]] = {"price": set(), "choice": set(), "field": set()}
    for each in result.tried:
        names[each.kind].add(f"{each.name} {each.systems}")
    words = {"price": "prices of the technology", "choice": "stated choices", "field": "fields of the systems"}
    tried = both([f"{len(names[kind])} {word}" for kind, word in words.items() if names[kind]])
    turning = len({(each.name, each.systems) for each in result.turns})
    if not turning:
        return f"One at a time, {tried} were tried: none turns the decision."
    return f"One at a time, {tried} were tried: {turning} of them turn{'s' if turning == 1 else ''} the decision."


SHOWN_TURNS = 12
"""Turns that a terminal shows."""


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


def standings_sheet(result: DecideResult) -> Sheet:
    """Each system against the first, above 1 is better, and how often it is the best."""
    rows = [
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
    columns = numbers(f"gain in {_objective(result)}", "energy efficiency", "speed", "best in", "with 95 % confidence")
    title = f"mean over workloads, times better than {result.standings[0].system}"
    return Sheet([*texts("system"), *columns], rows, title=title)


def _objective(result: DecideResult) -> str:
    return objective_named(result.objective).title


def measured_sheet(result: DecideResult) -> Sheet:
    """Every workload on every system as taken, workload by workload."""
    rows = [
        (
            each.workload,
            percent_text(result.shares[each.workload]),
            each.system,
            time_text(each.latency_ps),
            energy_text(each.energy_pj),
            objective_text(result.objective, each.value),
            known_text(each.gap, lambda gap: percent_text(max(0.0, gap))),
        )
        for name in result.shares
        for each in result.measured
        if each.workload == name
    ]
    columns = numbers("latency", "energy", _objective(result), "above the bound")
    return Sheet([*texts("workload", "share", "system"), *columns], rows, title="one inference, as taken")


def turns_sheet(result: DecideResult, most: int | None = None) -> Sheet:
    """What turns the decision, the widest turns first."""
    rows = [
        (
            each.name,
            ", ".join(each.systems),
            setting_text(each.taken),
            setting_text(each.turns_at),
            each.best,
            factor_text(each.lead),
        )
        for each in result.turns[:most]
    ]
    return Sheet([*texts("what", "on", "now", "turns at", "then"), *numbers("lead at the end")], rows)


def decide_tables(result: DecideResult) -> RenderableType:
    """Everything that the command prints."""
    parts: list[RenderableType] = [verdict_text(result), "", standings_sheet(result), "", measured_sheet(result), ""]
    parts += [certainty_text(result), "", tried_text(result)]
    if result.turns:
        parts.append(turns_sheet(result, SHOWN_TURNS))
    if len(result.turns) > SHOWN_TURNS:
        parts.append(f"... and {len(result.turns) - SHOWN_TURNS} more turns; the report has all of them")
    parts += [f"left out: {each}" for each in result.left_out]
    return Group(*parts)


EVERYTHING = ("what", "on", "now", "otherwise", "lead", "best then", "source")


def decide_blocks(result: DecideResult, figures: dict[str, Drawn]) -> list[str]:
    """The report of a decision."""
    everything = [
        (
            each.name,
            ", ".join(each.systems),
            setting_text(each.taken),
            setting_text(each.setting),
            factor_text(each.lead),
            each.best,
            each.source,
        )
        for each in result.tried
    ]
    blocks = [
        paragraph(verdict_text(result), kind="lead"),
        sheet_block(standings_sheet(result)),
        paragraph(
            f"Times better than {result.standings[0].system}; weighted geometric means over workloads, so that the "
            "order of the systems does not depend on which of them is the first."
        ),
        drawn_block(figures, "worlds", "workloads"),
        paragraph(certainty_text(result)),
        heading("Where it turns"),
        paragraph(tried_text(result)),
        sheet_block(turns_sheet(result)) if result.turns else "",
        drawn_block(figures, "moving"),
        heading("As taken"),
        sheet_block(measured_sheet(result)),
        heading("Everything that was tried"),
        table_block(EVERYTHING, everything, numeric=("lead",), name="tried"),
        *([heading("Left out", level=3), list_block(result.left_out)] if result.left_out else []),
    ]
    return [block for block in blocks if block]


DECISION = Report(
    table=decide_tables,
    figures=decide_figures,
    title=lambda result: f"Which is better: {' or '.join(each.system for each in result.standings)}?",
    blocks=decide_blocks,
    data=decide_data,
    rows=tried_csv,
    rows_file="tried.csv",
)
