"""Saying what is being done: lines with `-v`, one passing line on a terminal, nothing in a pipe."""

import logging
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from mensa_sim.io.progress import Progress, progress_text, silent
from mensa_sim.study.request.fields import counts_of

if TYPE_CHECKING:
    from rich.progress import Progress as Shown

Request = TypeVar("Request")
OURS = logging.getLogger("mensa_sim")


class Lines(logging.Handler):
    """Every step on a line of standard error, with the seconds since the command began."""

    def __init__(self) -> None:
        super().__init__()
        self._start_s = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one step; a note is written by `Notes`."""
        if record.levelno >= logging.WARNING:
            return
        sys.stderr.write(f"[{time.monotonic() - self._start_s:6.2f} s] {record.getMessage()}\n")


class Passing(logging.Handler):
    """The present step alone, on one line of the terminal that the next one takes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one step over the one before; a note is written by `Notes`."""
        if record.levelno >= logging.WARNING:
            return
        _show(record.getMessage())


class Notes(logging.Handler):
    """What a user should know beside the result, on a line of standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one note."""
        if record.levelno >= logging.WARNING:
            clear()
            sys.stderr.write(f"mensa-sim: note: {record.getMessage()}\n")


_shown: "Shown | None" = None
"""The passing line, while there is one."""


def _show(text: str, done: int = 0, total: int | None = None) -> None:
    """Puts a text on the passing line; where it is known how much there is to do, a bar and the time left behind it."""
    global _shown
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Shown

    if _shown is None:
        bar = [BarColumn(), TimeRemainingColumn()] if total else []
        _shown = Shown(
            TextColumn("{task.description}", markup=False),
            *bar,
            console=Console(stderr=True, highlight=False),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            speed_estimate_period=600,
        )
        _shown.start()
        _shown.add_task("", total=total)
    _shown.update(_shown.task_ids[0], description=text, completed=done, total=total, refresh=True)


def _can_pass() -> bool:
    """Whether standard error is a terminal that can take a line back."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def clear() -> None:
    """Takes the passing line away, before anything else is printed."""
    global _shown
    if _shown is not None:
        _shown.stop()
        _shown = None


def counting(request: Request, *, quiet: bool) -> Request:
    """The request, whose work is counted as it goes on."""
    asked: Any = request
    told: Request = replace(asked, progress=counted(counts_of(type(asked)), quiet=quiet))
    return told


def counted(noun: str, *, quiet: bool) -> Progress:
    """Counts what work tells of: on the passing line of a terminal, on lines of one that has none; not in a pipe."""
    if quiet or not sys.stderr.isatty():
        return silent
    if not _can_pass():
        return _plain(noun)

    def line(done: int, total: int | None, last: str) -> None:
        _show(progress_text(noun, done, total, last), done, total)
        if done == total:
            clear()

    return line


PLAIN_EVERY_S = 2.0
"""Between plain lines: a choice."""


def _plain(noun: str) -> Progress:
    """Lines that stay: the first, then not more than one in a while, and the last."""
    before_s = -math.inf

    def line(done: int, total: int | None, last: str) -> None:
        nonlocal before_s
        now_s = time.monotonic()
        if now_s - before_s >= PLAIN_EVERY_S or done == total:
            before_s = now_s
            sys.stderr.write(f"{progress_text(noun, done, total, last)}\n")

    return line


@contextmanager
def told(*, verbose: bool, passing: bool, notes: bool) -> Iterator[None]:
    """Shows the steps of what runs inside, all of them or the present one on a terminal, and what should be known."""
    steps: logging.Handler | None = Lines() if verbose else Passing() if passing and _can_pass() else None
    handlers = [Notes() if notes else logging.NullHandler(), *([steps] if steps else [])]
    level = OURS.level
    for handler in handlers:
        OURS.addHandler(handler)
    OURS.setLevel(logging.INFO if steps else level)
    try:
        yield
    finally:
        clear()
        for handler in handlers:
            OURS.removeHandler(handler)
        OURS.setLevel(level)
