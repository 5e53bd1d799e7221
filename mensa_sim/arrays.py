"""What an array of numpy holds, for annotations; and records of arrays, of which all have one axis in common."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Record = TypeVar("Record")


def changed(record: Record, change: Callable[[Any], Any], but: Collection[str] = ()) -> Record:
    """A record with another form of all its arrays, those in tuples, mappings and further records included.

    Fields of the names in `but` are left as they are.
    """
    found: Any = record
    if isinstance(found, np.ndarray):
        found = change(found)
    elif type(found) is tuple:
        found = tuple(changed(each, change, but) for each in found)
    elif isinstance(found, dict):
        found = {key: changed(each, change, but) for key, each in found.items()}
    elif is_dataclass(found):
        own = {f.name: getattr(found, f.name) for f in fields(found) if f.init and f.name not in but}
        new = {name: each for name, old in own.items() if (each := changed(old, change, but)) is not old}
        found = replace(found, **new) if new else found  # type: ignore[type-var]
    same: Record = found
    return same


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
        first = replace(first, **{f.name: joined([getattr(each, f.name) for each in some]) for f in fields(first)})
    found: Record = first
    return found
