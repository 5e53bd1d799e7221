"""A record behaves as the standard library's dataclass of the same text does."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from mensa_sim import records


def made_by(dataclass: Callable[..., Any]) -> dict[str, Any]:
    """By name, records with fields of every kind that a record here has."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Span:
        name: str
        start_ps: int = 3
        tags: list[str] = field(default_factory=list)
        note: str = field(default="", repr=False, compare=False)
        length: int = field(init=False, default=7, compare=False)
        found: dict[str, int] = field(init=False, default_factory=dict, repr=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.name))

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Longer(Span):
        start_ps: int = 5
        end_ps: int

    @dataclass(frozen=True, slots=True)
    class Place:
        row: int
        column: int = 0
        name: str = field(default="here", kw_only=True)

    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Alone:
        value: int

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Own:
        value: float

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    found = {kind.__name__: kind for kind in (Span, Longer, Place, Alone, Empty, Own)}
    for name, kind in found.items():
        kind.__qualname__ = name
    return found


OURS, THEIRS = made_by(records.dataclass), made_by(dataclasses.dataclass)
GIVEN: dict[str, list[tuple[tuple[object, ...], dict[str, object]]]] = {
    "Span": [((), {"name": "a"}), ((), {"name": "a", "note": "x"}), ((), {"name": "b", "tags": ["t"], "start_ps": 1})],
    "Longer": [((), {"name": "a", "end_ps": 9}), ((), {"name": "a", "end_ps": 9, "start_ps": 4})],
    "Place": [((1,), {}), ((1, 2), {"name": "there"}), ((), {"row": 1, "column": 0})],
    "Alone": [((), {"value": 1}), ((), {"value": 1})],
    "Empty": [((), {}), ((), {})],
    "Own": [((), {"value": 1.0}), ((), {"value": 2.0})],
}


@pytest.mark.parametrize("name", GIVEN)
def test_records_are_made_shown_and_compared_alike(name: str) -> None:
    ours, theirs = ([kinds[name](*places, **named) for places, named in GIVEN[name]] for kinds in (OURS, THEIRS))
    assert [repr(each) for each in ours] == [repr(each) for each in theirs]
    assert [dataclasses.asdict(each) for each in ours] == [dataclasses.asdict(each) for each in theirs]
    assert [[a == b for a in ours] for b in ours] == [[a == b for a in theirs] for b in theirs]
    assert all(ours[0] != each for each in (theirs[0], None, 1)) or name == "Own"


@pytest.mark.parametrize("name", GIVEN)
def test_a_class_has_the_same_parameters_fields_and_places_to_match(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
    for one, other in zip(*(inspect.signature(kind).parameters.values() for kind in (ours, theirs)), strict=True):
        assert (one.kind, one.annotation, repr(one.default)) == (other.kind, other.annotation, repr(other.default))
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__slots__ == theirs.__slots__
    assert [repr(each) for each in dataclasses.fields(ours)] == [repr(each) for each in dataclasses.fields(theirs)]


@pytest.mark.parametrize("dataclass", [records.dataclass, dataclasses.dataclass], ids=["ours", "theirs"])
def test_what_is_more_than_fields_and_methods_is_as_the_library_has_it(dataclass: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Side:
        row: int
        column: int

        def __init__(self, side: int) -> None:
            object.__setattr__(self, "row", side)
            object.__setattr__(self, "column", side)

    @dataclass(frozen=True, slots=True)
    class Sum:
        total: int = field(init=False, default=0)
        more: dataclasses.InitVar[int] = 0

        def __post_init__(self, more: int) -> None:
            object.__setattr__(self, "total", more)

    @dataclass(frozen=True, slots=True)
    class Named:
        name: str
        notes: list[str] = field(hash=False)

    @dataclass(frozen=True, slots=True)
    class Called:
        value: int

        def __call__(self, other: str) -> None:
            """Nothing."""

    assert list(inspect.signature(Side).parameters) == ["side"]
    assert (Side(3).row, Sum(2).total, hash(Named("a", []))) == (3, 2, hash(("a",)))
    assert list(inspect.signature(Called(1)).parameters) == ["other"]


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "theirs"])
def test_equal_records_have_one_hash_which_a_field_that_is_not_compared_does_not_change(kinds: dict[str, Any]) -> None:
    place = kinds["Place"]
    assert {place(1): "found"}[place(1, 0)] == "found"
    assert hash(place(1)) == hash((1, 0, "here"))
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        hash(kinds["Span"](name="a"))


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "theirs"])
def test_a_record_stays_as_it_was_made(kinds: dict[str, Any]) -> None:
    place = kinds["Place"](1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'row'"):
        place.row = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'row'"):
        del place.row
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):  # by the library of Python 3.11 the other one
        place.other = 2
    assert dataclasses.replace(place, row=2) == kinds["Place"](2)
    assert copy.deepcopy(place) == place


@pytest.mark.parametrize("kinds", [OURS, THEIRS], ids=["ours", "theirs"])
@pytest.mark.parametrize("given", [{}, {"row": 1, "colour": 2}])
def test_what_does_not_fit_the_fields_is_refused(kinds: dict[str, Any], given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=r"^Place\.__init__\(\)|made_by.<locals>.Place.__init__"):
        kinds["Place"](**given)


@records.dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A record that other processes find by its name."""

    value: int
    made: dict[str, int] = field(init=False, default_factory=dict)


def test_a_record_goes_through_a_pickle_before_and_after_its_first_use() -> None:
    kept = Kept(value=3)
    kept.made["a"] = 1
    again = pickle.loads(pickle.dumps(kept))
    assert again == kept
    assert again.made == {"a": 1}


def test_records_of_both_makers_may_stand_below_one_another() -> None:
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Theirs(Kept):
        more: int

    @records.dataclass(frozen=True, slots=True, kw_only=True)
    class Ours(Theirs):
        most: int

    assert Ours(value=1, more=2, most=3) == dataclasses.replace(Ours(value=1, more=0, most=3), more=2)


def test_a_class_below_with_parameters_of_its_own_says_these() -> None:
    class Below(OURS["Place"]):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, side: int) -> None:
            super().__init__(side, side)

    assert list(inspect.signature(Below).parameters) == ["side"]
    assert Below(2).column == 2


def test_a_copy_without_checks_is_equal_and_another_of_the_same_class() -> None:
    span, longer = made_by(records.dataclass)["Span"], made_by(records.dataclass)["Longer"]
    for kind, record in ((span, span(name="a", tags=["b"])), (longer, longer(name="a", end_ps=9))):
        copied = records.copier(kind)(record)
        assert (copied, type(copied), copied.length) == (record, kind, 1)
        assert copied is not record
