"""Calibration: a few constants fitted to one half of a timing table, and judged on the other half."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mensa_sim.cost.layer_cost import STREAMED
from mensa_sim.cost.measured.file import read_timing_table
from mensa_sim.cost.measured.fits.fit import VECTOR_FAMILY, fit_device, fit_yaml, halves
from mensa_sim.cost.measured.table import Kernel, Timing, TimingTable
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import FileError, InfeasibleError, UsageError
from mensa_sim.hardware.accelerator import Device
from mensa_sim.hardware.fields import parts_of, place_of
from mensa_sim.hardware.files import load_system, system_files
from mensa_sim.hardware.system import System
from mensa_sim.io.atomic import write_atomically
from mensa_sim.io.files import write_yaml
from mensa_sim.lookup import unknown_name
from mensa_sim.records import dataclass
from mensa_sim.study.calibrate.request import CalibrateRequest
from mensa_sim.study.calibrate.system import calibrated_system
from mensa_sim.study.request.command import made_of
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.units import BITS_PER_BYTE, PS_PER_US, bits_to_bytes
from mensa_sim.workload.graph import LayerGraph
from mensa_sim.workload.layer import Layer, Parameter

_EVALUATIONS = 60
_LARGEST_FACTOR = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedKernels:
    """Kernels of one operator, or one family of them, that the constants were not fitted to."""

    operator: str
    rows: int
    error_percent: float
    """Mean of |predicted / measured - 1|."""
    error_before_percent: float
    """The same with the constants as they were, or of the plain roofline for a device."""
    elsewhere: int = 0
    """Of the rows, those that stand in another line too, with a fit of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration(Provenance):
    """What was fitted, to what, and how wrong it still is."""

    spec: str
    text: str
    """A file's content: fits of a device, or the changed fields of a spec."""
    fitted: dict[str, tuple[float, float]]
    """Each field's value before and after; empty for a device."""
    rows: int
    """Kernels that the constants were fitted to."""
    judged: tuple[JudgedKernels, ...]
    left_out: int = 0
    """Kernels of the table that the accelerator cannot run."""

    @property
    def error_percent(self) -> float:
        """Mean of |predicted / measured - 1| on kernels that nothing was fitted to, each by its own family's fit."""
        return self._mean([each.error_percent for each in self.judged])

    @property
    def error_before_percent(self) -> float:
        """The same with the constants as they were, or of the plain roofline for a device."""
        return self._mean([each.error_before_percent for each in self.judged])

    def _mean(self, percents: Sequence[float]) -> float:
        rows = _own_rows(self.judged)
        return sum(percent * count for percent, count in zip(percents, rows, strict=True)) / sum(rows)


def _own_rows(judged: Sequence[JudgedKernels]) -> list[int]:
    """Kernels that each fit is used for: that of all vector kernels serves those that have none of their own alone.

    The wide fit's rows hold those of the narrow ones, which so are not counted twice.
    """
    return [each.rows - each.elsewhere for each in judged]


def calibrate(request: CalibrateRequest) -> Calibration:
    """Fit constants of a spec or, where no field is named, a device's kernels; an output file is written."""
    measured = read_timing_table(Path(request.table))
    found = _of_spec(request, measured) if request.fields else _of_device(request, measured)
    files = [Path(request.table), *(system_files(request.spec) if request.fields else ())]
    if request.output is not None:
        write_atomically(Path(request.output), found.text)
    return replace(found, **made_of("calibrate", request, files))


def _of_device(request: CalibrateRequest, measured: TimingTable) -> Calibration:
    """Fits the kernels' efficiency on a device: `spec` names it, the text is a file for `timings` in its accelerator.

    Raises `UsageError` where no family of kernels has enough rows.
    """
    spec = request.spec
    chosen = _dtype(measured, request.dtype)
    source = (
        f"{measured.label}: {measured.conditions.device}, torch {measured.conditions.torch}, {measured.conditions.date}"
    )
    fit = fit_device(measured.timings, device=spec, dtype=chosen, figures=measured.figures(chosen), source=source)
    if fit is None:
        raise UsageError(f"{request.table}: no family of kernels has enough rows at {chosen} for a fit")
    alone = (timing.kernel for timing in measured.timings if timing.kernel.dtype == chosen and not timing.kernel.nest)
    narrow = sum(fit.family_for(kernel) != VECTOR_FAMILY for kernel in alone)
    judged = [
        JudgedKernels(
            operator=family,
            rows=each.rows,
            error_percent=each.error_percent,
            error_before_percent=each.roofline_error_percent,
            elsewhere=narrow if family == VECTOR_FAMILY else 0,
        )
        for family, each in fit.operators.items()
    ]
    rows = sum(_own_rows(judged))
    return Calibration(spec=spec, text=fit_yaml(fit), fitted={}, rows=rows, judged=tuple(judged))


