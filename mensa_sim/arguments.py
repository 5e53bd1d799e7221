"""What is given for an argument, held against the annotation of that argument: one check for all that is public."""

import ast
import functools
import inspect
import re
import sys
import types
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from mensa_sim.errors import UsageError
from mensa_sim.lookup import either

Arguments = ParamSpec("Arguments")
T = TypeVar("T")
LARGEST_WHOLE = 2**63
"""Whole numbers are below: what 64 bits hold."""
LONGEST_SHOWN = 60
"""Characters of a value that a message shows: a choice."""
KINDS_IN_WORDS: Mapping[object, str] = {
    str: "a text",
    bytes: "bytes",
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    dict: "a mapping",
    list: "a list",
    tuple: "a tuple",
    types.NoneType: "None",
}
LISTS = (Sequence, Iterable, tuple, list)


def checked(function: Callable[Arguments, T]) -> Callable[Arguments, T]:
    """The function, whose arguments are first held against their annotations.

    Raises one `UsageError` that names each argument which does not fit, what was given and what is wanted. The
    annotations are those of the function, or of the record whose fields it takes.

    >>> def halved(number: float) -> float:
    ...     return number / 2
    >>> checked(halved)("x")
    Traceback (most recent call last):
    mensa_sim.errors.UsageError: halved: number: 'x' is a text; give a number
    """
    signature = inspect.signature(function)
    name = getattr(function, "__name__", type(function).__name__)

    @functools.wraps(function)
    def held(*args: Arguments.args, **options: Arguments.kwargs) -> T:
        wanted = annotations_of(getattr(function, "record", function))
        bound = signature.bind(*args, **options)
        faults = []
        for argument, value in bound.arguments.items():
            if argument in wanted:
                try:
                    bound.arguments[argument] = fitting(f"{name}: {argument}", value, wanted[argument])
                except UsageError as error:
                    faults.append(str(error))
        if faults:
            raise UsageError("\n".join(faults))
        return function(*bound.args, **bound.kwargs)

    return held


def check_fields(record: Any) -> None:
    """Refuses a record of which a field is of another type than it says."""
    kind: Any = type(record)
    for field, annotation in annotations_of(kind).items():
        fitting(f"{kind.__name__}: {field}", getattr(record, field), annotation)


@functools.cache
def annotations_of(annotated: Any) -> Mapping[str, Any]:
    """The annotations of a function or a class, also those that only a type checker imports the names of."""
    bases = inspect.getmro(annotated) if inspect.isclass(annotated) else (annotated,)
    names: dict[str, Any] = {}
    for base in bases:
        quoted = [text for text in getattr(base, "__annotations__", {}).values() if isinstance(text, str)]
        if quoted:  # else nothing need be read, let alone imported, to understand them
            names |= names_for_type_checkers(base.__module__, set(re.findall(r"\w+", " ".join(quoted))))
    return get_type_hints(annotated, localns=names)


def names_for_type_checkers(module: str, used: Container[str]) -> dict[str, Any]:
    """What a module imports under `if TYPE_CHECKING:` of the names that are used."""
    blocks = [node for node in ast.parse(inspect.getsource(sys.modules[module])).body if isinstance(node, ast.If)]
    imports = [
        each
        for block in blocks
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for each in block.body
    ]
    return {
        alias.asname or alias.name: getattr(import_module(each.module or ""), alias.name)
        for each in imports
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
        if (alias.asname or alias.name) in used
    }


def fitting(where: str, value: Any, annotation: Any) -> Any:
    """The value, if it is what the annotation wants, else `UsageError`; what can be read but once becomes a tuple."""
    choices = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    for choice in choices:
        if _is_a(value, choice):
            return _whole(where, value, choice)
    word = "too large" if _is_too_large(value) else _of_kind(type(value))
    raise UsageError(f"{where}: {_shown(value)} is {word}; give {either(map(wanted, choices))}")


def _is_a(value: Any, annotation: Any) -> bool:
    """Whether a value is of the kind, whatever it may hold."""
    if annotation in (Any, object):
        return True
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return any(type(value) is type(word) and value == word for word in get_args(annotation))
    if origin in LISTS:
        return isinstance(value, origin) and not isinstance(value, str | bytes | bytearray | Mapping)
    if origin in (int, float):
        return isinstance(value, int | origin) and not isinstance(value, bool) and not _is_too_large(value)
    return isinstance(value, origin)


def _is_too_large(value: Any) -> bool:
    """Whether it is a whole number that neither a file of ours may hold nor a calculation take."""
    return isinstance(value, int) and abs(value) >= LARGEST_WHOLE


def _whole(where: str, value: Any, annotation: Any) -> Any:
    """The value with all that it holds, each of which must fit too."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in LISTS:
        entries = value if isinstance(value, Sequence) else tuple(value)
        for index, entry in enumerate(entries):
            fitting(f"{where}[{index}]", entry, inner[0])
        return entries
    if origin is Mapping:
        for key, entry in value.items():
            fitting(f"{where}: a name", key, inner[0])
            fitting(f"{where}[{key!r}]", entry, inner[1])
    return value


def wanted(annotation: Any) -> str:
    """What an annotation wants, in words.

    >>> wanted(Mapping[str, float]), wanted(Sequence[str])
    ('a mapping (names: a text; values: a number)', 'a list (each: a text)')
    """
    origin, inner = get_origin(annotation) or annotation, get_args(annotation)
    if origin is Literal:
        return either(map(repr, inner)) if len(inner) > 1 else repr(inner[0])
    if origin in (Union, types.UnionType):
        return either(map(wanted, inner))
    if origin in LISTS:
        return f"a list (each: {wanted(inner[0])})"
    if origin is Mapping:
        return f"a mapping (names: {wanted(inner[0])}; values: {wanted(inner[1])})"
    if annotation in (Any, object):
        return "anything"
    return "a function" if origin is Callable else _of_kind(origin)


def _of_kind(kind: type) -> str:
    """A value of a type, in words."""
    if kind in KINDS_IN_WORDS:
        return KINDS_IN_WORDS[kind]
    return "a path" if issubclass(kind, PurePath) else f"an object of type {kind.__name__}"


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<no text of it: {type(error).__name__}>"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
