"""The one gate through which every YAML file enters: strict reading, then the record itself as its schema.

PyYAML alone reads `1e9` as text, `010` as 8, `12:30` as 750 and `no` as false, keeps the last of two equal
keys and turns dates into objects. Here only `true`, `false`, `null` and decimal numbers are not text
(a `_` may stand between two digits: `1_000`, while `1__0` and `1_` are text);
equal keys, NaN, infinity, tags and oversized files are faults. Nothing in a file can run code.
"""

import math
import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from mensa_sim.errors import FileError, MensaError
from mensa_sim.io.faults import Fault, Location, faults_of
from mensa_sim.io.json_text import json_line

T = TypeVar("T")

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_NODES = 1_000_000
MAX_DEPTH = 64

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Raw = dict[str, Any]
"""The plain data of a file: its top level, whatever lies below."""

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WHOLE = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)"
_INTEGER = re.compile(_WHOLE)
_FRACTION = re.compile(_WHOLE + r"\.([0-9]+(_[0-9]+)*)?([eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_ADAPTERS: dict[type[Any], pydantic.TypeAdapter[Any]] = {}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def read_record(path: Path, kind: type[T], check: Callable[[Any], Iterable[Fault]] | None = None) -> T:
    """The record that a YAML file describes.

    Raises `FileError` with every fault of the file, each with its field and line. `check` looks at the plain data,
    whatever its shape, for faults that no single field has (a reference to a name that is not there); what it
    finds joins the rest.
    """
    document = _read(path)
    record, faults = _build(document.value, kind)
    faults += check(document.value) if check else ()
    known = {fault.location for fault in document.faults}
    faults = [*document.faults, *(fault for fault in faults if fault.location not in known)]
    if faults or record is None:
        raise FileError(str(path), [fault.text(document.lines) for fault in faults])
    return record


def read_mapping(path: Path) -> Raw:
    """The top level of a YAML file as plain data: keys are text, values any plain data."""
    document = _read(path)
    faults = list(document.faults)
    if not isinstance(document.value, dict):
        faults.append(Fault(location=(), message="must be a mapping of keys to values"))
    if faults:
        raise FileError(str(path), [fault.text(document.lines) for fault in faults])
    mapping: Raw = document.value
    return mapping


def keys_of(path: Path) -> frozenset[str]:
    """The keys at the top level of a YAML file, whatever else is wrong in it."""
    value = _read(path).value
    return frozenset(value) if isinstance(value, dict) else frozenset()


def validate(data: object, kind: type[T], path: Path | str) -> T:
    """The record that plain data describes; `path` names the file in the `FileError`."""
    record, faults = _build(data, kind)
    if faults or record is None:
        raise FileError(str(path), [fault.text({}) for fault in faults])
    return record


def write_yaml(data: object) -> str:
    """Plain data as YAML text that reads back equal; keys keep their order, numbers must be finite."""
    json_line(data)
    text: str = yaml.dump(
        data, Dumper=_PlainDumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )
    return text


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a record's file, for editors."""
    schema = _adapter(kind).json_schema()
    definitions = schema.pop("$defs", {})
    (reference,) = schema["prefixItems"]
    top = definitions.pop(kind.__name__) if reference.get("$ref") == f"#/$defs/{kind.__name__}" else reference
    for record in (top, *definitions.values()):
        if "properties" in record:
            record.setdefault("additionalProperties", False)  # which pydantic before 2.14 leaves out
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**title, **top, **({"$defs": definitions} if definitions else {})}


class _PlainDumper(_DUMPER):  # type: ignore[misc]  # the C dumper is absent where libyaml is
    """Writes an object that occurs twice in full twice: no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _adapter(kind: type[Any]) -> pydantic.TypeAdapter[Any]:
    """A strict validator; the tuple around the record lets a plain dataclass take a configuration."""
    if kind not in _ADAPTERS:
        config = pydantic.ConfigDict(strict=True, extra="forbid")
        one_record: Any = types.GenericAlias(tuple, (kind,))
        _ADAPTERS[kind] = pydantic.TypeAdapter(one_record, config=config)
    return _ADAPTERS[kind]


def _build(data: object, kind: type[T]) -> tuple[T | None, list[Fault]]:
    """The record, or its faults; JSON mode lets lists become tuples and text become paths and enums."""
    try:
        text = json_line([data])
    except (TypeError, ValueError) as error:
        return None, [Fault(location=(), message=f"is not plain data: {error}")]
    try:
        (record,) = _adapter(kind).validate_json(text)
    except pydantic.ValidationError as error:
        return None, faults_of(error.errors(include_url=False), data, kind)
    except MensaError as error:
        return None, [Fault(location=(), message=str(error))]
    return record, []


@dataclass(slots=True, kw_only=True)
class _Document:
    """A file's plain data, its faults so far, and the line of every field."""

    value: Any = None
    faults: list[Fault] = field(default_factory=list)
    lines: dict[Location, int] = field(default_factory=dict)

    def blame(self, location: Location, message: str) -> None:
        self.faults.append(Fault(location=location, message=message))


