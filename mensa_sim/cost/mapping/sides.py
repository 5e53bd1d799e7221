"""What the operands of one buffer need, for every candidate and residency: the two buffers do not see each other."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np

from mensa_sim.cost.counts.counts import BUFFER_OF, whole_words
from mensa_sim.cost.counts.memory_side import BODY_BITS, CROSSING_PJ, DRAIN_ACCESSES, END_BITS, FILL_ACCESSES
from mensa_sim.cost.counts.nest import Precision, operand_ports
from mensa_sim.cost.counts.tally import LayerTally, Port, Repeats
from mensa_sim.cost.counts.tiles import Floats
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.mapping.candidates import FREE_GROUP, ORDERS
from mensa_sim.cost.mapping.capacity import whole_bits
from mensa_sim.cost.mapping.grid import Bools
from mensa_sim.cost.mapping.rows import OperandRows
from mensa_sim.hardware.accelerator import BufferName
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import LoopNest


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferCase:
    """One residency of a layer: what stays on chip, how often the rest crosses, and what vector work adds."""

    kept: frozenset[Operand]
    repeats: Repeats
    vector: LayerTally
    vector_cycles: int
    vector_pj: float
    """Of the operations beside the nest: the same for every mapping, but a product of energy and time feels it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a nest is priced for."""

    accelerator: PeArray
    energy: EnergyModel
    bandwidth_bytes_per_s: float
    precision: Precision
    objective: str
    """By name: what a mapping is chosen for."""
    word_bits: int = 1
    """The memory's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of the groups over buffer tiles; `input_first` says who may hold more where both would not fit."""

    groups: tuple[str, str, str]
    input_first: bool


OUTER = tuple(
    Order(groups=groups, input_first=first)
    for groups in ORDERS
    for first in ((True, False) if groups[0] == FREE_GROUP["weight"] else (True,))
)
"""The rows of all arrays."""
INPUT_FIRST: Bools = np.array([[order.input_first] for order in OUTER])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """What the operands of one buffer need, over all steps: [inner, row, entry], of length 1 where all are equal."""

    body_bits: Floats
    """Memory traffic that may run beside the array."""
    end_bits: Floats
    energy_pj: Floats
    cycles: Floats
    """Of the busier port."""
    holds: Mapping[Operand, Bools]
    """Where an operand holds more than a buffer tile."""
    fits: Bools


NOTHING: Floats = np.zeros((1, 1, 1))


def total(terms: Sequence[Floats]) -> Floats:
    """The sum of arrays; nothing is a zero."""
    return reduce(np.add, terms) if terms else NOTHING


