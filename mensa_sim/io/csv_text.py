"""The one writer of CSV: a header, values as JSON writes them, nothing where a value is unknown."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from operator import attrgetter

from mensa_sim.io.json_text import keyed


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table as text, lines ended by a newline.

    An unknown value (none, or a float that is not finite) is empty, a truth value `true` or `false`, several texts in
    one cell are joined by `+`, a float has the shortest form that reads back equal.

    >>> csv_text(("name", "share", "fused"), [("a, b", 0.1, ("relu", "add")), ("c", None, ())])
    'name,share,fused\\n"a, b",0.1,relu+add\\nc,,\\n'
    """
    return csv_lines([header, *rows])


def csv_of(names: Sequence[str], records: Iterable[object]) -> str:
    """A row for each record, of the fields that `picked` would take under these names."""
    paths = keyed(names)
    cells = [attrgetter(path) for path in paths.values()]
    return csv_text(list(paths), ([cell(each) for cell in cells] for each in records))


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows without a header, as `csv_text` writes them."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "+".join(map(str, value)) if isinstance(value, tuple) else value
