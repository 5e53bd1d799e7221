"""What devices reach, as the most likely under their runs and under what is usual.

The logarithm of a constant is the usual one plus a deviation of the device itself and smaller ones that it shares: with
the other settings of its board, with its runtime on this kind of unit, with that runtime's weights of one format, with
the kind of unit. All are found at once, by Gauss-Newton on logarithms of times. A device with many runs follows these;
one with few, or with none of a format, what it has in common with others; one with nothing in common stays usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from mensa_sim.arrays import Floats
from mensa_sim.study.devices.constants import MOST_LOG, PRICE_SIGN, USUAL, FittedDevice, RunPhase, prices
from mensa_sim.study.devices.runs import DeviceRun, Kin

KIN_SHARE = 0.2
"""Variance of a deviation that devices share, over that of a device's own: a choice."""

STEP_DEVIATION, PROMPT_DEVIATION = 0.08, 0.15
"""Of the logarithm of a measured time from what a device's constants say: choices, about what good fits leave."""

PULL = 0.1
"""How strongly the two parts of an energy are held at half of the mean each, beside one run: a choice."""

_STEPS, _MOST_CHANGE, _ENOUGH = 100, 0.5, 1e-6
"""Of Gauss-Newton: how many at most, how far a logarithm goes in one, and the change that ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDevices:
    """Constants of devices that were seen, and of any other by what it shares with them."""

    kin: tuple[Kin, ...]
    """Of each measured time."""
    pulls: Floats
    """How each measured time moves each constant: [times, constants]."""

    def of(self, kin: Kin) -> FittedDevice:
        """The constants of a device."""
        (logs,) = _logs(likeness([kin], self.kin), self.pulls)
        return FittedDevice(**dict(zip(USUAL, np.exp(np.minimum(logs, MOST_LOG)).tolist(), strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEnergy:
    """A power that is always there, and an energy for each byte."""

    idle_w: float
    j_per_byte: float

    def joules(self, run: DeviceRun, seconds: float) -> float:
        """What a decoding step of so many seconds takes."""
        return self.idle_w * seconds + self.j_per_byte * run.step.read_bytes


def likeness(some: Sequence[Kin], others: Sequence[Kin]) -> Floats:
    """By pair, the variance that the constants of two devices have in common: 1 and more for a device and itself."""
    shares = [[1.0, *(KIN_SHARE for _ in each.shared)] for each in some[:1]]
    total = np.zeros((len(some), len(others)))
    for level, share in enumerate(shares[0] if shares else ()):
        one, other = (np.array([each.levels[level] for each in kin], dtype=str) for kin in (some, others))
        total += share * (one[:, None] == other[None, :])
    return total


def fit_device_rates(runs: Sequence[DeviceRun]) -> FittedDevices:
    """The constants that runs speak for."""
    timed = [(run.kin, run.step, run.decode_s, STEP_DEVIATION) for run in runs if run.decode_s]
    timed += [(run.kin, run.prompt, run.prompt_s, PROMPT_DEVIATION) for run in runs if run.prompt and run.prompt_s]
    kin = tuple(each for each, *_ in timed)
    rows = _rows([phase for _, phase, _, _ in timed])
    measured = np.log([seconds for _, _, seconds, _ in timed])
    noise = np.diag([deviation**2 for *_, deviation in timed])
    alike = likeness(kin, kin)
    pulls = np.zeros(rows.shape)
    for _ in range(_STEPS if timed else 0):
        logs = _logs(alike, pulls)
        parts = rows * prices(logs)
        total = parts.sum(axis=1)
        # What a logarithm of a constant does to that of each time; nothing once a share of the bandwidth is one.
        slopes = PRICE_SIGN * parts / total[:, None] * (logs <= MOST_LOG)
        left = measured - np.log(total) + (slopes * (logs - _USUAL_LOGS)).sum(axis=1)
        spread = noise + alike * ((slopes * _VARIANCES) @ slopes.T)
        wanted = slopes * np.linalg.solve(spread, left)[:, None]
        change = float(np.abs(_logs(alike, wanted) - logs).max())
        pulls = pulls + min(1.0, _MOST_CHANGE / change if change else 1.0) * (wanted - pulls)
        if change < _ENOUGH:
            break
    return FittedDevices(kin=kin, pulls=pulls)


_USUAL_LOGS = np.log([value for value, _ in USUAL.values()])
_VARIANCES = np.array([deviation**2 for _, deviation in USUAL.values()])


def _logs(alike: Floats, pulls: Floats) -> Floats:
    """Logarithms of constants, [devices, constants], of devices so much alike those of the measured times."""
    found: Floats = _USUAL_LOGS + _VARIANCES * (alike @ pulls)
    return found


def _rows(phases: Sequence[RunPhase]) -> Floats:
    return np.array([phase.parts for phase in phases]).reshape(len(phases), len(USUAL))


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
