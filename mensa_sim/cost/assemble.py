"""From counts to a `LayerCost`: steps, residency, vector work, cycles of the ports, energy by component."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from mensa_sim.cost.counts.crossing import most
from mensa_sim.cost.counts.nest import NestCounts, wait_cycles
from mensa_sim.cost.counts.tally import LayerTally, Repeats, coded_bits, nest_traffic, new_tally, vector_traffic
from mensa_sim.cost.counts.ways import Precision
from mensa_sim.cost.energy import EnergyModel
from mensa_sim.cost.layer_cost import MEMORY, Traffic
from mensa_sim.cost.vector import VectorWork, vector_cycles
from mensa_sim.hardware.array.pe_array import PeArray
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, bits_to_bytes
from mensa_sim.workload.dims import OPERANDS, Operand
from mensa_sim.workload.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a layer takes in one residency, in plain numbers, or what many take, in arrays: [case]."""

    compute_cycles: Any
    buffer_cycles: Any
    head_bytes: Any
    tail_bytes: Any
    moved_bytes: Mapping[tuple[str, str], tuple[Any, Any]]
    """Read and written, by operand and level."""
    held_bytes: Mapping[tuple[str, str], Any]
    """By operand and level."""
    dynamic_pj: Mapping[str, Any]
    """By component."""

    def rows(self, cases: int) -> Iterator[dict[str, Any]]:
        """The fields of a `LayerCost` that they are, of each case."""

        def column(values: Any) -> list[Any]:
            return np.broadcast_to(values, cases).tolist() if isinstance(values, np.ndarray) else [values] * cases

        names = ("compute_cycles", "buffer_cycles", "head_bytes", "tail_bytes")
        figures = zip(*(column(getattr(self, name)) for name in names), strict=True)
        moved = [
            _lines(*key, zip(column(read), column(written), column(self.held_bytes.get(key)), strict=True))
            for key, (read, written) in self.moved_bytes.items()
        ]
        parts = [(component, column(pj)) for component, pj in self.dynamic_pj.items()]
        for case, (own, lines) in enumerate(zip(figures, zip(*moved, strict=True), strict=True)):
            yield {
                **dict(zip(names, own, strict=True)),
                "traffic": tuple(filter(None, lines)),
                "dynamic_pj": {component: pj for component, each in parts if (pj := each[case])},
            }


def _lines(operand: str, level: str, moved: Iterable[tuple[int, int, int | None]]) -> list[Traffic | None]:
    """The traffic of one operand at one level, given what is read, written and held; those that are equal are one."""
    each = list(moved)
    known = {
        own: Traffic(operand=operand, level=level, read_bytes=own[0], write_bytes=own[1], held_bytes=own[2])
        for own in set(each)
        if own[0] | own[1]
    }
    return [known.get(own) for own in each]


def billed(
    accelerator: PeArray,
    energy: EnergyModel,
    precision: Precision,
    repeats: Repeats,
    counts: NestCounts | None,
    work: VectorWork,
) -> Bill:
    """What layers take whose nest, if they have one, is done `repeats.steps` times with these counts.

    Their operands are equally wide, and all numbers those of one layer, or arrays of them over many.
    """
    tally = new_tally(accelerator)
    array_cycles: Any = 0
    waiting: dict[Operand, Any] = {}
    ends: tuple[Any, Any] = (0, 0)
    held: dict[tuple[str, str], Any] = {}
    dynamic: dict[str, Any] = {"mac": 0.0, "vector": work.ops * energy.vector_pj, "register": 0.0, "network": 0.0}
    if counts is not None:
        shares = {operand: precision.memory_share(operand, accelerator) for operand in OPERANDS}
        nest_traffic(tally, counts, repeats, shares)
        array_cycles = counts.array_cycles * repeats.steps
        waiting = {operand: wait_cycles(count) * repeats.steps for operand, count in counts.operands.items()}
        held = {
            (operand, each.level.name): bits_to_bytes(each.held_bits)
            for operand, count in counts.operands.items()
            for each in count.levels
        }
        ends = _ends_bits(accelerator, counts, repeats, shares)
        dynamic |= _array_pj(accelerator, energy, precision, repeats, counts)
    vector_traffic(tally, work, accelerator, repeats)
    buffer_cycles = _through_ports(accelerator, energy, tally, waiting, dynamic)
    compute_cycles = most(array_cycles, vector_cycles(work, accelerator))
    dynamic["device"] = most(compute_cycles, buffer_cycles) * energy.working_pj_per_cycle
    read_bits, write_bits = tally.total(MEMORY)
    dynamic[MEMORY] = read_bits * energy.memory_read_pj_per_bit + write_bits * energy.memory_write_pj_per_bit
    return Bill(
        compute_cycles=compute_cycles,
        buffer_cycles=buffer_cycles,
        head_bytes=ends[0] // BITS_PER_BYTE,
        tail_bytes=ends[1] // BITS_PER_BYTE,
        moved_bytes={key: (bits_to_bytes(read), bits_to_bytes(write)) for key, (read, write) in tally.bits.items()},
        held_bytes=held,
        dynamic_pj=dynamic,
    )


