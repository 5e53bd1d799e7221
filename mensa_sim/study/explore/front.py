"""Which of several points are best, where each has several costs."""

from collections.abc import Sequence

import numpy as np


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is better somewhere and worse nowhere.

    >>> dominates((1, 2), (1, 3)), dominates((1, 2), (1, 2)), dominates((0, 4), (1, 2))
    (True, False, False)
    """
    return all(a <= b for a, b in zip(one, other, strict=True)) and tuple(one) != tuple(other)


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Places of the points that no other dominates, in order; of equal points the first alone.

    >>> pareto_front([(1, 3), (2, 2), (2, 3), (3, 1), (1, 3)])
    [0, 1, 3]
    """
    values = np.array(points, dtype=float).reshape(len(points), -1)
    kept = np.empty_like(values)  # a row for each that is kept, in lexicographic order: none dominates one before it
    places: list[int] = []
    for place in np.lexsort(values.T[::-1]):
        if not (kept[: len(places)] <= values[place]).all(axis=1).any():
            kept[len(places)] = values[place]
            places.append(int(place))
    return sorted(places)


def best_first(points: Sequence[Sequence[float]], count: int) -> list[int]:
    """Places of at most that many points, front by front; of a front with more than are wanted, some all along it.

    >>> best_first([(2, 3), (1, 3), (2, 2), (3, 1), (1, 3)], 3), best_first([(0, 4), (1, 3), (2, 2), (3, 1)], 2)
    ([1, 2, 3], [0, 2])
    """
    places: list[int] = []
    left = list(range(len(points)))
    while left and len(places) < count:
        front = {left[place] for place in pareto_front([points[each] for each in left])}
        step = -(-len(front) // (count - len(places)))
        places += sorted(front, key=lambda place: tuple(points[place]))[::step]
        left = [place for place in left if place not in front]
    return places
