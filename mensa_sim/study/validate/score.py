"""How far predictions lie from measurements: percentage errors and rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation


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
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import rankdata

    return correlation(rankdata(first).tolist(), rankdata(second).tolist())  # exact for ranks: equal orders give 1.0
