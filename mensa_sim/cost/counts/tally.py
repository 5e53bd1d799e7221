"""Adding up what a layer moves, level by level: its nest over all steps, and the work beside it."""

from collections.abc import Mapping
from dataclasses import dataclass

from mensa_sim.cost.counts.counts import BUFFER_OF
from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.layer_cost import Residency
from mensa_sim.cost.vector import VectorWork
from mensa_sim.hardware.accelerator import BUFFERS, BufferName
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE
from mensa_sim.workload.dims import Operand
from mensa_sim.workload.layer import Layer


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
    """Accesses of `min_bits` at one buffer."""

    reads: int = 0
    writes: int = 0


@dataclass(slots=True)
class LayerTally:
    """What a layer moves, level by level."""

    bits: dict[tuple[str, str], list[int]]
    ports: dict[BufferName, Port]

    def move(self, operand: str, level: str, read_bits: int, write_bits: int) -> None:
        entry = self.bits.setdefault((operand, level), [0, 0])
        entry[0] += read_bits
        entry[1] += write_bits

    def total(self, level: str) -> tuple[int, int]:
        moved = [entry for (_, at), entry in self.bits.items() if at == level]
        return sum(entry[0] for entry in moved), sum(entry[1] for entry in moved)


def new_tally(accelerator: PeArray) -> LayerTally:
    """Nothing moved yet."""
    return LayerTally(bits={}, ports={name: Port() for name in BUFFERS if name in accelerator.buffers})


def nest_traffic(tally: LayerTally, counts: NestCounts, repeats: Repeats) -> None:
    """Add the accesses of a nest over all its steps."""
    for operand, count in counts.operands.items():
        steps, fetches = repeats.steps, repeats.fetches[operand]
        port = tally.ports.get(BUFFER_OF[operand])
        tally.move(operand, "memory", count.memory_read_bits * fetches, count.memory_write_bits * fetches)
        if port is not None:
            level = f"{BUFFER_OF[operand]}_buffer"
            port.reads += count.feed_accesses * steps + count.drain_accesses * fetches
            port.writes += count.collect_accesses * steps + count.fill_accesses * fetches
            read_bits = count.feed_bits * steps + count.drain_bits * fetches
            tally.move(operand, level, read_bits, count.collect_bits * steps + count.fill_bits * fetches)
        tally.move(operand, "register", count.register_read_bits * steps, count.register_write_bits * steps)


def vector_traffic(tally: LayerTally, work: VectorWork, accelerator: PeArray, repeats: Repeats) -> None:
    """Vector work reads its inputs once and writes its outputs once, through the activation buffer where there is one.

    Parameters come with those of the nest, or with the buffer of the activations where they have none.
    """
    inputs, outputs = work.input_bytes * BITS_PER_BYTE, work.output_bytes * BITS_PER_BYTE
    parameters = work.parameter_bytes * BITS_PER_BYTE
    fetched = repeats.fetches["weight"]
    from_memory = (inputs if repeats.fetches["input"] else 0) + parameters * fetched
    to_memory = outputs if repeats.fetches["output"] else 0
    tally.move("vector", "memory", from_memory, to_memory)
    passes = work.passes_bytes * BITS_PER_BYTE

    def through(name: BufferName, reads: int, writes: int) -> None:
        if name in tally.ports:
            min_bits = accelerator.buffers[name].min_bits
            tally.ports[name].reads += -(-reads // min_bits)
            tally.ports[name].writes += -(-writes // min_bits)
            tally.move("vector", f"{name}_buffer", reads, writes)

    filled = inputs if repeats.fetches["input"] else 0
    through("activation", inputs + to_memory + passes, filled + outputs + passes)
    through("parameter", parameters * repeats.steps, parameters * fetched)
