"""The best mappings of loop nests: all candidates of several nests decided at once, for every residency asked for.

Of each entry a bound is priced first, which none of its orders of loops is below. The entries whose bound is least are
priced in every order; then those whose bound is not above what these reach. The others hold no winner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.nest import NestCounts, count_nest, nest_counts, pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.arrays.figures import Array, CandidateFigures, Figures
from mensa_sim.cost.mapping.arrays.grid import Entries, Grid
from mensa_sim.cost.mapping.arrays.rows import OperandArrays
from mensa_sim.cost.mapping.arrays.sides import BufferCase, outer_orders, sharing
from mensa_sim.cost.mapping.arrays.visits import inside_index
from mensa_sim.cost.mapping.arrays.winners import Winner, count_winners
from mensa_sim.cost.mapping.candidates import ROTATIONS, build, inner_orders, stage_count
from mensa_sim.cost.mapping.least import Floor
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.own import follows
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.objective import objective_named
from mensa_sim.units import PJ_PER_J, PS_PER_S
from mensa_sim.workload.dims import OPERANDS, Operand

LIMITS: Mapping[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""


def limits_of(unrolling: Unrolling, limits: Mapping[str, int] = LIMITS) -> dict[str, int]:
    """The extents tried along each loop dim."""
    return {dim: sum(limits[member] for member in dim.split("*")) for dim in unrolling.dims}


_TIES = 1 + 1e-12
"""Figures that differ by no more than what their sums are rounded by are equal. A choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The winner of one case, and its figures as the search saw them."""

    mapping: NestMapping
    counts: NestCounts
    """Exact."""
    latency_ps: float
    energy_pj: float
    objective: float
    """In joules and seconds to the powers of the objective."""
    floor: float
    """What no mapping is below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The best candidate of a case, what it takes, and what no mapping is below."""

    winner: Winner
    latency_s: float
    energy_pj: float
    least_s: float
    least_pj: float


class Search:
    """All candidates of some nests on one accelerator; each nest's target may have less room in its levels."""

    def __init__(self, tasks: Sequence[NestTask]) -> None:
        self.tasks, target = tasks, tasks[0].target
        self.target, dataflow = target, target.accelerator.dataflow
        self.groups = sharing(tasks[0].ways)
        self.outer = [each for each in outer_orders(self.groups) if follows(each.groups, tasks[0].order)]
        self.inner = ROTATIONS if stage_count(tasks[0].ways) > 2 else inner_orders(dataflow.stationary)
        self.grid = Grid(tasks)
        self._arrays = {operand: OperandArrays(target, self.grid, operand, self.inner) for operand in OPERANDS}
        self._inside: dict[Operand, Indices] = {
            operand: np.array([inside_index(operand, order.groups) for order in self.outer]) for operand in OPERANDS
        }
        self._accesses = {operand: arrays.accesses() for operand, arrays in self._arrays.items()}
        self._array = self._array_work()
        self._floors = [Floor(task) for task in tasks]

    def _array_work(self) -> Array:
        accelerator, cycles = self.target.accelerator, []
        for part in self.grid.parts:
            task = part.task
            cycles.append(pass_cycles(accelerator, task.nest, task.unrolling, part.chain.tiles[0], task.ways))
        return Array(
            pass_cycles=self.grid.per_part(cycles),
            fill_cycles=self.grid.per_task([pipeline_cycles(accelerator, task.unrolling) for task in self.tasks]),
            tiles=self.grid.tiles,
            constant_pj=self.grid.per_task([task.constant_pj for task in self.tasks]),
        )

    @property
    def candidates(self) -> list[int]:
        """Mappings that each case of a nest is the best of: orders within and over tiles, and extents."""
        orders = len(self.inner) * len(self.outer)
        return [orders * task.entries for task in self.tasks]

    def shortage(self, task: int) -> str:
        """Why no candidate of a nest fits, for people."""
        return f"no tile of it fits: {self._figures(np.arange(len(self.grid.tiles))).sides.shortage(task, self.groups)}"

    def best(self, residencies: Sequence[Sequence[BufferCase]]) -> list[list[Mapped | None]]:
        """For each residency, which gives a case for each nest, the best candidates; none where no candidate fits.

        Those of least objective; equal ones by latency, energy, fewer tiles, then a fixed order.
        """
        entries = self._worthy(residencies)
        if not len(entries):
            return [[None] * len(self.tasks) for _ in residencies]
        figures = self._figures(entries)
        chosen = [self._winners(entries, figures, cases) for cases in residencies]
        distinct = list(dict.fromkeys(each.winner for some in chosen for each in some if each is not None))
        counted = dict(zip(distinct, self._counted(distinct), strict=True)) if distinct else {}
        return [
            [None if each is None else self._mapped(each, *counted[each.winner]) for each in some] for some in chosen
        ]

    def _figures(self, entries: Indices) -> Figures:
        """The prices of some entries in every order."""
        rows = {operand: each.picked(self._inside[operand], entries) for operand, each in self._accesses.items()}
        own = Entries(self.tasks, self.grid.task_of_entry[entries])
        return Figures(self.target, own, self.groups, rows, self.outer, self._array.of(entries))

    def _worthy(self, residencies: Sequence[Sequence[BufferCase]]) -> Indices:
        """The entries that may hold a winner of any residency: their bound is not above what another entry reaches."""
        least = {operand: each.least() for operand, each in self._accesses.items()}
        bare = Figures(self.target, self.grid, self.groups, least, self.outer[:1], self._array)
        bounds = np.stack([bare.priced(cases).objective[0, 0] for cases in residencies])  # [residency, entry]
        of_task = self.grid.task_of_entry
        first = (bounds <= np.stack([self.grid.least(each)[of_task] for each in bounds])) & (bounds < np.inf)
        figures = self._figures(np.flatnonzero(first.any(axis=0)))
        reached = [figures.entries.least(figures.priced(cases).objective.min(axis=(0, 1))) for cases in residencies]
        near = (bounds <= np.stack(reached)[:, of_task] * _TIES) & (bounds < np.inf)
        return np.flatnonzero(near.any(axis=0))

    def _counted(self, winners: Sequence[Winner]) -> list[tuple[NestMapping, NestCounts]]:
        """The mappings of candidates, and their exact counts."""
        accelerator, found = self.target.accelerator, []
        for winner, operands in zip(winners, count_winners(self._arrays, self._inside, winners), strict=True):
            part = self.grid.part_of(winner.entry)
            task, held = part.task, dict(zip(OPERANDS, winner.holds, strict=True))
            orders = (*part.chain.orders, self.inner[winner.inner])
            tiles = self.grid.tiles_of(winner.entry)
            mapping = build(task.unrolling, task.ways, tiles, orders, self.outer[winner.row].groups, held)
            if operands is None:
                counts = count_nest(task.nest, accelerator, mapping, task.ways)
            else:
                counts = nest_counts(task.nest, accelerator, mapping, task.ways, operands)
            found.append((mapping, counts))
        return found

    def _mapped(self, chosen: _Chosen, mapping: NestMapping, counts: NestCounts) -> Mapped:
        value = objective_named(self.target.objective).value
        return Mapped(
            objective=float(value(chosen.energy_pj / PJ_PER_J, chosen.latency_s)),
            floor=float(value(chosen.least_pj / PJ_PER_J, chosen.least_s)),
            mapping=mapping,
            counts=counts,
            latency_ps=chosen.latency_s * PS_PER_S,
            energy_pj=chosen.energy_pj,
        )

    def _winners(self, entries: Indices, figures: Figures, cases: Sequence[BufferCase]) -> list[_Chosen | None]:
        """The best candidate of each nest in one residency, of those in some entries."""
        priced = figures.priced(cases)
        first = _first(priced, figures.entries, self.grid.tiles[entries])
        places = np.unravel_index(first, priced.objective.shape)
        held = np.stack([_at(priced.holds[operand], places) for operand in OPERANDS], axis=1).tolist()
        inner, row, entry = places[0].tolist(), places[1].tolist(), entries[places[2]].tolist()
        latency_s, energy_pj = (each.reshape(-1)[first].tolist() for each in (priced.latency_s, priced.energy_pj))
        found: list[_Chosen | None] = [None] * len(self.tasks)
        for index, task in enumerate(self.grid.task_of_entry[entries[places[2]]].tolist()):
            least_s, least_pj = self._floors[task].reach(cases[task])
            found[task] = _Chosen(
                winner=Winner(inner[index], row[index], entry[index], tuple(held[index])),
                latency_s=latency_s[index],
                energy_pj=energy_pj[index],
                least_s=least_s,
                least_pj=least_pj,
            )
        return found


def _first(priced: CandidateFigures, own: Entries, tiles: Floats) -> Indices:
    """The candidate of each nest that has any, of least objective, latency, energy and tiles, in the order of all."""
    shape, total = priced.objective.shape, len(tiles)
    near = np.flatnonzero(priced.objective < np.inf)
    for each in (priced.objective, priced.latency_s, priced.energy_pj, np.broadcast_to(tiles, shape)):
        values, some = each.reshape(-1)[near], Entries(own.tasks, own.task_of_entry[near % total])
        near = near[values <= some.least(values)[some.task_of_entry] * _TIES]
    return near[np.unique(own.task_of_entry[near % total], return_index=True)[1]]


def _at(values: Bools, places: Sequence[Indices]) -> Bools:
    """[candidate] Values of an array that may be the same in all rows or entries."""
    found: Bools = values[tuple(np.minimum(place, size - 1) for place, size in zip(places, values.shape, strict=True))]
    return found
