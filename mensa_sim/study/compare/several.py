"""Several workloads on several systems: each compared by itself, and the means of their ratios."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from statistics import geometric_mean

from mensa_sim.arguments import checked
from mensa_sim.errors import UsageError
from mensa_sim.study.compare.compare import CompareResult, compare
from mensa_sim.study.compare.request import CompareRequest
from mensa_sim.study.request.command import command_of
from mensa_sim.study.run.given import system_files_given, workload_files_given
from mensa_sim.study.run.provenance import Provenance, input_hashes
from mensa_sim.study.run.result import Ratios, objective_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralResult(Provenance):
    """Several workloads on the same systems."""

    parts: Mapping[str, CompareResult]
    """By the workload's name, in the order asked for."""

    @property
    def systems(self) -> tuple[str, ...]:
        """What they are called; the first is the baseline."""
        return tuple(next(iter(self.parts.values())).systems)

    @property
    def product(self) -> str:
        """The objective that systems are ranked by: the first one's."""
        part = next(iter(self.parts.values()))
        return part.systems[part.baseline].objective

    @checked
    def gains(self, system: str) -> dict[str, float]:
        """By workload, how many times less of the objective a system needs than the baseline."""
        return {
            name: objective_of(part.whole(part.baseline), self.product) / objective_of(part.whole(system), self.product)
            for name, part in self.parts.items()
        }

    @checked
    def mean_gain(self, system: str) -> float:
        """The geometric mean of these, which no choice of the baseline changes the ranking of."""
        return geometric_mean(self.gains(system).values())

    @checked
    def mean_ratios(self, system: str) -> Ratios:
        """The geometric means of the workloads' ratios against the baseline; above 1 is better."""
        found = [part.ratios(system) for part in self.parts.values()]
        names = [field.name for field in fields(Ratios)]
        return Ratios(**{name: geometric_mean(getattr(each, name) for each in found) for name in names})

    @property
    def ranking(self) -> tuple[str, ...]:
        """The systems, the best over all workloads first."""
        return tuple(sorted(self.systems, key=lambda name: -self.mean_gain(name)))


def compare_several(request: CompareRequest) -> SeveralResult:
    """Each workload on each system."""
    parts: dict[str, CompareResult] = {}
    for workload in request.workloads:
        part = compare(replace(request, workload=workload))
        if part.workload in parts:
            raise UsageError(f"workloads: two are called {part.workload}")
        parts[part.workload] = part
    first = next(iter(parts.values()))
    return SeveralResult(
        parts=parts,
        versions=first.versions,
        inputs=input_hashes(
            [
                *(file for workload in request.workloads for file in workload_files_given(workload)),
                *system_files_given(*request.systems),
            ]
        ),
        choices=first.choices,
        command=command_of("compare", request),
    )
