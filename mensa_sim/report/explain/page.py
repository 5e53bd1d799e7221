"""An explained layer: what it costs everywhere, what each level holds and moves where it runs; moves of a schedule."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter

from rich.console import Group, RenderableType

from mensa_sim.io.csv_text import csv_text
from mensa_sim.io.json_text import present
from mensa_sim.report.explain.levels import fixed_text, gap_text, levels_figure, use_sheet, use_tables
from mensa_sim.report.page.figure import Drawn
from mensa_sim.report.page.page import drawn_block, heading, paragraph, sheet_block
from mensa_sim.report.page.quantities import bytes_text, energy_text, percent_text, time_text
from mensa_sim.report.page.report import Report
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.report.trace.layers import caveats_text
from mensa_sim.study.explain.explain import ExplainResult, Move, Place


def explanation_tables(found: ExplainResult) -> RenderableType:
    """The layer on every accelerator, the runner-up and what it would need."""
    unit = "" if found.unit == found.layer else f", with its group {found.unit}"
    title = f"{found.layer}{unit}: on {found.accelerator} ({found.reason})"
    refused = [f"{place.accelerator} cannot: {place.refusal}" for place in found.places if place.refusal is not None]
    lines = [] if found.runner_up is None else [f"runner-up: {found.runner_up}{_margin(found)}"]
    caveats = caveats_text(*found.places)
    use = [] if found.use is None else ["", *use_tables(found.use)]
    return Group(title, places_sheet(found), *refused, "", *lines, found.to_change, *said_of(found), *caveats, *use)


def said_of(found: ExplainResult) -> list[str]:
    """What is said of the layer where it runs, a sentence each."""
    widths = "bits of an element: " + ", ".join(f"{operand} {bits}" for operand, bits in found.widths.items())
    return [text for text in (found.runs, found.output, widths) if text]


def places_sheet(found: ExplainResult) -> Sheet:
    """What the layer costs on every accelerator; where it runs is said."""
    columns = numbers("time", "energy", "copies: time", "copies: energy")
    rows = [_place_cells(place, found.accelerator) for place in found.places]
    return Sheet([*texts("accelerator"), *columns, *texts("bound")], rows)


def _place_cells(place: Place, chosen: str) -> tuple[str, ...]:
    if place.refusal is not None:
        return (place.accelerator, *"-----")
    return (
        place.accelerator + (" (here)" if place.accelerator == chosen else ""),
        time_text(place.latency_ps),
        energy_text(place.energy_pj),
        time_text(place.copies_ps),
        energy_text(place.copies_pj),
        place.bound,
    )


def _margin(found: ExplainResult) -> str:
    if found.margin is None:
        return ""
    side = "above" if found.margin >= 0 else "below"
    return f", the schedule's value {percent_text(abs(found.margin))} {side} the present one with it"


def moves_table(moves: Sequence[Move]) -> RenderableType:
    """Every hand-over between accelerators, with its reason."""
    if not moves:
        return "no layer reads what another accelerator made"
    columns = [*texts("read by", "hand-over"), *numbers("bytes"), *texts("why")]
    rows = [
        (move.consumer, f"{move.source} > {move.target}", bytes_text(move.size_bytes), move.reason) for move in moves
    ]
    table = Sheet(columns, rows)
    return Group(f"{len(moves)} tensors are read on another accelerator than they were made on", table)


def explanation_data(found: ExplainResult, moves: Sequence[Move]) -> dict[str, object]:
    """The explanation as plain values; what a place does not have is absent."""
    record = present(asdict(found))
    del record["command"]
    record["places"] = [
        {name: value for name, value in asdict(place).items() if value not in (None, ())} for place in found.places
    ]
    if found.use is not None:
        record["use"] = present(asdict(found.use)) | {"levels": [present(asdict(use)) for use in found.use.levels]}
    return record | moves_data(moves)


def places_csv(found: ExplainResult) -> str:
    """One row for each accelerator: what the layer costs there."""
    figures = ("latency_ps", "energy_pj", "copies_ps", "copies_pj", "bound", "value", "refusal")
    rows = ((p.accelerator, p.accelerator == found.accelerator, *attrgetter(*figures)(p)) for p in found.places)
    return csv_text(("accelerator", "here", *figures), rows)


def moves_data(moves: Sequence[Move]) -> dict[str, object]:
    """The moves as plain values."""
    return {"moves": [asdict(move) for move in moves]}


HELD = "Beside a bar: what the level holds of the operand at a time, of the room of one instance."


def explain_figures(found: ExplainResult) -> dict[str, Drawn]:
    """By name; empty where the layer has no mapping."""
    return {} if found.use is None else {"levels": Drawn(figure=levels_figure(found.use), note=HELD, wide=True)}


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
    title=lambda found: f"{found.layer} on {found.accelerator}",
    blocks=explain_blocks,
    data=lambda found: explanation_data(found, ()),
    rows=places_csv,
)
