"""Arguments: whatever is public answers a value of a wrong type with what was given and what is wanted."""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from killed import ended

import mensa_sim as ms
from mensa_sim.arguments import annotations_of, checked, fitting

FUNCTIONS = [getattr(ms, name) for name in ms.__all__ if inspect.isfunction(getattr(ms, name))]
RESULTS = (ms.Comparison, ms.Comparisons, ms.Exploration, ms.Reproduction, ms.Run, ms.ScenarioRun, ms.Sensitivity)
METHODS = [
    method
    for kind in RESULTS
    for name, method in inspect.getmembers(kind, inspect.isfunction)
    if not name.startswith("_") and len(inspect.signature(method).parameters) > 1
]


class Unprintable:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


WRONG: tuple[Any, ...] = (
    *(None, True, 3, -1, 10**5000, 0.5, math.nan, math.inf, 1j),
    *("x", b"x", bytearray(b"x"), Path("x")),
    *([], [3], ["x"], [None], [["x"]], ("x", 3), {"x"}, {"x": 1}, {3: "x"}, {"x": "y"}, {"x": None}, iter(["x"])),
    *(object(), Unprintable(), int, len, ms, ms.PLAIN, lambda: None),
)
"""A value of every kind; each is wrong for all arguments but a few."""


def named(function: Any) -> str:
    return str(function.__qualname__)


def arguments() -> Iterator[tuple[Any, str]]:
    """Every public function and method with every argument that takes not just anything."""
    for function in (*FUNCTIONS, *METHODS):
        wanted = annotations_of(getattr(function, "record", inspect.unwrap(function)))
        for name, parameter in inspect.signature(function).parameters.items():
            if name != "self" and parameter.annotation not in (object, Any):
                assert name in wanted, f"{named(function)}: {name} says no type"
                if wanted[name] is not object:
                    yield function, name


def others_of(function: Any, argument: str) -> dict[str, Any]:
    """Something for each other argument without which the function cannot be called at all."""
    return {
        name: "x"
        for name, parameter in inspect.signature(function).parameters.items()
        if name != argument and parameter.default is parameter.empty
    }


def fits(value: Any, annotation: Any) -> bool:
    try:
        fitting("", value, annotation)
    except ms.UsageError:
        return False
    return True


ARGUMENTS = list(arguments())


@pytest.mark.parametrize(("function", "argument"), ARGUMENTS, ids=lambda each: getattr(each, "__qualname__", each))
def test_a_wrong_type_is_an_error_that_says_what_was_given_and_what_is_wanted(function: Any, argument: str) -> None:
    annotation = annotations_of(getattr(function, "record", inspect.unwrap(function)))[argument]
    refused = [value for value in WRONG if not fits(value, annotation)]
    assert len(refused) > len(WRONG) // 2
    for value in refused:
        others = others_of(function, argument)
        with pytest.raises(ms.UsageError) as raised:
            function(**{**others, argument: value})
        faults = str(raised.value).splitlines()
        assert any(re.match(rf"{function.__name__}: {argument}\b.* is .*; give ", fault) for fault in faults), faults


def test_the_public_functions_are_found_with_their_arguments() -> None:
    found = {(function.__name__, argument) for function, argument in ARGUMENTS}
    assert len(found) > 150
    assert {("run", "seed"), ("run", "system"), ("run", "on_chip"), ("explain", "layer")} <= found
    assert {("save", "folder"), ("figure", "name"), ("ratios", "name"), ("load_system", "overrides")} <= found


def test_a_record_of_options_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ms.UsageError, match="Options: parameters: 'x' is a text; give 'none', 'first-fit' or"):
        ms.Options(parameters="x")  # type: ignore[arg-type]
    with pytest.raises(ms.UsageError, match="Options: prefetch: 1 is a whole number; give True or False"):
        ms.Options(prefetch=1)  # type: ignore[arg-type]


MESSAGES: tuple[tuple[Any, Any, str], ...] = (
    ("x", int, "a: 'x' is a text; give a whole number"),
    (True, int, "a: True is True or False; give a whole number"),
    (1.0, int | None, "a: 1.0 is a number; give a whole number or None"),
    ("x", Sequence[str], "a: 'x' is a text; give a list (each: a text)"),
    (["x", 3], Sequence[str | Path], "a[1]: 3 is a whole number; give a text or a path"),
    ({"x": "y"}, Mapping[str, float], "a['x']: 'y' is a text; give a number"),
    ({3: 1.0}, Mapping[str, float], "a: a name: 3 is a whole number; give a text"),
    ("c", Literal["b"], "a: 'c' is a text; give 'b'"),
    (3, Callable[[int], None], "a: 3 is a whole number; give a function"),
    (ms, int, "a: <module 'mensa_sim' from "),
    (ms.PLAIN, int, "a: Options(prefetch=False, activations=False, parameters='no... is an object of type Options; "),
    (Unprintable(), str, "a: <no text of it: RuntimeError> is an object of type Unprintable; give a text"),
    (10**5000, str, "a: <no text of it: ValueError> is too large; give a text"),
    ("x" * 999, int, f"a: '{'x' * 56}... is a text; give a whole number"),
    (-(2**63), int, "a: -9223372036854775808 is too large; give a whole number"),
    (10**400, float, f"a: 1{'0' * 56}... is too large; give a number"),
)


def test_the_message_names_place_value_and_what_is_wanted() -> None:
    for value, annotation, message in MESSAGES:
        with pytest.raises(ms.UsageError) as raised:
            fitting("a", value, annotation)
        assert str(raised.value).startswith(message)


def test_what_fits_is_taken_as_it_is_and_what_can_be_read_once_is_kept() -> None:
    fits: tuple[tuple[Any, Any], ...] = (
        *((3, float), (None, int | None), ((1, 2), Sequence[int])),
        *(({"x": 1}, Mapping[str, object]), ("b", Literal["a", "b"]), (len, Callable[..., object])),
    )
    for value, annotation in fits:
        assert fitting("a", value, annotation) is value
    assert fitting("a", iter(["x", "y"]), Iterable[str]) == ("x", "y")


def test_a_checked_function_stays_what_it_was() -> None:
    def add(one: int, *, two: int = 2) -> int:
        """Adds."""
        return one + two

    held = checked(add)
    assert (held(1), held(one=1, two=3), held.__doc__) == (3, 4, "Adds.")
    assert inspect.signature(held) == inspect.signature(add)
    with pytest.raises(TypeError, match="missing a required argument: 'one'"):
        held()  # type: ignore[call-arg]


def test_types_that_only_a_checker_imports_are_known_without_what_else_a_function_imports() -> None:
    script = (
        "import sys, mensa_sim as ms\n"
        "try: ms.run('lstm', system=3)\n"
        "except ms.UsageError as error: print(error)\n"
        "assert 'torch' not in sys.modules\n"
    )
    assert ended("-c", script)[:2] == (
        0,
        "run: system: 3 is a whole number; give a text, a path, a mapping (names: a text; values: anything) "
        "or an object of type System\n",
    )


def test_an_array_is_no_workload() -> None:
    with pytest.raises(ms.UsageError, match="a ndarray is no workload"):
        ms.explain(np.array([1, 2]), layer="conv")
