"""From counts to a `LayerCost`: steps, residency, vector work, cycles of the ports, energy by component."""

from collections.abc import Mapping

from mensa_sim.cost.counts.nest import NestCounts
from mensa_sim.cost.counts.tally import Repeats, coded_bits, nest_traffic, new_tally, vector_traffic
from mensa_sim.cost.counts.ways import precision_of
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import MEMORY, LayerCost, Residency, Traffic
from mensa_sim.cost.mapping.search import Mapped
from mensa_sim.cost.vector import VectorWork, vector_cycles
from mensa_sim.hardware.array.pe_array import PeArray
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
    mapping_from: str = "",
    found: Mapped | None = None,
) -> LayerCost:
    """The cost of a layer whose nest, if it has one, is done `repeats.steps` times with these counts."""
    tally = new_tally(accelerator)
    array_cycles = 0
    ends = [0, 0]
    held: dict[tuple[str, str], int] = {}
    dynamic = {"mac": 0.0, "vector": work.ops * energy.vector_pj, "register": 0.0, "network": 0.0}
    if counts is not None:
        precision = precision_of(layer)
        shares = {operand: precision.memory_share(operand, accelerator) for operand in OPERANDS}
        nest_traffic(tally, counts, repeats, shares)
        array_cycles = counts.array_cycles * repeats.steps
        for operand in OPERANDS:
            count, waits = counts.operands[operand], accelerator.waits_for(operand)
            end_bits = count.memory_read_bits + count.memory_write_bits if waits else count.end_bits
            ends[operand == "output"] += coded_bits(end_bits, shares[operand]) * repeats.fetches[operand]
        mac_pj = energy.mac_pj(layer.element_bits("weight"), layer.element_bits("input"))
        skipped = precision.skipped(accelerator)
        dynamic["mac"] = repeats.steps * counts.macs * (1 - skipped) * mac_pj
        dynamic["network"] = _network_pj(counts, energy, repeats)
        for operand, count in counts.operands.items():
            for each in count.levels:
                if not each.level.ported:
                    fed = 1 - skipped if operand == "weight" and each is count.levels[0] else 1
                    reads_pj = (fed * each.feed_bits + each.drain_bits) * energy.read_pj[each.level.name]
                    writes_pj = (each.collect_bits + each.fill_bits) * energy.write_pj[each.level.name]
                    dynamic["register"] += repeats.steps * (reads_pj + writes_pj)
                held[operand, each.level.name] = bits_to_bytes(each.held_bits)
    vector_traffic(tally, work, accelerator, repeats)
    buffer_cycles = 0
    for level in accelerator.levels:
        if level.ported:
            port = tally.ports[level.name]
            buffer_cycles = max(buffer_cycles, port.cycles(level))
            moved_pj = port.all_reads * energy.read_pj[level.name] + port.all_writes * energy.write_pj[level.name]
            dynamic[level.component] = dynamic.get(level.component, 0.0) + moved_pj
    read_bits, write_bits = tally.total(MEMORY)
    dynamic[MEMORY] = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
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
                operand=operand,
                level=level,
                read_bytes=bits_to_bytes(moved[0]),
                write_bytes=bits_to_bytes(moved[1]),
                held_bytes=held.get((operand, level)),
            )
            for (operand, level), moved in tally.bits.items()
            if any(moved)
        ),
        dynamic_pj={component: pj for component, pj in dynamic.items() if pj},
        overlap=accelerator.dataflow.overlap,
        buffered_bytes=buffered or {},
        mapping=mapping,
        mapping_from=mapping_from,
        floor=found.floor if found else None,
        gap=max(0.0, found.objective / found.floor - 1) if found and found.floor else None,
    )


def _network_pj(counts: NestCounts, energy: EnergyModel, repeats: Repeats) -> float:
    """Every element that enters or leaves the array runs along its side; partial sums hop from PE to PE."""
    each, fetched = 0, 0
    for operand, count in counts.operands.items():
        if count.wired_to_memory:
            fetched += repeats.fetches[operand] * count.wire_bits
        else:
            each += count.wire_bits
    crossing_pj = each * energy.broadcast_pj_per_bit + counts.hop_bits * energy.hop_pj_per_bit
    return repeats.steps * crossing_pj + fetched * energy.broadcast_pj_per_bit
