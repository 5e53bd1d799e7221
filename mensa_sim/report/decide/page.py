"""The report of a decision as one page."""

from mensa_sim.report.decide.figures import decide_figures
from mensa_sim.report.decide.files import (
    decide_json,
    decide_tables,
    measured_sheet,
    standings_sheet,
    tried_csv,
    turns_sheet,
)
from mensa_sim.report.decide.words import certainty_text, tried_text, verdict_text
from mensa_sim.report.page.drawn import drawn_block
from mensa_sim.report.page.page import heading, list_block, page, paragraph, provenance_block, sheet_block, table_block
from mensa_sim.report.page.quantities import factor_text, setting_text
from mensa_sim.report.page.report import Report
from mensa_sim.study.decide.result import DecideResult

EVERYTHING = ("what", "on", "now", "otherwise", "lead", "best then", "source")


def decide_html(result: DecideResult) -> str:
    """The whole page."""
    figures = decide_figures(result)
    systems = " or ".join(each.system for each in result.standings)
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
        provenance_block(result.versions, result.inputs, result.command),
    ]
    return page(f"Which is better: {systems}?", [block for block in blocks if block])


DECISION = Report(
    table=decide_tables,
    figures=decide_figures,
    page=decide_html,
    summary=decide_json,
    rows=tried_csv,
    rows_file="tried.csv",
)
