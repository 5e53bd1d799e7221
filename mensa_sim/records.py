"""`dataclass` as the standard library has it, but frozen records with slots get their methods when they first use them.

A command defines some hundred records before it does anything, uses half of them, and of these seldom more than
`__init__`. The library writes six methods of each as text and compiles them at once, a quarter of a short command.
Records with more than fields and methods (an `__init__` or `__setattr__` of their own, an `InitVar`, a field whose
hash is not its comparison) are the library's.
"""

import dataclasses
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(kind: type | None = None, /, **asked: bool) -> Any:
        """The class as a dataclass; see the standard library's."""
        if kind is None:
            return lambda kind: dataclass(kind, **asked)
        if asked.get("frozen") and asked.get("slots") and asked.keys() <= _KNOWN and _is_plain(kind):
            return _record(kind, **asked)
        return dataclasses.dataclass(kind, **asked)


_KNOWN = {"frozen", "slots", "kw_only", "eq", "repr"}


class _Absent:
    """What a parameter shows whose value is made anew for each record, in the library's word."""

    def __repr__(self) -> str:
        return "<factory>"


_ABSENT = _Absent()


def _is_plain(kind: type) -> bool:
    own = vars(kind)
    return not (
        own.keys() & {"__init__", "__setattr__", "__delattr__"}
        or (own.get("__hash__", True) is None and "__eq__" not in own)
        or any("InitVar" in str(each) for each in own.get("__annotations__", {}).values())
        or any(isinstance(each, dataclasses.Field) and each.hash is not None for each in own.values())
    )


def _record(kind: type, *, eq: bool = True, repr: bool = True, frozen: bool, slots: bool, kw_only: bool = False) -> Any:
    """The class with slots; the library compiles that it is frozen where it asks it of a class below a frozen one."""
    own = dict(vars(kind))
    below = dataclasses.is_dataclass(kind)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, frozen=below, slots=slots, kw_only=kw_only)(
        kind
    )
    made.__dataclass_params__.frozen = frozen
    later = {"__init__": _init, "__repr__": _repr} if repr else {"__init__": _init}
    if eq:
        later |= {"__eq__": _eq, "__hash__": _hash}
    shared = {"__signature__": _Signature(made), "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    shared |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in {**shared, **{name: _when_used(made, name, text) for name, text in later.items()}}.items():
        if own.get(name) is None:
            setattr(made, name, method)
    return made


def _when_used(made: Any, name: str, text_of: Callable[[Any], str]) -> Callable[..., Any]:
    """A method that is compiled when it is first called, and takes its own place."""

    def method(self: Any, *given: Any, **named: Any) -> Any:
        return _compiled(made, name, text_of)(self, *given, **named)

    return method


def _compiled(made: Any, name: str, text_of: Callable[[Any], str]) -> FunctionType:
    known: dict[str, Any] = {"_ABSENT": _ABSENT}
    for field in dataclasses.fields(made):
        known |= {
            f"_set_{field.name}": getattr(made, field.name).__set__,
            f"_default_{field.name}": field.default,
            f"_made_{field.name}": field.default_factory,
        }
    exec(text_of(made), known)
    method: FunctionType = known[name]
    method.__qualname__ = f"{made.__qualname__}.{name}"
    setattr(made, name, method)
    return method


def copier(kind: type) -> Callable[[Any], Any]:
    """What copies records of a kind with slots and checks none; `copy` takes ten times as long."""
    names = [field.name for field in dataclasses.fields(kind)]
    known: dict[str, Any] = {f"_set_{name}": getattr(kind, name).__set__ for name in names} | {"_new": object.__new__}
    copies = "\n ".join(f"_set_{name}(other, record.{name})" for name in names)
    exec(f"def copied(record):\n other = _new(record.__class__)\n {copies}\n return other", known)
    copied: Callable[[Any], Any] = known["copied"]
    return copied


def _init(made: Any) -> str:
    places, named, lines = ["self"], list[str](), list[str]()
    for field in dataclasses.fields(made):
        name, default, value = field.name, "", field.name
        if field.default_factory is not dataclasses.MISSING:
            default, value = "_ABSENT", f"_made_{name}()" + (f" if {name} is _ABSENT else {name}" if field.init else "")
        elif field.default is not dataclasses.MISSING:
            default, value = f"_default_{name}", name if field.init else f"_default_{name}"
        if field.init:
            (named if field.kw_only else places).append(f"{name}={default}" if default else name)
        if field.init or default:
            lines.append(f"_set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join([*places, *(["*", *named] if named else [])])
    return f"def __init__({parameters}):\n " + "\n ".join(lines or ["pass"])


def _repr(made: Any) -> str:
    shown = ", ".join(f"{each.name}={{self.{each.name}!r}}" for each in dataclasses.fields(made) if each.repr)
    return f"def __repr__(self):\n return self.__class__.__qualname__ + f'({shown})'"


def _values(made: Any, of: str) -> str:
    return f"({''.join(f'{of}.{each.name},' for each in dataclasses.fields(made) if each.compare)})"


def _eq(made: Any) -> str:
    same = f"{_values(made, 'self')} == {_values(made, 'other')}"
    return f"def __eq__(self, other):\n return {same} if other.__class__ is self.__class__ else NotImplemented"


def _hash(made: Any) -> str:
    return f"def __hash__(self):\n return hash({_values(made, 'self')})"


class _Signature:
    """The parameters of a record, for who inspects its class."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def __get__(self, record: Any, kind: Any) -> inspect.Signature:
        if record is not None or kind.__init__ is not self._made.__init__:
            raise AttributeError(f"{kind.__name__} has parameters of its own")
        types = {field.name: field.type for field in dataclasses.fields(self._made)}
        _, *parameters = inspect.signature(_compiled(self._made, "__init__", _init)).parameters.values()
        return inspect.Signature([each.replace(annotation=types[each.name]) for each in parameters])


def _refuse_to_set(record: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(record: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(record: Any) -> list[Any]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


def _set_state(record: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(record), state, strict=True):
        object.__setattr__(record, field.name, value)
