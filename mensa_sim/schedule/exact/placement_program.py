"""Which accelerator each unit runs on, and which memories hold each tensor, as variables of a linear program."""

from collections.abc import Sequence
from dataclasses import field

from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.arrays import Arrays
from mensa_sim.schedule.exact.linear_program import LinearProgram


@dataclass(slots=True)
class PlacementProgram:
    """A program with the variables of a placement, as all programs share them; costs are the caller's.

    Binary `x[u, a]` places unit u on accelerator a. `y[t, s, m]` says that tensor t, made in memory s, is at hand in m:
    it needs its producer in s, and every reader in m needs one of them. With two memories and no other rows this is a
    minimum cut, whose relaxation is integral.
    """

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
