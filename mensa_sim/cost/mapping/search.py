"""The best mappings of loop nests: all candidates of several nests decided at once, for every residency asked for.

Few entries are priced in every order. Of each of many a bound is priced first, which none of its orders of loops is
below. The entries whose bound is least are priced in every order; then those whose bound is not above what these reach.
The others hold no winner, nor do those whose bound is only equal and that take more of what the objective does not
count. Behind several SRAMs, and where registers hold many tiles, it is so with chains of inner tiles first, and then
with the last tiles around those that may hold a winner.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

from mensa_sim.arrays import Bools, Floats, distinct, joined, numbered, picked
from mensa_sim.cost.counts.nest import NestCounts, count_nest
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.candidates import Candidates, first_best
from mensa_sim.cost.mapping.arrays.fronts import Fronts
from mensa_sim.cost.mapping.arrays.grid import LastChoices
from mensa_sim.cost.mapping.arrays.last_tiles import LastTiles
from mensa_sim.cost.mapping.arrays.ranks import best_of_nests, least, near
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Sides, outer_orders, sharing
from mensa_sim.cost.mapping.arrays.winners import Counted, Winners, mappings_of, winners_at
from mensa_sim.cost.mapping.candidates import ROTATIONS, inner_orders, stage_count
from mensa_sim.cost.mapping.chains import Chains, first_chains, grown
from mensa_sim.cost.mapping.least import Floors
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.own import follows
from mensa_sim.cost.mapping.pool import TilePool
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.objective import objective_named
from mensa_sim.records import dataclass
from mensa_sim.units import PJ_PER_J, PS_PER_S
from mensa_sim.workload.dims import split_dims

LIMITS: Mapping[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""


def limits_of(unrolling: Unrolling, limits: Mapping[str, int] = LIMITS) -> dict[str, int]:
    """The extents tried along each loop dim."""
    return {dim: sum(limits[member] for member in split_dims(dim)) for dim in unrolling.dims}


_WHOLE = 1024
"""Entries of a nest, in the mean, above which chains are told apart first behind a single SRAM too: a choice."""
_ALL = 128
"""Chains around which all of the next stage are taken, as telling which of them may win takes longer: a choice."""
_FIRST = 3
"""Chains of each nest that are followed to their end at first, to have something to compare with: a choice."""
_SOME = 50
"""Chains of a nest above which its last tiles are looked at where time counts: a choice."""
_MANY = 200
"""Chains of a nest above which four times as many are followed again: a choice."""
_LAST = 4096
"""Last tiles of a nest up to which they are looked at: a choice."""
_CHAINS = 1024
"""Chains around which last tiles are put at once, at most: some 20 MiB. A choice."""
_TURN = 256
"""Of more chains those of a nest that are followed in one turn, the ones of least floor first: a choice."""
_MOST = 16384
"""Chains whose floors are worked out at once, at most: some 40 MiB. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The winner of one case, and its figures as the search saw them."""

    mapping: NestMapping
    counted: NestCounts | Counted
    """Exact: its own counts, or those of all winners that were searched together."""
    place: int = 0
    """Among these winners."""
    latency_ps: float
    energy_pj: float
    objective: float
    """In joules and seconds to the powers of the objective."""
    floor: float
    """What no mapping is below."""

    @property
    def counts(self) -> NestCounts:
        """Its own counts."""
        return self.counted.one(self.place) if isinstance(self.counted, Counted) else self.counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chosen:
    """The best candidates of one residency: [winner]."""

    winners: Winners
    task: Indices
    latency_s: Floats
    energy_pj: Floats


class Search:
    """All candidates of some nests on one accelerator; each nest's target may have less room in its levels."""

    def __init__(self, tasks: Sequence[NestTask]) -> None:
        self.tasks, self.target = tasks, tasks[0].target
        self.groups = sharing(tasks[0].ways)
        self.outer = [each for each in outer_orders(self.groups) if follows(each.groups, tasks[0].order)]
        self._inner_stages = stage_count(tasks[0].ways) - 2
        self.inner = ROTATIONS if self._inner_stages else inner_orders(self.target.accelerator.dataflow.stationary)
        self._pool = TilePool(tasks)
        self.floors = Floors(tasks)

    @cached_property
    def whole(self) -> Candidates | None:
        """All candidates; none behind several SRAMs, where they are too many."""
        return None if self._inner_stages else self._space(first_chains(self._pool))

    def _space(self, some: Chains, last: Mapping[int, LastTiles] | None = None) -> Candidates:
        return Candidates(self._pool, some, self.groups, self.inner, self.outer, LastChoices(self._pool, some, last))

    @property
    def candidates(self) -> list[int]:
        """Mappings that each case of a nest is the best of: orders within and over tiles, and extents."""
        orders = len(self.inner) * len(self.outer)
        return [orders * task.entries for task in self.tasks]

    def shortage(self, task: int) -> str:
        """Why no candidate of a nest fits, for people."""
        return f"no tile of it fits: {self._smallest.shortage(task, self.groups)}"

    @cached_property
    def _smallest(self) -> Sides:
        """What the smallest tiles of each nest need."""
        return self._space(self._least()).figures.sides

    def _least(self) -> Chains:
        """The chain of each nest whose tiles are all one pass of the array."""
        first = np.zeros(len(self.tasks), dtype=np.intp)
        tiles, orders = (self._pool.lanes,) * (1 + self._inner_stages), (first,) * self._inner_stages
        alone = np.zeros_like(self._pool.sizes)
        return Chains(task=np.arange(len(self.tasks)), tiles=tiles, larger=alone, orders=orders)

    def _promising(self, residencies: Sequence[BufferCase]) -> Candidates:
        """The candidates over those chains that may hold a winner of any residency."""
        if sum(task.entries for task in self.tasks) <= _WHOLE * len(self.tasks) and self.whole is not None:
            return self.whole.hopeful(residencies)

        anything = reached = np.full((2, len(residencies), len(self.tasks)), np.inf)
        lowest = [self.floors.demand(case) for case in residencies]
        timed = objective_named(self.target.objective).latency_power > 0
        last: dict[int, LastTiles] = {}

        def best(figures: Floats, task: Indices) -> Floats:
            return best_of_nests(figures, task, len(self.tasks))

        def floored(some: Chains, *, hopeful: bool = False) -> tuple[Chains, Floats]:
            """Those of chains that lead to last tiles, and what none of their candidates is below; of `hopeful` ones
            only those that may hold a winner."""
            least_s = np.zeros((len(residencies), len(some.task)))
            for task in last.keys() & set(some.task.tolist()):
                last[task].leave_out(reached[..., [task]])
                mine = np.flatnonzero(some.task == task)
                tiles, which = numbered(some.tiles[-1][mine], len(self._pool.task))
                least_s[:, mine] = last[task].least_s(tiles, self._inner_stages + 2 - len(some.tiles))[:, which]
            leading = np.flatnonzero((least_s < np.inf).any(axis=0))
            kept = [(picked(some, leading[:0]), anything[..., :0])]
            for piece in map(leading.__getitem__, _pieces(some.task[leading])):
                own = picked(some, piece)
                front = Fronts(self._pool, own, self.groups, self.outer, residencies, least_s[:, piece])
                which = np.flatnonzero(near(front.floors, own.task, reached).any(axis=0))
                which = front.unbeaten(which) if hopeful else np.arange(len(piece))
                kept.append((picked(own, which), front.floors[..., which]))
            return joined([chains for chains, _ in kept]), np.concatenate([floors for _, floors in kept], axis=-1)

        def followed(few: Chains, floors: Floats, count: int) -> Floats:
            """What the chains of least floor reach, and where many are followed those with equal tiles in all stages
            beyond: [figure, residency, task]."""
            few = picked(few, np.flatnonzero(least(floors, few.task, count).any(axis=0)))
            while len(few.tiles) <= self._inner_stages and len(few.task):
                few, floors = floored(grown(self._pool, few))
                kept = least(floors, few.task, count).any(axis=0)
                if count > _FIRST:
                    kept |= few.tiles[-1] == few.tiles[-2]
                few = picked(few, np.flatnonzero(kept))
            return best(self._space(few, last).reached(residencies), few.task) if len(few.task) else anything

        some = first_chains(self._pool)
        while len(some.tiles) <= self._inner_stages and len(some.task) <= _ALL:
            some = grown(self._pool, some)
        some, floors = floored(some)
        reached = followed(some, floors, _FIRST)
        some = picked(some, np.flatnonzero(near(floors, some.task, reached).any(axis=0)))
        some = grown(self._pool, some) if len(some.tiles) <= self._inner_stages else some
        while len(some.task):
            some, floors = floored(some, hopeful=True)
            for task in set(np.flatnonzero(np.bincount(some.task) > _SOME).tolist()) - last.keys() if timed else ():
                if prod(map(len, self.tasks[task].every_last_extent.values())) <= _LAST:
                    last[task] = LastTiles(self._pool, task, residencies, lowest)
            many = np.flatnonzero(np.bincount(some.task)[some.task] > _MANY)
            if len(many):
                further = followed(picked(some, many), floors[..., many], 4 * _FIRST)
                both = np.concatenate([reached, further], axis=-1)
                reached = best(both, np.tile(np.arange(len(self.tasks)), 2))
                near_it = np.flatnonzero(near(floors, some.task, reached).any(axis=0))
                some, floors = picked(some, near_it), floors[..., near_it]
            if len(some.tiles) > self._inner_stages:
                break
            some = grown(self._pool, some)
        for task, tiles in last.items():
            tiles.leave_out(reached[..., [task]])
        if len(some.task) > _CHAINS:
            found = np.full((2, len(residencies), len(some.task)), np.inf)
            rising = np.lexsort((floors[0].min(axis=0), some.task))
            turn = (np.arange(len(rising)) - np.searchsorted(some.task, some.task)) // _TURN
            order = np.argsort(turn, kind="stable")
            cuts = np.union1d(np.arange(_CHAINS, len(order), _CHAINS), np.flatnonzero(np.diff(turn[order])) + 1)
            for piece in np.split(rising[order], cuts):
                mine = np.sort(piece[near(floors[..., piece], some.task[piece], reached).any(axis=0)])
                if len(mine):
                    few = picked(some, mine)
                    found[..., mine] = self._space(few, last).reached(residencies, reached)
                    both = np.concatenate([reached, found[..., mine]], axis=-1)
                    reached = best(both, np.concatenate([np.arange(len(self.tasks)), few.task]))
            some = picked(some, np.flatnonzero(near(found, some.task, reached).any(axis=0)))
        if not len(some.task):
            return self._space(self._least())
        return self._space(some, last).hopeful(residencies, reached)

    def best(self, residencies: Sequence[BufferCase]) -> list[list[Mapped | None]]:
        """For each residency the best candidate of each nest; none where no candidate fits.

        Those of least objective; equal ones by latency, energy, fewer tiles, then a fixed order.
        """
        space = self._promising(residencies)
        found: list[list[Mapped | None]] = [[None] * len(self.tasks) for _ in residencies]
        chosen = [self._chosen(space, case) for case in residencies]
        if not any(len(each.task) for each in chosen):
            return found
        winners = joined([each.winners for each in chosen])
        first, kind = distinct([winners.inner, winners.row, winners.entry, *map(_as_index, winners.holds.values())])
        few = picked(winners, first)
        counted = Counted(space, few)
        mappings = mappings_of(space.grid, space.inner, space.outer, few)
        begin = 0
        for own, each, case in zip(found, chosen, residencies, strict=True):
            places = kind[begin : begin + len(each.task)].tolist()
            begin += len(places)
            for task, place, *reached in zip(each.task.tolist(), places, *self._reached(each, case), strict=True):
                latency_ps, energy_pj, objective, floor = reached
                own[task] = Mapped(
                    mapping=mappings[place],
                    counted=counted if counted.times[place] else self._count(self.tasks[task], mappings[place]),
                    place=place,
                    latency_ps=latency_ps,
                    energy_pj=energy_pj,
                    objective=objective,
                    floor=floor,
                )
        return found

    def _count(self, task: NestTask, mapping: NestMapping) -> NestCounts:
        return count_nest(task.nest, self.target.accelerator, mapping, task.ways)

    def _reached(self, chosen: _Chosen, case: BufferCase) -> list[list[float]]:
        """[figure][winner] Latency in ps, energy, objective, and what no mapping's objective is below."""
        value = objective_named(self.target.objective).value
        figures = (
            chosen.latency_s * PS_PER_S,
            chosen.energy_pj,
            value(chosen.energy_pj / PJ_PER_J, chosen.latency_s),
            self.floors.demand(case).floor(self.target)[chosen.task],
        )
        return [each.tolist() for each in figures]

    def _chosen(self, space: Candidates, case: BufferCase) -> _Chosen:
        """The best candidate of each nest in one residency."""
        priced = space.figures.priced(case)
        shape = priced.objective.shape
        tiles: Floats = np.broadcast_to(space.grid.tiles, shape)
        owner: Indices = np.broadcast_to(space.task_of_entry, shape)
        ranked = priced.objective, priced.latency_s, priced.energy_pj, tiles
        first = first_best([each.reshape(-1) for each in ranked], owner.reshape(-1), len(self.tasks))
        winners = winners_at(np.unravel_index(first, shape), priced.holds)
        return _Chosen(
            winners=winners,
            task=space.task_of_entry[winners.entry],
            latency_s=priced.latency_s.reshape(-1)[first],
            energy_pj=priced.energy_pj.reshape(-1)[first],
        )


def _pieces(task: Indices) -> Iterator[Indices]:
    """Chains that are looked at together: those of some nests, or some of a nest that alone has too many.

    Which ones of a nest never depends on the others, as of equal chains the first of a piece is left.
    """
    cuts, begin = [0], 0
    for end in (np.flatnonzero(np.diff(task, append=-1)) + 1).tolist():
        parts = -(-(end - begin) // _MOST)
        if parts > 1:
            cuts += [begin + (end - begin) * part // parts for part in range(parts + 1)]
        elif end - cuts[-1] > _MOST:
            cuts.append(begin)
        begin = end
    return (np.arange(first, last) for first, last in pairwise([*cuts, begin]) if first < last)


def _as_index(values: Bools) -> Indices:
    return values.astype(np.intp)
