"""Families as a YAML file: the clusters found in one set of workloads, to judge others by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from mensa_sim.io.files import read_record, write_yaml
from mensa_sim.workload.families.clusters import AXES, Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliesFile:
    """The file: the axes it was made along, and one entry a family."""

    axes: tuple[str, ...]
    families: tuple[Cluster, ...]

    def __post_init__(self) -> None:
        if self.axes != AXES:
            raise ValueError(f"axes: must be {', '.join(AXES)}")
        numbers = [family.number for family in self.families]
        if not numbers or len(set(numbers)) < len(numbers):
            raise ValueError("families: needs at least one, each number once")


def families_yaml(clusters: Mapping[int, Cluster]) -> str:
    """The text of a families file; the same clusters give the same bytes."""
    rows = [
        {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(found).items()}
        for found in clusters.values()
    ]
    return write_yaml({"axes": list(AXES), "families": rows})


def read_families(path: Path) -> dict[int, Cluster]:
    """The families of a file by number; `FileError` with every fault of it."""
    content = read_record(path, FamiliesFile)
    return {found.number: found for found in sorted(content.families, key=lambda found: found.number)}
