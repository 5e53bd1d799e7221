"""How work that takes long tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int | None, str], None]
"""Told how much is done, of how much (none where nobody knows), and what was done last (empty before the first)."""


def silent(done: int, total: int | None, last: str) -> None:
    """Tells nobody."""
