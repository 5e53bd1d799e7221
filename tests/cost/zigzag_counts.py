"""Our counts of a mapping as energy per operand and level, and the same counts with ZigZag's roundings.

ZigZag 3.9.1 (zigzag/mapping/mapping.py, spatial_mapping_conversion.py, cost_model.py) rounds where we count:

1. A dim that does not divide is unrolled over a fraction of lanes, so that all tiles are alike.
2. Outputs and taps inside an input tile are cut to whole numbers before its rows and columns are worked out.
3. Elements of a tile, and with them the registers in use, are rounded to whole numbers.

Three more conventions are no roundings of a tile, but belong to the tool:

4. Zeros of the padding are read from the buffer like any input; only the whole tensor leaves them out.
5. A partial sum is read in the first trip too, when there is none yet.
6. Accesses of the full width of a port are cut to whole numbers.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod

from zigzag_layers import ENERGY, MEMORY, SPEC

from mensa_sim.cost.counts.counts import BUFFER_OF, OperandCounts, Tiles, _count_output, _count_read, _Walk
from mensa_sim.cost.counts.nest import Precision, operand_ports
from mensa_sim.cost.mapping.capacity import distinct
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.workload.dims import OPERANDS, WINDOW, Operand
from mensa_sim.workload.layer import LoopNest

Counts = Mapping[Operand, OperandCounts]


class _RoundedWalk(_Walk):
    """Tiles as ZigZag sees them; how often each is fetched stays our rule."""

    def __init__(self, nest: LoopNest, mapping: NestMapping, operand: Operand) -> None:
        lanes = {dim: Fraction(size, mapping.unrolling.trips(dim)) for dim, size in mapping.unrolling.sizes.items()}
        fractional = replace(mapping, unrolling=replace(mapping.unrolling, lanes=lanes))
        super().__init__(nest, fractional, operand)
        self.nest = nest

    def tiles(self, inner_loops: int) -> Tiles:
        extents = self.mapping.extents(inner_loops)
        count = prod(self.sizes[dim] / extents[dim] for dim in self.mine)
        plain = prod(extents[dim] for dim in self.mine if self.window is None or dim not in WINDOW)
        size = plain * (self._positions(extents) if self.window is not None else 1)
        return [round(size)], [int(count)]

    def _positions(self, extents: Mapping[str, int]) -> int:
        """Rows times columns of an input tile, clipped to the whole tensor alone."""
        nest = self.nest
        rows = distinct(int(extents["OY"]), int(extents["FY"]), nest.stride_y, nest.dilation_y)
        columns = distinct(int(extents["OX"]), int(extents["FX"]), nest.stride_x, nest.dilation_x)
        return min(rows, nest.input_height) * min(columns, nest.input_width)

    def end(self, inner_loops: int) -> int:
        return 0


def rounded_counts(nest: LoopNest, mapping: NestMapping) -> dict[Operand, OperandCounts]:
    """The counts of a mapping on the peer's core with roundings 1 to 3 and conventions 4 and 5."""
    counts: dict[Operand, OperandCounts] = {}
    for operand, ports in operand_ports(SPEC, Precision(), MEMORY.word_bits).items():
        walk = _RoundedWalk(nest, mapping, operand)
        counts[operand] = _count_output(walk, ports) if operand == "output" else _count_read(walk, ports)
    return counts | {"output": _read_at_once(counts["output"])}


def _read_at_once(sums: OperandCounts) -> OperandCounts:
    """Every trip of a partial sum begins with reading it."""
    if sums.feed_bits:
        first_bits = sums.collect_bits - sums.feed_bits
        sums = replace(
            sums,
            feed_bits=sums.collect_bits,
            feed_accesses=sums.collect_accesses,
            register_write_bits=sums.register_write_bits + first_bits,
        )
    if sums.fill_bits:
        sums = replace(
            sums,
            fill_bits=sums.drain_bits,
            fill_accesses=sums.drain_accesses,
            memory_read_bits=sums.memory_write_bits,
        )
    return sums


def energy_pj(counts: Counts, *, whole_accesses: bool = False) -> dict[str, float]:
    """Energy per operand and level; `whole_accesses` is convention 6."""
    energies: dict[str, float] = {}
    for operand in OPERANDS:
        count, name = counts[operand], BUFFER_OF[operand]
        buffer = SPEC.buffers[name]
        rate = ENERGY.register_pj_per_bit.get(operand)
        if rate is not None:
            energies[f"{operand}_register"] = rate * (count.register_read_bits + count.register_write_bits)

        def port(accesses: int, bits: int, pj: float, min_bits: int = buffer.min_bits) -> float:
            words = accesses * min_bits / bits
            return (int(words) if whole_accesses else words) * pj * bits / min_bits

        energies[f"{operand}_sram"] = sum(
            port(accesses, buffer.read_bits, ENERGY.buffer_read_pj[name])
            for accesses in (count.feed_accesses, count.drain_accesses)
        ) + sum(
            port(accesses, buffer.write_bits, ENERGY.buffer_write_pj[name])
            for accesses in (count.collect_accesses, count.fill_accesses)
        )
        read_pj, write_pj = ENERGY.memory_read_pj_per_bit, ENERGY.memory_write_pj_per_bit
        energies[f"{operand}_dram"] = count.memory_read_bits * read_pj + count.memory_write_bits * write_pj
    return energies
