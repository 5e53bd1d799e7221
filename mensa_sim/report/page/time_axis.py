"""Times on an axis: the largest unit that is not longer than the axis."""

from mensa_sim.units import PS_PER_MS, PS_PER_S, PS_PER_US

TIME_UNITS = ((PS_PER_S, "s"), (PS_PER_MS, "ms"), (PS_PER_US, "µs"), (10**3, "ns"))


def time_axis(length_ps: float) -> tuple[int, str]:
    """What times in ps are divided by on an axis of that length, and the unit.

    >>> time_axis(2_500_000_000), time_axis(3)
    ((1000000000, 'ms'), (1000, 'ns'))
    """
    return next((each for each in TIME_UNITS if length_ps >= each[0]), TIME_UNITS[-1])
