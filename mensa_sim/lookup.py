"""Looking a name up in a visible dictionary; a miss lists the choices."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from mensa_sim.errors import UnknownNameError

T = TypeVar("T")


def nearest(name: str, choices: Sequence[str]) -> str | None:
    """The choice that was probably meant, whatever its case and whether parted by `-` or `_`; none that is near.

    >>> nearest("Mensa-G", ["edge_tpu", "mensa_g"])
    'mensa_g'
    """
    plain = {choice.casefold().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(name.casefold().replace("-", "_"), list(plain), n=1)
    return plain[found[0]] if found else None


def unknown_name(name: str, choices: Iterable[str], kind: str) -> UnknownNameError:
    """The error for a name that is not among the choices, with the nearest one first."""
    names = sorted(choices)
    near = nearest(name, names)
    hint = "" if near is None else f"did you mean {near!r}? "
    return UnknownNameError(f"unknown {kind} {name!r}; {hint}choose from {', '.join(names) or 'nothing'}")


def either(choices: Iterable[str]) -> str:
    """The choices in words.

    >>> either(["edp", "latency", "energy"])
    'edp, latency or energy'
    """
    *before, last = choices
    return f"{', '.join(before)} or {last}" if before else last


def both(names: Iterable[str]) -> str:
    """All of some names in words.

    >>> both(["pascal"]), both(["pascal", "pavlov", "jacquard"])
    ('pascal', 'pascal, pavlov and jacquard')
    """
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry of that name.

    >>> lookup({"greedy": 1, "mensa": 2}, "mensa", "scheduler")
    2
    """
    if name not in table:
        raise unknown_name(name, table, kind)
    return table[name]
