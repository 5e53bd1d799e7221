"""Changing single fields of a system before it is checked: `--set accelerators.pascal.clock_hz=1000000000`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.io.files import MAX_DEPTH
from mensa_sim.lookup import nearest, unknown_name

Raw = dict[str, Any]


def parse_override(text: str) -> tuple[tuple[str, ...], Any]:
    """The field and the value of `FIELD=VALUE`; a value that is not JSON is text.

    >>> parse_override("accelerators.pascal.clock_hz=1000000000")
    (('accelerators', 'pascal', 'clock_hz'), 1000000000)
    >>> parse_override("technology.sram_cell=itrs-hp")
    (('technology', 'sram_cell'), 'itrs-hp')
    """
    name, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in name.split("."))
    if not equals or not all(parts):
        raise UsageError(f"--set {text}: write FIELD=VALUE, as in accelerators.pascal.clock_hz=1000000000")
    return parts, _value(value.strip())


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        too_deep = _nests_too_deep(value)
    except RecursionError:
        too_deep = True
    except ValueError:
        return text
    if too_deep:
        raise UsageError(f"--set: {text[:40]}... is nested deeper than {MAX_DEPTH} levels")
    return value


def _nests_too_deep(data: Any) -> bool:
    """Whether plain data has more levels than a file may have."""
    level = [data]
    for _ in range(MAX_DEPTH):
        inner = [value for value in level if isinstance(value, list | dict)]
        level = [child for value in inner for child in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(value, list | dict) for value in level)


def _refuse_constant(text: str) -> Any:
    raise UsageError(f"--set: {text} is not a finite number")


def set_field(data: Any, parts: tuple[str, ...], value: Any, shown: str) -> None:
    """Sets one field of plain data in place.

    Missing mappings on the way are made, so that an optional block can be given field by field: the gate refuses
    what does not belong. A constant (`value` and `source`) takes a bare number as its value at the technology's node;
    its `value` alone stays one of the node that the constant names. Either way its source then says who set it.
    """
    for index, part in enumerate(parts[:-1]):
        data = _step(data, part, parts[: index + 1], shown)
    last = parts[-1]
    if isinstance(data, list):
        data[_index(data, last, shown)] = value
    elif not isinstance(data, dict):
        raise UsageError(f"{shown}: {'.'.join(parts[:-1])} has no fields")
    elif _is_constant(data.get(last)) and isinstance(value, int | float):
        data[last] = {"value": value, "source": f"set by the user: {shown}"}
    elif _is_constant(data) and last == "value":
        data |= {"value": value, "source": f"set by the user: {shown}"}
    else:
        data[last] = value


def _step(data: Any, part: str, way: tuple[str, ...], shown: str) -> Any:
    if isinstance(data, list):
        return data[_index(data, part, shown)]
    if isinstance(data, dict):
        if data.get(part) is None:
            data[part] = {}
        return data[part]
    raise UsageError(f"{shown}: {'.'.join(way[:-1])} has no fields")


def _index(data: list[Any], part: str, shown: str) -> int:
    if not part.isdecimal() or int(part) >= len(data):
        raise UsageError(f"{shown}: {part!r} is not one of the places 0 to {len(data) - 1}")
    return int(part)


def _is_constant(data: Any) -> bool:
    return isinstance(data, dict) and {"value", "source"} <= set(data)


def override_structure(system: Raw, accelerators: Mapping[str, Raw], overrides: Iterable[str]) -> None:
    """Applies in place, in order, the `FIELD=VALUE` texts that name fields of the system or of an accelerator.

    `system` is the system's file and `accelerators` holds each accelerator's file by name, in the system's order.
    `accelerators.NAME.FIELD` is a field of one accelerator, or `memory`, the memory it hangs on.
    """
    for text in overrides:
        parts, value = parse_override(text)
        shown = f"--set {text}"
        match parts:
            case ("technology", _, *_) | ("accelerators", _, "technology", _, *_):
                continue
            case ("accelerators", name, "memory"):
                _named(accelerators, name, shown)
                system["accelerators"][list(accelerators).index(name)]["memory"] = value
            case ("accelerators", name, first, *rest):
                set_field(_named(accelerators, name, shown), (first, *rest), value, shown)
            case ("memories", name, _, *_) if _misspelled(name, system["memories"]):
                raise UsageError(f"{shown}: {unknown_name(name, system['memories'], 'memory')}")
            case ("accelerators", *_) | ("technology",):
                raise UsageError(f"{shown}: name one field, as in accelerators.pascal.clock_hz=1000000000")
            case _:
                set_field(system, parts, value, shown)


def override_technologies(technologies: Mapping[str, Raw], overrides: Iterable[str]) -> None:
    """Applies in place, in order, the texts that name fields of technologies, given by accelerator.

    `technology.FIELD` is a field of all of them, `accelerators.NAME.technology.FIELD` of one.
    """
    for text in overrides:
        parts, value = parse_override(text)
        shown = f"--set {text}"
        match parts:
            case ("technology", first, *rest):
                for technology in technologies.values():
                    set_field(technology, (first, *rest), value, shown)
            case ("accelerators", name, "technology", first, *rest):
                set_field(_named(technologies, name, shown), (first, *rest), value, shown)


def _named(table: Mapping[str, Raw], name: str, shown: str) -> Raw:
    if name not in table:
        raise UsageError(f"{shown}: {unknown_name(name, table, 'accelerator')}")
    return table[name]


def _misspelled(name: str, table: Any) -> bool:
    """Whether a name is not in a mapping while one like it is; one unlike all others is a new entry."""
    return isinstance(table, dict) and name not in table and nearest(name, list(table)) is not None
