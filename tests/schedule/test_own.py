"""What a user's own function may answer, beside what the tests of the API ask of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from chains import chain, unit

from mensa_sim.errors import UsageError
from mensa_sim.schedule.policies.registry import schedule
from mensa_sim.schedule.schedule import schedule_of


@pytest.mark.parametrize("index", [int, np.int64, np.uint8])
def test_an_accelerators_index_may_be_a_whole_number_of_numpy(index: Callable[[int], Any]) -> None:
    problem = chain(unit("a", 300, 400), unit("b", 100, 50))
    found = schedule(problem, lambda problem: [index(1), index(0)])
    assert found.assignment == {"a": "far", "b": "near"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"assignment": [0]}, "assignment has 1 entries; the problem has 2 units"),
        ({"assignment": [0, 2]}, "assignment has 2; accelerators are numbered from 0 to 1"),
        ({"assignment": [0, -1]}, "assignment has -1"),
        ({"assignment": [0, 1], "order": [1, 1]}, "each unit from 0 to 1 once"),
        ({"assignment": [0, 1], "reasons": ["one"]}, "reasons has 1 entries"),
    ],
)
def test_a_schedule_of_indexes_that_do_not_fit_is_refused_in_one_line(given: dict[str, Any], fault: str) -> None:
    problem = chain(unit("a", 300, 400), unit("b", 100, 50))
    with pytest.raises(UsageError, match=fault):
        schedule_of(problem, "own", **given)
