"""What ZigZag 3.9.1 found for ResNet-18 and a BERT block on its six cores, in our records, and the cores converted.

`zigzag_cores.csv` has a row for each distinct layer: its least-energy mapping at depth 5 (`lpf_limit`), and what it
says that costs. It was made in November 2026 by `benchmarks/zigzag_cores_make.py`. Loops stand by level, the innermost
first, `|` between levels; energies likewise, memory last.
"""

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from pathlib import Path

from by_hand import price_mapping
from zigzag_files import write_core
from zigzag_layers import spelled_loops

from mensa_sim.cost.counts.counts import LevelCounts, OperandCounts
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.energy import EnergyModel, energy_model
from mensa_sim.cost.layer_cost import STREAMED, LayerCost
from mensa_sim.cost.mapping.mapping import Loop, NestMapping
from mensa_sim.cost.mapping.unrolling import unroll
from mensa_sim.cost.prices.layer import Pricer
from mensa_sim.cost.recurrent import Steps
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.system import System
from mensa_sim.study.convert.convert import convert
from mensa_sim.workload.dims import DIMS, OPERANDS, Operand, relevant
from mensa_sim.workload.layer import Layer, LoopNest, Parameter
from mensa_sim.workload.own_mapping import OwnMapping

ROWS = Path(__file__).with_name("zigzag_cores.csv")
WIDTHS = Precision(accumulator_bits=16)
"""Of the tool's workloads: 8 bits, 16 of a partial sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreRow:
    """One layer on one core, as ZigZag maps and prices it."""

    core: str
    network: str
    layer: str
    count: int
    """Layers of the network that are like it."""
    nest: LoopNest
    loops: tuple[Loop, ...]
    holds: Mapping[Operand, tuple[int, ...]]
    energy_pj: float
    levels_pj: Mapping[Operand, tuple[float, ...]]
    """By operand, from the innermost level to memory."""

    @property
    def mapping(self) -> NestMapping:
        """Its mapping; the tool has no tiles beside what levels hold."""
        inner, outer = (min(held[index] if held else 0 for held in self.holds.values()) for index in (0, -1))
        return NestMapping(
            unrolling=unroll(self.nest, system(self.core).accelerators[0].array),
            loops=self.loops,
            cuts=(min(inner, outer), outer),
            holds=self.holds,
        )

    @property
    def divides(self) -> bool:
        """Whether every dim is a multiple of the lanes that it is unrolled over."""
        unrolling = self.mapping.unrolling
        return all(size % unrolling.lanes[dim] == 0 for dim, size in unrolling.sizes.items())


@cache
def system(core: str) -> System:
    """A core of the tool's, converted, alone on its memory."""
    with tempfile.TemporaryDirectory() as folder:
        made = convert(write_core(core, Path(folder)))
        out = Path(folder, "converted")
        out.mkdir()
        for name, text in made.files.items():
            (out / name).write_text(text, encoding="utf-8")
        return load_system(out / f"{core}.yaml")


@cache
def energies(core: str) -> EnergyModel:
    """What accesses cost on a core."""
    converted = system(core)
    return energy_model(converted.accelerators[0], converted.memory_of(core))


@cache
def core_rows() -> tuple[CoreRow, ...]:
    """All layers on all cores."""
    with ROWS.open(newline="", encoding="utf-8") as file:
        return tuple(_row(row) for row in csv.DictReader(file))


def _row(row: dict[str, str]) -> CoreRow:
    by_level = {operand: spelled_loops(row[f"loops_{operand}"]) for operand in OPERANDS}
    flat = {operand: tuple(loop for level in levels for loop in level) for operand, levels in by_level.items()}
    assert flat["weight"] == flat["input"] == flat["output"]
    sizes, stride = {dim: int(row[dim]) for dim in DIMS}, int(row["stride"])
    return CoreRow(
        core=row["core"],
        network=row["network"],
        layer=row["layer"],
        count=int(row["count"]),
        nest=LoopNest(
            **sizes,
            stride_y=stride,
            stride_x=stride,
            input_height=stride * sizes["OY"],
            input_width=stride * sizes["OX"],
        ),
        loops=flat["weight"],
        holds={operand: _held(levels) for operand, levels in by_level.items()},
        energy_pj=float(row["energy_pj"]),
        levels_pj={
            operand: tuple(float(text) for text in row[f"energy_{operand}_pj"].split("|")) for operand in OPERANDS
        },
    )


def _held(levels: list[list[Loop]]) -> tuple[int, ...]:
    counts = [len(level) for level in levels[:-1]]
    return tuple(sum(counts[: index + 1]) for index in range(len(counts)))


def counted(row: CoreRow, nest: LoopNest | None = None) -> dict[Operand, OperandCounts]:
    """Its mapping by our own counts."""
    converted = system(row.core)
    memory = converted.memory_of(row.core)
    counts = price_mapping(
        nest or row.nest, converted.accelerators[0].array, row.mapping, WIDTHS, word_bits=memory.word_bits
    )
    return dict(counts.operands)


