"""The best mapping of a loop nest: all candidates priced at once, for every residency asked for."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.counts.nest import pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.tiles import one_tiling
from mensa_sim.cost.counts.ways import ways
from mensa_sim.cost.mapping.candidates import ROTATIONS, build, inner_orders, stage_count
from mensa_sim.cost.mapping.chains import Rooms, chains
from mensa_sim.cost.mapping.grid import Grid, grid
from mensa_sim.cost.mapping.least import Floor
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.rows import OperandRows, RowMaker
from mensa_sim.cost.mapping.sides import BufferCase, Side, Sides, Target, outer_orders, sharing, total
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.cost.mapping.visits import inside_index
from mensa_sim.objective import objective_named
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import LoopNest

Scalar = TypeVar("Scalar", np.float64, np.bool_)

LIMITS: Mapping[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""


def limits_of(unrolling: Unrolling, limits: Mapping[str, int] = LIMITS) -> dict[str, int]:
    """The extents tried along each loop dim."""
    return {dim: sum(limits[member] for member in dim.split("*")) for dim in unrolling.dims}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The winner of one case, and its figures as the search saw them."""

    mapping: NestMapping
    latency_ps: float
    energy_pj: float
    objective: float
    """In joules and seconds to the powers of the objective."""
    floor: float
    """What no mapping is below."""


