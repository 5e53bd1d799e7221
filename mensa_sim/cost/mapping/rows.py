"""One operand's accesses for every order of loops over buffer tiles, a row each: what the search adds up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mensa_sim.cost.counts.memory_side import MemorySide
from mensa_sim.cost.counts.operand_arrays import ArraySide
from mensa_sim.cost.counts.tiles import Floats, Indices
from mensa_sim.cost.mapping.grid import Bools

Scalar = TypeVar("Scalar", np.float64, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperandRows:
    """One operand's accesses in one step: [inner, row, entry], any of length 1 where nothing changes."""

    feed_accesses: Floats
    collect_accesses: Floats
    chip_pj: Floats
    partial: Bools
    """Sums leave the array before they are final."""
    crossings: Floats
    """[crossing, holds, inner, row, entry] as in `MemorySide`."""
    end_bits: Floats
    """Of a weight or input."""
    buffer_bits: Floats
    """[holds, inner, row, entry]"""
    leaves: Bools
    """[holds, inner, row, entry] Sums leave the buffer before they are final."""

    def crossing(self, holds: Bools) -> Floats:
        """[crossing, inner, row, entry] of candidates where the operand holds more than a buffer tile, or not."""
        if holds.all():
            return self.crossings[:, 1]
        picked: Floats = np.where(holds, self.crossings[:, 1], self.crossings[:, 0])
        return picked


def _rows(values: npt.NDArray[Scalar], index: Indices) -> npt.NDArray[Scalar]:
    return values if values.shape[-2] == 1 else values.take(index, axis=-2)


def operand_rows(array: ArraySide, memory: MemorySide, inside: Sequence[int]) -> OperandRows:
    """The rows of an operand; `inside` says which of its own groups each row has inside the free one."""
    index = np.array(inside)
    return OperandRows(
        feed_accesses=_rows(array.feed_accesses, index),
        collect_accesses=_rows(array.collect_accesses, index),
        chip_pj=_rows(array.chip_pj, index),
        partial=_rows(array.partial, index),
        crossings=_rows(memory.figures, index),
        end_bits=_rows(memory.end_bits, index),
        buffer_bits=_rows(memory.buffer_bits, index),
        leaves=_rows(memory.leaves, index),
    )
