"""Looking a name up in a visible dictionary; a miss lists the choices."""

import difflib
import re
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


def named_or_matched(table: Mapping[str, T], names: Iterable[str]) -> dict[str, T]:
    """The entries of names, and of those that a key with `*` for any letters matches; a name of its own goes first.

    >>> named_or_matched({"a.*": 1, "a.up": 2}, ["a.up", "a.down", "b.up"])
    {'a.up': 2, 'a.down': 1}
    """
    patterns = {key: re.compile(".*".join(map(re.escape, key.split("*")))) for key in table if "*" in key}
    found = {}
    for name in names:
        keys = [name] if name in table else [key for key, pattern in patterns.items() if pattern.fullmatch(name)]
        if keys:
            found[name] = table[keys[-1]]
    return found


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """The entry of that name.

    >>> lookup({"greedy": 1, "mensa": 2}, "mensa", "scheduler")
    2
    """
    if name not in table:
        raise unknown_name(name, table, kind)
    return table[name]
