"""What an array of numpy holds, for annotations; and records of arrays, of which all have one axis in common."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import is_not
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

Record = TypeVar("Record")

_DENSE = 4
"""Kinds for each of some numbers up to which these are not sorted: a choice."""
_LARGEST = int(np.iinfo(np.int64).max)


def changed(record: Record, change: Callable[[Any], Any], but: Collection[str] = ()) -> Record:
    """A record with another form of all its arrays, those in tuples, mappings and further records included.

    Fields of the names in `but` are left as they are; what holds no array is the same object.
    """
    found: Any = record
    kind: Any = type(found)
    if isinstance(found, np.ndarray):
        found = change(found)
    elif kind is tuple or isinstance(found, dict):
        own: Any = found.values() if isinstance(found, dict) else found
        new = [changed(each, change, but) for each in own]
        if any(map(is_not, new, own)):
            found = dict(zip(found, new, strict=True)) if isinstance(found, dict) else tuple(new)
    elif names := _names(kind):
        own = [getattr(found, name) for name in names]
        new = [each if name in but else changed(each, change, but) for name, each in zip(names, own, strict=True)]
        if any(map(is_not, new, own)):
            found = kind(**dict(zip(names, new, strict=True)))
    same: Record = found
    return same


@cache
def _names(record: type) -> tuple[str, ...]:
    """The fields of a kind of record; none of what is no record."""
    return tuple(each.name for each in fields(record) if each.init) if is_dataclass(record) else ()


def picked(record: Record, which: npt.NDArray[Any]) -> Record:
    """Some rows of all arrays of a record."""
    return changed(record, lambda values: values[which])


def joined(records: Sequence[Record]) -> Record:
    """Records of the same form, the rows of their arrays one behind another."""
    first: Any = records[0]
    some: Sequence[Any] = records
    if isinstance(first, np.ndarray):
        first = np.concatenate(some)
    elif type(first) is tuple:
        first = tuple(joined(each) for each in zip(*some, strict=True))
    elif isinstance(first, dict):
        first = {key: joined([each[key] for each in some]) for key in first}
    else:
        kind: Any = type(first)
        first = kind(**{name: joined([getattr(each, name) for each in some]) for name in _names(kind)})
    found: Record = first
    return found


def spans(starts: Places, lengths: Places) -> tuple[Places, Places]:
    """Runs of whole numbers one behind another: to which run each belongs, and the numbers.

    >>> [each.tolist() for each in spans(np.array([5, 0]), np.array([2, 3]))]
    [[0, 0, 1, 1, 1], [5, 6, 0, 1, 2]]
    """
    run = np.repeat(np.arange(len(lengths)), lengths)
    return run, np.arange(len(run)) + (starts - (np.cumsum(lengths) - lengths))[run]


def numbered(values: Places, kinds: int) -> tuple[Places, Places]:
    """The whole numbers below `kinds` that there are among some, in rising order, and the place of each in them.

    >>> [each.tolist() for each in numbered(np.array([7, 2, 7]), 8)]
    [[2, 7], [1, 0, 1]]
    """
    if kinds > _DENSE * len(values):
        return np.unique(values, return_inverse=True)
    there = np.zeros(kinds, dtype=bool)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]  # without sorting


def distinct(columns: Sequence[Places]) -> tuple[Places, Places]:
    """Of rows, given by their columns of whole numbers from 0, the first of each kind, and the kind of each.

    >>> [each.tolist() for each in distinct([np.array([1, 0, 1]), np.array([2, 5, 2])])]
    [[1, 0], [1, 0, 1]]
    """
    key: Places = np.zeros(len(columns[0]), dtype=np.int64)
    kinds = 1
    for column in columns:
        own = int(column.max(initial=0)) + 1
        if kinds * own > _LARGEST:
            key, column = (np.unique(each, return_inverse=True)[1] for each in (key, column))
            kinds, own = int(key.max(initial=0)) + 1, int(column.max(initial=0)) + 1
        key, kinds = key * own + column, kinds * own
    values, key = numbered(key, kinds)
    first = np.empty(len(values), dtype=np.intp)
    first[key[::-1]] = np.arange(len(key))[::-1]  # the last written of a kind stays; `return_index` takes twice as long
    return first, key
