"""Dotted names of fields of a system, and changing such a field before it is checked.

`--set`, the `set` of a system's file, the parameters and conditions of design spaces, experiments and fitted constants
name fields so: `accelerators.pascal.clock_hz`, `memories.lpddr4.efficiency`, `technology.vdd_v`, `links.0.latency_ps`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from mensa_sim.errors import UsageError
from mensa_sim.hardware.array.short_form import in_levels
from mensa_sim.io.files import Raw
from mensa_sim.io.json_text import UnfitJsonError, parsed_json
from mensa_sim.io.yaml_text import MAX_DEPTH
from mensa_sim.lookup import nearest, unknown_name
from mensa_sim.records import dataclass

Parts = tuple[str, ...]
"""A dotted name, cut at its dots."""

_AS_IN = "as in accelerators.pascal.clock_hz"


def parts_of(name: str, shown: str) -> Parts:
    """A dotted name cut at its dots; `shown` is what a message calls it.

    >>> parts_of("accelerators.pascal.clock_hz", "--set")
    ('accelerators', 'pascal', 'clock_hz')
    """
    parts = tuple(part.strip() for part in name.split("."))
    if len(parts) > MAX_DEPTH:
        raise UsageError(f"{shown[:40]}...: the name of a field has at most {MAX_DEPTH} parts, write it {_AS_IN}")
    if not all(parts):
        raise UsageError(f"{shown}: {name!r} is no name of a field; write it {_AS_IN}")
    return parts


def parse_override(text: str) -> tuple[Parts, Any]:
    """The field and the value of `FIELD=VALUE`; a value that is not JSON is text.

    >>> parse_override("accelerators.pascal.clock_hz=1000000000")
    (('accelerators', 'pascal', 'clock_hz'), 1000000000)
    >>> parse_override("technology.sram_cell=itrs-hp")
    (('technology', 'sram_cell'), 'itrs-hp')
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: write FIELD=VALUE, {_AS_IN}=1000000000")
    return parts_of(name, f"--set {text}"), _value(value.strip())


