"""The set of tiles and the constants that fit measured kernels of a family best."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mensa_sim.arrays import Floats, Ints
from mensa_sim.cost.measured.fits.common import Part, in_common, least
from mensa_sim.cost.measured.fits.model import CONSTANTS, TILES, Model, ModelForm, Shapes
from mensa_sim.hardware.technology.device_figures import DeviceFigures

_SELECTION = ((250, 4), (1000, 1))
"""How the set of tiles is chosen: on that many rows, that many sets stay; few rows are gone through once: a choice."""
_FEW = 250
"""A family of products with fewer rows than this starts at what it has in common with the others: a choice."""
_ROWS_A_CONSTANT = 2
"""With fewer rows for each of its constants than this, a family keeps what it has in common with others: a choice."""
_KIN_TILES = "32_to_128"
"""The set of tiles that those constants belong to: the one that holds most of the others."""

Constants = Mapping[str, float]


class Rows(NamedTuple):
    """Measured kernels of one family, and the form of model that they have."""

    form: ModelForm
    shapes: Shapes
    measured: Floats

    def take(self, index: Ints) -> "Rows":
        """Some of the kernels."""
        return Rows(self.form, self.shapes.take(index), self.measured[index])

    def evenly(self, most: int) -> "Rows":
        """At most so many of the kernels, evenly taken."""
        return self.take(np.linspace(0, len(self.measured) - 1, min(most, len(self.measured))).astype(np.int64))


class Found(NamedTuple):
    """A set of tiles, whether small ones share a processor, and the constants."""

    tiles: str
    shared: bool
    constants: Constants


def kin_of(rows: Mapping[str, Rows], figures: DeviceFigures) -> Mapping[str, Constants]:
    """By family of few rows, what the device's products have in common: all are a library's tiles on one machine."""
    products = {family: each for family, each in rows.items() if each.form == "product"}
    few = [family for family, each in products.items() if len(each.measured) < _FEW]
    if not few or len(products) == 1:
        return {}
    parts = []
    for family, each in products.items():
        some = each.evenly(_FEW)
        model = Model(each.form, _KIN_TILES, shared=False, figures=figures, shapes=some.shapes)
        parts.append(Part(family, model, some.measured))
    found = in_common("product", parts)
    return {family: found[family] for family in few}


def search(rows: Rows, figures: DeviceFigures, kin: Constants | None) -> Found:
    """The best fit to rows. It starts at what they have in common with their kin, where they have any."""
    if rows.form != "product":
        return _closest(rows, "128", False, figures, None, None)
    count = len(rows.measured)
    if kin is not None and count < _ROWS_A_CONSTANT * len(kin):
        return Found(_KIN_TILES, False, kin)
    choices = list(_choices())
    start = kin
    for most, stay in _SELECTION if count > _SELECTION[0][0] else _SELECTION[-1:]:
        some = rows.evenly(most)
        trials = [(*_solve(some, *choice, figures, kin, start, trial=True), choice) for choice in choices]
        trials.sort(key=lambda trial: trial[0])
        choices, start = [choice for _, _, choice in trials[:stay]], trials[0][1]
    return _closest(rows, *choices[0], figures, kin, start)


def _choices() -> Iterator[tuple[str, bool]]:
    for tiles in TILES:
        for shared in (False, True):
            if not (shared and tiles == "128"):
                yield tiles, shared


def _closest(
    rows: Rows, tiles: str, shared: bool, figures: DeviceFigures, kin: Constants | None, start: Constants | None
) -> Found:
    """The constants by the error that fits are judged by, from those by its logarithm."""
    _, near = _solve(rows, tiles, shared, figures, kin, start)
    _, constants = _solve(rows, tiles, shared, figures, kin, near, relative=True)
    return Found(tiles, shared, constants)


def _solve(
    rows: Rows,
    tiles: str,
    shared: bool,
    figures: DeviceFigures,
    kin: Constants | None,
    start: Constants | None,
    *,
    relative: bool = False,
    trial: bool = False,
) -> tuple[float, Constants]:
    """The constants of a model of rows that `least` finds; what the rows leave open stays at the kin's."""
    model = Model(rows.form, tiles, shared=shared, figures=figures, shapes=rows.shapes)
    ranges = CONSTANTS[rows.form]
    if kin is not None:
        ranges = {name: replace(each, start=kin[name]) for name, each in ranges.items()}
    return least(ranges, model.sloped, rows.measured, start, relative=relative, trial=trial)
