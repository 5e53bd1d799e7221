"""report.html of an explained layer: what it costs everywhere, and what each level holds and moves where it runs."""

from collections.abc import Iterator

from mensa_sim.report.explain.explain import explanation_data, explanation_tables, places_csv, places_sheet, said_of
from mensa_sim.report.explain.levels import fixed_text, gap_text, levels_figure, use_sheet
from mensa_sim.report.page.drawn import Drawn, drawn_block
from mensa_sim.report.page.page import heading, paragraph, provenance_block, sheet_block
from mensa_sim.report.page.report import Report
from mensa_sim.study.explain.explain import ExplainResult
from mensa_sim.study.run.provenance import versions

HELD = "Beside a bar: what the level holds of the operand at a time, of the room of one instance."


def explain_figures(found: ExplainResult) -> dict[str, Drawn]:
    """By name; empty where the layer has no mapping."""
    return {} if found.use is None else {"levels": Drawn(figure=levels_figure(found.use), note=HELD, wide=True)}


def explain_title(found: ExplainResult) -> str:
    """What runs where."""
    return f"{found.layer} on {found.accelerator}"


def explain_blocks(found: ExplainResult, figures: dict[str, Drawn]) -> Iterator[str]:
    """The report of an explained layer."""
    yield paragraph(f"{found.layer} runs on {found.accelerator}: {found.reason}; {found.to_change}.", kind="lead")
    yield from (paragraph(f"{text[0].upper()}{text[1:]}.") for text in said_of(found))
    yield heading("What it costs everywhere")
    yield sheet_block(places_sheet(found))
    if found.use is not None:
        use = found.use
        yield heading("What each level holds and moves")
        yield paragraph(f"Every tensor from and to memory: {use.mapping}; {gap_text(use)}.")
        if use.fixed_in:
            yield paragraph(f"The mapping is {fixed_text(use)}.")
        yield drawn_block(figures, "levels")
        yield sheet_block(use_sheet(use))


EXPLANATION = Report(
    table=explanation_tables,
    figures=explain_figures,
    title=explain_title,
    blocks=explain_blocks,
    data=lambda found: explanation_data(found, ()),
    rows=places_csv,
    made_from=lambda _: provenance_block(versions(), {}),
)
