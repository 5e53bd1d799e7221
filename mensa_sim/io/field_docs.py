"""What a record says of its fields: the text below each of them in its class."""

import ast
import dataclasses
import functools
import inspect
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
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
            found |= _docs_in(_classes_of(inspect.getfile(cls))[cls.__qualname__])
    return found


@functools.cache
def _classes_of(file: str) -> Mapping[str, ast.ClassDef]:
    """The classes of a file by their qualified names: `inspect.getsource` reads all of it for each of them."""
    found: dict[str, ast.ClassDef] = {}
    left: list[tuple[str, ast.AST]] = [("", ast.parse(Path(file).read_bytes()))]
    while left:
        prefix, parent = left.pop()
        for node in ast.iter_child_nodes(parent):
            match node:
                case ast.ClassDef(name=name):
                    found[f"{prefix}{name}"] = node
                    left.append((f"{prefix}{name}.", node))
                case ast.FunctionDef(name=name):
                    left.append((f"{prefix}{name}.<locals>.", node))
                case ast.stmt():
                    left.append((prefix, node))
    return found


def _docs_in(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
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
