"""What a record says of its fields: the text below each of them in its class."""

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any


def field_docs(record: type[Any]) -> Mapping[str, str]:
    """The text below each field of a dataclass, as one line; what a class inherits included.

    >>> from mensa_sim.hardware.memory import MemoryEntry
    >>> field_docs(MemoryEntry)["efficiency"]
    'Share of the bandwidth that streaming transfers reach.'
    """
    found: dict[str, str] = {}
    for cls in reversed(record.__mro__):
        if dataclasses.is_dataclass(cls):
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
            found |= _docs_in(node)
    return found


def _docs_in(node: ast.stmt) -> Iterator[tuple[str, str]]:
    assert isinstance(node, ast.ClassDef)
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())


def records_in(kind: object) -> Iterator[type[Any]]:
    """Every dataclass that a type is or holds, itself first, each once."""
    yield from _records_in(kind, set())


def _records_in(kind: object, known: set[object]) -> Iterator[type[Any]]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if kind in known:
            return
        known.add(kind)
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from _records_in(hint, known)
    for argument in typing.get_args(kind):
        yield from _records_in(argument, known)
