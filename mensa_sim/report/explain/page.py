"""report.html of an explained layer: what it costs everywhere, and what each level holds and moves where it runs."""

from collections.abc import Mapping

from mensa_sim.report.explain.explain import (
    explanation_json,
    explanation_tables,
    places_csv,
    places_sheet,
    said_of,
)
from mensa_sim.report.explain.levels import fixed_text, gap_text, levels_figure, use_sheet
from mensa_sim.report.page.drawn import Drawn, drawn_block
from mensa_sim.report.page.page import (
    heading,
    page,
    paragraph,
    provenance_block,
    sheet_block,
)
from mensa_sim.report.page.report import Report
from mensa_sim.study.explain.explain import ExplainResult
from mensa_sim.study.run.provenance import versions

HELD = "Beside a bar: what the level holds of the operand at a time, of the room of one instance."


def explain_figures(found: ExplainResult) -> dict[str, Drawn]:
    """By name; empty where the layer has no mapping."""
    return {} if found.use is None else {"levels": Drawn(figure=levels_figure(found.use), note=HELD, wide=True)}


def explanation_html(found: ExplainResult, versions: Mapping[str, str]) -> str:
    """The page; every text that came from a file is escaped."""
    blocks = [
        paragraph(f"{found.layer} runs on {found.accelerator}: {found.reason}; {found.to_change}.", kind="lead"),
        *(paragraph(f"{text[0].upper()}{text[1:]}.") for text in said_of(found)),
        heading("What it costs everywhere"),
        sheet_block(places_sheet(found)),
    ]
    if found.use is not None:
        use = found.use
        blocks += [
            heading("What each level holds and moves"),
            paragraph(f"Every tensor from and to memory: {use.mapping}; {gap_text(use)}."),
            *([paragraph(f"The mapping is {fixed_text(use)}.")] if use.fixed_in else []),
            drawn_block(explain_figures(found), "levels"),
            sheet_block(use_sheet(use)),
        ]
    return page(f"{found.layer} on {found.accelerator}", (*blocks, provenance_block(versions, {})))


EXPLANATION = Report(
    table=explanation_tables,
    figures=explain_figures,
    page=lambda found: explanation_html(found, versions()),
    summary=lambda found: explanation_json(found, ()),
    rows=places_csv,
)
