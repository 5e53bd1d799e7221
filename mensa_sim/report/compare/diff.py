"""What `mensa-sim diff` prints."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mensa_sim.io.json_text import json_text, present
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.compare.diff import Change, Difference

SHOWN_CHANGES = 40
"""Changes of each kind that a terminal shows."""


def diff_json(difference: Difference) -> str:
    """A difference as JSON text."""
    record = {
        "before": difference.before,
        "after": difference.after,
        "inputs": [_change(change) for change in difference.inputs],
        "outputs": [_change(change) for change in difference.outputs],
    }
    return json_text(record)


def _change(change: Change) -> dict[str, object]:
    return present({"field": change.field, "before": change.before, "after": change.after, "ratio": change.ratio})


def diff_tables(difference: Difference) -> RenderableType:
    """What changed in what the results were made from, then in what came out."""
    if not difference.inputs and not difference.outputs:
        return Text(f"The same: {difference.compared} values compared.")
    parts: list[RenderableType] = []
    for title, changes in (("made from", difference.inputs), ("came out", difference.outputs)):
        if changes:
            parts += [*_changes(title, changes), Text()]
    if not difference.inputs:
        parts.append(
            Text("Other values from the same inputs, versions and settings: the results are not reproducible.")
        )
    elif not difference.outputs:
        parts.append(Text("Nothing changed in what came out."))
    return Group(*parts)


def _changes(title: str, changes: Sequence[Change]) -> list[RenderableType]:
    rows = [
        (
            change.field,
            _shown(change.before),
            _shown(change.after),
            "" if change.ratio is None else f"{change.ratio:.4g}x",
        )
        for change in changes[:SHOWN_CHANGES]
    ]
    columns = [*texts("field", "before", "after"), *numbers("after / before")]
    table = Sheet(columns, rows, title=f"{title}: {len(changes)} changed")
    more = len(changes) - SHOWN_CHANGES
    return [table, Text(f"... and {more} more; --json lists them all")] if more > 0 else [table]


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
