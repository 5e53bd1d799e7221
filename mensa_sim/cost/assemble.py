"""From counts to a `LayerCost`: steps, residency, vector work, cycles of the ports, energy by component."""

from collections.abc import Mapping

from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.tally import Repeats, nest_traffic, new_tally, vector_traffic
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import LayerCost, Residency, Traffic
from mensa_sim.cost.vector import VectorWork, vector_cycles
from mensa_sim.hardware.pe_array import PeArray
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import OPERANDS
from mensa_sim.workload.layer import Layer


def assemble(
    layer: Layer,
    accelerator: PeArray,
    energy: EnergyModel,
    residency: Residency,
    repeats: Repeats,
    counts: NestCounts | None,
    work: VectorWork,
    *,
    spatial_utilization: float = 0.0,
    buffered: Mapping[str, int] | None = None,
    mapping: str = "",
) -> LayerCost:
    """The cost of a layer whose nest, if it has one, is done `repeats.steps` times with these counts."""
    tally = new_tally(accelerator)
    array_cycles = 0
    ends = [0, 0]
    dynamic = {"mac": 0.0, "vector": work.ops * energy.vector_pj, "register": 0.0, "network": 0.0}
    if counts is not None:
        nest_traffic(tally, counts, repeats)
        array_cycles = counts.array_cycles * repeats.steps
        for operand in OPERANDS:
            ends[operand == "output"] += counts.operands[operand].end_bits * repeats.fetches[operand]
        mac_pj = energy.mac_pj(layer.element_bits("weight"), layer.element_bits("input"))
        dynamic["mac"] = repeats.steps * counts.macs * mac_pj
        dynamic["network"] = _network_pj(counts, energy, repeats)
        for operand, rate in energy.register_pj_per_bit.items():
            count = counts.operands[operand]
            dynamic["register"] += repeats.steps * rate * (count.register_read_bits + count.register_write_bits)
    vector_traffic(tally, work, accelerator, repeats)
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
        overlap=accelerator.dataflow.overlap,
        buffered_bytes=buffered or {},
        mapping=mapping,
    )


def _network_pj(counts: NestCounts, energy: EnergyModel, repeats: Repeats) -> float:
    """Every element that enters or leaves the array runs along its side; partial sums hop from PE to PE."""
    crossing = sum(count.feed_bits + count.collect_bits for count in counts.operands.values())
    return repeats.steps * (crossing * energy.broadcast_pj_per_bit + counts.hop_bits * energy.hop_pj_per_bit)
