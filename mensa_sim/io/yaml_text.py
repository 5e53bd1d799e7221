"""YAML text as plain data, read event by event: no value means what it does not say, and nothing in it can run code.

PyYAML alone reads `1e9` as text, `010` as 8, `12:30` as 750 and `no` as false, keeps the last of two equal
keys and turns dates into objects. Here only `true`, `false`, `null` and decimal numbers are not text
(a `_` may stand between two digits: `1_000`, while `1__0` and `1_` are text);
equal keys, NaN, infinity, tags and oversized files are faults.

Files of other tools are read as those tools read them where that is harmless: the last of two equal keys counts, the
tag of a mapping stands under its key `!`, and `1e-9` is a number.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from typing import Any

import yaml

from mensa_sim.errors import FileError
from mensa_sim.io.faults import Fault, Location
from mensa_sim.records import dataclass

TAG = "!"
"""The key of a mapping's tag in another tool's file."""

MAX_UNFOLDED = 1_000_000
MAX_DEPTH = 64

KEPT_TEXTS = 64
"""Texts whose documents are kept: the files of a system are asked for again and again."""
KEPT_CHARACTERS = 2**18
"""A longer text is read anew each time; the longest that ships is a twentieth of it."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)"
_INTEGER = re.compile(_WHOLE)
_FRACTION = re.compile(_WHOLE + r"\.([0-9]+(_[0-9]+)*)?([eE][-+][0-9]+)?")
_POWER = re.compile(_WHOLE + r"(\.[0-9]+)?[eE][-+]?[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(slots=True, kw_only=True)
class Document:
    """A file's plain data, its faults so far, and the line of every field."""

    value: Any = None
    faults: list[Fault] = field(default_factory=list)
    repeated: list[Fault] = field(default_factory=list)
    """Keys of another tool's file that stand there twice."""
    lines: dict[Location, int] = field(default_factory=dict)

    def blame(self, location: Location, message: str) -> None:
        """Adds a fault."""
        self.faults.append(Fault(location=location, message=message))


def document_of(text: str, label: str, *, foreign: bool = False) -> Document:
    """The document that a text holds; `label` names its file in a `FileError`, `foreign` that another tool wrote it.

    It may be one that others have too: who gives its value away, to be changed there, gives away a copy.
    """
    try:
        document = _kept(text, foreign) if len(text) <= KEPT_CHARACTERS else _parsed(text, foreign)
    except yaml.YAMLError as error:
        raise FileError(label, [_syntax_fault(error, text)]) from error
    except _TooLargeError as error:
        raise FileError(label, [str(error)]) from error
    if document.value is None and not document.faults:
        raise FileError(label, ["the file is empty"])
    return document


def _parsed(text: str, foreign: bool = False) -> Document:
    return _Reader(yaml.parse(text, Loader=_LOADER), foreign=foreign).document()


_kept = lru_cache(maxsize=KEPT_TEXTS)(_parsed)


def _syntax_fault(error: yaml.YAMLError, text: str) -> str:
    """What is wrong, and where; a nest that is too deep in our own words, whatever limit the parser has.

    libyaml reads up to 1024 characters ahead of what it hands out and gives up at a depth of its own before ours is
    seen (from PyYAML 6.0.4 on). Up to the place where it gave up, it hands out every level.
    """
    mark = getattr(error, "problem_mark", None)
    if mark:
        try:
            _parsed(text[: mark.index])
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

    def __init__(self, events: Iterator[Any], *, foreign: bool = False) -> None:
        self._events, self._foreign = events, foreign
        self._document = Document()
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0

    def document(self) -> Document:
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
        self._refuse_tag(event, location, value)
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
        value: Any = _scalar_value(event.value, foreign=self._foreign) if plain else event.value
        if self._foreign and event.tag is not None and event.tag.startswith("!") and not event.value:
            value = {}  # a tag alone, as of a mapping without keys
        finite = not (isinstance(value, float) and not math.isfinite(value))
        location = self._place(value if finite else None, event, size=1)
        self._refuse_tag(event, location, value)
        if not finite:
            self._document.blame(location, f"{event.value} is not a finite number")
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, holder: _Open, event: Any) -> None:
        location = (*holder.location, event.value)
        self._count(1, event)
        if event.value in holder.value:
            twice = f"the key occurs twice (first in line {self._document.lines[location]})"
            if self._foreign:
                self._document.repeated.append(Fault(location=location, message=f"{twice}; the last counts"))
                del holder.value[event.value]
            else:
                self._document.blame(location, twice)
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

    def _refuse_tag(self, event: Any, location: Location, value: Any = None) -> None:
        if event.tag is not None and self._foreign and isinstance(value, dict):
            value[TAG] = event.tag.lstrip("!")
        elif event.tag is not None:
            self._document.blame(location, f"has the tag {event.tag}; tags are not allowed, leave it out")

    def _count(self, size: int, event: Any) -> None:
        self._nodes += size
        if self._nodes > MAX_UNFOLDED:
            raise _TooLargeError(f"line {_line(event)}: unfolds to more than {MAX_UNFOLDED} values")


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line


def _scalar_value(text: str, *, foreign: bool) -> Any:
    """What an unquoted scalar means."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= 40:
        return int(text)
    if _FRACTION.fullmatch(text) or (foreign and _POWER.fullmatch(text)):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    return text
