"""Constants that several families of kernels have in common, on one device or on several."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.model import CONSTANTS, Model, ModelForm, Range
from mensa_sim.cost.measured.fits.sloped import Sloped, one_after_another

_PULL = 0.02
"""Weight of each constant's start against a relative error of the rows: decides only what the rows leave open."""
_ROBUST = 0.05
"""Relative error from which a row counts linearly, not by its square."""
_EVALUATIONS = 60
_SETTLED = 1e-6
"""Share of the cost below which a step's gain ends a fit: constants have five digits."""
_RANKED = 1e-3
"""The same where it is only asked which of several models fits best: a choice."""


def least(
    ranges: Mapping[str, Range],
    times: Callable[[Mapping[str, float]], Sloped],
    measured: Floats,
    start: Mapping[str, float] | None = None,
    *,
    relative: bool = False,
    trial: bool = False,
) -> tuple[float, Mapping[str, float]]:
    """The constants that minimise the robust squared error of `times` over measured ones, and that cost.

    The error is its logarithm, which leads there from afar, or `relative`, which is what fits are judged by. A `trial`
    ends as soon as it tells how good the model is.
    """
    from scipy.optimize import least_squares

    names = list(ranges)
    first = np.log([ranges[name].start for name in names])
    begin = first if start is None else np.log([start[name] for name in names])
    low, high = (np.log([getattr(ranges[name], end) for name in names]) for end in ("low", "high"))
    log_measured = np.log(measured)

    @lru_cache(maxsize=1)
    def at(point: tuple[float, ...]) -> Sloped:
        return times(dict(zip(names, np.exp(point).tolist(), strict=True)))

    def residuals(point: Floats) -> Floats:
        seconds = at(tuple(point)).seconds
        errors = seconds / measured - 1 if relative else np.log(seconds) - log_measured
        return np.concatenate([errors, _PULL * (point - first)])

    def jacobian(point: Floats) -> Floats:
        found = at(tuple(point))
        gain = found.seconds / measured if relative else np.ones_like(measured)
        errors = np.column_stack([gain * found.slopes.get(name, 0.0) for name in names])
        return np.concatenate([errors, _PULL * np.identity(len(names))])

    solved = least_squares(
        residuals,
        np.clip(begin, low + 1e-6, high - 1e-6),
        jac=jacobian,
        bounds=(low, high),
        ftol=_RANKED if trial else _SETTLED,
        loss="soft_l1",
        f_scale=_ROBUST,
        max_nfev=_EVALUATIONS,
    )
    return float(solved.cost), dict(zip(names, np.exp(solved.x).tolist(), strict=True))


_LAUNCH = "launch_us"
"""The constant that each family of products has of its own: what its framework does before the kernel differs."""


class Part(NamedTuple):
    """Kernels of one family on one device, and their measured seconds."""

    family: str
    model: Model
    measured: Floats


def in_common(form: ModelForm, parts: Sequence[Part]) -> Mapping[str, Mapping[str, float]]:
    """By family, the constants that all parts have in common but for the launch of each family."""
    families = list(dict.fromkeys(part.family for part in parts))
    ranges: dict[str, Range] = {name: each for name, each in CONSTANTS[form].items() if name != _LAUNCH}
    ranges |= {_own(family): CONSTANTS[form][_LAUNCH] for family in families}
    measured = np.concatenate([part.measured for part in parts])

    def times(constants: Mapping[str, float]) -> Sloped:
        found = []
        for part in parts:
            time = part.model.sloped({**constants, _LAUNCH: constants[_own(part.family)]})
            found.append(Sloped(time.seconds, {_own(part.family): time.slopes[_LAUNCH], **time.slopes}))
        return one_after_another(found)

    _, near = least(ranges, times, measured)
    _, found = least(ranges, times, measured, near, relative=True)
    return {
        family: {name: found[_own(family) if name == _LAUNCH else name] for name in CONSTANTS[form]}
        for family in families
    }


def _own(family: str) -> str:
    return f"{_LAUNCH} of {family}"
