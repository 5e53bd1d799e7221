"""Fitting the model of `fit_model` to measured kernels, one family at a time, and judging it out of sample."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

import numpy as np

from mensa_sim.arrays import Floats, Ints
from mensa_sim.cost.measured.fits.model import (
    CONSTANTS,
    PRODUCT_FORMS,
    TILES,
    Model,
    ModelForm,
    Shapes,
    is_pointwise,
    predict_s,
    roofline_s,
    shapes_of,
)
from mensa_sim.cost.measured.fits.search import Constants, Rows, kin_of, search
from mensa_sim.cost.measured.kernels import BINARY
from mensa_sim.cost.measured.table import DTYPE_BYTES, Kernel, Timing
from mensa_sim.errors import UsageError
from mensa_sim.hardware.technology.device_figures import DeviceFigures
from mensa_sim.io.files import validate, write_yaml
from mensa_sim.io.store import Store, cache_folder, digest_of
from mensa_sim.records import dataclass
from mensa_sim.units import US_PER_S

RECURRENT_FAMILY = "recurrent"
"""Library runs over all steps, whatever the cell: a model of columns and steps fits them together."""
POINTWISE_FAMILY = "pointwise"
"""Convolutions without a window or stride are one product; others first bring their operands into another layout."""
BROADCAST_FAMILY = "broadcast"
"""Elementwise work with a shorter second operand: frameworks load it element by element (PyTorch, TensorIterator)."""
_WIDER = {POINTWISE_FAMILY: "convolution"}
"""The family that a fit without rows of one family prices it with."""
MIN_ROWS = 12
"""Fewer measured kernels of a family than this are not fitted."""

VECTOR_FAMILY = "vector"
"""The family of all kernels without a loop nest, for operators with too few rows of their own."""

SIZES: Mapping[ModelForm, tuple[str, ...]] = {
    **dict.fromkeys(PRODUCT_FORMS, ("groups", "rows", "columns", "depth", "taps", "winograd_tiles")),
    "vector": ("moved_bytes",),
    "sequence": ("columns", "steps"),
}
"""The sizes by which a kernel lies inside or outside the rows of a fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorFit:
    """The fitted constants of one family of kernels on one device, and how wrong they are."""

    form: ModelForm
    """Which model of a kernel's time it is."""
    constants: Mapping[str, float]
    """The fitted constants, by the names that the form has."""
    tiles: str = "128"
    """The set of tiles that the device's library is taken to choose from."""
    shared: bool = False
    """Whether small tiles share a processor."""
    rows: int
    """Measured kernels that it was fitted to."""
    error_percent: float
    """Mean of |predicted / measured - 1| on rows left out: each half predicted from the other."""
    roofline_error_percent: float
    """The same of the plain roofline of the device's figures, on the same rows."""
    seen: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Smallest and largest size of the rows, by kind of size; what lies outside is extrapolated."""

    def __post_init__(self) -> None:
        wanted = CONSTANTS.get(self.form)
        if wanted is None:
            raise ValueError(f"form is {self.form!r}, choose from {', '.join(CONSTANTS)}")
        if set(self.constants) != set(wanted):
            raise ValueError(f"constants of a {self.form} fit are {', '.join(wanted)}")
        if any(not (math.isfinite(value) and value > 0) for value in self.constants.values()):
            raise ValueError("a constant is not positive and finite")
        if self.tiles not in TILES:
            raise ValueError(f"tiles is {self.tiles!r}, choose from {', '.join(TILES)}")
        if any(low > high for low, high in self.seen.values()) or not set(self.seen) <= set(SIZES[self.form]):
            raise ValueError(f"seen holds smallest and largest of {', '.join(SIZES[self.form])}")
        if self.rows < 1 or not self.error_percent >= 0:
            raise ValueError("rows must be at least 1 and error_percent not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFit:
    """Fits of a device's families at one element type: enough to price layers without its table."""

    device: str
    """The device's name."""
    dtype: str
    """Element type of the kernels."""
    figures: DeviceFigures
    """What the device's datasheet says."""
    operators: Mapping[str, OperatorFit]
    """The fits by family of kernels."""
    method: str
    """How the kernels were timed."""
    source: str
    """Whose measurements these are, and where the figures come from."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPE_BYTES:
            raise ValueError(f"dtype is {self.dtype!r}, choose from {', '.join(DTYPE_BYTES)}")
        if not self.operators:
            raise ValueError("operators is empty")
        if not self.source.strip():
            raise ValueError("source is empty")

    def family_for(self, kernel: Kernel) -> str:
        """The family whose fit stands for a kernel: its own, else a wider one."""
        family = family_of(kernel)
        for narrow in (family, kernel.operator):
            if narrow in self.operators:
                return narrow
        return VECTOR_FAMILY if kernel.nest is None else _WIDER.get(family, family)

    def fit_of(self, kernel: Kernel) -> OperatorFit | None:
        """The fit of the kernel's family, or of all vector kernels; none where there is neither."""
        return self.operators.get(self.family_for(kernel))

    def seconds(self, kernel: Kernel) -> float:
        """The predicted time of a kernel; `UsageError` where its family has no fit."""
        fit = self.fit_of(kernel)
        if fit is None:
            raise UsageError(f"no fit for {kernel}; the families are {', '.join(self.operators)}")
        return float(predicted(fit, self.figures, shapes_of([kernel]))[0])


