"""The report of a decision as one page."""

from mensa_sim.report.decide.figures import decide_figures
from mensa_sim.report.decide.files import (
    certainty_text,
    decide_data,
    decide_tables,
    measured_sheet,
    standings_sheet,
    tried_csv,
    tried_text,
    turns_sheet,
    verdict_text,
)
from mensa_sim.report.page.drawn import Drawn, drawn_block
from mensa_sim.report.page.page import heading, list_block, paragraph, sheet_block, table_block
from mensa_sim.report.page.quantities import factor_text, setting_text
from mensa_sim.report.page.report import Report
from mensa_sim.study.decide.result import DecideResult

EVERYTHING = ("what", "on", "now", "otherwise", "lead", "best then", "source")


def decide_title(result: DecideResult) -> str:
    """The question."""
    return f"Which is better: {' or '.join(each.system for each in result.standings)}?"


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
    title=decide_title,
    blocks=decide_blocks,
    data=decide_data,
    rows=tried_csv,
    rows_file="tried.csv",
)
