"""Clusters found in the data: planted ones come back, their number is found, and a file keeps them."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mensa_sim.errors import FileError, UsageError
from mensa_sim.workload.families.clusters import adjusted_rand_index, cluster, families_yaml, read_families, silhouette
from mensa_sim.workload.families.paper import FAMILIES, Features, Membership, nearest_family

PLANTED = {1: (1_000, 400, 1), 2: (100_000, 80, 1), 3: (4_000_000, 1, 64)}


def planted(per_family: int = 12) -> list[Membership]:
    """Layers spread by a few percent around three centres far apart."""
    found = []
    for family, (size, reuse, steps) in PLANTED.items():
        for index in range(per_family):
            sized = round(size * (1 + 0.02 * index))
            features = Features(parameter_bytes=sized, macs=sized * (reuse + index % 3), steps=steps)
            found.append(Membership(layers=(f"{family}.{index}",), features=features, family=family, distance=0.0))
    return found


def test_planted_clusters_are_found_with_their_number() -> None:
    found = cluster(planted())
    assert list(found.clusters) == [1, 2, 3]
    assert max(found.silhouettes, key=lambda k: found.silhouettes[k]) == 3
    assert found.agreement == 1.0
    sizes = [math.exp(family.centre[0]) for family in found.clusters.values()]
    assert sizes == pytest.approx([size * 1.11 for size, _, _ in PLANTED.values()], rel=0.02)


def test_every_layer_belongs_to_the_nearest_centre_and_that_is_its_family() -> None:
    found = cluster(planted())
    for member in planted():
        assert nearest_family(member.features, found.clusters)[0] == member.family


def test_the_order_of_layers_and_their_repetition_change_nothing() -> None:
    members = planted()
    assert cluster(members).clusters == cluster(members[::-1] + members).clusters


def test_a_number_of_families_can_be_demanded() -> None:
    assert len(cluster(planted(), count=5).clusters) == 5


@pytest.mark.parametrize("count", [1, 36])
def test_a_number_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(UsageError, match="cannot part 36 different layers"):
        cluster(planted(), count=count)


def test_families_read_back_as_they_were_saved(tmp_path: Path) -> None:
    found = cluster(planted()).clusters
    path = tmp_path / "families.yaml"
    path.write_text(families_yaml(found))
    assert read_families(path) == found


def test_a_file_along_other_axes_or_with_a_number_twice_is_refused(tmp_path: Path) -> None:
    found = cluster(planted()).clusters
    path = tmp_path / "families.yaml"
    path.write_text(families_yaml(found).replace("steps", "stride"))
    with pytest.raises(FileError, match="axes"):
        read_families(path)
    path.write_text(families_yaml({1: found[1], 2: found[1]}))
    with pytest.raises(FileError, match="each number once"):
        read_families(path)


def test_the_silhouette_is_that_worked_by_hand() -> None:
    rows = np.array([[0.0], [1.0], [10.0]])
    near, far = (10 - 1) / 10, (9 - 1) / 9
    assert silhouette(rows, np.array([1, 1, 2])) == pytest.approx((near + far + 0) / 3)


def test_the_rand_index_is_that_of_a_published_example() -> None:
    one, other = [0, 0, 1, 1], [0, 0, 1, 2]
    assert adjusted_rand_index(one, other) == pytest.approx(4 / 7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=20))
def test_renaming_classes_keeps_the_rand_index_at_one(labels: list[int]) -> None:
    assert adjusted_rand_index(labels, [7 - label for label in labels]) == 1.0


def test_the_papers_families_and_clusters_answer_the_same_question() -> None:
    features = Features(parameter_bytes=2_000_000, macs=2_000_000, steps=64)
    assert nearest_family(features, FAMILIES)[0] == 3
    assert nearest_family(features, cluster(planted()).clusters)[0] == 3
