"""Constants that several families of kernels have in common, on one device or on several."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.least import least
from mensa_sim.cost.measured.fits.model import CONSTANTS, Model, ModelForm, Range
from mensa_sim.cost.measured.fits.sloped import Sloped, one_after_another

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
