"""The best mapping of a loop nest: all candidates priced at once, for every residency asked for."""

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.candidates import FREE_GROUP, ORDERS, build, inner_orders, register_tiles
from mensa_sim.cost.capacity import whole_bits
from mensa_sim.cost.counts import BUFFER_OF
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.grid import Bools, Grid, grid, over_parts
from mensa_sim.cost.mapping import Mapping
from mensa_sim.cost.nest_counts import Precision, operand_ports, pass_cycles, pipeline_cycles, price_mapping
from mensa_sim.cost.operand_arrays import inside_index, operand_arrays
from mensa_sim.cost.rows import (
    CROSSING_PJ,
    DRAIN_ACCESSES,
    END_BITS,
    FILL_ACCESSES,
    MEMORY_BITS,
    OperandRows,
    operand_rows,
)
from mensa_sim.cost.tally import Repeats, Tally
from mensa_sim.cost.tiles import Floats
from mensa_sim.cost.unrolling import Unrolling
from mensa_sim.cost.window import window_of
from mensa_sim.hardware.accelerator import OPERANDS, Accelerator, BufferName, Operand
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
from mensa_sim.workload.layer import LoopNest

Objective = Literal["latency", "energy", "edp"]
Scalar = TypeVar("Scalar", np.float64, np.bool_)

LIMITS: ReadOnly[str, int] = {"B": 3, "G": 4, "K": 7, "C": 6, "OY": 6, "OX": 3, "FY": 2, "FX": 2}
"""Extents tried along each dim; along a flattened product, the sum of its members'."""