Owner = Literal["system", "accelerator", "placing", "technology"]
"""Whose file a field stands in; of `placing`, the memory that the system's file hangs an accelerator on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlace:
    """Where a dotted name leads: a file, and the way inside it."""

    owner: Owner
    accelerator: str | None = None
    """The one whose field or technology it is; none for the system, and for the technology of all accelerators."""
    inside: Parts


def place_of(parts: Parts, shown: str) -> FieldPlace:
    """Where a dotted name leads; `UsageError` where it names a whole accelerator or technology.

    >>> place_of(("accelerators", "pascal", "technology", "sram_cell"), "--set")
    FieldPlace(owner='technology', accelerator='pascal', inside=('sram_cell',))
    """
    match parts:
        case ("technology", _, *_):
            return FieldPlace(owner="technology", inside=parts[1:])
        case ("accelerators", name, "technology", _, *_):
            return FieldPlace(owner="technology", accelerator=name, inside=parts[3:])
        case ("accelerators", name, "memory"):
            return FieldPlace(owner="placing", accelerator=name, inside=("memory",))
        case ("accelerators", name, _, *_):
            return FieldPlace(owner="accelerator", accelerator=name, inside=in_levels(parts[2:]))
        case ("accelerators", *_) | ("technology",):
            raise UsageError(f"{shown}: name one field, {_AS_IN}")
        case _:
            return FieldPlace(owner="system", inside=parts)


def _value(text: str) -> Any:
    try:
        value = parsed_json(text)
    except UnfitJsonError as error:
        raise UsageError(f"--set: {text[:40]}: {error}") from error
    except ValueError:
        return text
    if _nests_too_deep(value):
        raise UsageError(f"--set: {text[:40]}... is nested deeper than {MAX_DEPTH} levels")
    return value


def _nests_too_deep(data: Any) -> bool:
    """Whether plain data has more levels than a file may have."""
    level = [data]
    for _ in range(MAX_DEPTH):
        inner = [value for value in level if isinstance(value, list | dict)]
        level = [child for value in inner for child in (value.values() if isinstance(value, dict) else value)]
    return any(isinstance(value, list | dict) for value in level)


def set_field(data: Any, parts: Parts, value: Any, shown: str) -> None:
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


def _step(data: Any, part: str, way: Parts, shown: str) -> Any:
    if isinstance(data, list):
        return data[_index(data, part, shown)]
    if isinstance(data, dict):
        if data.get(part) is None:
            data[part] = {}
        return data[part]
    raise UsageError(f"{shown}: {'.'.join(way[:-1])} has no fields")


def _index(data: list[Any], part: str, shown: str) -> int:
    """The place in a list by its number, or by the `name` of an entry: `levels.parameter_buffer`."""
    names = [entry.get("name") for entry in data if isinstance(entry, dict)]
    if part in names and len(names) == len(data):
        return names.index(part)
    if names and len(names) == len(data) and not part.isdecimal() and all(isinstance(name, str) for name in names):
        raise UsageError(f"{shown}: {unknown_name(part, [str(name) for name in names], 'entry')}")
    if not part.isdecimal() or int(part) >= len(data):
        raise UsageError(f"{shown}: {part!r} is not one of the places 0 to {len(data) - 1}")
    return int(part)


def _is_constant(data: Any) -> bool:
    return isinstance(data, dict) and {"value", "source"} <= set(data)


MISSING: Any = object()
"""What `field_at` finds where there is nothing."""


def field_at(data: Any, parts: Parts) -> Any:
    """What stands at a dotted name in plain data, or `MISSING`.

    >>> field_at({"links": [{"latency_ps": 7}]}, ("links", "0", "latency_ps")), field_at({}, ("host",)) is MISSING
    (7, True)
    """
    for part in parts:
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return MISSING
    return data


def override_structure(system: Raw, accelerators: Mapping[str, Raw], overrides: Sequence[str]) -> None:
    """Applies in place, in order, the `FIELD=VALUE` texts that name fields of the system or of an accelerator.

    `system` is the system's file and `accelerators` holds each accelerator's file by name, in the system's order.
    `accelerators.NAME.FIELD` is a field of one accelerator, or `memory`, the memory it hangs on. A memory is new where
    its `kind` is given too.
    """
    made = {
        parts[1] for parts, _ in map(parse_override, overrides) if parts[0] == "memories" and parts[2:] == ("kind",)
    }
    for text in overrides:
        shown = f"--set {text}"
        parts, value = parse_override(text)
        place = place_of(parts, shown)
        own = accelerators if place.accelerator is None else _named(accelerators, place.accelerator, shown)
        match place.owner:
            case "placing":
                system["accelerators"][list(accelerators).index(str(place.accelerator))]["memory"] = value
            case "accelerator":
                set_field(own, place.inside, value, shown)
            case "system":
                if parts[0] == "memories" and len(parts) > 2 and _is_no_name(parts[1], system["memories"], made):
                    raise UsageError(f"{shown}: {unknown_name(parts[1], system['memories'], 'memory')}")
                set_field(system, parts, value, shown)


def override_technologies(technologies: Mapping[str, Raw], overrides: Iterable[str]) -> None:
    """Applies in place, in order, the texts that name fields of technologies, given by accelerator.

    `technology.FIELD` is a field of all of them, `accelerators.NAME.technology.FIELD` of one.
    """
    for text in overrides:
        shown = f"--set {text}"
        parts, value = parse_override(text)
        place = place_of(parts, shown)
        if place.owner == "technology":
            name = place.accelerator
            for technology in technologies.values() if name is None else [_named(technologies, name, shown)]:
                set_field(technology, place.inside, value, shown)


def holds_place(system: Raw, accelerators: Iterable[str], text: str) -> bool:
    """Whether a system has what a `FIELD=VALUE` text speaks of: that accelerator, memory, link or block of its file."""
    parts, _ = parse_override(text)
    place = place_of(parts, f"--set {text}")
    if place.owner != "system":
        return place.accelerator is None or place.accelerator in accelerators
    return field_at(system, parts[: 2 if parts[0] in ("memories", "links") else 1]) not in (MISSING, None)


def _named(table: Mapping[str, Raw], name: str, shown: str) -> Raw:
    if name not in table:
        raise UsageError(f"{shown}: {unknown_name(name, table, 'accelerator')}")
    return table[name]


def _is_no_name(name: str, table: Any, made: Collection[str]) -> bool:
    """Whether a name is neither in a mapping nor among those made for it; one like another there is misspelled."""
    unknown = isinstance(table, dict) and name not in table
    return unknown and (name not in made or nearest(name, list(table)) is not None)
