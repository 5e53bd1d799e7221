"""Who holds more than a tile where not all operands can: one after another."""

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np

from mensa_sim.arrays import Bools
from mensa_sim.workload.dims import Operand

Priority = tuple[Operand, ...]
"""Operands, those first that may hold more before the others."""


class RoomFor:
    """Where some combination of what operands hold fits: asked for several times, as far as it is decided."""

    def __init__(self, operands: Sequence[Operand], fits: Mapping[tuple[bool, ...], Bools]) -> None:
        self._operands, self._fits = operands, fits
        self._known: dict[tuple[bool | None, ...], Bools] = {}

    def __call__(self, decided: Mapping[Operand, bool]) -> Bools:
        """Where one fits in which these operands are decided."""
        wanted = tuple(decided.get(operand) for operand in self._operands)
        if wanted not in self._known:
            matching = [
                fit
                for each, fit in self._fits.items()
                if all(w is None or w == c for w, c in zip(wanted, each, strict=True))
            ]
            self._known[wanted] = reduce(np.logical_or, matching)
        return self._known[wanted]


def in_turn(priority: Priority, room: RoomFor) -> dict[Operand, Bools]:
    """Where each operand holds more: one after another, if there is room whatever those after it do."""
    found: dict[Operand, Bools] = {}

    def choose(decided: dict[Operand, bool], operand: Operand) -> Bools:
        """Where an operand holds more, given what those before it do, decided or as found."""
        for earlier in priority[: priority.index(operand)]:
            if earlier not in decided:
                yes, no = (choose({**decided, earlier: hold}, operand) for hold in (True, False))
                picked: Bools = np.where(found[earlier], yes, no)
                return picked
        return room({**decided, operand: True})

    for operand in priority:
        found[operand] = choose({}, operand)
    return found
