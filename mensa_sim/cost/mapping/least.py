"""A floor under every mapping of a nest: what it must compute and move however it is cut and ordered."""

from math import ceil

from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.counts.tiles import one_tiling
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.task import NestTask
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import Operand


class Floor:
    """What no mapping of a nest on an accelerator is below: in energy, in time, and so in any objective.

    All products; what the array reads and adds up in each pass; each element once past every boundary on its way. What
    ports, tiles that come again, fill and drain add is left out.
    """

    def __init__(self, task: NestTask) -> None:
        target, unrolling, window = task.target, task.unrolling, task.window
        self._target = target
        energy = target.energy
        wide = target.accelerator.product_cycles(task.ways["weight"].final_bits, task.ways["input"].final_bits)
        self._cycles = ceil(unrolling.passes * wide)
        self._step_pj = task.constant_pj
        self._bits: dict[Operand, int] = {}
        self._shares = {operand: way.memory_share for operand, way in task.ways.items()}
        self._stored_pj: dict[Operand, float] = {}
        """Energy of an operand's outermost SRAM towards memory."""
        for operand, way in task.ways.items():
            own = window if operand == "input" else None
            elements = one_tiling(unrolling, operand, own, unrolling.sizes).elements
            bits = self._bits[operand] = elements * min(way.final_bits, way.partial_bits)
            passes = one_tiling(unrolling, operand, own, unrolling.lanes).elements * sums_per_element(way, unrolling)
            for index, stop in enumerate(way.stops):
                level = stop.level
                read_pj, write_pj = (
                    rates[level.name] / level.access_bits for rates in (energy.read_pj, energy.write_pj)
                )
                out, back = (write_pj, read_pj) if operand == "output" else (read_pj, write_pj)
                inner_bits = passes * way.partial_bits * (1 - way.skipped) if not index else bits
                sums = read_pj + write_pj if operand == "output" and not index else out
                self._step_pj += sums * inner_bits
                if index == len(way.stops) - 1 and level.ported:
                    self._stored_pj[operand] = back * bits
                else:
                    self._step_pj += back * bits
            if not way.wired_to_memory:
                self._step_pj += bits * energy.broadcast_pj_per_bit

    def reach(self, case: BufferCase) -> tuple[float, float]:
        """Latency in seconds and energy in pJ, leakage meanwhile included, that no mapping is below in a case."""
        target, repeats = self._target, case.repeats
        energy, accelerator = target.energy, target.accelerator
        read, write = map(float, case.vector.total("memory"))
        energy_pj = repeats.steps * self._step_pj + case.vector_pj
        for operand, bits in self._bits.items():
            fetches = repeats.fetches[operand]
            energy_pj += fetches * self._stored_pj.get(operand, 0.0)
            crossing = fetches * bits * self._shares[operand]
            if operand == "output":
                write += crossing
            else:
                read += crossing
        energy_pj += read * energy.memory_read_pj_per_bit + write * energy.memory_write_pj_per_bit
        for name, port in case.vector.ports.items():
            energy_pj += port.all_reads * energy.read_pj[name] + port.all_writes * energy.write_pj[name]
        memory_s = (read + write) / (BITS_PER_BYTE * target.bandwidth_bytes_per_s)
        array_s = max(repeats.steps * self._cycles, case.vector_cycles) / accelerator.clock_hz
        latency_s = max(memory_s, array_s) if accelerator.dataflow.overlap else memory_s + array_s
        return latency_s, energy_pj + leakage_pj(energy.leakage_mw, latency_s * PS_PER_S)
