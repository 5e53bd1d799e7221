"""What a list scheduler sees at each step of tensors at home: where those of the units placed before it may live."""

from collections.abc import Iterator

from mensa_sim.cost.table import CostTable
from mensa_sim.records import dataclass
from mensa_sim.schedule.homes.placed import IN_MEMORY, Mode, modes_of, rooms_of
from mensa_sim.schedule.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A unit in a mode, and what it adds to those placed before."""

    mode: Mode
    latency_ps: int
    """With copies between memories, less what makers save that write to memory no more."""
    energy_pj: float
    """Dynamic, likewise."""


class HomesSeen:
    """The units placed so far, and which of their tensors are read at home.

    Such a tensor takes room from its maker to its last reader. It is written to memory too unless a single unit reads
    it, as where others will stand is not known.
    """

    def __init__(self, problem: Problem, costs: CostTable) -> None:
        self._problem = problem
        self._modes = list(modes_of(problem, costs))
        self._rooms_bytes = rooms_of(costs.system, problem.accelerators)
        self._sizes_bytes = [costs.graph[unit.layers[0]].output_bytes for unit in problem.units]
        self._readers = [sorted({r for each in tensors for r in each.readers}) for tensors in problem.outgoing]
        self.placed: dict[int, Mode] = {}
        """By unit, the mode that it is in now."""
        self._lies: dict[int, int] = {}
        """The places of tensors at home, by their makers."""
        self._copied: set[tuple[int, str]] = set()
        """Makers, and other memories that their tensors were copied to."""

    def added(self, unit: int, accelerator: int) -> Iterator[Added]:
        """What the unit adds there, first with all that it reads in memory; its own tensor comes to memory."""
        problem = self._problem
        for mode in self._modes[unit]:
            if mode.accelerator != accelerator or mode.output != IN_MEMORY or not self._can(unit, mode):
                continue
            latency_ps, energy_pj = mode.latency_ps, mode.energy_pj
            for tensor in problem.incoming[unit]:
                between = problem.memories[self.placed[tensor.producer].accelerator], problem.memories[accelerator]
                if tensor.producer not in mode.inputs and (tensor.producer, between[1]) not in self._copied:
                    latency_ps += problem.transfer_ps(tensor.size_bytes, *between)
                    energy_pj += problem.transfer_pj(tensor.size_bytes, *between)
            for maker, place in mode.inputs.items():
                before, after = self.placed[maker], self._maker(unit, maker, place)
                if after is not None:
                    latency_ps += after.latency_ps - before.latency_ps
                    energy_pj += after.energy_pj - before.energy_pj
            yield Added(mode=mode, latency_ps=latency_ps, energy_pj=energy_pj)

    def take(self, unit: int, mode: Mode) -> None:
        """Place the unit."""
        self.placed[unit] = mode
        memory = self._problem.memories[mode.accelerator]
        self._copied |= {(each.producer, memory) for each in self._problem.incoming[unit]} - {
            (maker, memory) for maker in mode.inputs
        }
        for maker, place in mode.inputs.items():
            self._lies[maker] = place
            self.placed[maker] = self._maker(unit, maker, place) or self.placed[maker]

    def _can(self, unit: int, mode: Mode) -> bool:
        """Whether the tensors that it reads at home may live there."""
        for maker, place in mode.inputs.items():
            if self._lies.get(maker, place) != place or self._maker(unit, maker, place) is None:
                return False
            beside = sum(size for other, size in self._beside(maker) if self._lies[other] == place)
            if beside + self._sizes_bytes[maker] > self._rooms_bytes[place]:
                return False
        return True

    def _beside(self, maker: int) -> Iterator[tuple[int, int]]:
        """Makers of the tensors at home that live at some time with that one, and their bytes."""
        for other in self._lies:
            if other != maker and other <= self._readers[maker][-1] and maker <= self._readers[other][-1]:
                yield other, self._sizes_bytes[other]

    def _maker(self, unit: int, maker: int, place: int) -> Mode | None:
        """The mode of a maker whose tensor the unit reads in some place; none where it cannot be there."""
        now = self.placed[maker]
        able = (
            mode
            for mode in self._modes[maker]
            if (mode.accelerator, mode.output, mode.inputs) == (now.accelerator, place, now.inputs)
        )
        found = min(able, key=lambda mode: (mode.latency_ps, mode.energy_pj), default=None)
        return now if found is not None and self._readers[maker] != [unit] else found
