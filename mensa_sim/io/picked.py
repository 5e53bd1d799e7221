"""Fields of a record by name, as the files that we write have them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any


def picked(record: object, *names: str) -> dict[str, Any]:
    """Some fields as plain data, in the order given: `a.b` is the field of a field, `key=a` stands under another key.

    >>> picked(3 + 4j, "real", "imaginary=imag")
    {'real': 3.0, 'imaginary': 4.0}
    """
    parts = (name.rpartition("=") for name in names)
    return {key or path.rpartition(".")[2]: plain(attrgetter(path)(record)) for key, _, path in parts}


def plain(value: Any) -> Any:
    """What a value holds as dicts and lists: records, mappings and tuples to any depth.

    >>> plain(({"a": (1, 2)}, None))
    [{'a': [1, 2]}, None]
    """
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value
