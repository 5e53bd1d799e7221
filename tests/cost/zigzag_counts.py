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

from mensa_sim.cost.counts.counts import LevelCounts, OperandCounts, Walk, count_walk
from mensa_sim.cost.counts.room import distinct
from mensa_sim.cost.counts.tiles import OneTiling
from mensa_sim.cost.counts.ways import Precision, ways
from mensa_sim.cost.mapping.mapping import NestMapping
from mensa_sim.workload.dims import OPERANDS, WINDOW, Operand
from mensa_sim.workload.layer import LoopNest

Counts = Mapping[Operand, OperandCounts]


class _RoundedWalk(Walk):
    """Tiles as ZigZag sees them; how often each is fetched stays our rule."""

    def __init__(self, nest: LoopNest, mapping: NestMapping, operand: Operand) -> None:
        lanes = {dim: Fraction(size, mapping.unrolling.trips(dim)) for dim, size in mapping.unrolling.sizes.items()}
        fractional = replace(mapping, unrolling=replace(mapping.unrolling, lanes=lanes))
        super().__init__(nest, fractional, operand)
        self.nest = nest

    def tiles(self, inner_loops: int) -> OneTiling:
        extents = self.mapping.extents(inner_loops)
        count = prod(self.sizes[dim] / extents[dim] for dim in self.mine)
        plain = prod(extents[dim] for dim in self.mine if self.window is None or dim not in WINDOW)
        size = plain * (self._positions(extents) if self.window is not None else 1)
        return OneTiling([round(size)], [int(count)], 0)

    def _positions(self, extents: Mapping[str, int]) -> int:
        """Rows times columns of an input tile, clipped to the whole tensor alone."""
        nest = self.nest
        rows = distinct(int(extents["OY"]), int(extents["FY"]), nest.stride_y, nest.dilation_y)
        columns = distinct(int(extents["OX"]), int(extents["FX"]), nest.stride_x, nest.dilation_x)
        return min(rows, nest.input_height) * min(columns, nest.input_width)


def rounded_counts(nest: LoopNest, mapping: NestMapping) -> dict[Operand, OperandCounts]:
    """The counts of a mapping on the peer's core with roundings 1 to 3 and conventions 4 and 5."""
    counts: dict[Operand, OperandCounts] = {}
    for operand, way in ways(SPEC, mapping.unrolling, Precision(), MEMORY.word_bits).items():
        counts[operand] = count_walk(_RoundedWalk(nest, mapping, operand), way)
    return counts | {"output": _read_at_once(counts["output"])}


def _read_at_once(sums: OperandCounts) -> OperandCounts:
    """Every trip of a partial sum begins with reading it."""
    register, sram = sums.levels
    if sram.feed_bits:
        first_bits = sram.collect_bits - sram.feed_bits
        sram = replace(sram, feed_bits=sram.collect_bits, feed_accesses=sram.collect_accesses)
        fills = register.fill_bits + first_bits
        register = replace(register, fill_bits=fills, fill_accesses=fills)
    if sram.fill_bits:
        sram = replace(sram, fill_bits=sram.drain_bits, fill_accesses=sram.drain_accesses)
        sums = replace(sums, memory_read_bits=sums.memory_write_bits)
    return replace(sums, levels=(register, sram))


def energy_pj(counts: Counts, *, whole_accesses: bool = False) -> dict[str, float]:
    """Energy per operand and level; `whole_accesses` is convention 6."""
    energies: dict[str, float] = {}
    for operand in OPERANDS:
        for count in counts[operand].levels:
            name = "sram" if count.level.ported else "register"
            energies[f"{operand}_{name}"] = _level_pj(count, whole_accesses=whole_accesses and count.level.ported)
        read_pj, write_pj = ENERGY.memory_read_pj_per_bit, ENERGY.memory_write_pj_per_bit
        moved = counts[operand]
        energies[f"{operand}_dram"] = moved.memory_read_bits * read_pj + moved.memory_write_bits * write_pj
    return energies


def _level_pj(count: LevelCounts, *, whole_accesses: bool) -> float:
    level, unit = count.level, count.level.access_bits

    def port(accesses: int, bits: int, pj: float) -> float:
        words = accesses * unit / bits
        return (int(words) if whole_accesses else words) * pj * bits / unit

    read_pj, write_pj = ENERGY.read_pj[level.name], ENERGY.write_pj[level.name]
    reads = [port(accesses, level.read_width, read_pj) for accesses in (count.feed_accesses, count.drain_accesses)]
    writes = [port(accesses, level.write_width, write_pj) for accesses in (count.collect_accesses, count.fill_accesses)]
    return sum(reads) + sum(writes)
