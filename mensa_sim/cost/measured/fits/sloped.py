"""Times with their slopes, from which a fit knows where to go: how a sum and a softened maximum pass them on.

A slope is relative: what the logarithm of a time gains by the logarithm of a constant. So a product's slopes are the
sum of its factors', and a sum's are their mean by shares.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Bools, Floats, Ints

Slope = Floats | float
"""One number for each kernel, or one for all."""
_LEAST_S = 1e-15
"""No time is shorter where one is divided by: a choice far below a clock cycle."""


class Sloped(NamedTuple):
    """Times of kernels, and by constant their slopes; a constant that is absent changes nothing."""

    seconds: Floats
    slopes: Mapping[str, Slope]

    def through(self, share: Slope) -> dict[str, Slope]:
        """The slopes of something that grows by this share of what these times grow by."""
        return {name: share * slope for name, slope in self.slopes.items()}

    def take(self, index: Ints) -> "Sloped":
        """Those of some of the kernels."""
        return Sloped(self.seconds[index], {name: _of(slope, index) for name, slope in self.slopes.items()})

    def where_less(self, index: Ints, other: "Sloped") -> "Sloped":
        """These, but for the kernels at `index` those of the other that are shorter."""
        less = other.seconds < self.seconds[index]
        at, seconds = index[less], self.seconds.copy()
        seconds[at] = other.seconds[less]
        slopes: dict[str, Slope] = {}
        for name in {**self.slopes, **other.slopes}:
            slope = np.array(np.broadcast_to(self.slopes.get(name, 0.0), seconds.shape))
            slope[at] = _of(other.slopes.get(name, 0.0), less)
            slopes[name] = slope
        return Sloped(seconds, slopes)


def _of(slope: Slope, index: Ints | Bools) -> Slope:
    return slope[index] if isinstance(slope, np.ndarray) else slope


def one_after_another(parts: Sequence[Sloped]) -> Sloped:
    """The times of some kernels, then of others."""
    seconds = np.concatenate([each.seconds for each in parts])
    names = dict.fromkeys(name for each in parts for name in each.slopes)
    slopes = {
        name: np.concatenate([np.broadcast_to(each.slopes.get(name, 0.0), each.seconds.shape) for each in parts])
        for name in names
    }
    return Sloped(seconds, slopes)


def plus(one: Sloped, other: Sloped) -> Sloped:
    """The sum of two times."""
    seconds = one.seconds + other.seconds
    share = one.seconds / np.maximum(seconds, _LEAST_S)
    return Sloped(seconds, joined(one.through(share), other.through(1 - share)))


def joined(one: Mapping[str, Slope], other: Mapping[str, Slope]) -> dict[str, Slope]:
    """The sums of slopes by the same constant."""
    return {**one, **{name: one.get(name, 0.0) + slope for name, slope in other.items()}}


def softened(one: Sloped, other: Sloped, sharpness: float) -> Sloped:
    """The p-norm of two times, p = 1 + sharpness: their maximum for a large p, their sum for p = 1."""
    p = 1 + sharpness
    larger = np.maximum(np.maximum(one.seconds, other.seconds), _LEAST_S)
    powered: Floats = (np.minimum(one.seconds, other.seconds) / larger) ** p
    seconds = larger * (1 + powered) ** (1 / p)
    # The shares of seconds ** p that the larger and the smaller time have; ln(seconds) falls by their entropy / p ** 2.
    most = 1 / (1 + powered)
    least = powered * most
    entropy = -most * np.log(most) - least * np.log(np.maximum(least, np.finfo(float).tiny))
    share = np.where(one.seconds >= other.seconds, most, least)
    slopes = joined(one.through(share), other.through(1 - share))
    return Sloped(seconds, {**slopes, "sharpness": -sharpness / p**2 * entropy})


def throttled(compute: Sloped, excess: float, excess_slope: Mapping[str, float], half_us: float) -> Sloped:
    """Compute time at the clock that a device keeps up for so long: `1 + excess` times as long in the long run.

    `half_us`, the constant `throttle_us`, is the time at which half of that is felt; `excess_slope` is what the excess
    itself, not its logarithm, gains by a constant's logarithm.
    """
    share = compute.seconds / (compute.seconds + half_us * 1e-6)
    factor = 1 + excess * share
    bend = excess * share * (1 - share) / factor
    slopes: dict[str, Slope] = {name: slope * share / factor for name, slope in excess_slope.items()}
    return Sloped(compute.seconds * factor, {**compute.through(1 + bend), **slopes, "throttle_us": -bend})
