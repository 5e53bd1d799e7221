"""The families of many workloads: the paper's by range, clusters found in the data, and who runs them best."""

from collections.abc import Sequence
from pathlib import Path

from mensa_sim.cost.prices.memo import shared_memo
from mensa_sim.errors import UsageError
from mensa_sim.io.at_hand import file_of
from mensa_sim.io.atomic import write_atomically
from mensa_sim.names import repeated
from mensa_sim.records import dataclass
from mensa_sim.schedule.affinity import Affinity, affinities
from mensa_sim.study.families.request import FamiliesRequest
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.given import system_files_given, system_given, workload_files_given
from mensa_sim.study.run.placement import Goal, price_problem
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.workload.families.clusters import Clustering, cluster, families_yaml
from mensa_sim.workload.families.paper import FAMILIES, Membership, memberships, share_inside
from mensa_sim.workload.load import load_workload
from mensa_sim.workload.model_kinds import MODELS


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
class FamilyStudy(Provenance):
    """Families of a set of workloads."""

    workloads: tuple[str, ...]
    members: tuple[tuple[str, Membership], ...]
    """The layers that have a family, each with its workload."""
    rows: tuple[FamilyRow, ...]
    clustering: Clustering
    system: str
    objective: str
    affinities: tuple[Affinity, ...]

    @property
    def layers(self) -> int:
        """How many have a family; a gate's two halves are one."""
        return len(self.members)

    @property
    def share_inside(self) -> float | None:
        """Of them, those in their family's ranges; none where there is none."""
        return share_inside([member for _, member in self.members])


def study_families(request: FamiliesRequest) -> FamilyStudy:
    """Classify and cluster the layers of workloads, and price each family on each accelerator of a system."""
    placed = system_given(request.system)
    goal = Goal(objective=request.objective)
    names = request.workloads or MODELS
    if twice := repeated(str(file_of(name)) for name in names):
        raise UsageError(f"workloads: {twice[0]} stands there twice")
    graphs = [load_workload(name, allow_code=request.allow_code, cache=request.cache) for name in names]
    files = (*(file for name in names for file in workload_files_given(name)), *system_files_given(request.system))
    owned = [(graph.name, member) for graph in graphs for member in memberships(graph)]
    members = [member for _, member in owned]
    memo = shared_memo(cache=request.cache)
    problems = []
    for count, graph in enumerate(graphs, start=1):
        problems.append(price_problem(graph, placed, goal, memo)[1])
        request.progress(count, len(graphs), graph.name)
    study = FamilyStudy(
        workloads=tuple(graph.name for graph in graphs),
        members=tuple(owned),
        rows=_rows(members),
        clustering=cluster(members, request.count),
        system=placed.name,
        objective=request.objective,
        affinities=affinities(problems),
        **made_of("families", request, files),
    )
    if request.save is not None:
        write_atomically(Path(request.save), families_yaml(study.clustering.clusters))
    return study


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
