"""How work that takes long tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int | None, str], None]
"""Told how much is done, of how much (none where nobody knows), and what was done last (empty before the first)."""


def progress_text(noun: str, done: int, total: int | None, last: str) -> str:
    """What is counted, how much of it is done, of how much, and what was done last.

    >>> progress_text("models run", 3, 24, "lstm"), progress_text("designs run", 3, None, "")
    ('models run: 3 of 24 (lstm)', 'designs run: 3')
    """
    return f"{noun}: {done}{'' if total is None else f' of {total}'}{f' ({last})' if last else ''}"


def silent(done: int, total: int | None, last: str) -> None:
    """Tells nobody."""
