"""From counts to a `LayerCost`: steps, residency, vector work, cycles of the ports, energy by component."""

from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass

from mensa_sim.cost.counts import BUFFER_OF, OperandCounts
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import LayerCost, Residency, Traffic
from mensa_sim.cost.nest_counts import NestCounts
from mensa_sim.cost.vector import VectorWork, vector_cycles
from mensa_sim.hardware.accelerator import BUFFERS, OPERANDS, Accelerator, BufferName, Operand
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.layer import Layer

NO_ACCESSES = OperandCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How often a layer repeats its nest, and each operand its way from or to memory."""

    steps: int
    fetches: ReadOnly[Operand, int]
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
class _Port:
    """Accesses of `min_bits` at one buffer, and bits by operand."""

    reads: int = 0
    writes: int = 0


@dataclass(slots=True)
class _Tally:
    """What a layer moves, level by level."""

    bits: dict[tuple[str, str], list[int]]
    ports: dict[BufferName, _Port]

    def move(self, operand: str, level: str, read_bits: int, write_bits: int) -> None:
        entry = self.bits.setdefault((operand, level), [0, 0])
        entry[0] += read_bits
        entry[1] += write_bits

    def total(self, level: str) -> tuple[int, int]:
        moved = [entry for (_, at), entry in self.bits.items() if at == level]
        return sum(entry[0] for entry in moved), sum(entry[1] for entry in moved)


def _nest_traffic(tally: _Tally, counts: NestCounts, repeats: Repeats) -> None:
    for operand, count in counts.operands.items():
        steps, fetches = repeats.steps, repeats.fetches[operand]
        port = tally.ports.get(BUFFER_OF[operand])
        if port is None:
            tally.move(operand, "memory", count.feed_bits * fetches, count.collect_bits * fetches)
        else:
            level = f"{BUFFER_OF[operand]}_buffer"
            port.reads += count.feed_accesses * steps + count.drain_accesses * fetches
            port.writes += count.collect_accesses * steps + count.fill_accesses * fetches
            tally.move(operand, "memory", count.fill_bits * fetches, count.drain_bits * fetches)
            read_bits = count.feed_bits * steps + count.drain_bits * fetches
            tally.move(operand, level, read_bits, count.collect_bits * steps + count.fill_bits * fetches)
        tally.move(operand, "register", count.register_read_bits * steps, count.register_write_bits * steps)


def _vector_traffic(tally: _Tally, work: VectorWork, accelerator: Accelerator, repeats: Repeats) -> None:
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


def assemble(
    layer: Layer,
    accelerator: Accelerator,
    energy: EnergyModel,
    residency: Residency,
    repeats: Repeats,
    counts: NestCounts | None,
    work: VectorWork,
    *,
    spatial_utilization: float,
    mapping: str,
) -> LayerCost:
    """The cost of a layer whose nest, if it has one, is done `repeats.steps` times with these counts."""
    tally = _Tally(bits={}, ports={name: _Port() for name in BUFFERS if name in accelerator.buffers})
    array_cycles = 0
    ends = [0, 0]
    dynamic = {"mac": 0.0, "vector": work.ops * energy.vector_pj, "register": 0.0, "network": 0.0}
    if counts is not None:
        _nest_traffic(tally, counts, repeats)
        array_cycles = counts.array_cycles * repeats.steps
        for operand in OPERANDS:
            ends[operand == "output"] += counts.operands[operand].end_bits * repeats.fetches[operand]
        bits = (layer.parameter_bits if layer.parameters else layer.activation_bits, layer.activation_bits)
        dynamic["mac"] = repeats.steps * counts.macs * energy.mac_pj(*bits)
        dynamic["network"] = _network_pj(counts, accelerator, energy, repeats)
        for operand, rate in energy.register_pj_per_bit.items():
            count = counts.operands[operand]
            dynamic["register"] += repeats.steps * rate * (count.register_read_bits + count.register_write_bits)
    _vector_traffic(tally, work, accelerator, repeats)
    buffer_cycles = 0
    for name, port in tally.ports.items():
        buffer = accelerator.buffers[name]
        read_cycles = -(-port.reads * buffer.min_bits // buffer.read_bits)
        write_cycles = -(-port.writes * buffer.min_bits // buffer.write_bits)
        buffer_cycles = max(buffer_cycles, read_cycles, write_cycles)
        moved_pj = port.reads * energy.buffer_read_pj[name] + port.writes * energy.buffer_write_pj[name]
        dynamic[f"{name}_buffer"] = moved_pj
    read_bits, write_bits = tally.total("memory")
    dynamic["memory"] = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
    return LayerCost(
        layer=layer.name,
        accelerator=accelerator.name,
        residency=residency,
        macs=layer.macs,
        clock_hz=accelerator.clock_hz,
        compute_cycles=max(array_cycles, vector_cycles(work, accelerator)),
        buffer_cycles=buffer_cycles,
        spatial_utilization=spatial_utilization,
        peak_macs_per_s=accelerator.peak_macs_per_s,
        head_bytes=ends[0] // BITS_PER_BYTE,
        tail_bytes=ends[1] // BITS_PER_BYTE,
        traffic=tuple(
            Traffic(
                operand=operand, level=level, read_bytes=bits_to_bytes(moved[0]), write_bytes=bits_to_bytes(moved[1])
            )
            for (operand, level), moved in tally.bits.items()
            if any(moved)
        ),
        dynamic_pj={component: pj for component, pj in dynamic.items() if pj},
        overlap=accelerator.array.overlap,
        mapping=mapping,
    )


def _network_pj(counts: NestCounts, accelerator: Accelerator, energy: EnergyModel, repeats: Repeats) -> float:
    """Every element that enters or leaves the array runs along its side; partial sums hop from PE to PE."""
    crossing = sum(count.feed_bits + count.collect_bits for count in counts.operands.values())
    hopping = counts.reduction_hops * accelerator.accumulator_bits
    return repeats.steps * (crossing * energy.broadcast_pj_per_bit + hopping * energy.hop_pj_per_bit)
