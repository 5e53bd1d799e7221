"""The best mapping of a loop nest: all candidates priced at once, for every residency asked for."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.counts.counts import reads_per_element
from mensa_sim.cost.counts.memory_side import blocks_of, memory_side
from mensa_sim.cost.counts.nest import operand_ports, pass_cycles, pipeline_cycles
from mensa_sim.cost.counts.operand_arrays import array_side, inside_index
from mensa_sim.cost.counts.tiles import ELEMENTS, Floats, single_tile
from mensa_sim.cost.counts.window import window_of
from mensa_sim.cost.mapping.candidates import build, inner_orders, register_tiles
from mensa_sim.cost.mapping.capacity import register_rooms
from mensa_sim.cost.mapping.grid import Grid, grid, over_parts
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.cost.mapping.rows import OperandRows, operand_rows
from mensa_sim.cost.mapping.sides import OUTER, BufferCase, Side, Sides, Target, total
from mensa_sim.cost.mapping.unrolling import Unrolling
from mensa_sim.objective import objective_named
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
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


INSIDE_OF: Mapping[Operand, tuple[int, ...]] = {
    operand: tuple(inside_index(operand, order.groups) for order in OUTER) for operand in OPERANDS
}


class Search:
    """All candidates of one nest on one accelerator."""

    def __init__(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: Mapping[str, int]) -> None:
        accelerator, precision = target.accelerator, target.precision
        self.nest, self.unrolling, self.target = nest, unrolling, target
        self.inner = inner_orders(accelerator.dataflow.stationary)
        registers = register_tiles(nest, accelerator, unrolling, precision)
        self.empty = not registers
        if self.empty:
            return
        self.grid: Grid = grid(unrolling, registers, limits)
        self.shape = (len(self.inner), len(OUTER), len(self.grid.tiles))
        self.ports = operand_ports(accelerator, precision, target.word_bits)
        self.rows: dict[Operand, OperandRows] = {operand: self._rows(operand) for operand in OPERANDS}
        passes = [pass_cycles(accelerator, nest, unrolling, part.register) for part in self.grid.parts]
        bubbles = pipeline_cycles(accelerator, unrolling)
        self.cycles: Floats = over_parts(self.grid.parts, passes) + bubbles * self.grid.tiles
        self.chip_pj: Floats = total([rows.chip_pj for rows in self.rows.values()]) + self._constant_pj()
        self._mappings: dict[Hashable, NestMapping] = {}
        self._sides = Sides(nest, target, self.rows)

    @property
    def candidates(self) -> int:
        """Mappings that each case is the best of: orders within and over buffer tiles, and extents."""
        return 0 if self.empty else prod(self.shape)

    @property
    def shortage(self) -> str:
        """Why no candidate fits, for people."""
        if not self.empty:
            return f"no tile of it fits: {self._sides.shortage()}"
        rooms = register_rooms(self.nest, self.target.accelerator, self.unrolling, self.target.precision)
        short = [room.operand for room in rooms if not room.holds(self.unrolling.lanes)]
        return f"one pass of the array needs more than the registers of its {' and '.join(short)} hold"

    def _rows(self, operand: Operand) -> OperandRows:
        energy, ports = self.target.energy, self.ports[operand]
        window = window_of(self.nest) if operand == "input" else None
        array = array_side(self.grid, self.unrolling, operand, window, ports, energy, self.inner)
        blocks = None
        if ports.min_bits is not None:
            copies = self.target.accelerator.tile_copies
            blocks = blocks_of(self.grid, self.unrolling, operand, window, ports, copies)
        return operand_rows(array, memory_side(array, blocks, operand, ports, energy), INSIDE_OF[operand])

    def _constant_pj(self) -> float:
        """Energy per step that every mapping has: products, hops of partial sums, registers read in each pass."""
        energy, precision = self.target.energy, self.target.precision
        total = self.nest.macs * energy.mac_pj(precision.weight_bits, precision.input_bits)
        window = window_of(self.nest)
        for operand, ports in self.ports.items():
            if ports.register is None:
                continue
            inputs = window if operand == "input" else None
            elements = single_tile(self.unrolling, operand, inputs, self.unrolling.lanes, ports)[ELEMENTS]
            reads = elements * reads_per_element(self.unrolling, operand, ports.register)
            rate = energy.register_pj_per_bit.get(operand, 0.0)
            total += rate * reads * ports.partial_bits * (2 if operand == "output" else 1)
            if operand == "output":
                hops = self.nest.macs - reads
                total += hops * ports.partial_bits * energy.hop_pj_per_bit
        return total

    def mapping(self, inner: int, row: int, entry: int, holds: tuple[bool, ...]) -> NestMapping:
        """The mapping of an entry of the grid under an order within buffer tiles and one over them."""
        key = (inner, row, entry, holds)
        if key not in self._mappings:
            part, position = self.grid.locate(entry)
            held = dict(zip(OPERANDS, holds, strict=True))
            orders = self.inner[inner], OUTER[row].groups
            self._mappings[key] = build(self.unrolling, part.register, part.tile(position), *orders, held)
        return self._mappings[key]

    def best(self, case: BufferCase) -> Priced | None:
        """The candidate of least objective; equal ones by latency, energy, fewer tiles, then a fixed order."""
        if self.empty:
            return None
        parameter, activation = self._sides.side("parameter", case), self._sides.side("activation", case)
        fits = parameter.fits & activation.fits
        if not fits.any():
            return None
        latency_s, energy_pj = self._figures(case, parameter, activation)
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
        holds = {**parameter.holds, **activation.holds}
        return Priced(
            mapping=self.mapping(*winner, tuple(bool(_at(holds[operand], winner)) for operand in OPERANDS)),
            latency_ps=float(_at(latency_s, winner)) * PS_PER_S,
            energy_pj=float(_at(energy_pj, winner)),
        )

    def _figures(self, case: BufferCase, parameter: Side, activation: Side) -> tuple[Floats, Floats]:
        """Latency in seconds and energy, the accelerator's leakage meanwhile included, of every candidate."""
        accelerator, energy, steps = self.target.accelerator, self.target.energy, case.repeats.steps
        vector_read, vector_write = case.vector.total("memory")
        per_bit_s = 1 / (BITS_PER_BYTE * self.target.bandwidth_bytes_per_s)
        body_s = (parameter.body_bits + activation.body_bits + (vector_read + vector_write)) * per_bit_s
        array_cycles = np.maximum(steps * self.cycles, float(case.vector_cycles))
        cycles = np.maximum(np.maximum(parameter.cycles, array_cycles), activation.cycles)
        on_chip_s = cycles / accelerator.clock_hz
        middle_s = np.maximum(on_chip_s, body_s) if accelerator.dataflow.overlap else on_chip_s + body_s
        latency_s = middle_s + (parameter.end_bits + activation.end_bits) * per_bit_s
        vector_pj = vector_read * energy.memory_read_pj_per_bit + vector_write * energy.memory_write_pj_per_bit
        vector_pj += case.vector_pj
        chip_pj = self.chip_pj if steps == 1 else self.chip_pj * steps
        leakage_pj_per_s = leakage_pj(1.0, PS_PER_S) * energy.leakage_mw
        energy_pj = chip_pj + (parameter.energy_pj + vector_pj) + activation.energy_pj + leakage_pj_per_s * latency_s
        return latency_s, energy_pj


def _at(values: npt.NDArray[Scalar], candidate: Sequence[int]) -> Scalar:
    """A value of an array that may be the same in all rows or entries."""
    found: Scalar = values[tuple(min(index, size - 1) for index, size in zip(candidate, values.shape, strict=True))]
    return found
