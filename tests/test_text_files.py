"""What we write for scripts: JSON and CSV that any reader takes, with numbers that read back equal."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.io.csv_text import csv_lines, csv_text
from mensa_sim.io.json_text import json_line, json_text, present

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_json_reads_back_equal_with_its_keys_in_order(data: object) -> None:
    for text in (json_text(data), json_line(data), json_line(data, spaced=True)):
        back = json.loads(text)
        assert back == data
        assert repr(back) == repr(data)


@given(PLAIN)
def test_a_json_file_ends_in_one_newline_and_a_line_has_none(data: object) -> None:
    assert json_text(data).endswith("\n")
    assert not json_text(data).endswith("\n\n")
    assert "\n" not in json_line(data) + json_line(data, spaced=True)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: [n], lambda n: {"a": {"b": n}}])
def test_json_refuses_what_is_no_number(number: float, wrap: object) -> None:
    for write in (json_text, json_line):
        with pytest.raises(ValueError, match="JSON"):
            write(wrap(number))  # type: ignore[operator]


def test_keys_are_sorted_only_where_asked() -> None:
    assert json_line({"b": 1, "a": 2}) == '{"b":1,"a":2}'
    assert json_line({"b": 1, "a": 2}, sort_keys=True) == '{"a":2,"b":1}'


def test_an_unknown_value_is_absent_and_a_zero_is_not() -> None:
    assert present({"a": None, "b": 0, "c": "", "d": False}) == {"b": 0, "c": "", "d": False}


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers()), max_size=5))
def test_csv_reads_back_equal(rows: list[tuple[str, float, int]]) -> None:
    text = csv_text(("name", "share", "count"), rows)
    head, *back = csv.reader(io.StringIO(text, newline=""))
    assert head == ["name", "share", "count"]
    assert [(name, float(share), int(count)) for name, share, count in back] == rows


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (math.inf, ""), (math.nan, ""), (True, "true"), (False, "false"), (0, "0"), (0.1, "0.1"), ((), "")],
)
def test_a_cell_is_written_in_one_way(value: object, cell: str) -> None:
    assert csv_lines([("a", value)]) == f"a,{cell}\n"


def test_lines_of_csv_end_in_a_newline_alone() -> None:
    assert csv_text(("a", "b"), [(1, ("x", "y")), ("p,q", 2)]) == 'a,b\n1,x+y\n"p,q",2\n'
