"""What every candidate of some entries takes in any residency, and what it comes to: latency, energy and objective."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.mapping.arrays.grid import Entries
from mensa_sim.cost.mapping.arrays.ranks import best_order
from mensa_sim.cost.mapping.arrays.rows import OperandRows, total
from mensa_sim.cost.mapping.arrays.sides import BufferCase, Order, Sides
from mensa_sim.cost.mapping.task import Target
from mensa_sim.objective import objective_named
from mensa_sim.records import dataclass
from mensa_sim.units import BITS_PER_BYTE, PS_PER_S, leakage_pj
from mensa_sim.workload.dims import Operand


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Array:
    """What the array itself does in each step, beside accesses: [entry]."""

    pass_cycles: Floats
    """Of all passes."""
    fill_cycles: Floats
    """Of each fill and drain."""
    tiles: Floats
    """Tiles of the last stage."""
    constant_pj: Floats
    """Energy that every mapping has."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Demand:
    """What candidates take whatever the clock, the memory's bandwidth and the leakage: arrays that broadcast."""

    cycles: Floats
    """Of the array, the vector unit or the busiest port."""
    body_bits: Floats
    """Memory traffic that may run beside them."""
    end_bits: Floats
    dynamic_pj: Floats

    def reached(self, target: Target, least_s: Floats | float = 0.0) -> tuple[Floats, Floats, Floats]:
        """Latency in seconds, energy with the accelerator's leakage meanwhile, and objective; each of the figures that
        they are made of only makes them grow. It takes `least_s` in any case."""
        per_bit_s = 1 / (BITS_PER_BYTE * target.bandwidth_bytes_per_s)
        body_s, on_chip_s = self.body_bits * per_bit_s, self.cycles / target.accelerator.clock_hz
        middle_s = np.maximum(on_chip_s, body_s) if target.accelerator.dataflow.overlap else on_chip_s + body_s
        latency_s = np.maximum(middle_s + self.end_bits * per_bit_s, least_s)
        energy_pj = self.dynamic_pj + leakage_pj(1.0, PS_PER_S) * target.energy.leakage_mw * latency_s
        if target.energy.working_pj_per_cycle:
            energy_pj = energy_pj + target.energy.working_pj_per_cycle * self.cycles
        return latency_s, energy_pj, objective_named(target.objective).value(energy_pj, latency_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateFigures:
    """All candidates in one residency: [inner, row, entry]."""

    latency_s: Floats
    energy_pj: Floats
    """The accelerator's leakage meanwhile included."""
    objective: Floats
    """Infinite where a candidate does not fit."""
    holds: Mapping[Operand, Bools]
    """Whether an operand holds more than a tile; axes may have length 1."""


class Figures:
    """Prices of some entries: what operands do in each row, and what the array does."""

    def __init__(
        self,
        target: Target,
        entries: Entries,
        groups: Sequence[Sequence[Operand]],
        rows: Mapping[Operand, OperandRows],
        orders: Sequence[Order],
        array: Array,
    ) -> None:
        self._target, self.entries, self._groups, self._array = target, entries, groups, array
        self.sides = Sides(target, entries, rows, orders)
        dataflow = target.accelerator.dataflow
        fills = rows[dataflow.stationary].swaps if dataflow.pipeline_cycles_per == "pass" else array.tiles
        waits = total([each.wait_cycles for each in rows.values()])
        self._cycles: Floats = array.pass_cycles + array.fill_cycles * fills + waits
        self._chip_pj: Floats = total([each.chip_pj for each in rows.values()]) + array.constant_pj

    def priced(self, case: BufferCase) -> CandidateFigures:
        """Every candidate in a residency."""
        demand, fits, holds = self.demand(case)
        latency_s, energy_pj, value = demand.reached(self._target)
        objective = np.where(fits, value, np.inf)
        return CandidateFigures(
            latency_s=np.broadcast_to(latency_s, objective.shape),
            energy_pj=np.broadcast_to(energy_pj, objective.shape),
            objective=objective,
            holds=holds,
        )

    def best(self, residencies: Sequence[BufferCase]) -> Floats:
        """[figure, residency, entry] What the best order of each entry reaches."""
        return np.stack([self._best(*self.demand(case)[:2]) for case in residencies], axis=1)

    def _best(self, demand: Demand, fits: Bools, least_s: Floats | float = 0.0) -> Floats:
        latency_s, energy_pj, value = demand.reached(self._target, least_s)
        uncounted = objective_named(self._target.objective).uncounted(energy_pj, latency_s)
        return best_order(np.where(fits, value, np.inf), uncounted)

    def floors(self, case: BufferCase, whole_bits: Floats, first_bits: Floats, least_s: Floats) -> Floats:
        """[figure, entry] What no candidate is below, where all that is known of the last tiles is that they take
        `least_s`, that the first ones of some operands are at least `first_bits`, and if there are n of them an nth of
        the `whole_bits`; infinite where none fits."""
        demand, fits, _ = self.demand(case)
        demand = self._in_best_tiles(demand, self.entries.each(case.repeats.steps), whole_bits, first_bits)
        return self._best(demand, fits, least_s)

    def _in_best_tiles(self, demand: Demand, steps: Any, whole_bits: Floats, first_bits: Floats) -> Demand:
        """The same in a number of last tiles, not necessarily a whole one, that take the least time, at the energy of
        the fewest cycles.

        More of them fill and drain the array more often, which may hide behind busier ports; fewer have longer ends.
        """
        accelerator = self._target.accelerator
        fills = steps * self._array.fill_cycles
        if accelerator.dataflow.pipeline_cycles_per == "pass" or not accelerator.dataflow.overlap or not fills.all():
            return demand
        cycles_per_bit = accelerator.clock_hz / (BITS_PER_BYTE * self._target.bandwidth_bytes_per_s)
        once = steps * self._cycles
        balanced = np.minimum(np.sqrt(whole_bits * cycles_per_bit / fills), whole_bits / np.maximum(first_bits, 1))
        tiles = np.maximum(np.maximum(balanced, 1), 1 + (demand.cycles - once) / fills)
        end_bits = demand.end_bits + np.maximum(whole_bits / tiles - first_bits, 0)
        cycles = np.maximum(demand.cycles, once + fills * (tiles - 1))
        return Demand(
            cycles=cycles,
            body_bits=demand.body_bits + demand.end_bits - end_bits,
            end_bits=end_bits,
            dynamic_pj=demand.dynamic_pj - self._target.energy.working_pj_per_cycle * (cycles - demand.cycles),
        )

    def demand(self, case: BufferCase) -> tuple[Demand, Bools, Mapping[Operand, Bools]]:
        """What every candidate takes in a residency, whether it fits, and where each operand holds more than a tile."""
        energy, each = self._target.energy, self.entries.each
        sides = [self.sides.side(group, case) for group in self._groups]
        steps = each(case.repeats.steps)
        read, written = case.vector.total("memory")
        cycles = np.maximum(steps * self._cycles, each(case.vector_cycles))
        for side in sides:
            cycles = np.maximum(cycles, side.cycles)
        read_pj, write_pj = read * energy.memory_read_pj_per_bit, written * energy.memory_write_pj_per_bit
        vector_pj = each(read_pj + write_pj + case.vector_pj)
        demand = Demand(
            cycles=cycles,
            body_bits=total([side.body_bits for side in sides]) + each(read + written),
            end_bits=total([side.end_bits for side in sides]),
            dynamic_pj=steps * self._chip_pj + (total([side.energy_pj for side in sides]) + vector_pj),
        )
        fits = reduce(np.logical_and, [side.fits for side in sides])
        return demand, fits, {operand: hold for side in sides for operand, hold in side.holds.items()}
