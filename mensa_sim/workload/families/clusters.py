"""Layer families found in the data: clusters of layers by footprint, reuse, work and steps, on logarithmic axes.

Ward's hierarchical clustering (Ward, JASA 58, 1963; scipy) gives the start, Lloyd's iterations (IEEE Trans. Inf. Theory
28(2), 1982) make every layer belong to its nearest centre, so that centres alone reproduce the families of any layer.
The number of families is that of the largest mean silhouette (Rousseeuw, J. Comput. Appl. Math. 20, 1987). Equal layers
count once: a popular shape does not outweigh a rare one. Nothing is random.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mensa_sim.errors import UsageError
from mensa_sim.io.files import read_record, write_yaml
from mensa_sim.records import dataclass
from mensa_sim.workload.families.paper import Features, Membership

AXES = ("parameter_bytes", "macs_per_parameter_byte", "macs", "steps")
MAX_FAMILIES = 10

Rows = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A family by its centre and the spread of all layers, both in natural logarithms along `AXES`."""

    number: int
    description: str
    centre: tuple[float, float, float, float]
    spread: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in self.centre):
            raise ValueError(f"family {self.number}: centre {list(self.centre)} is not finite")
        if not all(0 < value < math.inf for value in self.spread):
            raise ValueError(f"family {self.number}: spread {list(self.spread)} is not positive")

    def distance(self, features: Features) -> float:
        """Distance to the centre in units of the spread."""
        row = log_features(features)
        return math.hypot(*((x - c) / s for x, c, s in zip(row, self.centre, self.spread, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """The clusters found, how well they are apart, and how far they agree with a given classification."""

    clusters: dict[int, Cluster]
    silhouettes: dict[int, float]
    """Mean silhouette by number of clusters tried."""
    agreement: float
    """Adjusted Rand index to the families that the layers came with: 1 for the same, 0 for chance."""


def log_features(features: Features) -> tuple[float, float, float, float]:
    """Natural logarithms of a layer's features along `AXES`."""
    reuse = features.macs_per_parameter_byte
    return math.log(features.parameter_bytes), math.log(reuse), math.log(features.macs), math.log(features.steps)


def cluster(members: Sequence[Membership], count: int | None = None) -> Clustering:
    """Clusters of the layers of any number of graphs; `count` of them, or as many as part best.

    Families are numbered by the footprint of their centre, smallest first.
    """
    rows, inverse = np.unique([log_features(member.features) for member in members], axis=0, return_inverse=True)
    wanted = range(2, min(MAX_FAMILIES, len(rows) - 1) + 1) if count is None else range(count, count + 1)
    if not wanted or wanted[0] < 2 or wanted[-1] >= len(rows):
        raise UsageError(f"cannot part {len(rows)} different layers into {count or 'at least 2'} families")
    spread = rows.std(axis=0)
    spread[spread == 0] = 1.0
    scaled = rows / spread
    labels = {k: _labels(scaled, k) for k in wanted}
    silhouettes = {k: silhouette(scaled, found) for k, found in labels.items()}
    best = labels[max(silhouettes, key=lambda k: (silhouettes[k], -k))]
    centres = sorted(tuple(float(x) for x in rows[best == label].mean(axis=0)) for label in np.unique(best))
    clusters = {n: _cluster(n, centre, spread) for n, centre in enumerate(centres, start=1)}
    ours = [_nearest(rows[row] / spread, np.array(centres) / spread) for row in inverse]
    agreement = adjusted_rand_index(ours, [member.family for member in members])
    return Clustering(clusters=clusters, silhouettes=silhouettes, agreement=agreement)


def _cluster(number: int, centre: tuple[float, ...], spread: Rows) -> Cluster:
    size, reuse, macs, steps = centre
    words = f"around {math.exp(size):.3g} B, {math.exp(reuse):.3g} MAC/B, {math.exp(macs):.3g} MACs"
    wide = float(spread[0]), float(spread[1]), float(spread[2]), float(spread[3])
    return Cluster(number=number, description=words, centre=(size, reuse, macs, steps), spread=wide)


def _labels(scaled: Rows, count: int) -> Labels:
    """Ward's clusters, moved until every row is in the cluster of its nearest centre."""
    from scipy.cluster.hierarchy import fcluster, linkage

    labels: Labels = fcluster(linkage(scaled, method="ward"), count, criterion="maxclust").astype(np.int64)
    for _ in range(1000):
        centres = np.array([scaled[labels == label].mean(axis=0) for label in np.unique(labels)])
        moved = ((scaled[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return labels


def _nearest(row: Rows, centres: Rows) -> int:
    return int(((centres - row) ** 2).sum(axis=1).argmin())


def silhouette(rows: Rows, labels: Labels) -> float:
    """Mean over rows of (b - a) / max(a, b): a the mean distance to the own cluster, b to the nearest other.

    A row alone in its cluster counts 0.
    """
    distances = np.sqrt(((rows[:, None, :] - rows[None, :, :]) ** 2).sum(axis=2))
    names = np.unique(labels)
    members = np.array([(labels == name) for name in names], dtype=float)
    sums, sizes = distances @ members.T, members.sum(axis=1)
    own = members.T.astype(bool)
    own_size = sizes[np.searchsorted(names, labels)]
    near = sums[own] / np.maximum(own_size - 1, 1)
    other = np.where(own, np.inf, sums / sizes).min(axis=1)
    largest = np.maximum(near, other)
    scores = np.where((own_size > 1) & (largest > 0), (other - near) / np.where(largest > 0, largest, 1.0), 0.0)
    return float(scores.mean())


def adjusted_rand_index(one: Sequence[int], other: Sequence[int]) -> float:
    """Agreement of two classifications of the same things, corrected for chance (Hubert and Arabie, 1985).

    >>> adjusted_rand_index([1, 1, 2, 2], [7, 7, 5, 5])
    1.0
    """
    _, rows = np.unique(one, return_inverse=True)
    _, columns = np.unique(other, return_inverse=True)
    table = np.zeros((rows.max(initial=0) + 1, columns.max(initial=0) + 1))
    np.add.at(table, (rows, columns), 1)

    def pairs(counts: Rows) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, by_row, by_column = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    everything = len(rows) * (len(rows) - 1) / 2
    chance = by_row * by_column / everything if everything else 0.0
    most = (by_row + by_column) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


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
