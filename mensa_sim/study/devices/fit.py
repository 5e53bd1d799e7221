"""What devices reach, as the most likely under their runs and under what is usual.

The logarithm of a constant is the usual one plus a deviation of the runtime on this board and smaller ones: of the mode
or the threads, of the board, of what runs the same kernels on this kind of unit, of their weights of one format, of the
kind of unit. Modes and threads differ most in how slow they are. All are found at once, by Gauss-Newton on logarithms
of times. A device with many runs follows these; one with few, or with none of a format, what it has in common with
others; one with nothing in common stays usual.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import nnls

from mensa_sim.arrays import Floats
from mensa_sim.records import dataclass
from mensa_sim.study.devices.constants import MIX, MOST_LOG, SLOWNESS, USUAL, FittedDevice, prices
from mensa_sim.study.devices.runs import DeviceRun, Kin

KIN_SHARES: Mapping[str, tuple[float, float]] = {
    "device": (0.2, 1.0),
    "setup": (0.8, 0.2),
    "board": (0.2, 0.2),
    "kernels": (0.2, 0.2),
    "weights": (0.2, 0.2),
    "unit": (0.2, 0.2),
}
"""By what devices have in common, how much of the usual variance is its: of constants, and of slowness; choices."""

STEP_DEVIATION, PROMPT_DEVIATION = 0.08, 0.15
"""Of the logarithm of a measured time from what a device's constants say: choices, about what good fits leave."""

PULL = 0.1
"""How strongly the two parts of an energy are held at half of the mean each, beside one run: a choice."""

_STEPS, _SHORTEST, _ENOUGH = 100, 2.0**-12, 1e-7
"""Of Gauss-Newton: how many at most, the smallest share of one that is tried, and the relative gain that ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDevices:
    """Constants of devices that were seen, and of any other by what it shares with them."""

    kin: tuple[Kin, ...]
    """Of each measured time."""
    pulls: Floats
    """How each measured time moves each logarithm: [times, logarithms]."""

    def of(self, kin: Kin) -> FittedDevice:
        """The constants of a device."""
        (logs,) = _logs(likeness([kin], self.kin), self.pulls)
        return FittedDevice.at(logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEnergy:
    """A power that is always there, and an energy for each byte."""

    idle_w: float
    j_per_byte: float

    def joules(self, run: DeviceRun, seconds: float) -> float:
        """What a decoding step of so many seconds takes."""
        return self.idle_w * seconds + self.j_per_byte * run.step.read_bytes


def likeness(some: Sequence[Kin], others: Sequence[Kin]) -> Floats:
    """By pair, the variance two devices share: [constants or slowness, some, others]; 1 and more alone."""
    total = np.zeros((2, len(some), len(others)))
    for name, shares in KIN_SHARES.items():
        one, other = (np.array([getattr(kin, name) for kin in kins], dtype=str) for kins in (some, others))
        total += np.reshape(shares, (2, 1, 1)) * (one[:, None] == other[None, :])
    return total


def fit_device_rates(runs: Sequence[DeviceRun]) -> FittedDevices:
    """The constants that runs speak for."""
    timed = [(run.kin, run.step, run.decode_s, STEP_DEVIATION) for run in runs if run.decode_s]
    timed += [(run.kin, run.prompt, run.prompt_s, PROMPT_DEVIATION) for run in runs if run.prompt and run.prompt_s]
    kin = tuple(each for each, *_ in timed)
    rows = np.array([phase.parts for _, phase, _, _ in timed]).reshape(len(timed), len(USUAL))
    measured = np.log([seconds for _, _, seconds, _ in timed])
    deviations = np.array([deviation for *_, deviation in timed])
    alike = likeness(kin, kin)
    pulls = np.zeros((len(timed), len(_USUAL_LOGS)))

    def unlikely(pulls: Floats) -> float:
        logs = _logs(alike, pulls)
        off = (measured - np.log((rows * prices(logs)).sum(axis=1))) / deviations
        return float(off @ off + (pulls * (logs - _USUAL_LOGS)).sum())

    now = unlikely(pulls)
    for _ in range(_STEPS if timed else 0):
        logs = _logs(alike, pulls)
        parts = rows * prices(logs)
        total = parts.sum(axis=1)
        # What a logarithm of a constant does to that of each time; nothing once a share of the bandwidth is one.
        slopes = (parts / total[:, None]) @ MIX * (logs <= MOST_LOG)
        left = measured - np.log(total) + (slopes * (logs - _USUAL_LOGS)).sum(axis=1)
        constants, slowness = np.split(slopes * _VARIANCES**0.5, [-1], axis=1)
        spread = np.diag(deviations**2) + alike[0] * (constants @ constants.T) + alike[1] * (slowness @ slowness.T)
        way = slopes * np.linalg.solve(spread, left)[:, None] - pulls
        length, before = 1.0, now
        while (now := unlikely(pulls + length * way)) > before and length > _SHORTEST:
            length /= 2
        pulls = pulls + length * way
        if now > before * (1 - _ENOUGH):
            break
    return FittedDevices(kin=kin, pulls=pulls)


_USUAL_LOGS = np.log([value for value, _ in (*USUAL.values(), SLOWNESS)])
_VARIANCES = np.array([deviation**2 for _, deviation in (*USUAL.values(), SLOWNESS)])


def _logs(alike: Floats, pulls: Floats) -> Floats:
    """Logarithms, [devices, logarithms], of devices so much alike those of the measured times."""
    found: Floats = _USUAL_LOGS + _VARIANCES * np.column_stack([alike[0] @ pulls[:, :-1], alike[1] @ pulls[:, -1]])
    return found


def fit_energy(runs: Sequence[DeviceRun]) -> FittedEnergy | None:
    """The two parts of the energies of runs of one scope, none of which is negative; nothing where there is no run."""
    known = [(run.decode_s, run.step.read_bytes, run.energy_j) for run in runs if run.decode_s and run.energy_j]
    if not known:
        return None
    # One row a run, in shares of its energy; then one for each part, held at half of the mean.
    parts = np.array([(seconds / energy, size / energy) for seconds, size, energy in known])
    usual = 0.5 / parts.mean(axis=0)
    held = np.vstack([parts, PULL * np.diag(1 / usual)])
    found, _ = nnls(held, np.array([1.0] * len(parts) + [PULL, PULL]))
    return FittedEnergy(idle_w=float(found[0]), j_per_byte=float(found[1]))
