"""What a device reaches, as the most likely under its runs and under what devices usually reach.

A phase takes the launches of its products, its bytes at the rates at which weights and keys stream, the unpacking of
narrow weights, and its MACs, one after the other: five constants, each with a usual value and how far devices lie from
it. With few runs they stay near the usual, with many they follow the runs. An energy is a power that is always there,
and one for each byte.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares, nnls

from mensa_sim.arrays import Floats
from mensa_sim.cost.datasheet import DeviceWork
from mensa_sim.study.devices.runs import DeviceRun

USUAL = {
    "launch_us": (8.0, 1.0),
    "weight_efficiency": (0.75, 0.25),
    "cache_efficiency": (0.45, 0.7),
    "unpack_weights_per_byte": (6.7, 1.2),
    "macs_per_byte": (30.0, 1.5),
}
"""By constant, what devices usually reach and the deviation of its logarithm, both read off some 300 published runs on
40 devices; the last two are rates over the memory's bandwidth, so that one value serves phones and servers."""

STEP_DEVIATION, PROMPT_DEVIATION = 0.08, 0.2
"""Of the logarithm of a measured time from what a device's constants say: choices, about what good fits leave."""

PULL = 0.1
"""How strongly the two parts of an energy are held at half of the mean each, beside one run: a choice."""

_MOST = 4.0
"""How far in deviations a constant may lie from the usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDevice:
    """The constants of a device."""

    launch_us: float
    weight_efficiency: float
    cache_efficiency: float
    unpack_weights_per_byte: float
    macs_per_byte: float

    def seconds(self, work: DeviceWork, bytes_per_s: float) -> float:
        """What a phase takes."""
        return float(_rows([(work, bytes_per_s)])[0] @ _prices(np.log([getattr(self, name) for name in USUAL])))


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEnergy:
    """A power that is always there, and an energy for each byte."""

    idle_w: float
    j_per_byte: float

    def joules(self, run: DeviceRun, seconds: float) -> float:
        """What a decoding step of so many seconds takes."""
        return self.idle_w * seconds + self.j_per_byte * (run.step.streamed_bytes + run.step.cache_bytes)


def fit_device_rates(runs: Sequence[DeviceRun]) -> FittedDevice:
    """The constants that runs speak for; the usual ones where there is none."""
    timed = [(run.step, run.bytes_per_s, run.decode_s, STEP_DEVIATION) for run in runs if run.decode_s]
    timed += [
        (run.prompt, run.bytes_per_s, run.prompt_s, PROMPT_DEVIATION) for run in runs if run.prompt and run.prompt_s
    ]
    usual = np.log([value for value, _ in USUAL.values()])
    deviation = np.array([spread for _, spread in USUAL.values()])
    rows = _rows([(work, bandwidth) for work, bandwidth, _, _ in timed])
    measured = np.log([seconds for _, _, seconds, _ in timed])
    scale = np.array([spread for *_, spread in timed])

    def off(logs: Floats) -> Floats:
        times = (np.log(rows @ _prices(logs)) - measured) / scale if len(rows) else np.zeros(0)
        return np.concatenate([times, (logs - usual) / deviation])

    low, high = usual - _MOST * deviation, usual + _MOST * deviation
    high = np.where([name.endswith("_efficiency") for name in USUAL], np.minimum(high, 0.0), high)
    found = least_squares(off, usual, bounds=(low, high), loss="soft_l1").x
    return FittedDevice(**{name: float(math.exp(log)) for name, log in zip(USUAL, found, strict=True)})


def _rows(phases: Sequence[tuple[DeviceWork, float]]) -> Floats:
    """A row for each phase, in the order of `USUAL`: what its time is the sum of, before prices."""
    return np.array(
        [
            (
                1e-6 * work.launches,
                work.streamed_bytes / bandwidth,
                work.cache_bytes / bandwidth,
                work.packed_weights / bandwidth,
                work.macs / bandwidth,
            )
            for work, bandwidth in phases
        ]
    ).reshape(len(phases), len(USUAL))


def _prices(logs: Floats) -> Floats:
    """What each part of a row costs: a launch its time, all else the inverse of its rate."""
    prices: Floats = np.exp(np.where([name == "launch_us" for name in USUAL], logs, -logs))
    return prices


def fit_energy(runs: Sequence[DeviceRun]) -> FittedEnergy | None:
    """The two parts of the energies of runs of one scope, none of which is negative; nothing where there is no run."""
    known = [
        (run.decode_s, run.step.streamed_bytes + run.step.cache_bytes, run.energy_j)
        for run in runs
        if run.decode_s and run.energy_j
    ]
    if not known:
        return None
    # One row a run, in shares of its energy; then one for each part, held at half of the mean.
    parts = np.array([(seconds / energy, size / energy) for seconds, size, energy in known])
    usual = 0.5 / parts.mean(axis=0)
    held = np.vstack([parts, PULL * np.diag(1 / usual)])
    found, _ = nnls(held, np.array([1.0] * len(parts) + [PULL, PULL]))
    return FittedEnergy(idle_w=float(found[0]), j_per_byte=float(found[1]))
