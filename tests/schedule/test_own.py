"""What a user's own function may answer, beside what the tests of the API ask of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from chains import chain, unit

from mensa_sim.schedule.policies.registry import schedule


@pytest.mark.parametrize("index", [int, np.int64, np.uint8])
def test_an_accelerators_index_may_be_a_whole_number_of_numpy(index: Callable[[int], Any]) -> None:
    problem = chain(unit("a", 300, 400), unit("b", 100, 50))
    found = schedule(problem, lambda problem: [index(1), index(0)])
    assert found.assignment == {"a": "far", "b": "near"}