ACTIVATIONS: frozenset[Operand] = frozenset({"input", "output"})
"""The operands that share the activation buffer."""


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
    candidates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One combination of loop orders; `input_first` says who may hold more where both would not fit."""

    inner: int
    outer: tuple[str, str, str]
    input_first: bool


def _at(values: npt.NDArray[Scalar], row: int, column: int) -> Scalar:
    """A value of an array that may be the same in all rows or columns."""
    found: Scalar = values[min(row, values.shape[0] - 1), min(column, values.shape[1] - 1)]
    return found


class Search:
    """All candidates of one nest on one accelerator."""

    def __init__(self, nest: LoopNest, unrolling: Unrolling, target: Target, limits: ReadOnly[str, int]) -> None:
        accelerator, precision = target.accelerator, target.precision
        self.nest, self.unrolling, self.target = nest, unrolling, target
        self.inner = inner_orders(accelerator.array.stationary)
        self.orders = [
            _Order(inner=inner, outer=outer, input_first=first)
            for inner in range(len(self.inner))
            for outer in ORDERS
            for first in ((True, False) if outer[0] == FREE_GROUP["weight"] else (True,))
        ]
        registers = register_tiles(nest, accelerator, unrolling, precision)
        self.empty = not registers
        if self.empty:
            return
        self.grid: Grid = grid(unrolling, registers, limits)
        ports = operand_ports(accelerator, precision)
        self.rows: dict[Operand, OperandRows] = {}
        for operand in OPERANDS:
            arrays = operand_arrays(
                self.grid,
                unrolling,
                operand,
                window_of(nest) if operand == "input" else None,
                ports[operand],
                target.energy,
                self.inner,
                copies=accelerator.tile_copies,
            )
            inside = [inside_index(operand, order.outer) for order in self.orders]
            self.rows[operand] = operand_rows(arrays, [order.inner for order in self.orders], inside)
        self.input_first: Bools = np.array([order.input_first for order in self.orders])[:, None]
        passes = [pass_cycles(accelerator, nest, unrolling, part.register) for part in self.grid.parts]
        bubbles = pipeline_cycles(accelerator, unrolling)
        self.cycles: Floats = over_parts(self.grid.parts, passes) + bubbles * self.grid.tiles
        varying = sum((rows.chip_pj for rows in self.rows.values()), np.zeros((1, 1)))
        self.chip_pj: Floats = self._constant_pj() + varying
        self._weight_holds: dict[bool, tuple[Bools, Bools]] = {}
        self._activation_holds: dict[frozenset[Operand], tuple[Bools, Bools, Bools]] = {}
        self._picked: dict[tuple[Operand, frozenset[Operand]], Floats] = {}

    def _constant_pj(self) -> float:
        """Energy per step that every mapping has: products, hops of partial sums, registers read in each pass."""
        accelerator, energy, precision = self.target.accelerator, self.target.energy, self.target.precision
        first = self.mapping(0, self.orders[0], dict.fromkeys(OPERANDS, False))
        counts = price_mapping(self.nest, accelerator, first, precision)
        varying = sum(float(rows.chip_pj[0, 0]) for rows in self.rows.values())
        total = counts.macs * energy.mac_pj(precision.weight_bits, precision.activation_bits)
        total += counts.reduction_hops * accelerator.accumulator_bits * energy.hop_pj_per_bit
        for operand, count in counts.operands.items():
            rate = energy.register_pj_per_bit.get(operand, 0.0)
            total += rate * (count.register_read_bits + count.register_write_bits)
            total += (count.feed_bits + count.collect_bits) * energy.broadcast_pj_per_bit
            name = BUFFER_OF[operand]
            if name in accelerator.buffers:
                total += count.feed_accesses * energy.buffer_read_pj[name]
                total += count.collect_accesses * energy.buffer_write_pj[name]
        return total - varying

    def mapping(self, entry: int, order: _Order, holds: ReadOnly[Operand, bool]) -> Mapping:
        """The mapping of an entry of the grid under an order."""
        part, position = self.grid.locate(entry)
        return build(self.unrolling, part.register, part.tile(position), self.inner[order.inner], order.outer, holds)

    def _holds(self, kept: frozenset[Operand]) -> tuple[dict[Operand, Bools], Bools]:
        """What each operand holds beyond a buffer tile, as much as fits, and where the buffers hold everything.

        The two buffers do not see each other, so that eight residencies ask twice about one and four times about the
        other.
        """
        weights, activations = "weight" in kept, kept & ACTIVATIONS
        if weights not in self._weight_holds:
            self._weight_holds[weights] = self._parameter_buffer(kept)
        if activations not in self._activation_holds:
            self._activation_holds[activations] = self._activation_buffer(kept)
        weight, weight_fits = self._weight_holds[weights]
        inputs, outputs, fit = self._activation_holds[activations]
        return {"weight": weight, "input": inputs, "output": outputs}, weight_fits & fit

    def _parameter_buffer(self, kept: frozenset[Operand]) -> tuple[Bools, Bools]:
        """Where weights hold more than a buffer tile, and where they fit."""
        weight = self._fits("parameter", self._room("weight", 1, kept))
        return weight, weight | self._fits("parameter", self._room("weight", 0, kept))

    def _activation_buffer(self, kept: frozenset[Operand]) -> tuple[Bools, Bools, Bools]:
        """Where inputs and where outputs hold more than a buffer tile, and where both fit."""
        inputs, outputs = ([self._room(operand, holds, kept) for holds in (0, 1)] for operand in ("input", "output"))
        both, only_input, only_output, neither = (
            self._fits("activation", inputs[i] + outputs[j]) for i, j in ((1, 1), (1, 0), (0, 1), (0, 0))
        )
        input_holds = both | np.where(self.input_first, only_input, only_input & ~only_output)
        output_holds = both | np.where(self.input_first, only_output & ~only_input, only_output)
        return input_holds, output_holds, both | only_input | only_output | neither

    def _room(self, operand: Operand, holds: int, kept: frozenset[Operand]) -> Floats:
        """Bits that an operand takes: a resident one its whole size; sums of a resident output must not leave."""
        rows = self.rows[operand]
        if operand not in kept:
            tile: Floats = rows.buffer_bits[holds]
            return tile
        whole = whole_bits(self.nest, self.target.precision)[operand]
        if operand != "output":
            return np.full((1, 1), float(whole))
        sums: Floats = np.where(rows.partial, rows.buffer_bits[holds], 0.0)
        room: Floats = np.where(rows.buffer_visits[holds] > 1, np.inf, whole + sums)
        return room

    def _fits(self, name: BufferName, needed_bits: Floats) -> Bools:
        buffer = self.target.accelerator.buffers.get(name)
        return np.ones((1, 1), dtype=bool) if buffer is None else needed_bits <= buffer.capacity_bytes * BITS_PER_BYTE

    def _crossing(self, operand: Operand, kept: frozenset[Operand], holds: Bools) -> Floats:
        """[crossing, row, entry] of an operand; what it holds depends on what is kept beside it in its buffer."""
        key = (operand, kept & ACTIVATIONS if operand in ACTIVATIONS else frozenset())
        if key not in self._picked:
            self._picked[key] = self.rows[operand].crossing(holds)
        return self._picked[key]

    def best(self, case: Case) -> Priced | None:
        """The candidate of least objective; equal ones by latency, energy, fewer tiles, then a fixed order."""
        if self.empty:
            return None
        holds, possible = self._holds(case.kept)
        if not possible.any():
            return None
        shape = (len(self.orders), len(self.grid.tiles))
        latency_s, energy_pj = self._figures(case, holds)
        energy_pj = energy_pj + leakage_pj(1.0, PS_PER_S) * self.target.energy.leakage_mw * latency_s
        figures = {"latency": latency_s, "energy": energy_pj, "edp": latency_s * energy_pj}
        figure = np.empty(shape)
        figure[...] = np.where(possible, figures[self.target.objective], np.inf)
        rows, columns = np.divmod(np.flatnonzero(figure <= figure.min() * (1 + 1e-12)), shape[1])
        for tied in (latency_s, energy_pj):
            if len(rows) > 1:
                values = np.broadcast_to(tied, shape)[rows, columns]
                near = values <= values.min() * (1 + 1e-12)
                rows, columns = rows[near], columns[near]
        winner = int(np.argmin(self.grid.tiles[columns]))
        row, column = int(rows[winner]), int(columns[winner])
        held = {operand: bool(_at(mask, row, column)) for operand, mask in holds.items()}
        return Priced(
            mapping=self.mapping(column, self.orders[row], held),
            latency_ps=float(_at(latency_s, row, column)) * PS_PER_S,
            energy_pj=float(_at(energy_pj, row, column)),
            candidates=int(np.count_nonzero(possible)) * (figure.size // possible.size),
        )

    def _figures(self, case: Case, holds: ReadOnly[Operand, Bools]) -> tuple[Floats, Floats]:
        """Latency in seconds and dynamic energy of every candidate, over all steps."""
        accelerator, energy = self.target.accelerator, self.target.energy
        steps, fetches = case.repeats.steps, case.repeats.fetches
        reads: dict[BufferName, Floats] = {}
        writes: dict[BufferName, Floats] = {}
        vector_read, vector_write = case.vector.total("memory")
        memory_bits: Floats = np.full((1, 1), float(vector_read + vector_write))
        ends: Floats = np.zeros((1, 1))
        energy_pj = self.chip_pj * steps
        energy_pj = (
            energy_pj + vector_read * energy.memory_read_pj_per_bit + vector_write * energy.memory_write_pj_per_bit
        )
        for name, port in case.vector.ports.items():
            reads[name], writes[name] = np.full((1, 1), float(port.reads)), np.full((1, 1), float(port.writes))
            energy_pj = (
                energy_pj + port.reads * energy.buffer_read_pj[name] + port.writes * energy.buffer_write_pj[name]
            )
        for operand, rows in self.rows.items():
            name, times = BUFFER_OF[operand], fetches[operand]
            if name in reads:
                reads[name] = reads[name] + steps * rows.feed_accesses
                if operand == "output":
                    writes[name] = writes[name] + steps * rows.collect_accesses
            if not times:
                continue
            if operand in case.kept:
                bits, end, accesses, crossing_pj = self._whole_fetch(operand)
                memory_bits, ends = memory_bits + times * bits, ends + times * end
                writes[name] = writes[name] + times * accesses
                energy_pj = energy_pj + times * crossing_pj
                continue
            crossing = times * self._crossing(operand, case.kept, holds[operand])
            memory_bits = memory_bits + crossing[MEMORY_BITS]
            ends = ends + crossing[END_BITS]
            energy_pj = energy_pj + crossing[CROSSING_PJ]
            if name in reads:
                reads[name] = reads[name] + crossing[DRAIN_ACCESSES]
                writes[name] = writes[name] + crossing[FILL_ACCESSES]
        cycles = np.maximum(steps * self.cycles, float(case.vector_cycles))[None, :]
        for name, buffer in accelerator.buffers.items():
            cycles = np.maximum(cycles, reads[name] * (buffer.min_bits / buffer.read_bits))
            cycles = np.maximum(cycles, writes[name] * (buffer.min_bits / buffer.write_bits))
        cycles = np.ceil(cycles)
        per_bit_s = 1 / (BITS_PER_BYTE * self.target.bandwidth_bytes_per_s)
        on_chip_s, body_s = cycles / accelerator.clock_hz, (memory_bits - ends) * per_bit_s
        middle = np.maximum(on_chip_s, body_s) if accelerator.array.overlap else on_chip_s + body_s
        return ends * per_bit_s + middle, energy_pj

    def _whole_fetch(self, operand: Operand) -> tuple[float, Floats, float, float]:
        """Bits, first tile, port accesses and energy of parameters that are fetched once and stay over all steps."""
        port = operand_ports(self.target.accelerator, self.target.precision)[operand]
        bits = whole_bits(self.nest, self.target.precision)[operand]
        accesses = -(-bits // port.min_bits) if port.min_bits else 0
        end = self.rows[operand].crossings[END_BITS, 0]
        energy = self.target.energy
        crossing_pj = bits * energy.memory_read_pj_per_bit + accesses * energy.buffer_write_pj[BUFFER_OF[operand]]
        return bits, end, accesses, crossing_pj
