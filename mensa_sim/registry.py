"""Looking a name up in a visible dictionary; a miss lists the choices."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from mensa_sim.errors import UnknownNameError

T = TypeVar("T")


def unknown_name(name: str, choices: Iterable[str], kind: str) -> UnknownNameError:
    """The error for a name that is not among the choices, with the nearest one first."""
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UnknownNameError(f"unknown {kind} {name!r}; {hint}choose from {', '.join(names) or 'nothing'}")


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry of that name.

    >>> lookup({"greedy": 1, "mensa": 2}, "mensa", "scheduler")
    2
    """
    if name not in table:
        raise unknown_name(name, table, kind)
    return table[name]