def family_of(kernel: Kernel) -> str:
    """The family that a kernel is fitted with: a kind of convolution, recurrent, broadcast, or its operator."""
    nest = kernel.nest
    if kernel.operator.startswith("conv") and nest is not None:
        if nest.depthwise:
            return "depthwise"
        return POINTWISE_FAMILY if is_pointwise(kernel) else "convolution"
    if kernel.operator in BINARY and kernel.input_elements < 2 * kernel.output_elements:
        return BROADCAST_FAMILY
    return RECURRENT_FAMILY if kernel.form == "sequence" else kernel.operator


def form_of(kernel: Kernel) -> ModelForm:
    """The form of model for a kernel."""
    if kernel.form == "sequence":
        return "sequence"
    return "vector" if kernel.nest is None or family_of(kernel) == "depthwise" else "product"


def fit_device(
    timings: Sequence[Timing], *, device: str, dtype: str, figures: DeviceFigures, source: str
) -> DeviceFit | None:
    """Fits of every family that has enough rows at an element type; none where no family has."""
    families: dict[str, list[Timing]] = {}
    for timing in timings:
        if timing.kernel.dtype != dtype:
            continue
        families.setdefault(family_of(timing.kernel), []).append(timing)
        if timing.kernel.nest is None:
            families.setdefault(VECTOR_FAMILY, []).append(timing)
    rows = {family: _rows(each) for family, each in sorted(families.items()) if len(each) >= MIN_ROWS}
    if not rows:
        return None
    learnt = ({family: each.take(halves(each.measured)[side][0]) for family, each in rows.items()} for side in (0, 1))
    kin, *halved_kin = (kin_of(each, figures) for each in (rows, *learnt))
    fits = {
        family: _fit(each, figures, kin.get(family), [half.get(family) for half in halved_kin])
        for family, each in rows.items()
    }
    method = "robust least squares of relative error; errors are of each half of the rows predicted from the other"
    return DeviceFit(device=device, dtype=dtype, figures=figures, operators=fits, method=method, source=source)


def fit_family(timings: Sequence[Timing], figures: DeviceFigures) -> OperatorFit:
    """The fit of one family's rows alone, with its error out of sample."""
    return _fit(_rows(timings), figures, None, (None, None))


def _rows(timings: Sequence[Timing]) -> Rows:
    measured = np.array([timing.median_us / US_PER_S for timing in timings])
    return Rows(form_of(timings[0].kernel), shapes_of([timing.kernel for timing in timings]), measured)