def by_their_conventions(row: CoreRow) -> dict[Operand, OperandCounts]:
    """The same with three conventions of the tool's: padding is read, sums are read at once, MACs keep operands.

    1. Zeros of the padding are read from levels like any input; only memory leaves them out.
    2. A partial sum is read in the first trip too, when there is none yet.
    3. An operand stays at the MACs while loops that it ignores run innermost, without being read again.
    """
    own = counted(row)
    nest = row.nest
    rows, columns = nest.stride_y * (nest.OY - 1) + nest.FY, nest.stride_x * (nest.OX - 1) + nest.FX
    padded = counted(row, replace(nest, input_height=rows, input_width=columns))["input"]
    read_zeros = replace(padded, memory_read_bits=own["input"].memory_read_bits)
    outermost = replace(
        padded.levels[-1],
        fill_bits=own["input"].levels[-1].fill_bits,
        fill_accesses=own["input"].levels[-1].fill_accesses,
    )
    own["input"] = replace(read_zeros, levels=(*read_zeros.levels[:-1], outermost))
    own["output"] = _read_at_once(own["output"])
    return {operand: _kept_at_macs(count, row, operand) for operand, count in own.items()}


def _read_at_once(sums: OperandCounts) -> OperandCounts:
    levels = list(sums.levels)
    for index, outer in enumerate(levels[1:], start=1):
        if outer.feed_bits:
            more = outer.collect_bits - outer.feed_bits
            levels[index] = replace(outer, feed_bits=outer.collect_bits, feed_accesses=outer.collect_accesses)
            levels[index - 1] = _filled(levels[index - 1], more)
    return replace(sums, levels=tuple(levels))


def _filled(level: LevelCounts, more_bits: int) -> LevelCounts:
    """A level that is written by so many bits more from outside; what leaves it is as much as then comes."""
    if level.level.ported:
        return replace(level, fill_bits=level.drain_bits, fill_accesses=level.drain_accesses)
    return replace(level, fill_bits=level.fill_bits + more_bits, fill_accesses=level.fill_accesses + more_bits)


def _kept_at_macs(count: OperandCounts, row: CoreRow, operand: Operand) -> OperandCounts:
    if operand == "output" or not count.levels:
        return count
    run = 1
    for dim, trips in row.loops:
        if relevant(operand, dim):
            break
        run *= trips
    first = count.levels[0]
    kept = replace(first, feed_bits=first.feed_bits // run, feed_accesses=first.feed_accesses // run)
    return replace(count, levels=(kept, *count.levels[1:]))


def level_energies_pj(core: str, counts: Mapping[Operand, OperandCounts]) -> dict[tuple[Operand, int], float]:
    """Energy by operand and level, from the innermost to memory."""
    energy = energies(core)
    found: dict[tuple[Operand, int], float] = {}
    for operand, count in counts.items():
        for index, each in enumerate(count.levels):
            reads, writes = each.feed_accesses + each.drain_accesses, each.collect_accesses + each.fill_accesses
            if not each.level.ported:
                reads, writes = each.feed_bits + each.drain_bits, each.collect_bits + each.fill_bits
            found[operand, index] = reads * energy.read_pj[each.level.name] + writes * energy.write_pj[each.level.name]
        read_pj, write_pj = energy.memory_read_pj_per_bit, energy.memory_write_pj_per_bit
        found[operand, len(count.levels)] = count.memory_read_bits * read_pj + count.memory_write_bits * write_pj
    return found


def energy_pj(row: CoreRow, counts: Mapping[Operand, OperandCounts]) -> float:
    """Energy of a layer under counts, products included."""
    products = prod(row.nest.sizes) * energies(row.core).mac_pj(8, 8)
    return products + sum(level_energies_pj(row.core, counts).values())


_BEST: dict[tuple[str, str], LayerCost] = {}


def best(row: CoreRow) -> LayerCost:
    """Our least energy for its layer, every tensor from and to memory; searched once."""
    if (row.core, row.layer) not in _BEST:
        _BEST[row.core, row.layer] = cost_of(row)
    return _BEST[row.core, row.layer]


def cost_of(row: CoreRow, *own: OwnMapping) -> LayerCost:
    """The same, searched anew, or with a mapping that is given."""
    layer = Layer(
        name=row.layer,
        operator="conv2d",
        nest=row.nest,
        parameters=(Parameter(name="weight", size_bytes=row.nest.weight_elements),),
        input_bytes=row.nest.input_elements,
        output_bytes=row.nest.output_elements,
    )
    converted = system(row.core)
    memory, steps = converted.memory_of(row.core), Steps(nest=row.nest, steps=1, resident=False)
    spec = replace(converted.accelerators[0].array, mappings=own)
    found = Pricer(layer, spec, memory, energies(row.core), steps, "energy").cost(STREAMED)
    assert found is not None
    return found
