"""The one gate through which every YAML file enters: read strictly (`yaml_text`), its schema is the record itself."""

import copy
import dataclasses
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pydantic
import yaml

from mensa_sim.errors import FileError, MensaError
from mensa_sim.io.at_hand import text_at_hand
from mensa_sim.io.faults import Fault, Location, faults_of
from mensa_sim.io.field_docs import field_docs, records_in
from mensa_sim.io.json_text import json_line
from mensa_sim.io.yaml_text import Document, document_of
from mensa_sim.units import MIB

if TYPE_CHECKING:
    from _typeshed import SupportsRead

T = TypeVar("T")

MAX_FILE_BYTES = 16 * MIB
_PIECE_BYTES = 65536
"""Few files are larger, and room for as much as is asked of a file is made before it is read."""

Raw = dict[str, Any]
"""The plain data of a file: its top level, whatever lies below."""

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_ADAPTERS: dict[type[Any], pydantic.TypeAdapter[Any]] = {}


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
    mapping: Raw = copy.deepcopy(document.value)
    return mapping


def read_foreign(path: Path) -> tuple[Any, list[str]]:
    """The plain data of another tool's YAML file, and what in it is said twice."""
    document = document_of(read_text(path), str(path), foreign=True)
    if document.faults:
        raise FileError(str(path), [fault.text(document.lines) for fault in document.faults])
    return _merged(document.value), [fault.text(document.lines) for fault in document.repeated]


def _merged(data: Any) -> Any:
    """A copy in which mappings have what they take over by `<<`, the merge key of YAML 1.1, but for what they say."""
    if isinstance(data, list):
        return [_merged(each) for each in data]
    if not isinstance(data, dict):
        return data
    own = {key: _merged(value) for key, value in data.items()}
    others: Any = own.get("<<")
    sources = others if isinstance(others, list) else [others]
    if others and all(isinstance(source, dict) for source in sources):
        del own["<<"]
        for source in sources:
            own = {**source, **own}
    return own


def keys_of(path: Path) -> frozenset[str]:
    """The keys at the top level of a YAML file, whatever else is wrong in it."""
    value = _read(path).value
    return frozenset(value) if isinstance(value, dict) else frozenset()


def validate(data: object, kind: type[T], path: Path | str, within: Location = ()) -> T:
    """The record that plain data describes; `path` names its file in the `FileError`, `within` its place there."""
    record, faults = _build(data, kind)
    if faults or record is None:
        placed = [Fault(location=(*within, *fault.location), message=fault.message) for fault in faults]
        raise FileError(str(path), [fault.text({}) for fault in placed])
    return record


def write_yaml(data: object) -> str:
    """Plain data as YAML text that reads back equal; keys keep their order, numbers must be finite."""
    json_line(data)
    text: str = yaml.dump(
        data, Dumper=_PlainDumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )
    return text


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """The JSON Schema of a record's file, for editors; a field's description is the text below it in its class."""
    schema = _adapter(kind).json_schema()
    definitions = schema.pop("$defs", {})
    (reference,) = schema["prefixItems"]
    top = definitions.pop(kind.__name__) if reference.get("$ref") == f"#/$defs/{kind.__name__}" else reference
    described = {record.__name__: record for record in records_in(kind)}
    for name, schema_of in ((kind.__name__, top), *definitions.items()):
        if "properties" in schema_of:
            schema_of.setdefault("additionalProperties", False)  # which pydantic before 2.14 leaves out
            _describe(schema_of["properties"], described[name])
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**title, **top, **({"$defs": definitions} if definitions else {})}


def _describe(properties: Raw, record: type[Any]) -> None:
    """Gives each field of a record its description, and drops those that no file gives."""
    docs = field_docs(record)
    for field in dataclasses.fields(record):
        if not field.init:
            properties.pop(field.name, None)
        elif field.name in docs:
            properties[field.name]["description"] = docs[field.name]


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


def _read(path: Path) -> Document:
    document = document_of(read_text(path), str(path))
    return document if text_at_hand(path) is None else dataclasses.replace(document, lines={})


def bounded(stream: "SupportsRead[bytes]", path: Path, limit_bytes: int) -> bytes:
    """All that an open file holds; `FileError` where that is more than the limit, of which no more is read."""
    content = stream.read(min(limit_bytes + 1, _PIECE_BYTES))
    if len(content) == _PIECE_BYTES:
        content += stream.read(limit_bytes + 1 - _PIECE_BYTES)
    if len(content) > limit_bytes:
        raise FileError(str(path), [f"larger than {limit_bytes // MIB} MiB"])
    return content


def read_text(path: Path) -> str:
    """The text of a file of at most 16 MiB of UTF-8, with or without a mark in front; `FileError` for any other."""
    at_hand = text_at_hand(path)
    if at_hand is not None:
        return at_hand
    try:
        with path.open("rb") as stream:
            content = bounded(stream, path, MAX_FILE_BYTES)
    except OSError as error:
        reasons = {"FileNotFoundError": "no such file", "IsADirectoryError": "is a directory, not a file"}
        reason = reasons.get(type(error).__name__, f"cannot be read: {error.strerror}")
        raise FileError(str(path), [reason]) from error
    except ValueError as error:
        raise FileError(str(path), [f"is not a path: {error}"]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(str(path), [f"is not UTF-8 text: byte {error.start} {error.reason}"]) from error
