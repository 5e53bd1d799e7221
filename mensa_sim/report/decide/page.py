"""The report of a decision as one page."""

from mensa_sim.report.decide.figures import decide_figures
from mensa_sim.report.decide.files import (
    TURNS,
    decide_json,
    decide_tables,
    measured_header,
    measured_rows,
    standing_header,
    standing_rows,
    tried_csv,
    turn_rows,
)
from mensa_sim.report.decide.words import certainty_text, tried_text, verdict_text
from mensa_sim.report.page.drawn import drawn_block
from mensa_sim.report.page.page import heading, list_block, page, paragraph, provenance_block, table_block
from mensa_sim.report.page.quantities import factor_text, setting_text
from mensa_sim.report.page.report import Report
from mensa_sim.study.decide.result import DecideResult

EVERYTHING = ("what", "on", "now", "otherwise", "lead", "best then", "source")


def decide_html(result: DecideResult) -> str:
    """The whole page."""
    figures = decide_figures(result)
    standings, measured = standing_header(result), measured_header(result)
    systems = " or ".join(each.system for each in result.standings)
    turns = turn_rows(result)
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
        table_block(standings, standing_rows(result), numeric=standings[1:]),
        paragraph(
            f"Times better than {result.standings[0].system}; weighted geometric means over workloads, so that the "
            "order of the systems does not depend on which of them is the first."
        ),
        drawn_block(figures, "worlds", "workloads"),
        paragraph(certainty_text(result)),
        heading("Where it turns"),
        paragraph(tried_text(result)),
        table_block(TURNS, turns, numeric=TURNS[-1:]) if turns else "",
        drawn_block(figures, "moving"),
        heading("As taken"),
        table_block(measured, measured_rows(result), numeric=measured[3:]),
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