class Search:
    """All candidates of one nest on one accelerator."""

    def __init__(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: Mapping[str, int]) -> None:
        accelerator, dataflow = target.accelerator, target.accelerator.dataflow
        self.nest, self.unrolling, self.target = nest, unrolling, target
        self.ways = ways(accelerator, unrolling, target.precision, target.word_bits)
        self.groups = sharing(self.ways)
        self.outer = outer_orders(self.groups)
        self.inner = ROTATIONS if stage_count(self.ways) > 2 else inner_orders(dataflow.stationary)
        found = chains(nest, accelerator, unrolling, self.ways, limits)
        self.empty = not found
        if self.empty:
            return
        self.grid: Grid = grid(unrolling, found, limits)
        self.shape = (len(self.inner), len(self.outer), len(self.grid.tiles))
        maker = RowMaker(nest, accelerator, target.energy, self.grid, unrolling, self.inner)
        self.rows: dict[Operand, OperandRows] = {
            operand: maker.rows(way, [inside_index(operand, order.groups) for order in self.outer])
            for operand, way in self.ways.items()
        }
        passes = [pass_cycles(accelerator, nest, unrolling, p.chain.tiles[0], self.ways) for p in self.grid.parts]
        fills = self.rows[dataflow.stationary].swaps if dataflow.pipeline_cycles_per == "pass" else self.grid.tiles
        self.cycles: Floats = self.grid.per_part(passes) + pipeline_cycles(accelerator, unrolling) * fills
        self.chip_pj: Floats = total([rows.chip_pj for rows in self.rows.values()]) + self._constant_pj()
        self._mappings: dict[Hashable, NestMapping] = {}
        self._floor = Floor(nest, unrolling, self.ways, target, self._constant_pj())
        self._sides = Sides(nest, target, self.rows, self.outer)

    @property
    def candidates(self) -> int:
        """Mappings that each case is the best of: orders within and over tiles, and extents."""
        return 0 if self.empty else prod(self.shape)

    @property
    def shortage(self) -> str:
        """Why no candidate fits, for people."""
        if not self.empty:
            return f"no tile of it fits: {self._sides.shortage(self.groups)}"
        accelerator = self.target.accelerator
        short = Rooms(self.nest, accelerator, self.ways, 0).short(self.unrolling.lanes)
        held = f"the registers of its {' and '.join(short)} hold" if short else "its inner levels hold"
        return f"one pass of the array needs more than {held}"

    def _constant_pj(self) -> float:
        """Energy per step that every mapping has beside its accesses: products, and hops of partial sums."""
        energy, precision, way = self.target.energy, self.target.precision, self.ways["output"]
        elements = one_tiling(self.unrolling, "output", None, self.unrolling.lanes).elements
        hops = self.nest.macs - elements * sums_per_element(way, self.unrolling)
        mac_pj = energy.mac_pj(precision.weight_bits, precision.input_bits)
        return self.nest.macs * mac_pj + hops * way.partial_bits * energy.hop_pj_per_bit

    def mapping(self, inner: int, row: int, entry: int, holds: tuple[bool, ...]) -> NestMapping:
        """The mapping of an entry of the grid under an order within tiles and one over them."""
        key = (inner, row, entry, holds)
        if key not in self._mappings:
            part, position = self.grid.locate(entry)
            held = dict(zip(OPERANDS, holds, strict=True))
            tiles = (*part.chain.tiles, part.tile(position))
            orders = (*part.chain.orders, self.inner[inner])
            self._mappings[key] = build(self.unrolling, self.ways, tiles, orders, self.outer[row].groups, held)
        return self._mappings[key]

    def best(self, case: BufferCase) -> Priced | None:
        """The candidate of least objective; equal ones by latency, energy, fewer tiles, then a fixed order."""
        if self.empty:
            return None
        sides = [self._sides.side(group, case) for group in self.groups]
        fits = reduce(np.logical_and, [side.fits for side in sides])
        if not fits.any():
            return None
        latency_s, energy_pj = self._figures(case, sides)
        figure = objective_named(self.target.objective).value(energy_pj, latency_s)
        figure = np.where(fits, figure, np.inf)
        if figure.shape != self.shape:
            figure = np.broadcast_to(figure, self.shape)
        near = np.flatnonzero(figure <= figure.min() * (1 + 1e-12))
        if len(near) > 1:
            for tied in (latency_s, energy_pj):
                values = np.broadcast_to(tied, self.shape).ravel()[near]
                near = near[values <= values.min() * (1 + 1e-12)]
        entries = near % self.shape[2]
        first = int(self.grid.tiles[entries].argmin())
        inner, row = divmod(int(near[first]) // self.shape[2], self.shape[1])
        winner = inner, row, int(entries[first])
        holds = {operand: hold for side in sides for operand, hold in side.holds.items()}
        chosen = objective_named(self.target.objective)
        least_s, least_pj = self._floor.reach(case)
        found_pj, found_s = float(_at(energy_pj, winner)), float(_at(latency_s, winner))
        return Priced(
            objective=float(chosen.value(found_pj / PJ_PER_J, found_s)),
            floor=float(chosen.value(least_pj / PJ_PER_J, least_s)),
            mapping=self.mapping(*winner, tuple(bool(_at(holds[operand], winner)) for operand in OPERANDS)),
            latency_ps=found_s * PS_PER_S,
            energy_pj=found_pj,
        )

    def _figures(self, case: BufferCase, sides: Sequence[Side]) -> tuple[Floats, Floats]:
        """Latency in seconds and energy, the accelerator's leakage meanwhile included, of every candidate."""
        accelerator, energy, steps = self.target.accelerator, self.target.energy, case.repeats.steps
        vector_read, vector_write = case.vector.total("memory")
        per_bit_s = 1 / (BITS_PER_BYTE * self.target.bandwidth_bytes_per_s)
        body_s = (total([side.body_bits for side in sides]) + (vector_read + vector_write)) * per_bit_s
        cycles = np.maximum(steps * self.cycles, float(case.vector_cycles))
        for side in sides:
            cycles = np.maximum(cycles, side.cycles)
        on_chip_s = cycles / accelerator.clock_hz
        middle_s = np.maximum(on_chip_s, body_s) if accelerator.dataflow.overlap else on_chip_s + body_s
        latency_s = middle_s + total([side.end_bits for side in sides]) * per_bit_s
        vector_pj = vector_read * energy.memory_read_pj_per_bit + vector_write * energy.memory_write_pj_per_bit
        vector_pj += case.vector_pj
        chip_pj = self.chip_pj if steps == 1 else self.chip_pj * steps
        leakage_pj_per_s = leakage_pj(1.0, PS_PER_S) * energy.leakage_mw
        energy_pj = chip_pj + (total([side.energy_pj for side in sides]) + vector_pj) + leakage_pj_per_s * latency_s
        return latency_s, energy_pj


def _at(values: npt.NDArray[Scalar], candidate: Sequence[int]) -> Scalar:
    """A value of an array that may be the same in all rows or entries."""
    found: Scalar = values[tuple(min(index, size - 1) for index, size in zip(candidate, values.shape, strict=True))]
    return found
