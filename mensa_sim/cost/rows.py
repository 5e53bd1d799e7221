"""One operand's accesses for every combination of loop orders, a row each: what the search adds up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mensa_sim.cost.grid import Bools
from mensa_sim.cost.operand_arrays import OperandArrays
from mensa_sim.cost.tiles import Floats

CROSSINGS = MEMORY_BITS, END_BITS, CROSSING_PJ, DRAIN_ACCESSES, FILL_ACCESSES = range(5)
"""What an operand does on its way from or to memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperandRows:
    """One operand's accesses in one step; axes in brackets."""

    feed_accesses: Floats
    """[row, entry]"""
    collect_accesses: Floats
    """[row, entry]"""
    chip_pj: Floats
    """[row, entry]"""
    partial: Bools
    """[row, entry] Sums leave the array before they are final."""
    buffer_bits: Floats
    """[holds, row, entry]"""
    buffer_visits: Floats
    """[holds, row, entry]"""
    crossings: Floats
    """[crossing, holds, row, entry]"""

    def crossing(self, holds: Bools) -> Floats:
        """[crossing, row, entry] of candidates where the operand holds more than a buffer tile, or not."""
        rows: Floats = np.where(holds, self.crossings[:, 1], self.crossings[:, 0])
        return rows


def operand_rows(arrays: OperandArrays, inner: Sequence[int], inside: Sequence[int]) -> OperandRows:
    """The rows of an operand; `inner` is each row's inner order, `inside` its own groups inside the free one."""
    inner_index, inside_index = np.array(inner), np.array(inside)
    entries = arrays.chip_pj.shape[-1]
    crossings = np.empty((len(CROSSINGS), 2, len(inner), entries))
    for holds in (0, 1):
        for crossing, values in (
            (MEMORY_BITS, arrays.memory_bits),
            (END_BITS, arrays.end_bits),
            (CROSSING_PJ, arrays.crossing_pj),
        ):
            crossings[crossing, holds] = values[inner_index, holds, inside_index]
    crossings[DRAIN_ACCESSES] = arrays.drain_accesses[:, inside_index]
    crossings[FILL_ACCESSES] = arrays.fill_accesses[:, inside_index]
    return OperandRows(
        feed_accesses=arrays.feed_accesses[inner_index, inside_index],
        collect_accesses=arrays.collect_accesses[inner_index, inside_index],
        chip_pj=arrays.chip_pj[inner_index, inside_index],
        partial=(arrays.array_visits > 1)[inner_index, inside_index],
        buffer_bits=np.stack([arrays.buffer_bits[inner_index, holds, inside_index] for holds in (0, 1)]),
        buffer_visits=arrays.buffer_visits[:, inside_index],
        crossings=crossings,
    )
