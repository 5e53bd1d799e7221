"""The best mappings of loop nests: all candidates of several nests priced at once, for every residency asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.nest import NestCounts, count_nest, nest_counts, pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import Indices
from mensa_sim.cost.mapping.candidates import ROTATIONS, build, inner_orders, stage_count
from mensa_sim.cost.mapping.grid import Grid
from mensa_sim.cost.mapping.least import Floor
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.own import follows
from mensa_sim.cost.mapping.rows import OperandArrays
from mensa_sim.cost.mapping.sides import BufferCase, Side, Sides, outer_orders, sharing, total
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.cost.mapping.visits import inside_index
from mensa_sim.cost.mapping.winners import Winner, count_winners
from mensa_sim.objective import objective_named
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import OPERANDS, Operand

LIMITS: Mapping[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""


def limits_of(unrolling: Unrolling, limits: Mapping[str, int] = LIMITS) -> dict[str, int]:
    """The extents tried along each loop dim."""
    return {dim: sum(limits[member] for member in dim.split("*")) for dim in unrolling.dims}


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
        self.shape = (len(self.inner), len(self.outer), len(self.grid.tiles))
        self._arrays = {operand: OperandArrays(target, self.grid, operand, self.inner) for operand in OPERANDS}
        self._inside: dict[Operand, Indices] = {
            operand: np.array([inside_index(operand, order.groups) for order in self.outer]) for operand in OPERANDS
        }
        rows = {operand: self._arrays[operand].rows(self._inside[operand]) for operand in OPERANDS}
        fills = rows[dataflow.stationary].swaps if dataflow.pipeline_cycles_per == "pass" else self.grid.tiles
        self._cycles: Floats = self._pass_cycles() + self._pipeline_cycles() * fills
        constant_pj = self.grid.per_task([task.constant_pj for task in tasks])
        self._chip_pj: Floats = total([each.chip_pj for each in rows.values()]) + constant_pj
        self._floors = [Floor(task) for task in tasks]
        self._sides = Sides(target, self.grid, rows, self.outer)

    def _pass_cycles(self) -> Floats:
        accelerator, cycles = self.target.accelerator, []
        for part in self.grid.parts:
            task = part.task
            cycles.append(pass_cycles(accelerator, task.nest, task.unrolling, part.chain.tiles[0], task.ways))
        return self.grid.per_part(cycles)

    def _pipeline_cycles(self) -> Floats:
        return self.grid.per_task([pipeline_cycles(self.target.accelerator, task.unrolling) for task in self.tasks])

    @property
    def candidates(self) -> list[int]:
        """Mappings that each case of a nest is the best of: orders within and over tiles, and extents."""
        orders = len(self.inner) * len(self.outer)
        return [orders * count for count in np.bincount(self.grid.task_of_entry).tolist()]

    def shortage(self, task: int) -> str:
        """Why no candidate of a nest fits, for people."""
        return f"no tile of it fits: {self._sides.shortage(task, self.groups)}"

    def best(self, residencies: Sequence[Sequence[BufferCase]]) -> list[list[Mapped | None]]:
        """For each residency, which gives a case for each nest, the best candidates; none where no candidate fits.

        Those of least objective; equal ones by latency, energy, fewer tiles, then a fixed order.
        """
        chosen = [self._winners(cases) for cases in residencies]
        distinct = list(dict.fromkeys(each.winner for some in chosen for each in some if each is not None))
        counted = dict(zip(distinct, self._counted(distinct), strict=True)) if distinct else {}
        return [
            [None if each is None else self._mapped(each, *counted[each.winner]) for each in some] for some in chosen
        ]

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

    def _winners(self, cases: Sequence[BufferCase]) -> list[_Chosen | None]:
        """The best candidate of each nest in one residency."""
        sides = [self._sides.side(group, cases) for group in self.groups]
        fits = reduce(np.logical_and, [side.fits for side in sides])
        latency_s, energy_pj = self._figures(cases, sides)
        objective = objective_named(self.target.objective)
        figure = np.where(fits, objective.value(energy_pj, latency_s), np.inf)
        if figure.shape != self.shape:
            figure = np.broadcast_to(figure, self.shape)
        least = np.minimum.reduceat(figure.min(axis=(0, 1)), self.grid.task_starts)
        near = np.flatnonzero((figure <= (least * (1 + 1e-12))[self.grid.task_of_entry]) & (figure < np.inf))
        owner = self.grid.task_of_entry[near % self.shape[2]]
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(len(self.tasks) + 1)).tolist()
        near = near[order]
        latency_s, energy_pj = (np.broadcast_to(each, self.shape).reshape(-1) for each in (latency_s, energy_pj))
        holds = {operand: hold for side in sides for operand, hold in side.holds.items()}
        found: list[_Chosen | None] = []
        for task, case in enumerate(cases):
            tied = near[bounds[task] : bounds[task + 1]]
            if not len(tied):
                found.append(None)
                continue
            first = self._first(tied, latency_s, energy_pj)
            inner, row, entry = (int(index) for index in np.unravel_index(first, self.shape))
            held = tuple(bool(_at(holds[operand], (inner, row, entry))) for operand in OPERANDS)
            least_s, least_pj = self._floors[task].reach(case)
            found.append(
                _Chosen(
                    winner=Winner(inner, row, entry, held),
                    latency_s=float(latency_s[first]),
                    energy_pj=float(energy_pj[first]),
                    least_s=least_s,
                    least_pj=least_pj,
                )
            )
        return found

    def _first(self, near: Indices, latency_s: Floats, energy_pj: Floats) -> int:
        """Of the candidates with the least objective, the one of least latency, then energy, then tiles."""
        for tied in (latency_s, energy_pj):
            if len(near) > 1:
                values = tied[near]
                near = near[values <= values.min() * (1 + 1e-12)]
        return int(near[self.grid.tiles[near % self.shape[2]].argmin()])

    def _figures(self, cases: Sequence[BufferCase], sides: Sequence[Side]) -> tuple[Floats, Floats]:
        """Latency in seconds and energy, the accelerator's leakage meanwhile included, of every candidate."""
        accelerator, energy, each = self.target.accelerator, self.target.energy, self._sides.each
        steps = each([case.repeats.steps for case in cases])
        moved = [case.vector.total("memory") for case in cases]
        per_bit_s = 1 / (BITS_PER_BYTE * self.target.bandwidth_bytes_per_s)
        vector_bits = each([read + write for read, write in moved])
        body_s = (total([side.body_bits for side in sides]) + vector_bits) * per_bit_s
        cycles = np.maximum(steps * self._cycles, each([float(case.vector_cycles) for case in cases]))
        for side in sides:
            cycles = np.maximum(cycles, side.cycles)
        on_chip_s = cycles / accelerator.clock_hz
        middle_s = np.maximum(on_chip_s, body_s) if accelerator.dataflow.overlap else on_chip_s + body_s
        latency_s = middle_s + total([side.end_bits for side in sides]) * per_bit_s
        read_pj, write_pj = energy.memory_read_pj_per_bit, energy.memory_write_pj_per_bit
        vector_pj = each(
            [
                read * read_pj + write * write_pj + case.vector_pj
                for (read, write), case in zip(moved, cases, strict=True)
            ]
        )
        leakage_pj_per_s = leakage_pj(1.0, PS_PER_S) * energy.leakage_mw
        sides_pj = total([side.energy_pj for side in sides]) + vector_pj
        energy_pj = steps * self._chip_pj + sides_pj + leakage_pj_per_s * latency_s
        return latency_s, energy_pj


def _at(values: Bools, candidate: Sequence[int]) -> np.bool_:
    """A value of an array that may be the same in all rows or entries."""
    found: np.bool_ = values[tuple(min(index, size - 1) for index, size in zip(candidate, values.shape, strict=True))]
    return found