def _fit(
    rows: Rows, figures: DeviceFigures, kin: Constants | None, halved_kin: Sequence[Constants | None]
) -> OperatorFit:
    """The fit of some rows, with its error out of sample; the kin is of all families' rows, or of each half of them."""
    form, shapes, measured = rows
    errors = []
    for (train, test), half_kin in zip(halves(measured), halved_kin, strict=True):
        half, unseen = search(rows.take(train), figures, half_kin), rows.take(test)
        model = Model(form, half.tiles, shared=half.shared, figures=figures, shapes=unseen.shapes)
        errors.append(np.abs(model.seconds(half.constants) / unseen.measured - 1))
    found = search(rows, figures, kin)
    return OperatorFit(
        form=form,
        constants=rounded(found.constants),
        tiles=found.tiles,
        shared=found.shared,
        rows=len(measured),
        error_percent=percent(np.concatenate(errors)),
        roofline_error_percent=percent(np.abs(roofline_s(figures, shapes) / measured - 1)),
        seen=ends_of(form, shapes),
    )


def predicted(fit: OperatorFit, figures: DeviceFigures, shapes: Shapes) -> Floats:
    """Seconds that a fit predicts on a device of those figures."""
    return predict_s(fit.form, fit.constants, fit.tiles, shared=fit.shared, figures=figures, shapes=shapes)


def halves(measured: Floats) -> tuple[tuple[Ints, Ints], ...]:
    """Two ways to learn from one half of the rows and be judged on the other; both hold short kernels and long ones.

    Of each two that follow one another in time a coin sends one to either half; the same for the same times.
    """
    count = len(measured)
    coins = np.random.default_rng(count).integers(2, size=-(-count // 2))
    side = np.empty(count, dtype=np.int64)
    side[np.argsort(measured, kind="stable")] = (np.arange(count) + np.repeat(coins, 2)[:count]) % 2
    first, second = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    return (first, second), (second, first)


def outside(fit: OperatorFit, kernel: Kernel) -> tuple[str, ...]:
    """The sizes by which a kernel lies outside the rows that a fit was made from."""
    shapes = shapes_of([kernel])
    return tuple(name for name, (low, high) in fit.seen.items() if not low <= getattr(shapes, name)[0] <= high)


def rounded(constants: Mapping[str, float]) -> dict[str, float]:
    """Constants in five digits: more than any fit is worth, few enough to read."""
    return {name: float(f"{value:.5g}") for name, value in constants.items()}


def ends_of(form: ModelForm, shapes: Shapes) -> dict[str, tuple[int, int]]:
    """Smallest and largest of each size by which a form tells what lies inside."""
    sizes: dict[str, Floats] = {name: getattr(shapes, name) for name in SIZES[form]}
    return {name: (int(each.min()), int(each.max())) for name, each in sizes.items()}


def percent(errors: Floats) -> float:
    """The mean of relative errors."""
    return round(100 * float(errors.mean()), 2)


def fit_yaml(fit: DeviceFit) -> str:
    """The file's text: constants, rows and errors of each family, and no row of the measurements."""
    data = dataclasses.asdict(fit)
    data["figures"] = {name: value for name, value in data["figures"].items() if value is not None}
    data["operators"] = {
        family: {**each, "constants": dict(each["constants"])} for family, each in data["operators"].items()
    }
    header = (
        "# Constants fitted to measured kernels by `mensa-sim calibrate`; "
        "their meaning: mensa_sim/cost/measured/fits/model.py\n"
        "# error_percent: mean error on rows left out, beside that of the plain roofline of the figures.\n"
    )
    return header + write_yaml(data)


def kept_fit(table: Path, dtype: str, fit: Callable[[], DeviceFit | None]) -> DeviceFit | None:
    """The fit of a table's file at an element type from the cache, or made now and then kept; none stays none."""
    store = Store(cache_folder())
    entry = f"fit-{digest_of(table.name, dtype, files=[table], stage='cost', libraries=('numpy', 'scipy'))}"
    found = store.get_data(entry)
    if found is None:
        made = fit()
        store.put_data(entry, {"fit": None if made is None else dataclasses.asdict(made)})
        return made
    return None if found["fit"] is None else validate(found["fit"], DeviceFit, entry)