def _of_spec(request: CalibrateRequest, measured: TimingTable) -> Calibration:
    """Fits named constants of an analytical system (or accelerator) with one accelerator to half of a table.

    `fields` are named as `--set` takes them: `accelerators.NAME.clock_hz`, `memories.NAME.efficiency`. At most `rows`
    kernels are used, evenly taken from the table. The text is a system's file, to lie in the folder of `output`.
    Raises `UsageError` for a field that is no positive number.
    """
    spec, fields, rows = request.spec, request.fields, request.rows
    chosen = _dtype(measured, request.dtype)
    system = load_system(spec)
    if len(system.accelerators) != 1 or isinstance(system.accelerators[0].spec, Device):
        raise UsageError(f"{spec}: calibrate needs one analytical accelerator, with its memory")
    before = [_value(spec, system, field) for field in fields]
    there = [timing for timing in measured.timings if timing.kernel.dtype == chosen and timing.kernel.form == "single"]
    step = max(1, len(there) / rows)
    tried = [there[int(index * step)] for index in range(min(rows, len(there)))]
    timings, refusal = _runnable(system, tried)
    if len(timings) < 4 or 2 * len(timings) < len(tried):
        why = f" ({refusal})" if refusal else ""
        raise UsageError(
            f"{request.table}: {len(timings)} of {len(tried)} kernels at {chosen} run on {system.name}, too few{why}"
        )
    (train, test), _ = halves(np.array([each.median_us for each in timings]))
    learn, judge = [timings[i] for i in train], [timings[i] for i in test]
    factors = _solve(spec, fields, before, learn)
    after = [_scaled(value, factor) for value, factor in zip(before, factors, strict=True)]
    judged = _judged(judge, *(_ratios(_system(spec, fields, values), judge) for values in (after, before)))
    fitted = {field: (old, new) for field, old, new in zip(fields, before, after, strict=True)}
    found = Calibration(
        spec=spec, text="", fitted=fitted, rows=len(learn), judged=judged, left_out=len(tried) - len(timings)
    )
    said = (
        f"{', '.join(fields)} fitted to {len(learn)} kernels of {measured.label} ({measured.conditions.device}); mean "
        f"error on {len(judge)} other kernels {found.error_percent:.1f} %, was {found.error_before_percent:.1f} %"
    )
    said += f"; kernels left out, as it cannot run them: {found.left_out}" if found.left_out else ""
    beside = Path(request.output or "").parent
    return replace(found, text=f"# {said}\n{write_yaml(calibrated_system(spec, fitted, said, beside))}")


def _judged(
    timings: Sequence[Timing], ratios: Sequence[float], ratios_before: Sequence[float]
) -> tuple[JudgedKernels, ...]:
    """Mean errors by operator; the ratios are predicted over measured, one for each timing."""
    errors: dict[str, list[tuple[float, float]]] = {}
    for timing, ratio, before in zip(timings, ratios, ratios_before, strict=True):
        errors.setdefault(timing.kernel.operator, []).append((abs(ratio - 1), abs(before - 1)))
    return tuple(
        JudgedKernels(
            operator=operator,
            rows=len(found),
            error_percent=100 * sum(after for after, _ in found) / len(found),
            error_before_percent=100 * sum(before for _, before in found) / len(found),
        )
        for operator, found in errors.items()
    )


def _dtype(table: TimingTable, dtype: str | None) -> str:
    if dtype is None and len(table.dtypes) == 1:
        return table.dtypes[0]
    if dtype is None or dtype not in table.dtypes:
        raise UsageError(f"{table.label}: has timings at {', '.join(table.dtypes)}; choose one with --dtype")
    return dtype


def _value(spec: str, system: System, field: str) -> float:
    """The number that a field holds now."""
    place = place_of(parts_of(field, "--field"), f"--field {field}")
    here: Any
    if place.owner == "accelerator" and place.accelerator == system.accelerators[0].name:
        here, parts = system.accelerators[0].spec, place.inside
    elif place.inside[0] == "memories" and len(place.inside) > 2 and place.inside[1] in system.memories:
        here, parts = system.memories[place.inside[1]], place.inside[2:]
    else:
        raise UsageError(
            f"--field {field}: use accelerators.{system.accelerators[0].name}.FIELD or memories.NAME.FIELD of {spec}"
        )
    for part in parts:
        names = _names(here)
        if names and part not in names:
            raise UsageError(f"--field {field}: {unknown_name(part, names, 'field')}")
        here = here[part] if isinstance(here, Mapping) else getattr(here, part, None)
    if isinstance(here, bool) or not isinstance(here, int | float) or not here > 0:
        raise UsageError(f"--field {field}: {spec} has no positive number there")
    return here if isinstance(here, int) else float(here)