def _read(path: Path) -> _Document:
    text = read_text(path)
    try:
        document = _Reader(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.YAMLError as error:
        raise FileError(str(path), [_syntax_fault(error, text)]) from error
    except _TooLargeError as error:
        raise FileError(str(path), [str(error)]) from error
    if document.value is None and not document.faults:
        raise FileError(str(path), ["the file is empty"])
    return document


def read_text(path: Path) -> str:
    """The text of a file of at most 16 MiB of UTF-8, with or without a mark in front; `FileError` for any other."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reasons = {"FileNotFoundError": "no such file", "IsADirectoryError": "is a directory, not a file"}
        reason = reasons.get(type(error).__name__, f"cannot be read: {error.strerror}")
        raise FileError(str(path), [reason]) from error
    except ValueError as error:
        raise FileError(str(path), [f"is not a path: {error}"]) from error
    if len(content) > MAX_FILE_BYTES:
        raise FileError(str(path), [f"larger than {MAX_FILE_BYTES // 2**20} MiB"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(str(path), [f"is not UTF-8 text: byte {error.start} {error.reason}"]) from error


def _syntax_fault(error: yaml.YAMLError, text: str) -> str:
    """What is wrong, and where; a nest that is too deep in our own words, whatever limit the parser has.

    libyaml reads up to 1024 characters ahead of what it hands out and gives up at a depth of its own before ours is
    seen (from PyYAML 6.0.4 on). Up to the place where it gave up, it hands out every level.
    """
    mark = getattr(error, "problem_mark", None)
    if mark:
        try:
            _Reader(yaml.parse(text[: mark.index], Loader=_LOADER)).document()
        except _TooLargeError as too_deep:
            return str(too_deep)
        except yaml.YAMLError:
            pass  # a text cut short has faults of its own
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}not YAML: {problem}"


class _TooLargeError(Exception):
    """The file unfolds to more nodes or levels than any honest file has."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or mapping whose end has not been read."""

    value: Any
    location: Location
    anchor: str | None
    first_node: int
    key: str | None = None
    awaits_key: bool = False


class _Reader:
    """Turns YAML events into plain data without recursion; an alias counts as all that it unfolds to."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._document = _Document()
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0

    def document(self) -> _Document:
        for event in self._events:
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        self._document.blame((), f"line {_line(event)}: a second document begins")
                        break
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    closed = self._stack.pop()
                    if closed.anchor:
                        self._anchors[closed.anchor] = (closed.value, self._nodes - closed.first_node)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.ScalarEvent():
                    self._scalar(event)
        return self._document

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _TooLargeError(f"line {_line(event)}: nested deeper than {MAX_DEPTH} levels")
        first_node = self._nodes
        mapping = isinstance(event, yaml.MappingStartEvent)
        value: Any = {} if mapping else []
        location = self._place(value, event, size=1)
        self._refuse_tag(event, location)
        self._stack.append(
            _Open(value=value, location=location, anchor=event.anchor, first_node=first_node, awaits_key=mapping)
        )

    def _alias(self, event: Any) -> None:
        value, size = self._anchors.get(event.anchor, (None, 1))
        location = self._place(value, event, size=size)
        if event.anchor not in self._anchors:
            self._document.blame(location, f"the alias *{event.anchor} has no complete anchor before it")

    def _scalar(self, event: Any) -> None:
        holder = self._stack[-1] if self._stack else None
        if holder is not None and holder.awaits_key:
            self._key(holder, event)
            return
        plain = event.implicit[0]
        value = _scalar_value(event.value) if plain else event.value
        finite = not (isinstance(value, float) and not math.isfinite(value))
        location = self._place(value if finite else None, event, size=1)
        self._refuse_tag(event, location)
        if not finite:
            self._document.blame(location, f"{event.value} is not a finite number")
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, holder: _Open, event: Any) -> None:
        location = (*holder.location, event.value)
        self._count(1, event)
        if event.value in holder.value:
            first = self._document.lines[location]
            self._document.blame(location, f"the key occurs twice (first in line {first})")
        self._document.lines[location] = _line(event)
        holder.key, holder.awaits_key = event.value, False

    def _place(self, value: Any, event: Any, *, size: int) -> Location:
        """Puts a value where it belongs and answers where that is."""
        self._count(size, event)
        line = _line(event)
        if not self._stack:
            self._document.value = value
            self._document.lines[()] = line
            return ()
        holder = self._stack[-1]
        if isinstance(holder.value, list):
            location: Location = (*holder.location, len(holder.value))
            holder.value.append(value)
        elif holder.awaits_key:
            location = holder.location
            self._document.blame(location, f"line {line}: a key must be text")
            holder.key, holder.awaits_key = None, False
            return location
        else:
            location = holder.location if holder.key is None else (*holder.location, holder.key)
            if holder.key is not None:
                holder.value.setdefault(holder.key, value)
            holder.awaits_key = True
        self._document.lines[location] = line
        return location

    def _refuse_tag(self, event: Any, location: Location) -> None:
        if event.tag is not None:
            self._document.blame(location, f"has the tag {event.tag}; tags are not allowed, leave it out")

    def _count(self, size: int, event: Any) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise _TooLargeError(f"line {_line(event)}: unfolds to more than {MAX_NODES} values")


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line


def _scalar_value(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= 40:
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    return text
