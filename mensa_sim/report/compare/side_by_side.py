"""What every comparison shows alike: its table, its page, and marks that tell the systems apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.report.page.colours import looks
from mensa_sim.report.page.figure import Drawn, Trace, scatter, shown
from mensa_sim.report.page.page import drawn_block, paragraph, table_block
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.compare.compare import CompareResult, ScenarioCompareResult

RowTexts = Sequence[tuple[str, ...]]


def marks(values: Mapping[str, Mapping[str, float]], unit: str) -> list[Trace]:
    """By system, a mark over each name that it has a value for."""
    return [
        scatter(
            mode="markers",
            name=shown(system),
            x=list(map(shown, values[system])),
            y=list(values[system].values()),
            marker={"color": look.colour, "symbol": look.symbol, "size": 11},
            hovertemplate=f"{shown(system)}, %{{x}}: %{{y:.3g}} {unit}<extra></extra>",
        )
        for system, look in looks(values).items()
    ]


def systems_tables(
    title: str, lead: str, systems: Sequence[str], rows: RowTexts, notes: Sequence[str]
) -> RenderableType:
    """The lead, one row a quantity and one column a system, and what a reader must know."""
    return Group(lead, "", Sheet([*texts(""), *numbers(*systems)], rows, title=title), *notes)


def systems_title(result: CompareResult | ScenarioCompareResult) -> str:
    """What was run on how many."""
    return f"{result.workload} on {len(result.systems)} systems"


def systems_blocks(
    lead: str, reading: str, systems: Sequence[str], rows: RowTexts, notes: Sequence[str], figures: dict[str, Drawn]
) -> list[str]:
    """The same as parts of a page, with the figures; `reading` says what the table is of."""
    table = table_block(("", *systems), rows, numeric=systems)
    return [
        *(paragraph(lead, kind="lead"), paragraph(reading), table, *map(paragraph, notes)),
        drawn_block(figures, *figures),
    ]


def flat_csv(entries: Sequence[Mapping[str, Any]]) -> str:
    """A row for each entry, nested values by dotted name."""
    rows = [dict(_flat(entry)) for entry in entries]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text(names, ([row.get(name) for name in names] for row in rows))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
