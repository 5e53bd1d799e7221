"""The times that a measured accelerator has: a timing table (`.csv`), or the constants fitted to one (`.yaml`)."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.fits.fit import VECTOR_FAMILY, DeviceFit, family_of, fit_device, kept_fit, outside
from mensa_sim.cost.measured.table import Kernel, Timing, TimingTable
from mensa_sim.errors import FileError
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io.files import read_record
from mensa_sim.io.store import file_digest
from mensa_sim.records import dataclass

MEASURE = "time them with `mensa-sim measure WORKLOAD --device ...` and name that table under timings"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedTime:
    """A kernel's time by a fit."""

    seconds: float
    error_percent: float
    """The fit's mean error out of sample."""
    power_w: float | None
    """Mean power of the measured kernels that the fit is of; none where their energy was not measured."""
    caveats: tuple[str, ...]
    """Whose fit, with its error, and whether the kernel lies outside its rows."""


class MeasuredTimings:
    """Times of kernels at one element type: those of a table first, and those of a fit where fits are allowed."""

    def __init__(
        self,
        *,
        label: str,
        dtype: str,
        table: TimingTable | None,
        fit: Callable[[], DeviceFit | None],
        allow_fit: bool,
        unmeasured: bool = False,
    ) -> None:
        """`fit` is made when the first kernel asks for it; `unmeasured`: it has the figures of another device."""
        self.label = label
        self.dtype = dtype
        self._allow_fit = allow_fit
        self._table = table
        self._made_fit = fit
        self._unmeasured = unmeasured
        self._powers: dict[str, float | None] = {}

    @cached_property
    def _fit(self) -> DeviceFit | None:
        return self._made_fit()

    def measured(self, kernel: Kernel) -> Timing | None:
        """The timing of exactly that kernel."""
        return self._table.find(kernel) if self._table else None

    def fitted(self, kernel: Kernel) -> FittedTime | None:
        """What the fit of the kernel's family says of it."""
        fit = self._fit.fit_of(kernel) if self._fit else None
        if fit is None or self._fit is None:
            return None
        family = self._fit.family_for(kernel)
        whose = "all vector" if family == VECTOR_FAMILY else family
        caveats = [f"time from the fit to {whose} kernels, {fit.error_percent:g} % mean error out of sample"]
        if self._unmeasured:
            launch = f"{fit.constants['launch_us']:.3g} us of each kernel are its launch"
            caveats.append(f"by its datasheet: the fit is of {self._fit.device}; {launch}")
        beyond = outside(fit, kernel)
        if beyond:
            caveats.append(f"extrapolated: {' and '.join(beyond)} outside the rows of the fit to {whose} kernels")
        return FittedTime(
            seconds=self._fit.seconds(kernel),
            error_percent=fit.error_percent,
            power_w=self._power_w(family),
            caveats=tuple(caveats),
        )

    def _power_w(self, family: str) -> float | None:
        """Energy over time of all measured kernels that a family's fit is of."""
        if family not in self._powers:
            timings = self._table.timings if self._table else ()
            rows = [
                each
                for each in timings
                if each.energy_uj is not None
                and each.kernel.dtype == self.dtype
                and (each.kernel.nest is None if family == VECTOR_FAMILY else family_of(each.kernel) == family)
            ]
            energy_uj, time_us = sum(each.energy_uj or 0.0 for each in rows), sum(each.median_us for each in rows)
            self._powers[family] = energy_uj / time_us if rows else None
        return self._powers[family]

    def why_not(self, kernel: Kernel) -> str:
        """Why a kernel has no time here, and what to do about it."""
        if self._fit is not None and self._table is None:
            families = ", ".join(self._fit.operators)
            return f"{self.label} has no fit for {family_of(kernel)} kernels, only for {families}; {MEASURE}"
        if not self._allow_fit:
            return f"{self.label} has no timing of {kernel}; measure it, or allow a fit (--timings fit)"
        return f"{self.label} has no timing of {kernel}, and too few {family_of(kernel)} kernels for a fit; {MEASURE}"


def load_timings(
    path: Path, dtype: str | None, *, allow_fit: bool, figures: DeviceFigures | None = None
) -> MeasuredTimings:
    """The times of a file; `dtype` names the element type, and may be left out where the file has only one.

    With `figures` those of a device that nobody measured, by a fit to others and its datasheet. Raises `FileError` for
    a faulty file, and for one that has no times of that type or only fits that are not allowed.
    """
    if not os.path.exists(path):
        raise FileError(str(path), ["no such file; make it with `mensa-sim measure`"])
    return _loaded(path, file_digest(path), dtype, allow_fit, figures)


@lru_cache(maxsize=32)
def _loaded(
    path: Path, digest: str | None, dtype: str | None, allow_fit: bool, figures: DeviceFigures | None
) -> MeasuredTimings:
    if path.suffix == ".yaml":
        read = read_record(path, DeviceFit)
        _check_dtype(path, dtype, (read.dtype,))
        if not allow_fit:
            raise FileError(str(path), ["holds fits alone; exact timings need a table (--timings fit allows fits)"])
        fit = read if figures is None else on_figures(read, figures, str(path))
        return MeasuredTimings(
            label=path.name,
            dtype=fit.dtype,
            table=None,
            fit=lambda: fit,
            allow_fit=True,
            unmeasured=figures is not None,
        )
    if figures is not None:
        raise FileError(str(path), ["is a table of one device: another one's figures need a fit (`.yaml`)"])
    table = read_timing_table(path)
    chosen = _check_dtype(path, dtype, table.dtypes)

    def fitted() -> DeviceFit | None:
        return kept_fit(path, chosen, lambda: _fit(table, chosen)) if allow_fit else None

    return MeasuredTimings(label=path.name, dtype=chosen, table=table, fit=fitted, allow_fit=allow_fit)


def on_figures(fit: DeviceFit, figures: DeviceFigures, label: str) -> DeviceFit:
    """A fit on a device of those figures; `FileError` where it needs one that they leave out."""
    if figures.power_w is None or figures.node_nm is None:
        powered = [family for family, each in fit.operators.items() if each.form == "powered_product"]
        if powered:
            raise FileError(label, [f"{' and '.join(powered)}: need power_w and node_nm among the device's figures"])
    return replace(fit, figures=figures)


def _check_dtype(path: Path, wanted: str | None, there: tuple[str, ...]) -> str:
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted is None:
        raise FileError(str(path), [f"has timings at {', '.join(there)}: say which with timings_dtype"])
    if wanted not in there:
        raise FileError(str(path), [f"has no timings at {wanted}, only at {', '.join(there)}"])
    return wanted


def _fit(table: TimingTable, dtype: str) -> DeviceFit | None:
    conditions = table.conditions
    return fit_device(
        table.timings,
        device=conditions.device,
        dtype=dtype,
        figures=table.figures(dtype),
        source=f"{table.label}, {conditions.date}",
    )
