"""Saying what is being done: lines with `-v`, one passing line on a terminal, nothing in a pipe."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("mensa_sim")
_CLEAR = "\r\033[K"
_WIDTH = 79


class Lines(logging.Handler):
    """Every step on a line of standard error, with the seconds since the command began."""

    def __init__(self) -> None:
        super().__init__()
        self._start_s = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one step."""
        sys.stderr.write(f"[{time.monotonic() - self._start_s:6.2f} s] {record.getMessage()}\n")


class Passing(logging.Handler):
    """The present step alone, on one line of the terminal that the next one takes."""

    shown = False

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one step over the one before."""
        Passing.shown = True
        sys.stderr.write(f"{_CLEAR}{record.getMessage()[:_WIDTH]}")
        sys.stderr.flush()


def clear() -> None:
    """Takes the passing line away, before anything else is printed."""
    if Passing.shown:
        Passing.shown = False
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


@contextmanager
def told(*, verbose: bool, passing: bool) -> Iterator[None]:
    """Shows the steps of what runs inside: all of them, or the present one where standard error is a terminal."""
    handler: logging.Handler | None = Lines() if verbose else Passing() if passing and sys.stderr.isatty() else None
    if handler is None:
        yield
        return
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        clear()
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
