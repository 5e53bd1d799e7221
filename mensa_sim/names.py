"""What may stand as a name in a file: names become folders and lines of tables, wherever the file came from."""

from collections import Counter
from collections.abc import Iterable

MAX_CHARACTERS = 100
_FORBIDDEN = '/\\:*?"<>|'


def check_folder_name(name: str) -> None:
    """Refuses, with a `ValueError`, a name that a results folder cannot carry on every system.

    >>> check_folder_name("../../elsewhere")
    Traceback (most recent call last):
    ValueError: name '../../elsewhere' cannot name a results folder
    """
    if len(name) > MAX_CHARACTERS:
        raise ValueError(f"name has {len(name)} characters, at most {MAX_CHARACTERS} can name a results folder")
    if not name.strip(" .") or not name.isprintable() or any(mark in name for mark in _FORBIDDEN):
        raise ValueError(f"name {name!r} cannot name a results folder")


def repeated(names: Iterable[str]) -> tuple[str, ...]:
    """Those that stand more than once, each once, in the order in which they first stand there.

    >>> repeated(["b", "a", "b", "c", "a"])
    ('b', 'a')
    """
    return tuple(name for name, times in Counter(names).items() if times > 1)
