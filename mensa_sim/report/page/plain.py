"""The report of a study that is a finding, figures and tables: a terminal and a page show the same of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.csv_text import csv_of
from mensa_sim.io.json_text import picked, present
from mensa_sim.records import dataclass
from mensa_sim.report.page.figure import Drawn
from mensa_sim.report.page.output_folder import provenance_summary
from mensa_sim.report.page.page import drawn_block, heading, list_block, paragraph, sheet_block
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet
from mensa_sim.study.run.provenance import Provenance

Made = TypeVar("Made", bound=Provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyText:
    """What a study says beside its figures."""

    finding: str
    sheets: Mapping[str, Sheet]
    """By the heading above them."""
    notes: Sequence[str] = ()
    """Lines below them."""


def plain_report(
    *,
    title: str,
    told: Callable[[Made], StudyText],
    figures: Callable[[Made], dict[str, Drawn]],
    row_fields: Sequence[str],
    records: Callable[[Made], Iterable[object]],
    rows_name: str = "rows",
    data: Callable[[Made], Mapping[str, object]] = lambda _: {},
) -> Report[Made]:
    """A report whose page has the title; records are rows of the data frame, and stand in summary.json below `data`.

    An unknown value is absent there.
    """

    def tables(result: Made) -> RenderableType:
        said = told(result)
        parts = [part for head, sheet in said.sheets.items() for part in (Text(), Text(head, style="bold"), sheet)]
        return Group(Text(said.finding), *parts, Text(), *map(Text, said.notes))

    def blocks(result: Made, drawn: dict[str, Drawn]) -> Iterator[str]:
        said = told(result)
        yield paragraph(said.finding, kind="lead")
        yield drawn_block(drawn, *drawn)
        for place, (head, sheet) in enumerate(said.sheets.items()):
            yield from (heading(head), sheet_block(sheet, f"table-{place}"))
        if said.notes:
            yield from (heading("Notes"), list_block(said.notes))

    def summary(result: Made) -> dict[str, object]:
        rows = [present(picked(each, *row_fields)) for each in records(result)]
        return {**data(result), rows_name: rows, **provenance_summary(result)}

    return Report(
        table=tables,
        figures=figures,
        title=lambda _: title,
        blocks=blocks,
        data=summary,
        rows=lambda result: csv_of(row_fields, records(result)),
    )
