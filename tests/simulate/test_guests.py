"""Who leaves an activation level when another request needs its room."""

from types import SimpleNamespace
from typing import Any

import pytest

from mensa_sim.simulate.engine.guests import Guests


class Guest:
    """What of a request its place among others needs."""

    def __init__(self, rank: int, sizes: dict[int, int]) -> None:
        self.rank, self.sizes, self.spilled = rank, sizes, set[int]()
        self.plan = SimpleNamespace(units=[SimpleNamespace(layers=(f"l{number}",)) for number in range(3)])


@pytest.mark.parametrize(("need", "leave"), [(40, 0), (41, 2), (70, 2), (71, 3)])
def test_the_last_in_rank_leaves_first_and_nobody_for_room_that_is_there(need: int, leave: int) -> None:
    """Of 100 bytes others hold 30 and 30."""
    guests, asking = Guests(100), Guest(0, {0: 50})
    named: dict[Any, str] = {Guest(1, {1: 30}): "next", Guest(2, {0: 20, 2: 10}): "last", asking: "own"}
    guests.living = {guest: guest.sizes for guest in named}
    spills = guests.make_room(asking, need)  # type: ignore[arg-type]
    assert [f"{named[spill.request]} {spill.layer}" for spill in spills] == ["last l0", "last l2", "next l1"][:leave]
    assert guests.held_beside(asking) == 60 - sum(spill.size_bytes for spill in spills)  # type: ignore[arg-type]