def _names(record: object) -> list[str]:
    """The fields of a record, or the keys of a mapping."""
    if isinstance(record, Mapping):
        return list(record)
    return [each.name for each in dataclasses.fields(record)] if dataclasses.is_dataclass(record) else []


def _scaled(value: float, factor: float) -> float:
    return round(value * factor) if isinstance(value, int) else float(f"{value * factor:.6g}")


def _system(spec: str, fields: Sequence[str], values: Sequence[float]) -> System:
    return load_system(spec, [f"{field}={value!r}" for field, value in zip(fields, values, strict=True)])


def _solve(spec: str, fields: Sequence[str], before: Sequence[float], timings: Sequence[Timing]) -> Sequence[float]:
    """The factors on the fields that minimise the mean absolute logarithm of predicted over measured."""
    from scipy.optimize import minimize

    limit = math.log(_LARGEST_FACTOR)

    def cost(point: Any) -> float:
        values = [_scaled(value, math.exp(x)) for value, x in zip(before, point, strict=True)]
        try:
            system = _system(spec, fields, values)
        except (FileError, UsageError):
            return 1e3 + float(sum(abs(x) for x in point))
        ratios = _ratios(system, timings)
        return float(sum(abs(math.log(ratio)) for ratio in ratios) / len(ratios))

    corners = [[-0.3 if i == j else 0.0 for j in range(len(fields))] for i in range(len(fields))]
    options: Any = {
        "maxfev": _EVALUATIONS * len(fields),
        "xatol": 1e-3,
        "fatol": 1e-4,
        "initial_simplex": [[0.0] * len(fields), *corners],
    }
    solved = minimize(
        cost, [0.0] * len(fields), method="Nelder-Mead", bounds=[(-limit, limit)] * len(fields), options=options
    )
    return [math.exp(x) for x in solved.x]


def _priced(system: System, timings: Sequence[Timing]) -> Callable[[int], int]:
    """By a kernel's place its predicted time in ps; it raises `InfeasibleError` for one that cannot run."""
    layers = tuple(_layer(f"k{index}", timing.kernel) for index, timing in enumerate(timings))
    costs = price(LayerGraph(name="kernels", layers=layers, edges=()), system, "latency")
    return lambda index: costs.latency_ps(f"k{index}", system.accelerators[0].name, STREAMED)


def _ratios(system: System, timings: Sequence[Timing]) -> list[float]:
    """Predicted over measured time of each kernel."""
    latency_ps = _priced(system, timings)
    return [latency_ps(index) / (timing.median_us * PS_PER_US) for index, timing in enumerate(timings)]


def _runnable(system: System, timings: Sequence[Timing]) -> tuple[list[Timing], str]:
    """Kernels that the accelerator can run, and why it does not run the last of the others."""
    found, refusal = [], ""
    latency_ps = _priced(system, timings)
    for index, timing in enumerate(timings):
        try:
            latency_ps(index)
        except InfeasibleError as error:
            refusal = f"{timing.kernel}: {error}"
        else:
            found.append(timing)
    return found, refusal


def _layer(name: str, kernel: Kernel) -> Layer:
    """A layer that is this kernel, its elements as wide as the kernel's."""
    bits = kernel.element_bytes * BITS_PER_BYTE
    if kernel.nest is None:
        return Layer(
            name=name,
            operator=kernel.operator,
            vector_ops=kernel.vector_ops,
            input_bytes=kernel.input_elements * kernel.element_bytes,
            output_bytes=kernel.output_elements * kernel.element_bytes,
            parameter_bits=bits,
            activation_bits=bits,
        )
    weights = bits_to_bytes(kernel.nest.weight_elements * bits)
    attention = kernel.operator == "matmul"
    return Layer(
        name=name,
        operator=kernel.operator,
        nest=kernel.nest,
        parameters=() if attention else (Parameter(name=name, size_bytes=weights),),
        input_bytes=kernel.nest.input_elements * kernel.element_bytes + (weights if attention else 0),
        output_bytes=kernel.nest.output_elements * kernel.element_bytes,
        parameter_bits=bits,
        activation_bits=bits,
    )
