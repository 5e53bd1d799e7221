"""Predicted against measured silicon: rows with errors, and the constants that were fitted on such rows."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import correlation
from typing import TypeVar

from mensa_sim.errors import MensaError, UsageError
from mensa_sim.io.progress import Progress, silent
from mensa_sim.io.shipped import shipped_root
from mensa_sim.records import dataclass
from mensa_sim.study.run.provenance import Provenance
from mensa_sim.study.validate.file import Measurement, layer_apart, read_measurements
from mensa_sim.study.validate.fitted_constants import FITTED, may_be_fitted
from mensa_sim.study.validate.predict import Predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors of some rows."""

    rows: int
    mean_percent: float
    """Mean absolute percentage error."""
    max_percent: float
    spearman: float | None
    """None where fewer than two rows, or equal ones, leave it undefined."""


def error_percent(predicted: float, measured: float) -> float:
    """Signed error in percent of the measured value.

    >>> error_percent(predicted=3.0, measured=2.0)
    50.0
    """
    return 100 * (predicted - measured) / measured


def score(pairs: Sequence[tuple[float, float]]) -> Score:
    """The score of (predicted, measured) pairs of one metric, at least one."""
    errors = [abs(error_percent(predicted, measured)) for predicted, measured in pairs]
    return Score(
        rows=len(pairs),
        mean_percent=math.fsum(errors) / len(errors),
        max_percent=max(errors),
        spearman=spearman([p for p, _ in pairs], [m for _, m in pairs]),
    )


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; none where it is undefined.

    >>> spearman([1, 2, 3], [10, 20, 15])
    0.5
    """
    if len(set(first)) < 2 or len(set(second)) < 2:
        return None
    from scipy.stats import rankdata

    return correlation(rankdata(first).tolist(), rankdata(second).tolist())  # exact for ranks: equal orders give 1.0


SHIPPED_MEASUREMENTS = Path(__file__).with_name("published.csv")
"""The vendor's public table and single published facts of Eyeriss, each row with its source."""
MAX_PERCENT = 1e9
"""A choice: beyond this error, prediction and measurement are not of one thing, and a mean over them says nothing."""


GroupKey = tuple[str, str, str]
"""System, metric and group of rows that are scored together."""


ROLES = {True: "fit", False: "test"}
"""What a row is for the shipped constants: it may have been fitted on, or it only tests them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRow:
    """One measurement beside its prediction."""

    measurement: Measurement
    predicted: float
    roofline: float | None = None
    """Of a time or a rate, what the plain roofline says."""

    @property
    def error_percent(self) -> float:
        """Signed, in percent of the measured value."""
        return error_percent(self.predicted, self.measurement.measured)

    @property
    def may_be_fitted(self) -> bool:
        """Whether shipped constants may have been fitted on this row; the others test them."""
        of = self.measurement
        return of.known and (of.system, of.metric) in FITTED and may_be_fitted(of.workload, of.system, of.metric)

    @property
    def role(self) -> str:
        """What it is for the shipped constants."""
        return ROLES[self.may_be_fitted]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """Errors of rows of one metric, of those that constants may be fitted on apart from the others'."""

    fitted: Score | None
    """How near a fit comes to its own rows."""
    others: Score | None
    """What may be expected of a row that nobody has seen."""
    roofline_percent: float | None
    """The plain roofline's mean absolute error over the others, or over all where there are none; none where it says
    nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A measurement without a prediction, and why."""

    measurement: Measurement
    reason: str
    mistaken: bool = False
    """Whether that is of what the user wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult(Provenance):
    """All rows of a validation, in the order of the measurements."""

    rows: tuple[ValidationRow, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def groups(self) -> Mapping[GroupKey, GroupScore]:
        """By system, metric and group, in order of first appearance."""
        of = (row.measurement for row in self.rows)
        return _scored(self.rows, [(each.system, each.metric, each.group) for each in of])

    @property
    def metrics(self) -> Mapping[str, GroupScore]:
        """All systems together, by metric: errors of a time and of bytes in one mean would say nothing.

        A layer counts as a part of its network where that is measured on the same system too, not once more.
        """
        of = (row.measurement for row in self.rows)
        figures = {(each.workload_path, each.system_path, each.metric) for each in of}
        rows: list[ValidationRow] = []
        for row in self.rows:
            workload, *layer = layer_apart(row.measurement.workload_path)
            if not layer or (workload, row.measurement.system_path, row.measurement.metric) not in figures:
                rows.append(row)
        return _scored(rows, [row.measurement.metric for row in rows])


Key = TypeVar("Key", bound=Hashable)


def _scored(rows: Sequence[ValidationRow], keys: Sequence[Key]) -> Mapping[Key, GroupScore]:
    members: dict[Key, list[ValidationRow]] = {}
    for key, row in zip(keys, rows, strict=True):
        members.setdefault(key, []).append(row)
    return {key: _group_score(own) for key, own in members.items()}


def _group_score(rows: Sequence[ValidationRow]) -> GroupScore:
    fitted = [row for row in rows if row.may_be_fitted]
    others = [row for row in rows if not row.may_be_fitted]
    roofline = [(row.roofline, row.measurement.measured) for row in others or fitted if row.roofline is not None]
    return GroupScore(
        fitted=_score(fitted),
        others=_score(others),
        roofline_percent=score(roofline).mean_percent if roofline else None,
    )


def _score(rows: Sequence[ValidationRow]) -> Score | None:
    return score([(row.predicted, row.measurement.measured) for row in rows]) if rows else None


def validate(
    measurements: Sequence[Measurement], *, allow_code: bool = False, cache: bool = True, progress: Progress = silent
) -> ValidateResult:
    """Predict every measurement; one that the model refuses is a failure with its reason, never a number."""
    predictor = Predictor(allow_code=allow_code, cache=cache)
    rows: list[ValidationRow] = []
    failures: list[Failure] = []
    for count, each in enumerate(measurements, start=1):
        try:
            figure = (each.workload_path, each.system_path, each.metric, each.lengths)
            predicted, roofline = predictor.predict(*figure), predictor.roofline(*figure)
            row = ValidationRow(measurement=each, predicted=predicted, roofline=roofline)
            if abs(row.error_percent) > MAX_PERCENT:
                raise MensaError(
                    f"measured {each.measured:g}, predicted {predicted:g}: no error in percent compares them"
                )
            rows.append(row)
        except MensaError as error:
            failures.append(Failure(measurement=each, reason=str(error), mistaken=isinstance(error, UsageError)))
        progress(count, len(measurements), each.workload)
    return ValidateResult(rows=tuple(rows), failures=tuple(failures))


def shipped_measurements() -> tuple[Measurement, ...]:
    """What the project ships: public tables and facts, and whole models that were timed beside their kernels."""
    rows = (row for path in shipped_files_of_measurements() for row in read_measurements(path))
    return tuple(replace(row, known=True) for row in rows)


def shipped_files_of_measurements() -> tuple[Path, ...]:
    """The files that hold them."""
    models = sorted((shipped_root() / "accelerator_specs" / "measured").glob("*_models.csv"))
    return (SHIPPED_MEASUREMENTS, *models)