class Sides:
    """The sides of one nest on one accelerator; residencies that differ in the other buffer share them."""

    def __init__(self, nest: LoopNest, target: Target, rows: Mapping[Operand, OperandRows]) -> None:
        self._accelerator, self._energy = target.accelerator, target.energy
        self._rows = rows
        self._whole = whole_bits(nest, target.precision)
        self._ports = operand_ports(target.accelerator, target.precision, target.word_bits)
        self._known: dict[Hashable, Side] = {}

    def side(self, name: BufferName, case: BufferCase) -> Side:
        """What the operands of a buffer need in a residency."""
        operands = [operand for operand in OPERANDS if BUFFER_OF[operand] == name]
        fetches = tuple(case.repeats.fetches[operand] for operand in operands)
        kept = frozenset(operand for operand in operands if operand in case.kept)
        port = case.vector.ports.get(name, Port())
        key = (name, kept, fetches, case.repeats.steps, port.reads, port.writes)
        if key not in self._known:
            self._known[key] = self._needs(name, kept, case.repeats, port)
        return self._known[key]

    def _needs(self, name: BufferName, kept: frozenset[Operand], repeats: Repeats, port: Port) -> Side:
        holds, fits = self._parameters(kept) if name == "parameter" else self._activations(kept)
        steps = repeats.steps
        reads = [_times(self._rows[operand].feed_accesses, steps) for operand in holds]
        writes: list[Floats] = []
        crossings: list[Floats] = []
        ends: list[Floats] = []
        for operand in holds:
            rows, times = self._rows[operand], repeats.fetches[operand]
            if operand == "output":
                writes.append(_times(rows.collect_accesses, steps))
            if not times:
                continue
            crossing = self._whole_fetch(operand) if operand in kept else rows.crossing(holds[operand])
            crossings.append(_times(crossing, times))
            if operand == "output":
                reads.append(crossings[-1][DRAIN_ACCESSES])
                ends.append(crossings[-1][END_BITS])
            else:
                ends.append(_times(rows.end_bits, times))
        crossed = total([crossing[:3] for crossing in crossings]) if crossings else np.zeros((3, 1, 1, 1))
        energy_pj, cycles = crossed[CROSSING_PJ], NOTHING
        buffer = self._accelerator.buffers.get(name)
        if buffer is not None:
            read = (total(reads) + port.reads) * (buffer.min_bits / buffer.read_bits)
            write = (total([*writes, crossed[FILL_ACCESSES]]) + port.writes) * (buffer.min_bits / buffer.write_bits)
            cycles = np.ceil(np.maximum(read, write))
            read_pj, write_pj = self._energy.buffer_read_pj[name], self._energy.buffer_write_pj[name]
            energy_pj = energy_pj + (port.reads * read_pj + port.writes * write_pj)
        return Side(
            body_bits=crossed[BODY_BITS],
            end_bits=total(ends),
            energy_pj=energy_pj,
            cycles=cycles,
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

    def shortage(self) -> str:
        """Which buffer has no room for any tile, for people."""
        least = {
            "parameter": self._rows["weight"].buffer_bits.min(),
            "activation": min(
                (self._rows["input"].buffer_bits[i] + self._rows["output"].buffer_bits[j]).min()
                for i, j in product((0, 1), repeat=2)
            ),
        }
        short = []
        for name, buffer in self._accelerator.buffers.items():
            least_bytes = bits_to_bytes(int(least[name]))
            if least_bytes > buffer.capacity_bytes:
                short.append(
                    f"its smallest takes {least_bytes:,} of {buffer.capacity_bytes:,} bytes in the {name} buffer"
                )
        return " and ".join(short) or "none suits both buffers at once"

    def _room(self, operand: Operand, holds: int, kept: frozenset[Operand]) -> Floats:
        """Bits that an operand takes: a resident one its whole size; sums of a resident output must not leave."""
        rows = self._rows[operand]
        if operand not in kept:
            tile: Floats = rows.buffer_bits[holds]
            return tile
        whole = self._whole[operand]
        if operand != "output":
            return np.full((1, 1, 1), float(whole))
        sums: Floats = np.where(rows.partial, rows.buffer_bits[holds], 0.0)
        room: Floats = np.where(rows.leaves[holds], np.inf, whole + sums)
        return room

    def _fits(self, name: BufferName, needed_bits: Floats) -> Bools:
        buffer = self._accelerator.buffers.get(name)
        if buffer is None:
            return np.ones((1, 1, 1), dtype=bool)
        return needed_bits <= buffer.capacity_bytes * BITS_PER_BYTE

    def _whole_fetch(self, operand: Operand) -> Floats:
        """The crossing of parameters that are fetched once and stay over all steps, whatever the mapping."""
        bits, ports = self._whole[operand], self._ports[operand]
        accesses = -(-bits // ports.min_bits) if ports.min_bits else 0
        moved = whole_words(bits, ports.word_bits)
        energy = self._energy
        crossing_pj = moved * energy.memory_read_pj_per_bit + accesses * energy.buffer_write_pj[BUFFER_OF[operand]]
        whole: Floats = np.empty((3, *self._rows[operand].end_bits.shape))
        whole[BODY_BITS], whole[CROSSING_PJ] = moved - self._rows[operand].end_bits, crossing_pj
        whole[FILL_ACCESSES] = accesses
        return whole


def _times(values: Floats, times: int) -> Floats:
    """Values over some repeats; most layers have one."""
    return values if times == 1 else values * times
