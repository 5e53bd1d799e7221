"""Conditions: they agree with Python where both have a meaning, and nothing else gets in."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.errors import UsageError
from mensa_sim.study.space.conditions import Value, parse_condition

VALUES: Mapping[str, Value] = {
    "area_mm2": 12.5,
    "count": 3,
    "scheduler": "mensa",
    "a.b": 7,
    "a.axes.0.size": 16,
}


def holds(text: str) -> bool:
    return parse_condition(text).holds(VALUES.__getitem__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("area_mm2 <= 15", True),
        ("area_mm2 <= 15 and count > 3", False),
        ("area_mm2 <= 1 or count == 3", True),
        ("not count == 3", False),
        ("1 < count < 4", True),
        ("1 < count < 3", False),
        ("a.b * 2 == 14", True),
        ("a.axes[0].size // 5 == 3", True),
        ("a.axes[0].size % 5 == 1", True),
        ("-count < 0", True),
        ("min(count, a.b) == 3 and max(count, a.b, 9) == 9", True),
        ("abs(-count) == 3", True),
        ("scheduler == 'mensa'", True),
        ("scheduler in ['greedy', 'heft']", False),
        ("count in (1, 2, 3)", True),
        ("count not in (1, 2, 3)", False),
        ("(count + 1) / 2 - 0.5 == 1.5", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, expected: bool) -> None:
    assert holds(text) is expected


NUMBERS = st.recursive(
    st.one_of(st.integers(0, 9).map(str), st.just("count")),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=6,
)
COMPARISONS = st.tuples(NUMBERS, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), NUMBERS).map(" ".join)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=5,
)


@given(text=CONDITIONS)
def test_a_condition_agrees_with_python(text: str) -> None:
    assert holds(text) is eval(text, {"count": 3})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "open('x') == 1",
        "().__class__ == 1",
        "(lambda: 1)() == 1",
        "[x for x in (1, 2)] == 1",
        "2 ** 99999 > 1",
        "'a' if count else 'b'",
        "f'{count}' == '3'",
        "count := 4",
        "count == {1: 2}",
        "min(*a) == 1",
        "min(count, key=abs) == 1",
        "a[b] == 1",
        "a[0:1] == 1",
        "count is 3",
        "count; 1",
        "",
        "area_mm2 <=",
        "(" * 400,
        "-" * 990 + "1 == 1",
        "count == " + "1" * 2000,
        "None == count",
        "...",
        "b'a' == count",
        "\0",
    ],
)
def test_whatever_is_outside_the_language_is_refused_when_read(text: str) -> None:
    with pytest.raises(UsageError, match="condition"):
        parse_condition(text)


@pytest.mark.parametrize(
    "text",
    [
        *("count", "count + 1", "count / 0 == 1", "scheduler < 3", "scheduler * 9 == 'x'", "not count"),
        "count and count > 1",
    ],
)
def test_what_has_no_truth_is_an_error_and_not_a_guess(text: str) -> None:
    condition = parse_condition(text)
    with pytest.raises(UsageError, match="condition"):
        condition.holds(VALUES.__getitem__)


@given(text=st.text(alphabet="abc012()[].,+-*/%<>=!'\" andorti_", max_size=40))
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    try:
        condition = parse_condition(text)
    except UsageError:
        return
    assert condition.text == text
