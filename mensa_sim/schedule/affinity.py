"""Which accelerator suits which family: the mean cost of a family's units on each accelerator."""

from collections.abc import Sequence

from mensa_sim.records import dataclass
from mensa_sim.schedule.problem import Problem
from mensa_sim.schedule.unit import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """One family on one accelerator: means over the units that can run there."""

    family: int
    accelerator: str
    units: int
    refused: int
    """Units of the family that cannot run there."""
    latency_ps: float | None
    """None where no unit runs; so are the others."""
    energy_pj: float | None
    """Dynamic energy."""
    value: float | None
    """Mean of the problem's objective, each unit on its own with the static power of the whole system."""


def affinities(problems: Sequence[Problem]) -> tuple[Affinity, ...]:
    """Rows by family and accelerator, over the problems of any number of graphs on one system."""
    found: dict[tuple[int, str], list[tuple[Problem, Option | None]]] = {}
    for problem in problems:
        for unit in problem.units:
            if unit.family is not None:
                for name, option in zip(problem.accelerators, unit.options, strict=True):
                    entry = option if isinstance(option, Option) else None
                    found.setdefault((unit.family, name), []).append((problem, entry))
    order = {name: number for number, name in enumerate(dict.fromkeys(n for p in problems for n in p.accelerators))}
    return tuple(_affinity(key, found[key]) for key in sorted(found, key=lambda key: (key[0], order[key[1]])))


def _affinity(key: tuple[int, str], entries: Sequence[tuple[Problem, Option | None]]) -> Affinity:
    able = [(problem, option) for problem, option in entries if option is not None]

    def mean(values: Sequence[float]) -> float | None:
        return sum(values) / len(values) if values else None

    return Affinity(
        family=key[0],
        accelerator=key[1],
        units=len(able),
        refused=len(entries) - len(able),
        latency_ps=mean([option.latency_ps for _, option in able]),
        energy_pj=mean([option.energy_pj for _, option in able]),
        value=mean([problem.value(option.energy_pj, option.latency_ps) for problem, option in able]),
    )
