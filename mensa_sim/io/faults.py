"""What is wrong with a field, in words that say what to write instead."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mensa_sim.lookup import nearest
from mensa_sim.records import dataclass

Location = tuple[str | int, ...]

_NUMBER_LIKE = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[xX][0-9a-fA-F]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a file: where, and what to do about it."""

    location: Location
    message: str

    def text(self, lines: Mapping[Location, int]) -> str:
        """The fault as a line; the nearest enclosing field that has a line number lends it."""
        where = field_path(self.location)
        place = self.location
        while place and place not in lines:
            place = place[:-1]
        line = f" (line {lines[place]})" if place else ""
        return f"{where}: {self.message}{line}" if where else self.message


def field_path(location: Location) -> str:
    """A location as users write it.

    >>> field_path(("dataflow", "axes", 0, "size"))
    'dataflow.axes[0].size'
    """
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def faults_of(errors: Iterable[Any], data: object, kind: type[Any]) -> list[Fault]:
    """The faults behind pydantic's error list for `[data]` read as a one-record tuple of `kind`.

    Several complaints about one field are the alternatives of a union: they become one fault.
    """
    messages: dict[Location, list[str]] = {}
    for error in errors:
        location = _real_location(error["loc"][1:], data)
        message = _message(error, location, kind)
        found = messages.setdefault(location, [])
        if message not in found:
            found.append(message)
    return [Fault(location=place, message=", or ".join(found)) for place, found in messages.items()]


def _real_location(parts: Sequence[str | int], data: object) -> Location:
    """The parts that name fields: pydantic adds the names of union members and `[key]` marks."""
    location: list[str | int] = []
    here = data
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if isinstance(here, Mapping) and str(part) in here:
            here = here[str(part)]
            location.append(str(part))
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            location.append(part)
        elif last and isinstance(here, Mapping) and not str(part).startswith("["):
            location.append(part)
    return tuple(location)


def _message(error: Any, location: Location, kind: type[Any]) -> str:
    given = error["input"]
    match error["type"]:
        case "missing":
            return "is required"
        case "unexpected_keyword_argument":
            return _unknown_key(str(location[-1]) if location else "", _keys_at(kind, location[:-1]))
        case "value_error":
            return str(error["ctx"]["error"])
        case "literal_error" | "enum":
            return f"must be {error['ctx']['expected']}, not {_shown(given)}"
        case "int_type" | "int_from_float":
            return f"must be a whole number, not {_shown(given)}{_number_hint(given, whole=True)}"
        case "int_parsing" | "float_parsing":
            return f"must be a number, not {_shown(given)}"
        case "float_type":
            return f"must be a number, not {_shown(given)}{_number_hint(given, whole=False)}"
        case "string_type":
            hint = "; put it in quotes" if isinstance(given, int | float) else ""
            return f"must be text, not {_shown(given)}{hint}"
        case "bool_type":
            return f"must be true or false, not {_shown(given)}"
        case "tuple_type" | "list_type":
            return f"must be a list, not {_shown(given)}"
        case "dataclass_type" | "dict_type" | "mapping_type":
            keys = ", ".join(_keys_at(kind, location))
            return f"must be a mapping{f' with the keys {keys}' if keys else ''}, not {_shown(given)}"
        case _:
            text = str(error["msg"])
            return text[:1].lower() + text[1:]


def _unknown_key(key: str, keys: Sequence[str]) -> str:
    near = nearest(key, keys)
    hint = "" if near is None else f"did you mean {near}? "
    return f"unknown key; {hint}the keys are {', '.join(keys) or 'none'}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return f"the text {text[:60]}" if isinstance(value, str) else f"the number {text}"


def _number_hint(value: object, *, whole: bool) -> str:
    """How to write the number that was meant: YAML 1.1 wants a point and a signed exponent."""
    if isinstance(value, str) and _NUMBER_LIKE.fullmatch(value):
        try:
            number = float(int(value, 16)) if value[:2].lower() == "0x" else float(value.replace("_", ""))
        except (ValueError, OverflowError):
            return ""
        if whole and number.is_integer() and abs(number) < 1e18:
            return f"; write {int(number)}"
        return f"; write {_yaml_float(number)}" if not whole and abs(number) < float("inf") else ""
    if whole and isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        return f"; write {int(value)}"
    return ""


def _yaml_float(number: float) -> str:
    text = repr(number)
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+03d}"


def _keys_at(kind: type[Any], location: Location) -> tuple[str, ...]:
    """The keys that a record allows at a place: those of every dataclass that may stand there."""
    candidates: list[Any] = [kind]
    for part in location:
        candidates = [inner for outer in candidates for inner in _inside(outer, part)]
    keys = [
        field.name
        for candidate in _flattened(candidates)
        if dataclasses.is_dataclass(candidate)
        for field in dataclasses.fields(candidate)
        if field.init
    ]
    return tuple(dict.fromkeys(keys))


def _flattened(candidates: Iterable[Any]) -> list[Any]:
    """The candidates with unions and annotations opened."""
    found: list[Any] = []
    for candidate in candidates:
        origin = typing.get_origin(candidate)
        if origin in (typing.Union, types.UnionType):
            found.extend(_flattened(typing.get_args(candidate)))
        elif origin is typing.Annotated:
            found.extend(_flattened(typing.get_args(candidate)[:1]))
        else:
            found.append(candidate)
    return found


def _inside(candidate: Any, part: str | int) -> list[Any]:
    """The types that stand at one key or index of a type."""
    found: list[Any] = []
    for outer in _flattened([candidate]):
        arguments = typing.get_args(outer)
        if dataclasses.is_dataclass(outer) and isinstance(outer, type):
            names = {field.name for field in dataclasses.fields(outer)}
            found.extend([typing.get_type_hints(outer)[part]] if part in names else [])
        elif isinstance(part, int):
            found.extend(argument for argument in arguments if argument is not Ellipsis)
        elif len(arguments) == 2:
            found.append(arguments[1])
    return found
