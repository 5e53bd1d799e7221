"""The families of many workloads: the paper's by range, clusters found in the data, and who runs them best."""

from collections.abc import Sequence
from dataclasses import dataclass

from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.hardware.files import load_system
from mensa_sim.schedule.affinity import Affinity, affinities
from mensa_sim.study.run.placement import Goal, objective_named, price_problem
from mensa_sim.workload.families.clusters import Clustering, cluster
from mensa_sim.workload.families.paper import FAMILIES, Membership, memberships, share_inside
from mensa_sim.workload.load import load_workload


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRow:
    """One of the paper's families over all workloads; a gate's two halves are one layer."""

    number: int
    description: str
    layers: int
    inside: int
    """Layers that lie in the family's ranges; the others are nearest to it in log space."""
    macs: int
    parameter_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyStudy:
    """Families of a set of workloads."""

    workloads: tuple[str, ...]
    layers: int
    rows: tuple[FamilyRow, ...]
    share_inside: float | None
    clustering: Clustering
    system: str
    objective: str
    affinities: tuple[Affinity, ...]


def study_families(
    workloads: Sequence[str],
    *,
    system: str = "mensa_g",
    objective: str = "edp",
    count: int | None = None,
    cache: bool = True,
    allow_code: bool = False,
) -> FamilyStudy:
    """Classify and cluster the layers of workloads, and price each family on each accelerator of a system."""
    placed = load_system(system)
    goal = Goal(objective=objective_named(objective))
    graphs = [load_workload(name, allow_code=allow_code, cache=cache) for name in workloads]
    members = [member for graph in graphs for member in memberships(graph)]
    memo = PriceMemo()
    problems = [price_problem(graph, placed, goal, memo)[1] for graph in graphs]
    return FamilyStudy(
        workloads=tuple(graph.name for graph in graphs),
        layers=len(members),
        rows=_rows(members),
        share_inside=share_inside(members),
        clustering=cluster(members, count),
        system=placed.name,
        objective=objective,
        affinities=affinities(problems),
    )


def _rows(members: Sequence[Membership]) -> tuple[FamilyRow, ...]:
    rows = []
    for number, family in FAMILIES.items():
        own = [member for member in members if member.family == number]
        rows.append(
            FamilyRow(
                number=number,
                description=family.description,
                layers=len(own),
                inside=sum(member.inside for member in own),
                macs=sum(member.features.macs * member.features.steps for member in own),
                parameter_bytes=sum(member.features.parameter_bytes for member in own),
            )
        )
    return tuple(rows)
