"""Showing tables and lines, and writing text for scripts; what a terminal's encoding has no sign for is spelled."""

import codecs
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mensa_sim.cli.steps import clear

LEAST_COLUMNS = 80
"""A terminal that is narrower wraps lines itself; tables and texts are laid out for so many columns."""


def show(what: Any) -> None:
    """Print tables or a line on standard output.

    A terminal's width is used, and names fold where it is too narrow for a table; in a pipe every row is one line.
    """
    from rich.console import Console

    from mensa_sim.report.page.sheet import widest

    clear()
    console = Console(highlight=False)
    console.width = max(console.width, LEAST_COLUMNS)
    if not console.is_terminal:
        console.width = max(LEAST_COLUMNS, widest(what))
    console.print(what, soft_wrap=isinstance(what, str), markup=False)


def show_results(folder: Path, files: Iterable[str]) -> None:
    """Where the results are, and what they are called."""
    show(f"\nresults in {folder}:\n  {', '.join(sorted(files))}")


def write(text: str) -> None:
    """Write text as it is, for scripts."""
    clear()
    sys.stdout.write(text)


SPELLED = "mensa_sim.spelled"
"""The name of the error handler, for a stream's `errors`."""

_SPELLINGS = {"µ": "u", "×": "x", "²": "2", "³": "3", "…": "~", "±": "+-", "·": ".", "─": "-", "│": "|"}


def spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """The signs that an encoding lacks, as signs that every encoding has.

    >>> codecs.register_error(SPELLED, spelled)
    >>> "525 µs, 6 mm², 名".encode("ascii", errors=SPELLED)
    b'525 us, 6 mm2, ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELLINGS.get(sign, "?") for sign in missing), error.end


codecs.register_error(SPELLED, spelled)