def _ends_bits(
    accelerator: PeArray, counts: NestCounts, repeats: Repeats, shares: Mapping[Operand, float]
) -> tuple[Any, Any]:
    """Bits that must come before the array starts, and that leave after it stops; all of an operand that waits."""
    ends: dict[Operand, Any] = {}
    for operand in OPERANDS:
        count = counts.operands[operand]
        waits = accelerator.waits_for(operand)
        end_bits = count.memory_read_bits + count.memory_write_bits if waits else count.end_bits
        ends[operand] = coded_bits(end_bits, shares[operand]) * repeats.fetches[operand]
    return ends["weight"] + ends["input"], ends["output"]


def _array_pj(
    accelerator: PeArray, energy: EnergyModel, precision: Precision, repeats: Repeats, counts: NestCounts
) -> dict[str, Any]:
    """Energy of the array: MACs, the registers around them, and what runs along its sides; zeros may be skipped."""
    skipped = precision.skipped(accelerator)
    mac_pj = energy.mac_pj(precision.weight_bits, precision.input_bits)
    register: Any = 0.0
    for operand, count in counts.operands.items():
        for each in count.levels:
            if not each.level.ported:
                fed = 1 - skipped if operand == "weight" and each is count.levels[0] else 1
                reads_pj = (fed * each.feed_bits + each.drain_bits) * energy.read_pj[each.level.name]
                writes_pj = (each.collect_bits + each.fill_bits) * energy.write_pj[each.level.name]
                register = register + repeats.steps * (reads_pj + writes_pj)
    return {
        "mac": repeats.steps * counts.macs * (1 - skipped) * mac_pj,
        "network": _network_pj(counts, energy, repeats),
        "register": register,
    }


def _through_ports(
    accelerator: PeArray,
    energy: EnergyModel,
    tally: LayerTally,
    waiting: Mapping[Operand, Any],
    dynamic: dict[str, Any],
) -> Any:
    """Cycles of the busiest port, in which the array also waits for what passes others; adds each level's energy."""
    cycles: Any = 0
    for level in accelerator.levels:
        if level.ported:
            port = tally.ports[level.name]
            still = sum(waits for operand, waits in waiting.items() if operand not in level.serves)
            cycles = most(cycles, port.cycles(level) + still)
            moved_pj = port.reads * energy.read_pj[level.name] + port.writes * energy.write_pj[level.name]
            dynamic[level.component] = dynamic.get(level.component, 0.0) + moved_pj
    return cycles


def fixed(layer: Layer, accelerator: PeArray) -> dict[str, Any]:
    """The fields of a `LayerCost` that no mapping and no residency changes."""
    return {
        "layer": layer.name,
        "accelerator": accelerator.name,
        "macs": layer.macs,
        "clock_hz": accelerator.clock_hz,
        "peak_macs_per_s": accelerator.peak_macs_per_s,
        "overlap": accelerator.dataflow.overlap,
    }


def _network_pj(counts: NestCounts, energy: EnergyModel, repeats: Repeats) -> Any:
    """Every element that enters or leaves the array runs along its side; partial sums hop from PE to PE."""
    each: Any = 0
    fetched: Any = 0
    for operand, count in counts.operands.items():
        if count.wired_to_memory:
            fetched = fetched + repeats.fetches[operand] * count.wire_bits
        else:
            each = each + count.wire_bits
    crossing_pj = each * energy.broadcast_pj_per_bit + counts.hop_bits * energy.hop_pj_per_bit
    return repeats.steps * crossing_pj + fetched * energy.broadcast_pj_per_bit
