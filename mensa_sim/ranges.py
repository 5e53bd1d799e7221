"""The ranges that numbers of a record keep to, each in one wording.

A number that is absent (none) keeps to all of them; one that stands beside its source counts by its `value`.
"""

import sys
from collections.abc import Callable

_LARGEST = sys.float_info.max
"""A whole number above it has no place among the floats."""


def at_least(minimum: float, record: object, *names: str, label: str = "") -> None:
    """Refuses fields that are below a minimum; `label` is what a message calls the record."""
    _refuse(record, names, label, lambda value: value >= minimum, f"at least {minimum}")


def within(low: float, high: float, record: object, *names: str, label: str = "") -> None:
    """Refuses fields that are below one number or above another."""
    _refuse(record, names, label, lambda value: low <= value <= high, f"from {low} to {high}")


def positive(record: object, *names: str, label: str = "") -> None:
    """Refuses fields that are 0, negative or not finite."""
    _refuse(record, names, label, lambda value: 0 < value <= _LARGEST, "positive and finite")


def not_negative(record: object, *names: str, label: str = "") -> None:
    """Refuses fields that are negative or not finite."""
    _refuse(record, names, label, lambda value: 0 <= value <= _LARGEST, "finite and not negative")


def share(record: object, *names: str, label: str = "") -> None:
    """Refuses fields that are no part of a whole, or nothing of it."""
    _refuse(record, names, label, lambda value: 0 < value <= 1, "above 0 and at most 1")


def _refuse(record: object, names: tuple[str, ...], label: str, keeps: Callable[[float], bool], wanted: str) -> None:
    for name in names:
        field = getattr(record, name)
        value = getattr(field, "value", field)
        if value is not None and not keeps(value):
            raise ValueError(f"{label}{': ' if label else ''}{name} is {value}, must be {wanted}")
