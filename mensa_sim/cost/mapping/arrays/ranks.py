"""What mappings are compared by: the objective, and between equal ones the figure that it does not count.

Arrays of both, [figure, ...], of what mappings reach or are not below. Where many reach the same, as all that keep the
array busy take the same time, those that may win are told by the second figure.
"""

from itertools import pairwise

import numpy as np

from mensa_sim.arrays import Bools, Floats
from mensa_sim.cost.counts.tiles import Indices

TIES = 1 + 1e-12
"""Figures that differ by no more than what their sums are rounded by are equal. A choice."""


def best_order(first: Floats, second: Floats | float) -> Floats:
    """[figure, entry] The least of the first figure in any order, [inner, row, entry], and of the second one where the
    first is that."""
    found = first.min(axis=(0, 1))
    if isinstance(second, float):
        return np.stack([found, np.full_like(found, second)])
    return np.stack([found, np.where(first <= found * TIES, second, np.inf).min(axis=(0, 1))])


def best_of_nests(figures: Floats, task: Indices, tasks: int) -> Floats:
    """[figure, residency, task] The same over the entries of each nest, [figure, residency, entry]; infinite for a nest
    that has none."""
    found = np.full((*figures.shape[:2], tasks), np.inf)
    for best, best_second, first, second in zip(*found, *figures, strict=True):
        np.minimum.at(best, task, first)
        equal = first <= best[task] * TIES
        np.minimum.at(best_second, task[equal], second[equal])
    return found


def near(floors: Floats, task: Indices, reached: Floats) -> Bools:
    """[residency, entry] Whether what is not below floors, [figure, residency, entry], may win against what its nest
    reaches, [figure, residency, task].

    >>> floors = np.array([[[4.0, 5, 5, 6]], [[9.0, 2, 3, 1]]])
    >>> near(floors, np.zeros(4, dtype=np.intp), reached=np.array([[[5.0]], [[2.0]]])).tolist()
    [[True, True, False, False]]
    """
    (first, second), (best, best_second) = floors, reached[..., task]
    possible = (first <= best * TIES) & (first < np.inf)
    found: Bools = possible & ((first * TIES < best) | (second <= best_second * TIES))
    return found


def least(floors: Floats, task: Indices, count: int) -> Bools:
    """[residency, entry] Those of least floors of each nest; where few fit, the first ones too."""
    found = np.ones(floors.shape[1:], dtype=bool)
    cuts = np.flatnonzero(np.diff(task, prepend=-1, append=-1)).tolist()
    for begin, end in pairwise(cuts):
        if end - begin <= count:
            continue
        first, second = floors[..., begin:end]
        found[:, begin:end] = few = first <= np.partition(first, count - 1, axis=1)[:, count - 1 : count]
        for row in np.flatnonzero(few.sum(axis=1) > count).tolist():
            equal = np.flatnonzero(few[row])
            order = np.lexsort((second[row, equal], first[row, equal]))
            found[row, begin + equal[order[count:]]] = False
    return found
