"""Showing tables and lines, and writing text for scripts."""

import sys
from collections.abc import Iterable
from pathlib import Path

from mensa_sim.cli.steps import clear

COLUMNS = 80
"""Every table fits so many columns."""


def show(what: object) -> None:
    """Print tables or a line on standard output; a terminal narrower than a table wraps it, no figure is cut."""
    from rich.console import Console

    clear()
    console = Console(highlight=False)
    console.width = max(console.width, COLUMNS)
    console.print(what, soft_wrap=isinstance(what, str), markup=False)


def show_results(folder: Path, files: Iterable[str]) -> None:
    """Where the results are, and what they are called."""
    show(f"\nresults in {folder}:\n  {', '.join(sorted(files))}")


def write(text: str) -> None:
    """Write text as it is, for scripts."""
    clear()
    sys.stdout.write(text)
