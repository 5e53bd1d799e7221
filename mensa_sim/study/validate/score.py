"""How far predictions lie from measurements: percentage errors and rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of some rows."""

    rows: int
    mean_percent: float
    """Mean absolute percentage error."""
    max_percent: float
    spearman: float | None
    """None where fewer than two rows, or equal ones, leave it undefined."""


def error_percent(predicted: float, measured: float) -> float:
    """Signed error in percent of the measured value.

    >>> error_percent(predicted=3.0, measured=2.0)
    50.0
    """
    return 100 * (predicted - measured) / measured


def score(pairs: Sequence[tuple[float, float]]) -> Score:
    """The score of (predicted, measured) pairs of one metric, at least one."""
    errors = [abs(error_percent(predicted, measured)) for predicted, measured in pairs]
    return Score(
        rows=len(pairs),
        mean_percent=math.fsum(errors) / len(errors),
        max_percent=max(errors),
        spearman=spearman([p for p, _ in pairs], [m for _, m in pairs]),
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; none where it is undefined.

    >>> spearman([1, 2, 3], [10, 20, 15])
    0.5
    """
    a, b = ranks(first), ranks(second)
    mean = (len(a) + 1) / 2
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in a) * math.fsum((y - mean) ** 2 for y in b))
    return math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True)) / spread if spread else None


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, equal values sharing their mean rank.

    >>> ranks([5, 7, 5])
    [1.5, 3.0, 1.5]
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for index in order[start : end + 1]:
            found[index] = (start + end) / 2 + 1
        start = end + 1
    return found
