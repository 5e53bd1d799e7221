"""The best mapping of a loop nest: all candidates priced at once, for every residency asked for."""

from collections.abc import Hashable, Sequence
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.candidates import FREE_GROUP, ORDERS, build, inner_orders, register_tiles
from mensa_sim.cost.capacity import whole_bits
from mensa_sim.cost.counts import BUFFER_OF, reads_per_element
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.grid import Bools, Grid, grid, over_parts
from mensa_sim.cost.mapping import Mapping
from mensa_sim.cost.memory_side import (
    BODY_BITS,
    CROSSING_PJ,
    DRAIN_ACCESSES,
    END_BITS,
    FILL_ACCESSES,
    blocks_of,
    memory_side,
)
from mensa_sim.cost.nest_counts import Precision, operand_ports, pass_cycles, pipeline_cycles
from mensa_sim.cost.operand_arrays import array_side, inside_index
from mensa_sim.cost.rows import OperandRows, operand_rows
from mensa_sim.cost.tally import Port, Repeats, Tally
from mensa_sim.cost.tiles import ELEMENTS, Floats, single_tile
from mensa_sim.cost.unrolling import Unrolling
from mensa_sim.cost.window import window_of
from mensa_sim.hardware.accelerator import BUFFERS, OPERANDS, Accelerator, BufferName, Operand
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
from mensa_sim.workload.layer import LoopNest

Objective = Literal["latency", "energy", "edp"]
Scalar = TypeVar("Scalar", np.float64, np.bool_)

