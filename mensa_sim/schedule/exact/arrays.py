"""The problem's numbers as arrays, for the exact solvers."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from mensa_sim.arrays import Floats
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option


class Arrays:
    """Units by accelerators, and copies by tensor, source and target memory.

    `latency_ps` and `energy_pj` are infinite where a unit may not run. `memory[a]` is the number of accelerator a's
    memory; `tensors` are those that cost something to copy, by index into the problem's.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.memories = tuple(dict.fromkeys(problem.memories))
        self.memory = np.array([self.memories.index(name) for name in problem.memories])
        shape = len(problem.units), len(problem.accelerators)
        self.latency_ps: Floats = np.full(shape, np.inf)
        self.energy_pj: Floats = np.full(shape, np.inf)
        for index, unit in enumerate(problem.units):
            for accelerator in unit.allowed:
                option = unit.options[accelerator]
                if isinstance(option, Option):
                    self.latency_ps[index, accelerator] = option.latency_ps
                    self.energy_pj[index, accelerator] = option.energy_pj
        several = len(self.memories) > 1
        self.tensors = [t for t, tensor in enumerate(problem.tensors) if several and tensor.size_bytes]

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Whether a unit may run on an accelerator."""
        return np.isfinite(self.latency_ps)

    def weighted(self, energy_weight: float, latency_weight: float) -> Floats:
        """Weighted sum of energy and latency of each unit on each accelerator; infinite where it may not run."""
        total: Floats = np.where(self.allowed, 0.0, np.inf)
        for weight, values in ((energy_weight, self.energy_pj), (latency_weight, self.latency_ps)):
            if weight:
                total = total + weight * values
        return total

    @cached_property
    def copy_ps(self) -> Floats:
        """Time to copy each of `tensors` from memory to memory."""
        transfer_ps = self.problem.transfer_ps
        return self._copies(
            [[[float(transfer_ps(size, s, t)) for t in self.memories] for s in self.memories] for size in self._sizes]
        )

    @cached_property
    def copy_pj(self) -> Floats:
        """Dynamic energy to copy each of `tensors` from memory to memory."""
        transfer_pj = self.problem.transfer_pj
        return self._copies(
            [[[transfer_pj(size, s, t) for t in self.memories] for s in self.memories] for size in self._sizes]
        )

    @property
    def _sizes(self) -> list[int]:
        return [self.problem.tensors[t].size_bytes for t in self.tensors]

    def _copies(self, values: list[list[list[float]]]) -> Floats:
        return np.array(values, dtype=float).reshape(len(self.tensors), len(self.memories), len(self.memories))
