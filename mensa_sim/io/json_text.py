"""The one writer of JSON: keys in the order given, floats in the shortest form that reads back equal, never NaN."""

import json
from collections.abc import Mapping
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


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are known: an unknown one is absent from what we write.

    >>> present({"energy_pj": 1.0, "area_mm2": None})
    {'energy_pj': 1.0}
    """
    return {name: value for name, value in values.items() if value is not None}
