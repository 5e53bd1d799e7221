"""A floor under every mapping of a nest: what it must compute and move however it is cut and ordered."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.counts.counts import sums_per_element
from mensa_sim.cost.mapping.arrays.sides import BufferCase
from mensa_sim.cost.mapping.task import NestTask, Target
from mensa_sim.objective import objective_named
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, PJ_PER_J, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import OPERANDS, Operand


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeastDemand:
    """What no mapping of some nests takes less than, whatever the clock, the bandwidth and the leakage: [task]"""

    memory_bits: Floats
    cycles: Floats
    dynamic_pj: Floats

    def floor(self, target: Target) -> Floats:
        """The objective that no mapping is below, in joules and seconds to its powers."""
        accelerator = target.accelerator
        memory_s = self.memory_bits / (BITS_PER_BYTE * target.bandwidth_bytes_per_s)
        array_s = self.cycles / accelerator.clock_hz
        latency_s: Any = np.maximum(memory_s, array_s) if accelerator.dataflow.overlap else memory_s + array_s
        working_pj = target.energy.working_pj_per_cycle * self.cycles
        energy_pj: Floats = self.dynamic_pj + working_pj + leakage_pj(target.energy.leakage_mw, latency_s * PS_PER_S)
        return objective_named(target.objective).value(energy_pj / PJ_PER_J, latency_s)


class Floors:
    """What no mapping of some nests on an accelerator is below: in energy, in time, and so in any objective. [task]

    All products; what the array reads and adds up in each pass; each element once past every boundary on its way. What
    ports, tiles that come again, fill and drain add is left out.
    """

    def __init__(self, tasks: Sequence[NestTask]) -> None:
        self._target, ways = tasks[0].target, tasks[0].ways
        self._shares = {operand: way.memory_share for operand, way in ways.items()}
        self._ported = [operand for operand, way in ways.items() if way.ported]
        each = [_Floor(task) for task in tasks]
        self._cycles = np.array([float(floor.cycles) for floor in each])
        self._step_pj = np.array([floor.step_pj for floor in each])
        self._bits = {operand: np.array([float(floor.bits[operand]) for floor in each]) for operand in OPERANDS}
        self._stored_pj = {operand: np.array([floor.stored_pj[operand] for floor in each]) for operand in self._ported}

    def demand(self, case: BufferCase) -> LeastDemand:
        """What no mapping takes less than in a case."""
        repeats, energy = case.repeats, self._target.energy
        read, write = case.vector.total("memory")
        energy_pj = repeats.steps * self._step_pj + case.vector_pj
        for operand, bits in self._bits.items():
            fetches = repeats.fetches[operand]
            if operand in self._ported:
                energy_pj = energy_pj + fetches * self._stored_pj[operand]
            crossing = fetches * bits * self._shares[operand]
            if operand == "output":
                write = write + crossing
            else:
                read = read + crossing
        energy_pj = energy_pj + (read * energy.memory_read_pj_per_bit + write * energy.memory_write_pj_per_bit)
        for name, port in case.vector.ports.items():
            energy_pj = energy_pj + (port.reads * energy.read_pj[name] + port.writes * energy.write_pj[name])
        cycles = np.maximum(repeats.steps * self._cycles, case.vector_cycles)
        return LeastDemand(memory_bits=read + write, cycles=cycles, dynamic_pj=energy_pj)


class _Floor:
    """Of one nest: cycles and energy of a step, bits of each operand, energy of its outermost SRAM towards memory."""

    def __init__(self, task: NestTask) -> None:
        target, unrolling = task.target, task.unrolling
        energy = target.energy
        wide = target.accelerator.product_cycles(task.ways["weight"].final_bits, task.ways["input"].final_bits)
        self.cycles = ceil(unrolling.passes * wide)
        self.step_pj = task.constant_pj
        self.bits: dict[Operand, int] = {}
        self.stored_pj: dict[Operand, float] = {}
        for operand, way in task.ways.items():
            elements = read = task.elements(operand, unrolling.sizes)
            if operand == "input":
                read = task.elements(operand, unrolling.lanes)
            self.bits[operand] = bits = elements * min(way.memory_bits, way.partial_bits)
            passes = read * sums_per_element(way, unrolling)
            for index, stop in enumerate(way.stops):
                level = stop.level
                read_pj, write_pj = (
                    rates[level.name] / level.access_bits for rates in (energy.read_pj, energy.write_pj)
                )
                out, back = (write_pj, read_pj) if operand == "output" else (read_pj, write_pj)
                inner_bits = passes * way.partial_bits * (1 - way.skipped) if not index else bits
                sums = read_pj + write_pj if operand == "output" and not index else out
                self.step_pj += sums * inner_bits
                if index == len(way.stops) - 1 and level.ported:
                    self.stored_pj[operand] = back * bits
                else:
                    self.step_pj += back * bits
            if not way.wired_to_memory:
                self.step_pj += bits * energy.broadcast_pj_per_bit
