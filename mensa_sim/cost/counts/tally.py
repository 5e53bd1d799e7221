"""Adding up what a layer moves, level by level: its nest over all steps, and the work beside it.

Of one layer in whole numbers, or of many in arrays of them, all of one shape: [case].
"""

from collections.abc import Mapping
from dataclasses import field
from functools import reduce
from math import lcm
from typing import Any

import numpy as np

from mensa_sim.cost.counts.crossing import most
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.layer_cost import MEMORY, Residency
from mensa_sim.cost.vector import VectorWork, spread_of
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How often a layer repeats its nest, and each operand its way from or to memory."""

    steps: Any
    fetches: Mapping[Operand, Any]
    """0 where the operand stays on chip, 1 for parameters that stay over all steps, else the steps."""


def repeats_of(layer: Layer, steps: Any, residency: Residency, *, steps_resident: bool) -> Repeats:
    """The repeats of a layer under a residency; `steps_resident` parameters are fetched in the first step only."""
    if layer.weights_are_activations:
        weights = 0 if residency.input else steps
    else:
        weights = 0 if residency.parameters else 1 if steps_resident else steps
    fetches: dict[Operand, Any] = {
        "weight": weights,
        "input": 0 if residency.input else steps,
        "output": 0 if residency.output else steps,
    }
    return Repeats(steps=steps, fetches=fetches)


def least_common(units: list[Any]) -> Any:
    """The least common multiple of some counts of instances."""
    return reduce(np.lcm, units) if any(isinstance(unit, np.ndarray) for unit in units) else lcm(*units)


_ROUNDED_BITS = 0.01
"""What a product of bits and a share may lie above whole bytes by rounding alone."""

Accesses = tuple[Any, Any, Any]
"""Reads, writes, and the instances that work side by side at them."""


@dataclass(slots=True)
class Port:
    """Accesses at one SRAM, over all its instances, in units of its smallest access."""

    reads: Any = 0
    writes: Any = 0
    shared: list[Accesses] = field(default_factory=list)
    operands: dict[str, list[Accesses]] = field(default_factory=dict)
    """Beside `shared`, which take every port: those of an operand."""

    def access(self, reads: Any, writes: Any, spread: Any, operand: str | None = None) -> None:
        """Add accesses that so many instances share, of one operand or at every port."""
        self.reads = self.reads + reads
        self.writes = self.writes + writes
        each = self.shared if operand is None else self.operands.setdefault(operand, [])
        each.append((reads, writes, spread))

    def cycles(self, level: Level) -> Any:
        """Cycles of the busiest port of an instance, or of the one port that reads and writes share."""
        ports = [sum(port, self.shared) for port in level.by_port(self.operands.items())]
        return most(*(_cycles(level, each) for each in ports or [self.shared]))


def _cycles(level: Level, shared: list[Accesses]) -> Any:
    unit = least_common([spread for _, _, spread in shared])
    read = sum(reads * (unit // spread) for reads, _, spread in shared)
    written = sum(writes * (unit // spread) for _, writes, spread in shared)
    reads = -(-read * level.access_bits // (level.read_width * unit))
    writes = -(-written * level.access_bits // (level.write_width * unit))
    return reads + writes if level.ports == "rw" else most(reads, writes)


@dataclass(slots=True)
class LayerTally:
    """What a layer moves, level by level."""

    bits: dict[tuple[str, str], tuple[Any, Any]]
    ports: dict[str, Port]
    """By the name of the level."""

    def move(self, operand: str, level: str, read_bits: Any, write_bits: Any) -> None:
        read, written = self.bits.get((operand, level), (0, 0))
        self.bits[operand, level] = read + read_bits, written + write_bits

    def total(self, level: str) -> tuple[Any, Any]:
        moved = [entry for (_, at), entry in self.bits.items() if at == level]
        return sum(read for read, _ in moved), sum(written for _, written in moved)


def new_tally(accelerator: PeArray) -> LayerTally:
    """Nothing moved yet."""
    return LayerTally(bits={}, ports={level.name: Port() for level in accelerator.levels if level.ported})


def nest_traffic(
    tally: LayerTally, counts: NestCounts, repeats: Repeats, memory_share: Mapping[Operand, float]
) -> None:
    """Add the accesses of a nest over all its steps.

    What an operand's outermost SRAM exchanges with memory happens as often as the operand is fetched; all else, in
    each step. `memory_share` is what of an operand's bits crosses to memory, where it is coded.
    """
    for operand, count in counts.operands.items():
        steps, fetches = repeats.steps, repeats.fetches[operand]
        share = memory_share[operand]
        crossing = coded_bits(count.memory_read_bits, share), coded_bits(count.memory_write_bits, share)
        tally.move(operand, MEMORY, *(bits * fetches for bits in crossing))
        for level in reversed(count.levels):
            last = level is count.levels[-1] and level.level.ported
            outer = fetches if last else steps
            port = tally.ports.get(level.level.name)
            if port is not None:
                port.access(
                    level.feed_accesses * steps + level.drain_accesses * outer,
                    level.collect_accesses * steps + level.fill_accesses * outer,
                    level.instances,
                    operand,
                )
            read_bits = level.feed_bits * steps + level.drain_bits * outer
            tally.move(operand, level.level.name, read_bits, level.collect_bits * steps + level.fill_bits * outer)


def coded_bits(bits: Any, share: float) -> Any:
    """Bits of which that share is left, to whole bytes as they cross; all of them where nothing is left out.

    A share of whole bytes is one, however its product was rounded.
    """
    if share == 1:
        return bits
    left = BITS_PER_BYTE * -(-(bits * share - _ROUNDED_BITS) // BITS_PER_BYTE)
    return left.astype(np.int64) if isinstance(left, np.ndarray) else int(left)


def vector_traffic(tally: LayerTally, work: VectorWork, accelerator: PeArray, repeats: Repeats) -> None:
    """Vector work reads its inputs and writes its outputs once, through their outermost SRAMs where there are any.

    What a slice that is gone over twice has more than its SRAM holds comes from memory again. Parameters come through
    that of the weights, or with the activations where they have none. Columns come back as they went.
    """
    inputs, outputs = work.input_bytes * BITS_PER_BYTE, work.output_bytes * BITS_PER_BYTE
    columns = work.returned_bytes * BITS_PER_BYTE
    parameters, passes = work.parameter_bytes * BITS_PER_BYTE, work.passes_bytes * BITS_PER_BYTE
    fetched = repeats.fetches["weight"]
    read = inputs * (repeats.fetches["input"] > 0)
    written = outputs * (repeats.fetches["output"] > 0)
    tally.move("vector", MEMORY, read + parameters * fetched, written)
    returned = columns * (repeats.fetches["output"] > 0)
    if np.any(returned):
        tally.move("output", MEMORY, returned, 0)
    shared = accelerator.store_of("input") == accelerator.store_of("output")
    again = work.slices * (work.slice_bytes - slice_kept_bytes(work, repeats, shared=shared)) * BITS_PER_BYTE
    again = again * (repeats.fetches["input"] > 0)
    if np.any(again):
        tally.move("input", MEMORY, again, 0)
    through: tuple[tuple[Operand, Any, Any], ...] = (
        ("input", inputs + work.slices * work.slice_bytes * BITS_PER_BYTE, read + again),
        ("output", written + passes + columns, outputs + passes + returned),
        ("weight", parameters * repeats.steps, parameters * fetched),
    )
    moved: dict[str, tuple[Any, Any]] = {}
    for operand, reads, writes in through:
        store = accelerator.store_of(operand)
        if store is not None:
            before = moved.get(store.name, (0, 0))
            moved[store.name] = before[0] + reads, before[1] + writes
    for level in accelerator.levels:
        if level.name in moved:
            reads, writes = moved[level.name]
            unit = level.access_bits
            tally.ports[level.name].access(-(-reads // unit), -(-writes // unit), spread_of(level, accelerator))
            tally.move("vector", level.name, reads, writes)


def slice_kept_bytes(work: VectorWork, repeats: Repeats, *, shared: bool) -> Any:
    """Of a slice that is gone over twice, what stays in between: as much as its SRAM holds.

    That is beside an output that stays, where they are `shared`. The room of what is read for the last time is the next
    slice's, so that no second one is needed.
    """
    room = work.room_bytes - work.output_bytes * (repeats.fetches["output"] == 0) * shared
    return most(0, -most(-room, -work.slice_bytes))
