"""What changed between two results: first what they were made from, then what came out."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mensa_sim.errors import FileError
from mensa_sim.io.files import MAX_FILE_BYTES, bounded
from mensa_sim.io.json_text import parsed_json
from mensa_sim.records import dataclass

PlainValue = int | float | bool | str | None

MADE_FROM = (
    *("choices", "inputs", "versions", "seed", "workload", "workloads", "scenario", "scenarios", "space"),
    *("system", "scheduler", "objective", "policy", "over", "sampler", "points", "objectives"),
)
"""The top-level keys of a summary that say what a result was made from."""
NAMES = ("name", "system", "design", "quantity")
"""Keys by which the entries of a list are known, the first that each entry has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs; none on a side where the field is absent."""

    field: str
    before: PlainValue
    after: PlainValue

    @property
    def ratio(self) -> float | None:
        """After over before, of two numbers that allow it."""
        if isinstance(self.before, int | float) and isinstance(self.after, int | float) and self.before:
            if isinstance(self.before, bool) or isinstance(self.after, bool):
                return None
            ratio = self.after / self.before
            return ratio if math.isfinite(ratio) else None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two results: what they were made from, and what came out."""

    before: str
    after: str
    inputs: tuple[Change, ...]
    outputs: tuple[Change, ...]
    compared: int
    """Values that stand in either."""


def diff(before: Path, after: Path) -> Difference:
    """The difference of two results: folders with a summary.json, or JSON files themselves."""
    old, new = (dict(_values(_read(path), "")) for path in (before, after))
    fields = list(dict.fromkeys((*old, *new)))
    changes = [
        Change(field=name, before=old.get(name), after=new.get(name))
        for name in fields
        if (name in old) != (name in new) or not _same(old[name], new[name])
    ]
    made_from = [change for change in changes if _top(change.field) in MADE_FROM]
    return Difference(
        before=str(before),
        after=str(after),
        inputs=tuple(made_from),
        outputs=tuple(change for change in changes if _top(change.field) not in MADE_FROM),
        compared=len(fields),
    )


def _top(field: str) -> str:
    return field.split(".")[0].split("[")[0]


def _same(one: PlainValue, other: PlainValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _read(path: Path) -> Mapping[str, object]:
    file = path / "summary.json" if os.path.isdir(path) else path
    try:
        with file.open("rb") as stream:
            data = parsed_json(bounded(stream, file, MAX_FILE_BYTES))
    except FileNotFoundError as error:
        raise FileError(str(file), ["no such file; name the folder of a result, or its summary.json"]) from error
    except OSError as error:
        raise FileError(str(file), [f"cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise FileError(str(file), [f"is not JSON: {error}"]) from error
    if not isinstance(data, dict):
        raise FileError(str(file), ["is no result: the top level is not a mapping"])
    return data


def _values(data: object, field: str) -> Iterator[tuple[str, PlainValue]]:
    """Every single value with its field; entries of a list by their names where each has one of its own."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _values(value, f"{field}.{key}" if field else str(key))
    elif isinstance(data, list):
        for name, value in zip(_names(data), data, strict=True):
            yield from _values(value, f"{field}[{name}]")
    elif data is None or isinstance(data, int | float | bool | str):
        yield field, data


def _names(entries: list[object]) -> list[str]:
    for key in NAMES:
        names = [str(entry[key]) for entry in entries if isinstance(entry, Mapping) and key in entry]
        if len(names) == len(entries) == len(set(names)):
            return names
    return [str(place) for place in range(len(entries))]
