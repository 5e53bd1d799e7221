"""The constants that make the robust squared error of predicted times small."""

from collections.abc import Callable, Mapping

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.model import Range

_PULL = 0.02
"""Weight of each constant's start against a relative error of the rows: decides only what the rows leave open."""
_ROBUST = 0.05
"""Relative error from which a row counts linearly, not by its square."""
_EVALUATIONS = 60


def least(
    ranges: Mapping[str, Range],
    seconds: Callable[[Mapping[str, float]], Floats],
    measured: Floats,
    start: Mapping[str, float] | None = None,
    *,
    relative: bool = False,
) -> tuple[float, Mapping[str, float]]:
    """The constants that minimise the robust squared error of `seconds` over measured ones, and that cost.

    The error is its logarithm, which leads there from afar, or `relative`, which is what fits are judged by.
    """
    from scipy.optimize import least_squares

    names = list(ranges)
    first = np.log([ranges[name].start for name in names])
    begin = first if start is None else np.log([start[name] for name in names])
    low, high = (np.log([getattr(ranges[name], end) for name in names]) for end in ("low", "high"))
    log_measured = np.log(measured)

    def residuals(point: Floats) -> Floats:
        times = seconds(dict(zip(names, np.exp(point).tolist(), strict=True)))
        errors = times / measured - 1 if relative else np.log(times) - log_measured
        return np.concatenate([errors, _PULL * (point - first)])

    solved = least_squares(
        residuals,
        np.clip(begin, low + 1e-6, high - 1e-6),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=_ROBUST,
        max_nfev=_EVALUATIONS,
    )
    return float(solved.cost), dict(zip(names, np.exp(solved.x).tolist(), strict=True))
