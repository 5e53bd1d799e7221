"""JSON, written and read, and records as it holds them: keys in their order, floats in the shortest form, never NaN."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any


def json_text(data: object) -> str:
    """Plain data as a file's text, indented, with a newline at its end; `ValueError` for a number that is not finite.

    >>> json_text({"latency_ps": 5, "share": 0.1})
    '{\\n  "latency_ps": 5,\\n  "share": 0.1\\n}\\n'
    """
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


def json_line(data: object, *, spaced: bool = False, sort_keys: bool = False) -> str:
    """Plain data in one line, `spaced` for people; `ValueError` for a number that is not finite.

    >>> json_line({"points": [1, 0.5]})
    '{"points":[1,0.5]}'
    """
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(data, separators=separators, allow_nan=False, sort_keys=sort_keys)


class UnfitJsonError(ValueError):
    """It is JSON, but holds what no file of ours may hold."""


def parsed_json(content: str | bytes) -> Any:
    """The plain data of a user's JSON.

    Raises `ValueError` for what is no JSON, `UnfitJsonError` for a number that is not finite, a whole number that has
    no place among the floats, as every quantity must have, and for nesting that no reader of ours could follow.
    """
    try:
        return json.loads(content, parse_constant=_not_finite, parse_float=_float, parse_int=_integer)
    except RecursionError as error:
        raise UnfitJsonError("it is nested too deep") from error


def _not_finite(text: str) -> float:
    raise UnfitJsonError(f"{text[:40]}{'...' * (len(text) > 40)} is not a finite number")


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _integer(text: str) -> int:
    _float(text)
    return int(text)


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are known: an unknown one is absent from what we write.

    >>> present({"energy_pj": 1.0, "area_mm2": None})
    {'energy_pj': 1.0}
    """
    return {name: value for name, value in values.items() if value is not None}


def picked(record: object, *names: str) -> dict[str, Any]:
    """Some fields as plain data, in the order given: `a.b` is the field of a field, `key=a` stands under another key.

    >>> picked(3 + 4j, "real", "imaginary=imag")
    {'real': 3.0, 'imaginary': 4.0}
    """
    return {key: plain(attrgetter(path)(record)) for key, path in keyed(names).items()}


def keyed(names: Iterable[str]) -> dict[str, str]:
    """Where each of some fields lies, by the key that `picked` gives it."""
    parts = (name.rpartition("=") for name in names)
    return {key or path.rpartition(".")[2]: path for key, _, path in parts}


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
