"""Conditions on designs: a small expression language, parsed and walked here, never run as Python.

Numbers, texts, names (`area_mm2`, a parameter, a field such as `accelerators.pascal.clock_hz` or
`accelerators.pascal.dataflow.axes[0].size`), `+ - * / // %`, comparisons, `and or not`, `in` a list, and the functions
`min max abs`. Everything else is refused when the space is read.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mensa_sim.errors import UsageError
from mensa_sim.records import dataclass

MAX_CONDITION_CHARACTERS = 1000

Value = int | float | bool | str

_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda value, choices: value in choices,
    ast.NotIn: lambda value, choices: value not in choices,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A parsed condition."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]
    """The names that it asks for, dotted, in the order of the text."""

    def holds(self, value_of: Callable[[str], Value]) -> bool:
        """Whether a design fulfils it; `value_of` gives the value of a name or raises `UsageError`."""
        try:
            result = _value(self.tree, value_of)
        except (TypeError, ZeroDivisionError, OverflowError) as error:
            raise UsageError(f"condition {self.text!r}: {error}") from error
        if not isinstance(result, bool):
            raise UsageError(f"condition {self.text!r}: gives {result!r}, not true or false; compare it with something")
        return result


def parse_condition(text: str) -> Condition:
    """The condition of a text; `UsageError` for anything outside the language.

    >>> parse_condition("area_mm2 <= 15 and accelerators.pascal.clock_hz in [1, 2]").names
    ('area_mm2', 'accelerators.pascal.clock_hz')
    """
    if len(text) > MAX_CONDITION_CHARACTERS:
        raise UsageError(f"condition {text[:40]!r}...: longer than {MAX_CONDITION_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        names = tuple(dict.fromkeys(_names(tree, text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"condition {text!r}: cannot be read; write one like area_mm2 <= 15") from error
    return Condition(text=text, tree=tree, names=names)


def _names(node: ast.expr, text: str) -> Iterator[str]:
    """The names below a node, after checking that everything there belongs to the language."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return
        case ast.Name() | ast.Attribute() | ast.Subscript():
            yield _dotted(node, text)
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _names(part, text)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield from _names(operand, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            yield from _names(left, text)
            yield from _names(right, text)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARISONS for op in ops):
            for part in (left, *others):
                yield from _names(part, text)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS and arguments:
            for part in arguments:
                yield from _names(part, text)
        case _:
            raise UsageError(
                f"condition {text!r}: {ast.unparse(node)!r} is not allowed; conditions have numbers, names,"
                f" + - * / // %, comparisons, and, or, not, in, and the functions {', '.join(_FUNCTIONS)}"
            )


def _dotted(node: ast.expr, text: str) -> str:
    """A name with its fields and places: `a.b[0].c` is `a.b.0.c`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            return f"{_dotted(inner, text)}.{name}"
        case ast.Subscript(value=inner, slice=ast.Constant(value=int(place))):
            return f"{_dotted(inner, text)}.{place}"
        case _:
            raise UsageError(f"condition {text!r}: {ast.unparse(node)!r} is no field")


def _value(node: ast.expr, value_of: Callable[[str], Value]) -> Any:
    match node:
        case ast.Constant(value=constant):
            return constant
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return value_of(_dotted(node, ""))
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, value_of) for part in parts]
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_truth(_value(part, value_of)) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_truth(_value(part, value_of)) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _truth(_value(operand, value_of))
        case ast.UnaryOp(operand=operand):
            return -_number(_value(operand, value_of))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_number(_value(left, value_of)), _number(_value(right, value_of)))
        case ast.Compare(left=left, ops=ops, comparators=others):
            values = [_value(part, value_of) for part in (left, *others)]
            return all(
                _COMPARISONS[type(op)](one, other) for op, one, other in zip(ops, values, values[1:], strict=False)
            )
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(_number(_value(part, value_of)) for part in arguments))
        case _:
            raise TypeError(f"{ast.unparse(node)} has no value")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value
