"""Fits of several devices at once: constants that hold for all of them, and so for one that nobody measured.

A constant is a share of what a device's datasheet says, so one set serves devices of a kind. Families of products run
the same library kernels and share all constants but the launch. Two things differ by device: the lasting clock, by
the board's power (`DeviceFigures.clock_excess`), and the set of tiles, which a generation's library has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mensa_sim.arrays import Floats
from mensa_sim.cost.measured.fits.common import Part, in_common
from mensa_sim.cost.measured.fits.fit import OperatorFit, ends_of, form_of, percent, predicted, rounded
from mensa_sim.cost.measured.fits.model import Model, ModelForm, Shapes, roofline_s, shapes_of
from mensa_sim.cost.measured.table import Timing
from mensa_sim.hardware.technology.device_figures import DeviceFigures

_ROWS = 1000
"""Rows of a family and device that a fit looks at, evenly taken: a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRows:
    """Measured kernels of one family on one device, and the tiles that its generation's library has for them."""

    family: str
    device: str
    figures: DeviceFigures
    timings: tuple[Timing, ...]
    tiles: str = "128"
    shared: bool = False
    powered: bool = False
    """Whether the board's power decides the clock of long ones; else it falls on all devices alike, if at all."""

    @property
    def form(self) -> ModelForm:
        """The form of model that holds across devices."""
        return "powered_product" if self.powered else form_of(self.timings[0].kernel)


def fit_across(rows: Sequence[DeviceRows]) -> Mapping[tuple[str, str], OperatorFit]:
    """By family and device, the fit with constants that all have in common; each error is of that device left out.

    All families must be of one form, and every family measured on every device.
    """
    whole = fit_in_common(rows)
    found: dict[tuple[str, str], OperatorFit] = {}
    for device in dict.fromkeys(each.device for each in rows):
        others = fit_in_common([each for each in rows if each.device != device])
        for each in rows:
            if each.device == device:
                unseen = replace(whole[each.family], constants=others[each.family].constants)
                found[each.family, device] = _judged(each, whole[each.family], unseen)
    return found


def _judged(rows: DeviceRows, fit: OperatorFit, unseen: OperatorFit) -> OperatorFit:
    """The fit for the device of these rows, with the errors of the one that has not seen them, and of a roofline."""
    shapes, measured = _taken(rows, len(rows.timings))
    alone = replace(unseen, tiles=rows.tiles, shared=rows.shared)
    times = predicted(alone, rows.figures, shapes), roofline_s(rows.figures, shapes)
    error, roofline = (percent(np.abs(each / measured - 1)) for each in times)
    return replace(
        fit,
        tiles=rows.tiles,
        shared=rows.shared,
        error_percent=error,
        roofline_error_percent=roofline,
        seen=ends_of(fit.form, shapes),
    )


def _taken(rows: DeviceRows, count: int) -> tuple[Shapes, Floats]:
    """Shapes and seconds of at most so many rows."""
    chosen = np.unique(np.linspace(0, len(rows.timings) - 1, min(count, len(rows.timings))).astype(np.int64))
    timings = [rows.timings[index] for index in chosen]
    return shapes_of([each.kernel for each in timings]), np.array([each.median_us * 1e-6 for each in timings])


def fit_in_common(rows: Sequence[DeviceRows]) -> Mapping[str, OperatorFit]:
    """By family, constants that devices have in common."""
    (form,) = {each.form for each in rows}
    taken = [_taken(each, _ROWS) for each in rows]
    parts = [
        Part(each.family, Model(form, each.tiles, shared=each.shared, figures=each.figures, shapes=shapes), measured)
        for each, (shapes, measured) in zip(rows, taken, strict=True)
    ]
    return {
        family: OperatorFit(
            form=form,
            constants=rounded(constants),
            rows=sum(len(each.timings) for each in rows if each.family == family),
            error_percent=0,
            roofline_error_percent=0,
        )
        for family, constants in in_common(form, parts).items()
    }
