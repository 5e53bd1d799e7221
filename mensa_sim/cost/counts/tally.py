"""Adding up what a layer moves, level by level: its nest over all steps, and the work beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod
from types import MappingProxyType

from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.layer_cost import MEMORY, Residency
from mensa_sim.cost.vector import VectorWork
from mensa_sim.hardware.array.levels import Level
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer

_AS_IT_IS: Mapping[Operand, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How often a layer repeats its nest, and each operand its way from or to memory."""

    steps: int
    fetches: Mapping[Operand, int]
    """0 where the operand stays on chip, 1 for parameters that stay over all steps, else the steps."""


def repeats_of(layer: Layer, steps: int, residency: Residency, *, steps_resident: bool) -> Repeats:
    """The repeats of a layer under a residency; `steps_resident` parameters are fetched in the first step only."""
    if layer.weights_are_activations:
        weights = 0 if residency.input else steps
    else:
        weights = 0 if residency.parameters else 1 if steps_resident else steps
    fetches: dict[Operand, int] = {
        "weight": weights,
        "input": 0 if residency.input else steps,
        "output": 0 if residency.output else steps,
    }
    return Repeats(steps=steps, fetches=fetches)


@dataclass(slots=True)
class Port:
    """Accesses at one SRAM, over all its instances, in units of its smallest access."""

    reads: Fraction | int = 0
    """Reads of one instance: accesses over the instances that work side by side."""
    writes: Fraction | int = 0
    all_reads: int = 0
    """Reads of all instances."""
    all_writes: int = 0

    @property
    def moved(self) -> tuple[int, int]:
        """Reads and writes of all instances."""
        return self.all_reads, self.all_writes

    def access(self, reads: int, writes: int, spread: int = 1) -> None:
        """Add accesses that so many instances share."""
        self.all_reads += reads
        self.all_writes += writes
        self.reads += reads if spread == 1 else Fraction(reads, spread)
        self.writes += writes if spread == 1 else Fraction(writes, spread)

    def cycles(self, level: Level) -> int:
        """Cycles of the busier port, or of the one port that reads and writes share."""
        reads = -(-self.reads * level.access_bits // level.read_width)
        writes = -(-self.writes * level.access_bits // level.write_width)
        return reads + writes if level.ports == "rw" else max(reads, writes)


@dataclass(slots=True)
class LayerTally:
    """What a layer moves, level by level."""

    bits: dict[tuple[str, str], list[int]]
    ports: dict[str, Port]
    """By the name of the level."""

    def move(self, operand: str, level: str, read_bits: int, write_bits: int) -> None:
        entry = self.bits.setdefault((operand, level), [0, 0])
        entry[0] += read_bits
        entry[1] += write_bits

    def total(self, level: str) -> tuple[int, int]:
        moved = [entry for (_, at), entry in self.bits.items() if at == level]
        return sum(entry[0] for entry in moved), sum(entry[1] for entry in moved)


def new_tally(accelerator: PeArray) -> LayerTally:
    """Nothing moved yet."""
    return LayerTally(bits={}, ports={level.name: Port() for level in accelerator.levels if level.ported})


def nest_traffic(
    tally: LayerTally,
    counts: NestCounts,
    repeats: Repeats,
    memory_share: Mapping[Operand, float] = MappingProxyType({}),
) -> None:
    """Add the accesses of a nest over all its steps.

    What an operand's outermost SRAM exchanges with memory happens as often as the operand is fetched; all else, in
    each step. `memory_share` is what of an operand's bits crosses to memory, where it is coded.
    """
    for operand, count in counts.operands.items():
        steps, fetches = repeats.steps, repeats.fetches[operand]
        share = memory_share.get(operand, 1.0)
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
                )
            read_bits = level.feed_bits * steps + level.drain_bits * outer
            tally.move(operand, level.level.name, read_bits, level.collect_bits * steps + level.fill_bits * outer)


def coded_bits(bits: int, share: float) -> int:
    """Bits of which that share is left by a code, to whole bytes as they cross; all of them where there is no code."""
    return bits if share == 1 else BITS_PER_BYTE * ceil(bits * share / BITS_PER_BYTE)


def vector_traffic(tally: LayerTally, work: VectorWork, accelerator: PeArray, repeats: Repeats) -> None:
    """Vector work reads its inputs once and writes its outputs once, through their outermost SRAMs where there are any.

    Parameters come through that of the weights, or with the activations where they have none.
    """
    inputs, outputs = work.input_bytes * BITS_PER_BYTE, work.output_bytes * BITS_PER_BYTE
    parameters = work.parameter_bytes * BITS_PER_BYTE
    fetched = repeats.fetches["weight"]
    from_memory = (inputs if repeats.fetches["input"] else 0) + parameters * fetched
    to_memory = outputs if repeats.fetches["output"] else 0
    tally.move("vector", MEMORY, from_memory, to_memory)
    passes = work.passes_bytes * BITS_PER_BYTE
    moved: dict[str, list[int]] = {}

    def through(operand: Operand, reads: int, writes: int) -> None:
        level = accelerator.store_of(operand)
        if level is not None:
            entry = moved.setdefault(level.name, [0, 0])
            entry[0] += reads
            entry[1] += writes

    through("input", inputs, inputs if repeats.fetches["input"] else 0)
    through("output", to_memory + passes, outputs + passes)
    through("weight", parameters * repeats.steps, parameters * fetched)
    for level in accelerator.levels:
        if level.name in moved:
            reads, writes = moved[level.name]
            unit = level.access_bits
            tally.ports[level.name].access(-(-reads // unit), -(-writes // unit), spread_of(level, accelerator))
            tally.move("vector", level.name, reads, writes)


def spread_of(level: Level, accelerator: PeArray) -> int:
    """Instances that a tensor which no array reads is spread over: all of them."""
    return prod(accelerator.unrolled_axes[axis].size for axis in level.per)
