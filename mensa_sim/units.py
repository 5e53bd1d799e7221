"""The one place that converts units: time is integer picoseconds, energy float pJ, sizes integer bytes."""

import math

PS_PER_S = 10**12
PS_PER_MS = 10**9
PS_PER_US = 10**6
PJ_PER_J = 10**12
PJ_PER_MJ = 10**9
MS_PER_S = 1000
US_PER_S = 10**6
MJ_PER_J = 1000
UJ_PER_J = 10**6
PJ_PER_UJ = 10**6
MW_PER_W = 1000
BITS_PER_BYTE = 8
KIB = 2**10
MIB = 2**20


def cycles_to_ps(cycles: int, clock_hz: int) -> int:
    """Time of a number of cycles, rounded up to whole picoseconds.

    >>> cycles_to_ps(480, clock_hz=480_000_000)
    1000000
    """
    return -(-cycles * PS_PER_S // clock_hz)


def transfer_ps(size_bytes: int, bandwidth_bytes_per_s: float) -> int:
    """Time to move bytes at a bandwidth, rounded up to whole picoseconds, exact for any float.

    >>> transfer_ps(32, bandwidth_bytes_per_s=32e9)
    1000
    """
    if not size_bytes:
        return 0
    bandwidth, per = bandwidth_bytes_per_s.as_integer_ratio()
    return -(-size_bytes * PS_PER_S * per // bandwidth)


def moved_bytes(time_ps: int, bandwidth_bytes_per_s: float) -> int:
    """The whole bytes that pass in a time.

    >>> moved_bytes(1099, bandwidth_bytes_per_s=32e9)
    35
    """
    bandwidth, per = bandwidth_bytes_per_s.as_integer_ratio()
    return time_ps * bandwidth // (PS_PER_S * per)


def seconds_to_ps(seconds: float) -> int:
    """Seconds as integer picoseconds, to the nearest; `ValueError` for what is not finite there."""
    return _whole(seconds * PS_PER_S, f"{seconds} s")


def ms_to_ps(milliseconds: float) -> int:
    """Milliseconds as integer picoseconds, to the nearest; `ValueError` for what is not finite there."""
    return _whole(milliseconds * PS_PER_MS, f"{milliseconds} ms")


def _whole(time_ps: float, given: str) -> int:
    if not math.isfinite(time_ps):
        raise ValueError(f"{given} is no time that can be counted in picoseconds")
    return round(time_ps)


def ps_to_seconds(time_ps: int) -> float:
    """Picoseconds as seconds."""
    return time_ps / PS_PER_S


def leakage_pj(power_mw: float, time_ps: float) -> float:
    """Energy of a constant power over a time: 1 mW for 1 ps is 1e-3 pJ.

    >>> leakage_pj(power_mw=1.0, time_ps=1000)
    1.0
    """
    return power_mw * time_ps / 1000


def least_ps(energy_pj: float, power_mw: float) -> int:
    """The time in which a power gives an energy, rounded up to whole picoseconds.

    >>> least_ps(energy_pj=1.0, power_mw=1.0)
    1000
    """
    return math.ceil(energy_pj * 1000 / power_mw)


def mean_power_mw(energy_pj: float, time_ps: int) -> float:
    """The constant power that draws an energy in a time.

    >>> mean_power_mw(energy_pj=1.0, time_ps=1000)
    1.0
    """
    return 1000 * energy_pj / time_ps


def bits_to_bytes(bits: int) -> int:
    """Whole bytes that hold a number of bits, rounded up."""
    return -(-bits // BITS_PER_BYTE)
