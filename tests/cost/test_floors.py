"""A chain of inner tiles is left out by its floor: no candidate around it, priced in full, may lie below that.

Of those equal to it none may lie below the floor of the figure that the objective does not count; and none takes less
than the last tiles that tiles of any stage lead to.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from drawn import layer_of

from mensa_sim.arrays import picked
from mensa_sim.cost.energy import energy_model
from mensa_sim.cost.mapping.arrays.candidates import Candidates
from mensa_sim.cost.mapping.arrays.fronts import Fronts
from mensa_sim.cost.mapping.arrays.grid import LastChoices
from mensa_sim.cost.mapping.arrays.last_tiles import LastTiles
from mensa_sim.cost.mapping.arrays.ranks import TIES, best_of_nests
from mensa_sim.cost.mapping.arrays.rivals import front
from mensa_sim.cost.mapping.arrays.sides import outer_orders
from mensa_sim.cost.mapping.candidates import ROTATIONS, stage_count
from mensa_sim.cost.mapping.chains import first_chains, grown
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.prices.together import cases_of, searches
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.files import load_system
from mensa_sim.objective import objective_named
from mensa_sim.workload.layer import LoopNest

NESTS = {
    "pointwise": LoopNest(K=48, C=96, OY=14, OX=14, input_height=14, input_width=14),
    "depthwise": LoopNest(G=96, OY=7, OX=7, FY=3, FX=3, stride_y=2, stride_x=2, input_height=14, input_width=14),
    "matmul": LoopNest(K=100, C=640, OX=3, input_width=3),
}
WORKING_PJ = {"simba_chiplet": 300.0}
"""What a cycle of the array's work draws, where a maker states it for all parts."""
_CHAINS = 300
"""Chains of each nest, at regular places of all: a choice."""


class Drawn:
    """Chains of a nest on a machine, at regular places of all."""

    def __init__(self, machine: str, nest: str, objective: str) -> None:
        system = load_system(machine)
        placed, memory = system.accelerators[0], system.memory_of(machine)
        steps = Steps(nest=NESTS[nest], steps=2, resident=True)
        energy = replace(energy_model(placed, memory), working_pj_per_cycle=WORKING_PJ.get(machine, 0.0))
        pricer = Pricer(layer_of(NESTS[nest]), placed.array, memory, energy, steps, objective)
        ((self.search, pricers, residencies),) = searches([pricer])
        self.cases, self.pool = cases_of(pricers, residencies), TilePool(self.search.tasks)
        some = first_chains(self.pool)
        for _ in range(stage_count(self.search.tasks[0].ways) - 2):
            some = grown(self.pool, some)
            some = picked(some, np.unique(np.linspace(0, len(some.task) - 1, _CHAINS).astype(np.intp)))
        self.chains, self.orders = some, outer_orders(self.search.groups)
        lowest = [self.search.floors.demand(case) for case in self.cases]
        self.last = LastTiles(self.pool, 0, self.cases, lowest)

    def space(self, last: Mapping[int, LastTiles] | None = None) -> Candidates:
        """Their candidates, of some last tiles."""
        tried = LastChoices(self.pool, self.chains, last)
        return Candidates(self.pool, self.chains, self.search.groups, ROTATIONS, self.orders, tried)


@pytest.mark.parametrize("objective", ["latency", "energy", "edp"])
@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("machine", ["hexagon_hvx", "ethos_u55", "simba_chiplet"])
def test_no_candidate_lies_below_the_floor_of_its_chain(machine: str, nest: str, objective: str) -> None:
    drawn = Drawn(machine, nest, objective)
    cases, some, space = drawn.cases, drawn.chains, drawn.space()
    inner = len(some.tiles)
    least_s = np.max([drawn.last.least_s(tiles, inner - stage) for stage, tiles in enumerate(some.tiles)], axis=0)
    floors = Fronts(drawn.pool, some, drawn.search.groups, drawn.orders, cases, least_s).floors
    chain, left_out = space.grid.part, 0
    for floor, second_floor, own_s, case in zip(*floors, least_s, cases, strict=True):
        priced = space.figures.priced(case)
        assert (floor[chain] <= priced.objective * TIES).all()
        assert (own_s[chain] <= priced.latency_s * TIES)[priced.objective < np.inf].all()
        equal = priced.objective <= floor[chain] * TIES
        second = np.where(equal, objective_named(objective).uncounted(priced.energy_pj, priced.latency_s), np.inf)
        assert (second_floor[chain] <= second * TIES).all()
        left_out += np.count_nonzero(floor > priced.objective.min() * TIES)
    as_fast = (machine, nest, objective) == ("ethos_u55", "matmul", "latency")  # each chain computes all the time
    assert left_out or as_fast, "a floor that leaves out no chain says nothing"


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("machine", ["hexagon_hvx", "simba_chiplet"])
def test_last_tiles_that_are_left_out_hold_no_winner_and_are_not_tried(machine: str, nest: str) -> None:
    drawn = Drawn(machine, nest, "latency")
    space = drawn.space()
    reached = best_of_nests(space.figures.best(drawn.cases), space.task_of_entry, 1)
    drawn.last.leave_out(reached)
    left = drawn.space({0: drawn.last})
    again = best_of_nests(left.figures.best(drawn.cases), left.task_of_entry, 1)
    assert (again == reached).all()
    assert len(left) < len(space), "tiles that leave out nothing say nothing"
    assert (space.some(np.arange(0)).reached(drawn.cases) == np.inf).all()  # as where none is left


def test_of_many_rows_those_are_left_that_no_other_of_their_kind_is_at_most_equal_to() -> None:
    """More of a kind than are compared one by one, many of them equal."""
    drawn = np.random.default_rng(3)
    kind, values = drawn.integers(0, 2, 600), drawn.integers(0, 9, (3, 600)).astype(np.float64)
    behind = (values[:, :, None] <= values[:, None]).all(axis=0) & (kind[:, None] == kind)
    behind &= ~behind.T | np.triu(np.ones_like(behind), 1)  # of equal rows the first stays
    assert front(kind, values).tolist() == np.flatnonzero(~behind.any(axis=0)).tolist()