LIMITS: ReadOnly[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""


def limits_of(unrolling: Unrolling, limits: ReadOnly[str, int] = LIMITS) -> dict[str, int]:
    """The extents tried along each loop dim."""
    return {dim: sum(limits[member] for member in dim.split("*")) for dim in unrolling.dims}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One residency of a layer: what stays on chip, how often the rest crosses, and what vector work adds."""

    kept: frozenset[Operand]
    repeats: Repeats
    vector: Tally
    vector_cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a nest is priced for."""

    accelerator: Accelerator
    energy: EnergyModel
    bandwidth_bytes_per_s: float
    precision: Precision
    objective: Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """The winner of one case, and its figures as the search saw them."""

    mapping: Mapping
    latency_ps: float
    energy_pj: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """An order of the groups over buffer tiles; `input_first` says who may hold more where both would not fit."""

    groups: tuple[str, str, str]
    input_first: bool


OUTER = tuple(
    _Order(groups=groups, input_first=first)
    for groups in ORDERS
    for first in ((True, False) if groups[0] == FREE_GROUP["weight"] else (True,))
)
INPUT_FIRST: Bools = np.array([[order.input_first] for order in OUTER])
INSIDE_OF: ReadOnly[Operand, tuple[int, ...]] = {
    operand: tuple(inside_index(operand, order.groups) for order in OUTER) for operand in OPERANDS
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    """What the operands of one buffer need, over all steps: [inner, row, entry]."""

    body_bits: Floats
    """Memory traffic that may run beside the array."""
    end_bits: Floats
    energy_pj: Floats
    on_chip_s: Floats
    """Of the busier port."""
    holds: ReadOnly[Operand, Bools]
    """Where an operand holds more than a buffer tile."""
    fits: Bools


def _total(terms: Sequence[Floats]) -> Floats:
    """The sum of arrays; nothing is a zero."""
    return reduce(np.add, terms) if terms else np.zeros((1, 1, 1))


class Search:
    """All candidates of one nest on one accelerator."""

    def __init__(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: ReadOnly[str, int]) -> None:
        accelerator, precision = target.accelerator, target.precision
        self.nest, self.unrolling, self.target = nest, unrolling, target
        self.inner = inner_orders(accelerator.array.stationary)
        registers = register_tiles(nest, accelerator, unrolling, precision)
        self.empty = not registers
        if self.empty:
            return
        self.grid: Grid = grid(unrolling, registers, limits)
        self.shape = (len(self.inner), len(OUTER), len(self.grid.tiles))
        self.ports = operand_ports(accelerator, precision)
        self.rows: dict[Operand, OperandRows] = {operand: self._rows(operand) for operand in OPERANDS}
        passes = [pass_cycles(accelerator, nest, unrolling, part.register) for part in self.grid.parts]
        bubbles = pipeline_cycles(accelerator, unrolling)
        self.cycles: Floats = over_parts(self.grid.parts, passes) + bubbles * self.grid.tiles
        self.chip_pj: Floats = _total([rows.chip_pj for rows in self.rows.values()]) + self._constant_pj()
        self._sides: dict[Hashable, _Side] = {}

    @property
    def candidates(self) -> int:
        """Mappings that each case is the best of: orders within and over buffer tiles, and extents."""
        return 0 if self.empty else prod(self.shape)

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
        accelerator, energy, precision = self.target.accelerator, self.target.energy, self.target.precision
        total = self.nest.macs * energy.mac_pj(precision.weight_bits, precision.activation_bits)
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
                total += hops * accelerator.accumulator_bits * energy.hop_pj_per_bit
        return total

    def mapping(self, inner: int, row: int, entry: int, holds: ReadOnly[Operand, bool]) -> Mapping:
        """The mapping of an entry of the grid under an order within buffer tiles and one over them."""
        part, position = self.grid.locate(entry)
        return build(self.unrolling, part.register, part.tile(position), self.inner[inner], OUTER[row].groups, holds)

    def best(self, case: Case) -> Priced | None:
        """The candidate of least objective; equal ones by latency, energy, fewer tiles, then a fixed order."""
        if self.empty:
            return None
        sides = [self._side(name, case) for name in BUFFERS]
        fits = sides[0].fits & sides[1].fits
        if not fits.any():
            return None
        latency_s, energy_pj = self._figures(case, *sides)
        objective = self.target.objective
        minimised = (
            latency_s if objective == "latency" else energy_pj if objective == "energy" else latency_s * energy_pj
        )
        figure = np.empty(self.shape)
        figure[...] = np.where(fits, minimised, np.inf)
        near = np.flatnonzero(figure <= figure.min() * (1 + 1e-12))
        if len(near) > 1:
            for tied in (latency_s, energy_pj):
                values = np.broadcast_to(tied, self.shape).flat[near]
                near = near[values <= values.min() * (1 + 1e-12)]
        entries = near % self.shape[2]
        first = int(np.argmin(self.grid.tiles[entries]))
        inner, row = divmod(int(near[first]) // self.shape[2], self.shape[1])
        winner = inner, row, int(entries[first])

        held = {operand: bool(self._at(mask, winner)) for side in sides for operand, mask in side.holds.items()}
        return Priced(
            mapping=self.mapping(*winner, held),
            latency_ps=float(self._at(latency_s, winner)) * PS_PER_S,
            energy_pj=float(self._at(energy_pj, winner)),
        )

    def _at(self, values: npt.NDArray[Scalar], candidate: tuple[int, int, int]) -> Scalar:
        """A value of an array that may be the same in all rows or entries."""
        found: Scalar = np.broadcast_to(values, self.shape)[candidate]
        return found

    def _figures(self, case: Case, parameter: _Side, activation: _Side) -> tuple[Floats, Floats]:
        """Latency in seconds and energy, the accelerator's leakage meanwhile included, of every candidate."""
        accelerator, energy = self.target.accelerator, self.target.energy
        vector_read, vector_write = case.vector.total("memory")
        per_bit_s = 1 / (BITS_PER_BYTE * self.target.bandwidth_bytes_per_s)
        body_s = (parameter.body_bits + activation.body_bits + (vector_read + vector_write)) * per_bit_s
        on_chip_s = np.maximum(parameter.on_chip_s, activation.on_chip_s)
        middle_s = np.maximum(on_chip_s, body_s) if accelerator.array.overlap else on_chip_s + body_s
        latency_s = middle_s + (parameter.end_bits + activation.end_bits) * per_bit_s
        vector_pj = vector_read * energy.memory_read_pj_per_bit + vector_write * energy.memory_write_pj_per_bit
        leakage_pj_per_s = leakage_pj(1.0, PS_PER_S) * energy.leakage_mw
        energy_pj = parameter.energy_pj + activation.energy_pj + vector_pj + leakage_pj_per_s * latency_s
        return latency_s, energy_pj

    def _side(self, name: BufferName, case: Case) -> _Side:
        """What the operands of a buffer need; the two buffers do not see each other, so that cases share sides."""
        operands = [operand for operand in OPERANDS if BUFFER_OF[operand] == name]
        fetches = tuple(case.repeats.fetches[operand] for operand in operands)
        kept = frozenset(operand for operand in operands if operand in case.kept)
        port = case.vector.ports.get(name, Port())
        key = (name, kept, fetches, case.repeats.steps, case.vector_cycles, port.reads, port.writes)
        if key not in self._sides:
            self._sides[key] = self._needs(name, kept, case, port)
        return self._sides[key]

    def _needs(self, name: BufferName, kept: frozenset[Operand], case: Case, port: Port) -> _Side:
        steps, fetches, energy = case.repeats.steps, case.repeats.fetches, self.target.energy
        buffer = self.target.accelerator.buffers.get(name)
        holds, fits = self._parameters(kept) if name == "parameter" else self._activations(kept)
        body: list[Floats] = []
        ends: list[Floats] = []
        energies: list[Floats] = []
        reads: list[Floats] = [np.full((1, 1, 1), float(port.reads))]
        writes: list[Floats] = [np.full((1, 1, 1), float(port.writes))]
        if buffer is not None:
            vector_pj = port.reads * energy.buffer_read_pj[name] + port.writes * energy.buffer_write_pj[name]
            energies.append(np.full((1, 1, 1), vector_pj))
        for operand in holds:
            rows, times = self.rows[operand], fetches[operand]
            reads.append(rows.feed_accesses * steps)
            writes.append(rows.collect_accesses * steps)
            if not times:
                continue
            crossing = self._whole_fetch(operand) if operand in kept else rows.crossing(holds[operand])
            crossing = crossing if times == 1 else crossing * times
            body.append(crossing[BODY_BITS])
            energies.append(crossing[CROSSING_PJ])
            writes.append(crossing[FILL_ACCESSES])
            if operand == "output":
                reads.append(crossing[DRAIN_ACCESSES])
            ends.append(crossing[END_BITS] if operand == "output" else rows.end_bits * times)
        if name == "parameter":
            cycles = np.maximum(steps * self.cycles, float(case.vector_cycles))[None, None, :]
            energies.append(self.chip_pj * steps)
        else:
            cycles = np.zeros((1, 1, 1))
        if buffer is not None:
            read_cycles = _total(reads) * (buffer.min_bits / buffer.read_bits)
            write_cycles = _total(writes) * (buffer.min_bits / buffer.write_bits)
            cycles = np.maximum(cycles, np.ceil(np.maximum(read_cycles, write_cycles)))
        return _Side(
            body_bits=_total(body),
            end_bits=_total(ends),
            energy_pj=_total(energies),
            on_chip_s=cycles / self.target.accelerator.clock_hz,
            holds=holds,
            fits=fits,
        )

    def _parameters(self, kept: frozenset[Operand]) -> tuple[dict[Operand, Bools], Bools]:
        """Where weights hold more than a buffer tile, as much as fits, and where their buffer holds what it must."""
        weight = self._fits("parameter", self._room("weight", 1, kept))
        return {"weight": weight}, weight | self._fits("parameter", self._room("weight", 0, kept))

    def _activations(self, kept: frozenset[Operand]) -> tuple[dict[Operand, Bools], Bools]:
        """The same of inputs and outputs, which share a buffer."""
        inputs, outputs = ([self._room(operand, holds, kept) for holds in (0, 1)] for operand in ("input", "output"))
        both, only_input, only_output, neither = (
            self._fits("activation", inputs[i] + outputs[j]) for i, j in ((1, 1), (1, 0), (0, 1), (0, 0))
        )
        input_holds = both | (only_input & (INPUT_FIRST | ~only_output))
        output_holds = both | (only_output & ~(INPUT_FIRST & only_input))
        return {"input": input_holds, "output": output_holds}, both | only_input | only_output | neither

    def _room(self, operand: Operand, holds: int, kept: frozenset[Operand]) -> Floats:
        """Bits that an operand takes: a resident one its whole size; sums of a resident output must not leave."""
        rows = self.rows[operand]
        if operand not in kept:
            tile: Floats = rows.buffer_bits[holds]
            return tile
        whole = whole_bits(self.nest, self.target.precision)[operand]
        if operand != "output":
            return np.full((1, 1, 1), float(whole))
        sums: Floats = np.where(rows.partial, rows.buffer_bits[holds], 0.0)
        room: Floats = np.where(rows.leaves[holds], np.inf, whole + sums)
        return room

    def _fits(self, name: BufferName, needed_bits: Floats) -> Bools:
        buffer = self.target.accelerator.buffers.get(name)
        return (
            np.ones((1, 1, 1), dtype=bool) if buffer is None else needed_bits <= buffer.capacity_bytes * BITS_PER_BYTE
        )

    def _whole_fetch(self, operand: Operand) -> Floats:
        """The crossing of parameters that are fetched once and stay over all steps, whatever the mapping."""
        bits, min_bits = whole_bits(self.nest, self.target.precision)[operand], self.ports[operand].min_bits
        accesses = -(-bits // min_bits) if min_bits else 0
        energy = self.target.energy
        crossing_pj = bits * energy.memory_read_pj_per_bit + accesses * energy.buffer_write_pj[BUFFER_OF[operand]]
        whole: Floats = np.empty((3, *self.rows[operand].end_bits.shape))
        whole[BODY_BITS], whole[CROSSING_PJ] = bits - self.rows[operand].end_bits, crossing_pj
        whole[FILL_ACCESSES] = accesses
        return whole
