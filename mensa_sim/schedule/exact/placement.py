"""The part that every placement program shares: where units run, and which copies that makes necessary.

Binary `x[u, a]` places unit u on accelerator a. `y[t, s, m]` says that tensor t, made in memory s, is at hand in m: it
needs its producer in s, and every reader in m needs one of them. With two memories and no other rows this is a minimum
cut, whose relaxation is integral.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import LinearProgram


@dataclass(slots=True)
class PlacementProgram:
    """A program with the variables of a placement; costs are the caller's."""

    arrays: Arrays
    program: LinearProgram = field(default_factory=LinearProgram)
    places: list[dict[int, int]] = field(default_factory=list)
    """By unit: accelerator to variable."""
    copies: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """Number of the tensor in `arrays.tensors`, source and target memory, to variable."""

    def add_units(self, choices: Sequence[Sequence[int]]) -> None:
        """One accelerator for each unit among its choices."""
        for accelerators in choices:
            options = {accelerator: self.program.variable(integral=True) for accelerator in accelerators}
            self.program.row([(column, 1.0) for column in options.values()], low=1.0, high=1.0)
            self.places.append(options)

    def add_copies(self) -> None:
        """Every tensor at hand in the memory of every reader."""
        memories = range(len(self.arrays.memories))
        for number, t in enumerate(self.arrays.tensors):
            tensor = self.arrays.problem.tensors[t]
            for target in memories:
                held = []
                for source in memories:
                    made = self.in_memory(tensor.producer, source)
                    if made:
                        column = self.copies[number, source, target] = self.program.variable()
                        self.program.row([(column, 1.0), *((place, -1.0) for place in made)], high=0.0)
                        held.append((column, 1.0))
                for reader in tensor.readers:
                    used = self.in_memory(reader, target)
                    if used:
                        self.program.row([*held, *((place, -1.0) for place in used)], low=0.0)

    def in_memory(self, unit: int, memory: int) -> list[int]:
        """The variables that place a unit beside a memory."""
        return [column for a, column in self.places[unit].items() if self.arrays.memory[a] == memory]


def useful(arrays: Arrays, unit: int) -> list[int]:
    """Allowed accelerators that no other one beside the same memory matches in both latency and energy."""
    latency_ps, energy_pj = arrays.latency_ps[unit], arrays.energy_pj[unit]
    kept: dict[int, list[int]] = {}
    for accelerator in sorted(arrays.problem.units[unit].allowed, key=lambda a: (latency_ps[a], energy_pj[a], a)):
        best = kept.setdefault(int(arrays.memory[accelerator]), [])
        if not best or energy_pj[accelerator] < energy_pj[best[-1]]:
            best.append(accelerator)
    return sorted(accelerator for accelerators in kept.values() for accelerator in accelerators)
